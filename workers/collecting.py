"""How a collector of spans is reached: its address and OpenTelemetry's own variables, judged."""

import re
import ssl
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

OWN: Final = "OTEL_EXPORTER_OTLP_"
TRACES: Final = f"{OWN}TRACES_"
HEADER: Final = re.compile(r"[!#-'*+.0-9A-Z^-z|~-]+[ \t]*=[ \t!#-+\-./0-:<-\[\]-~]*")
"""A name and a value in the characters that OpenTelemetry takes; others it leaves out."""


def is_whole(address: str) -> bool:
    """Whether it says how, where and at which path; a port has to be one that there may be."""
    try:
        parts = urlsplit(address)
        has_port = parts.port != 0
    except ValueError:
        return False
    is_http = parts.scheme in {"http", "https"} and not any(map(str.isspace, address))
    # With one of these in it unquoted, a password ends the host and goes on as path or query.
    has_rest = "@" in parts.path + parts.query + parts.fragment
    return is_http and has_port and not has_rest and bool(parts.hostname) and len(parts.path) > 1


def shown(address: str) -> str:
    """Neither the login nor what comes behind a question mark is anybody else's to read."""
    front, _, behind = address.partition("?")
    # Whether such an @ ends a login or stands in the query, nobody can tell.
    return "one with @ behind ?" if "@" in behind else front.rpartition("@")[2]


def faults(variables: Mapping[str, str]) -> list[str]:
    """What OpenTelemetry would leave out without a word, or fail at with each span."""
    return [*_of_headers(variables), *_of_certificates(variables)]


def _of_headers(variables: Mapping[str, str]) -> list[str]:
    name = _set(variables, "HEADERS")
    given = [part.strip() for part in variables.get(name, "").split(",") if part.strip()]
    wrong = [str(n) for n, part in enumerate(given, 1) if not HEADER.fullmatch(part)]
    if not wrong:
        return []
    said = (
        f"expected {name} of name=value with commas between, got something else as number "
        f'{", ".join(wrong)} of {len(given)}; write = behind the name, and a comma, ;, \\ or " in '
        "a value as %2C, %3B, %5C or %22"
    )
    return [said]


def _of_certificates(variables: Mapping[str, str]) -> list[str]:
    trusted, own, key = (
        _set(variables, what) for what in ("CERTIFICATE", "CLIENT_CERTIFICATE", "CLIENT_KEY")
    )
    found = []
    if path := variables.get(trusted):
        found += _unread({trusted: path}, partial(_trust, path))
    if path := variables.get(own):
        given = {own: path} | ({key: variables[key]} if variables.get(key) else {})
        found += _unread(given, partial(_show, path, variables.get(key) or None))
    return found


def _trust(path: str) -> None:
    """A folder is taken as well, where each certificate is looked for when it is needed."""
    if not Path(path).is_dir():
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(path)


def _show(path: str, key: str | None) -> None:
    """A key with a password would else ask for it where nobody is."""
    ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_cert_chain(path, key, password="")


def _unread(given: Mapping[str, str], reading: Callable[[], None]) -> list[str]:
    try:
        reading()
    except OSError as error:
        names, paths = " and ".join(given), " and ".join(map(repr, given.values()))
        said = (
            f"expected {names} in PEM, without a password, got {paths} and "
            f"{type(error).__qualname__}; name what this process can read"
        )
        return [said]
    return []


def _set(variables: Mapping[str, str], what: str) -> str:
    """The variable that is for traces alone goes before the one that is for all."""
    return TRACES + what if variables.get(TRACES + what) else OWN + what
