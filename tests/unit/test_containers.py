"""Image and Compose file: what no container engine is needed to see."""

import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import pytest
from ruamel.yaml import YAML

from workers.settings import OUTSIDE, PREFIX, Settings

ROOT: Final = Path(__file__).resolve().parents[2]
COMPOSE: Final[Mapping[str, Any]] = YAML(typ="safe").load(ROOT / "compose.yaml")
SERVICES: Final[Mapping[str, Any]] = COMPOSE["services"]
DOCKERFILE: Final = (ROOT / "Dockerfile").read_text(encoding="utf-8")
PROJECT: Final = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PACKAGES: Final = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
PRODUCTION: Final = ROOT / "requirements-production.lock"
VARIABLES: Final = {PREFIX + name.upper() for name in Settings.model_fields}
EDITED: Final = re.compile(r"^([a-z0-9._-]+)==([^ ;]+)", re.MULTILINE)


def locked(lock: Path) -> dict[str, str]:
    return dict(EDITED.findall(lock.read_text(encoding="utf-8")))


def one_shot(service: Mapping[str, Any]) -> bool:
    return service.get("restart") == "no"


def builds(service: Mapping[str, Any]) -> bool:
    return "build" in service


def test_compose_is_of_its_specification() -> None:
    checker = [sys.executable, "-m", "check_jsonschema"]
    done = subprocess.run(  # noqa: S603 - our own development tool, with fixed arguments
        [*checker, "--builtin-schema", "vendor.compose-spec", "compose.yaml"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", SERVICES)
def test_service_says_whether_it_is_well_or_ends(name: str) -> None:
    service = SERVICES[name]
    own = "test" in service.get("healthcheck", {})
    images = builds(service) and re.search(r"^HEALTHCHECK ", DOCKERFILE, re.MULTILINE)
    assert one_shot(service) or own or images
    assert one_shot(service) != (service["restart"] == "unless-stopped")


@pytest.mark.parametrize("name", SERVICES)
def test_image_is_of_one_major(name: str) -> None:
    image = SERVICES[name]["image"]
    assert builds(SERVICES[name]) or re.fullmatch(r"[a-z]+:\d+(-[a-z]+)?", image)


@pytest.mark.parametrize("name", SERVICES)
def test_service_waits_for_what_it_needs(name: str) -> None:
    for needed, how in SERVICES[name].get("depends_on", {}).items():
        ending = "service_completed_successfully" if one_shot(SERVICES[needed]) else None
        assert how["condition"] == (ending or "service_healthy")


def test_workers_wait_for_servers_and_topology() -> None:
    assert set(SERVICES["workers"]["depends_on"]) == set(SERVICES) - {"workers"}
    assert SERVICES["workers"]["scale"] == 2
    assert "command" not in SERVICES["workers"]


@pytest.mark.parametrize("name", SERVICES)
def test_no_secret_has_a_default(name: str) -> None:
    """A password that is not set must stop the start, not become one that everybody knows."""
    for variable, value in SERVICES[name].get("environment", {}).items():
        told = re.findall(r"\$\{([A-Z_]+)(:[?-])?", str(value))
        secret = [how for given, how in told if re.search("PASS|KEY|SECRET", given)]
        assert set(secret) <= {":?"}, variable
        if re.search("PASS|KEY|SECRET", variable):
            assert secret, f"{variable} is written in the file"
        else:
            # An address with a password in it, such as amqp://name:word@host.
            assert re.search(r"://[^/$]*:[^/$@]+@", str(value)) is None, variable


@pytest.mark.parametrize("name", [name for name in SERVICES if builds(SERVICES[name])])
def test_program_gets_settings_that_it_knows(name: str) -> None:
    given = set(SERVICES[name]["environment"])
    assert given <= VARIABLES
    assert {"FLEXSPINE_AMQP_URL", "FLEXSPINE_MANAGEMENT_URL", "FLEXSPINE_MONGO_URL"} <= given
    assert "FLEXSPINE_MASTER_KEY" in given


def test_image_sets_what_the_program_knows() -> None:
    assert set(re.findall(rf"{PREFIX}[A-Z_]+", DOCKERFILE)) <= VARIABLES | OUTSIDE


def test_only_the_topology_has_the_administrators_login() -> None:
    with_login = [
        name
        for name, service in SERVICES.items()
        if "@" in service.get("environment", {}).get("FLEXSPINE_AMQP_URL", "")
    ]
    assert with_login == ["topology"]


def test_ports_are_opened_on_this_machine_only() -> None:
    ports = [port for service in SERVICES.values() for port in service.get("ports", ())]
    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_member_of_the_set_is_where_the_workers_look() -> None:
    (initiate,) = [word for word in SERVICES["mongodb"]["healthcheck"]["test"] if "rs." in word]
    member = re.search(r'host: "([a-z]+:\d+)"', initiate)
    assert member is not None
    assert f"//{member[1]}/" in SERVICES["workers"]["environment"]["FLEXSPINE_MONGO_URL"]
    assert member[1].partition(":")[0] == SERVICES["mongodb"]["hostname"] == "mongodb"


def test_stop_waits_as_long_as_the_program_may_take() -> None:
    grace_s = int(SERVICES["workers"]["stop_grace_period"].removesuffix("s"))
    assert grace_s > 2 * Settings.model_fields["stop_timeout_s"].default


# The image.


def copied() -> set[str]:
    """What the Dockerfile copies out of the checkout."""
    lines = re.findall(r"^COPY (?!--from)(.+)$", DOCKERFILE, re.MULTILINE)
    return {source for line in lines for source in line.split()[:-1]}


def test_image_has_every_package_and_what_the_program_reads() -> None:
    assert set(PACKAGES) | {"examples", "pyproject.toml", PRODUCTION.name} == copied()


def test_context_has_nothing_else() -> None:
    rules = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    stated = [rule for rule in rules if rule and not rule.startswith("#")]
    assert stated[0] == "*"
    assert {rule[1:] for rule in stated if rule.startswith("!")} == copied()


def test_image_runs_workers_as_nobody_in_particular() -> None:
    assert re.findall(r"^USER (.+)$", DOCKERFILE, re.MULTILINE) == ["flexspine"]
    (command,) = re.findall(r"^CMD (.+)$", DOCKERFILE, re.MULTILINE)
    assert json.loads(command) == ["flexspine", "work"]
    stages = re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE)
    assert stages == ["python:3.11-slim"] * 2


def test_image_is_judged_by_its_own_worker() -> None:
    """Workers say that they are there under their host's name, so each container needs its own."""
    (command,) = re.findall(r"^HEALTHCHECK [^\n]*\\\n +CMD (.+)$", DOCKERFILE, re.MULTILINE)
    assert json.loads(command) == ["flexspine", "doctor", "--quick"]
    assert "hostname" not in SERVICES["workers"]


def test_image_is_installed_by_hash() -> None:
    install = re.search(r"pip install[^&]*", DOCKERFILE)
    assert install is not None
    assert "--require-hashes" in install[0]
    assert PRODUCTION.name in install[0]


# The lock of what runs.


def test_what_runs_is_what_is_tested() -> None:
    production, all_of_it = locked(PRODUCTION), locked(ROOT / "requirements.lock")
    assert production.items() <= all_of_it.items()


def test_production_has_every_dependency_and_no_tool() -> None:
    def named(requirements: list[str]) -> set[str]:
        return {re.split(r"[^a-z0-9.-]", one, maxsplit=1)[0] for one in requirements}

    production = set(locked(PRODUCTION))
    assert named(PROJECT["project"]["dependencies"]) <= production
    for group in ("dev", "analysis"):
        assert named(PROJECT["dependency-groups"][group]).isdisjoint(production)


def test_every_package_has_its_hashes() -> None:
    text = PRODUCTION.read_text(encoding="utf-8")
    blocks = re.split(r"^(?=[a-z0-9])", text, flags=re.MULTILINE)
    assert all("--hash=sha256:" in block for block in blocks if EDITED.match(block))


BARE: Final = """
import importlib.metadata as metadata, pathlib, re, sys
kept = set(re.findall(r"^([a-z0-9._-]+)==", pathlib.Path(sys.argv[1]).read_text(), re.MULTILINE))
normal = lambda name: re.sub(r"[-_.]+", "-", name).lower()
modules = metadata.packages_distributions()
tools = {m for m, names in modules.items() if not {normal(n) for n in names} & kept}

class Bare:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in tools:
            raise ModuleNotFoundError(f"{name} is not in the image", name=name)

sys.meta_path.insert(0, Bare())
import workers.app, workers.cli.main
workers.cli.main.build()
assert {"pytest", "splink", "duckdb", "pyarrow"} <= tools and "aio_pika" not in tools
"""


def test_the_program_needs_no_tool() -> None:
    """As in the image: whatever the production lock does not name cannot be imported."""
    done = subprocess.run(  # noqa: S603 - our own interpreter and words
        [sys.executable, "-c", BARE, str(PRODUCTION)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
