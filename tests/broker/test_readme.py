"""The README's own words, executed: a newcomer who types them sees what it says."""

import os
import re
import signal
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from threading import Thread
from typing import Final

import pytest

from tests.servers import absent
from workers.embedded import ServerMissing
from workers.embedded.broker import find_rabbitmq
from workers.embedded.database import find_mongod

pytestmark = [pytest.mark.connected, pytest.mark.timeout(180)]

ROOT: Final = Path(__file__).resolve().parents[2]
README: Final = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS: Final = re.findall(r"^```sh\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def newcomer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, str]]:
    """What `make run` does, in a folder of its own; ended as Ctrl-C would."""
    try:
        find_rabbitmq()
        find_mongod()
    except ServerMissing as missing:
        absent(str(missing))
    folder = tmp_path_factory.mktemp("newcomer")
    outside = {k: v for k, v in os.environ.items() if not k.startswith("FLEXSPINE_AMQP")}
    environment = {**outside, "FLEXSPINE_FOLDER": str(folder)}
    log = folder / "up.log"
    with log.open("w") as output:
        process = subprocess.Popen(
            [".venv/bin/flexspine", "up", "--play", "examples/first-steps.jsonl"],
            cwd=ROOT,
            env=environment,
            stdout=output,
            stderr=output,
        )
    try:
        _wait_for("Ready. 20 example lines played; 7 are refused on purpose.", log, process)
        yield environment
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(60)
    assert process.returncode == 0, log.read_text()


def _wait_for(words: str, log: Path, process: subprocess.Popen[bytes]) -> None:
    """Follow the log until the words are in it; the test's own time is the limit."""
    # To `tail`, who has ended is there until somebody has waited for it.
    Thread(target=process.wait, daemon=True).start()
    following = subprocess.Popen(
        ["tail", "-n", "+1", "-F", f"--pid={process.pid}", str(log)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert following.stdout is not None
    with following:
        found = any(words in line for line in following.stdout)
        following.kill()
    assert found, log.read_text()


def test_each_block_does_what_the_readme_says(newcomer: Mapping[str, str]) -> None:
    seen = [_run(block, newcomer) for block in BLOCKS]
    sent, again, watched, offline, schemas = seen
    assert '"type":"asset.register.accepted.v1"' in sent
    assert '"correlationid":"hello-asset"' in sent
    assert again.count("\n") == 2
    assert sent.endswith(again)
    assert '"type":"asset.registered.v1"' in watched
    assert '"causationid":"hello-asset"' in watched
    assert offline.count('"type":"asset.register.accepted.v1"') == 1
    assert "https://json-schema.org/draft/2020-12/schema" in schemas


def test_a_second_up_refuses_and_leaves_the_servers_alone(newcomer: Mapping[str, str]) -> None:
    second = subprocess.run(
        [".venv/bin/flexspine", "up"],
        cwd=ROOT,
        env=newcomer,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert second.returncode == 2
    assert "already runs in" in second.stderr
    assert "Traceback" not in second.stderr
    assert "accepted" in _run(".venv/bin/flexspine send examples/hello.jsonl", newcomer)


def test_send_ends_with_one_where_anything_is_rejected(newcomer: Mapping[str, str]) -> None:
    sent = [".venv/bin/flexspine", "send", "examples/first-steps.jsonl", "--json"]
    done = subprocess.run(
        sent, cwd=ROOT, env=newcomer, capture_output=True, text=True, timeout=60, check=False
    )
    assert '"outcome": "rejected"' in done.stdout
    assert done.returncode == 1, done.stderr


def _run(block: str, environment: Mapping[str, str], limit_s: float = 60) -> str:
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", block],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=limit_s,
        check=False,
    )
    assert done.returncode == 0, f"{block}\n{done.stdout}\n{done.stderr}"
    return done.stdout
