"""Children: started, watched, restarted, and gone in the end."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from laptop.child import Child, Command, keep_log_small
from laptop.supervisor import StartFailed, Supervisor, describe_exit

TIMEOUT_S = 10.0
FOREVER = "import time; print('up', flush=True); time.sleep(600)"


async def always() -> bool:
    return True


async def never() -> bool:
    return False


def python(name: str, code: str, probe: Callable[[], object] = always) -> Command:
    return Command(name, (sys.executable, "-S", "-c", code), os.environ, probe)  # type: ignore[arg-type]


@pytest.fixture
async def supervisor(tmp_path: Path) -> AsyncIterator[Supervisor]:
    supervisor = Supervisor(tmp_path, said.append)
    said.clear()
    yield supervisor
    await supervisor.stop(TIMEOUT_S)


said: list[str] = []


async def wait_until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(TIMEOUT_S):
        while not condition():  # noqa: ASYNC110 - other processes set no event
            await asyncio.sleep(0.005)


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        state = Path(f"/proc/{pid}/stat").read_text().split()[2]
    except (ProcessLookupError, FileNotFoundError):
        return False
    return state != "Z"


async def test_a_child_that_ends_is_started_again(supervisor: Supervisor, tmp_path: Path) -> None:
    await supervisor.start([python("one", FOREVER)], TIMEOUT_S)
    log = tmp_path / "one.log"
    await wait_until(lambda: log.read_text().count("up") == 1)

    supervisor.kill()
    await wait_until(lambda: log.read_text().count("up") == 2)

    assert said == ["one ended (signal 9); restarting in 0.2 s"]


async def test_a_child_that_cannot_start_says_why(supervisor: Supervisor) -> None:
    broken = python("broken", "import sys; sys.exit('no pepper')", never)

    with pytest.raises(StartFailed, match=r"(?s)broken ended \(exit status 1\).*no pepper"):
        await supervisor.start([python("fine", FOREVER), broken], TIMEOUT_S)


async def test_a_child_that_never_serves_is_given_up(supervisor: Supervisor) -> None:
    with pytest.raises(StartFailed, match="did not come to serve within"):
        await supervisor.start([python("mute", FOREVER, never)], 0.05)


async def test_stopping_leaves_nothing(supervisor: Supervisor, tmp_path: Path) -> None:
    deaf = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN);" + FOREVER
    grandchild = (
        "import subprocess, sys;"
        f"print(subprocess.Popen([sys.executable, '-c', {FOREVER!r}]).pid, flush=True);"
    )
    commands = [python("deaf", deaf), python("parent", grandchild + FOREVER)]
    await supervisor.start(commands, TIMEOUT_S)
    logs = [tmp_path / "deaf.log", tmp_path / "parent.log"]
    await wait_until(lambda: [log.read_text().count("up") for log in logs] == [1, 2])
    pids = [child.pid for child in supervisor.children]
    pids += [int(line) for line in logs[1].read_text().split() if line.isdecimal()]

    await supervisor.stop(0.05)

    assert len(pids) == 3
    await wait_until(lambda: not any(is_alive(pid) for pid in pids if pid))


async def test_a_child_is_asked_before_it_is_killed(tmp_path: Path) -> None:
    polite = (
        "import signal, sys; signal.signal(signal.SIGTERM, lambda *_: sys.exit(print('bye')));"
        + FOREVER
    )
    child = Child(python("polite", polite), tmp_path / "polite.log")
    await child.start()
    await wait_until(lambda: "up" in child.log.read_text())

    await child.stop(TIMEOUT_S)

    assert child.log_tail() == "up\nbye"
    assert await child.wait() == 0


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux signals a parent's death")
async def test_a_child_dies_with_its_parent(tmp_path: Path) -> None:
    parent = f"""
import asyncio, os, pathlib, sys
from laptop.child import Child, Command

async def probe(): return True

async def main():
    command = Command("c", (sys.executable, "-S", "-c", {FOREVER!r}), os.environ, probe)
    child = Child(command, pathlib.Path({str(tmp_path / "c.log")!r}))
    await child.start()
    print(child.pid, flush=True)
    await child.wait()

asyncio.run(main())
"""
    process = subprocess.Popen(  # noqa: ASYNC220 - it has to be killed, not awaited
        [sys.executable, "-c", parent], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    child = int(process.stdout.readline())
    log = tmp_path / "c.log"
    await wait_until(lambda: "up" in log.read_text())

    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()

    await wait_until(lambda: not is_alive(child))


def test_logs_stay_small(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    log.write_bytes(b"")
    os.truncate(log, 17 * 1024 * 1024)

    keep_log_small(log)
    keep_log_small(log)

    assert [path.name for path in tmp_path.iterdir()] == ["a.log.1"]


def test_exits_in_words() -> None:
    assert describe_exit(3) == "exit status 3"
    assert describe_exit(-9) == "signal 9"
