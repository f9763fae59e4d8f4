"""Starts children, waits until they serve, restarts those that die, stops them in order."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

from laptop.child import Child, Command

PROBE_INTERVAL_S: Final = 0.05
FIRST_BACKOFF_S: Final = 0.2
LAST_BACKOFF_S: Final = 5.0
STEADY_AFTER_S: Final = 10.0
STOP_GRACE_S: Final = 8.0


class StartFailed(Exception):
    """A child exited, or never came to serve; the text has the end of its log."""


class Supervisor:
    """The children of one installation, in the order they were started."""

    def __init__(self, log_folder: Path, say: Callable[[str], None]) -> None:
        self._log_folder = log_folder
        self._say = say
        self.children: list[Child] = []
        self._watches: list[asyncio.Task[None]] = []

    async def start(self, commands: Iterable[Command], timeout_s: float) -> None:
        """Starts commands side by side and waits until each serves, or raises StartFailed."""
        children = [
            Child(command, self._log_folder / f"{command.name}.log") for command in commands
        ]
        for child in children:
            self.children.append(child)
            await child.start()
        waits = [asyncio.create_task(_wait_serving(child, timeout_s)) for child in children]
        try:
            await asyncio.gather(*waits)
        finally:
            for wait in waits:
                wait.cancel()
        self._watches += [asyncio.create_task(self._keep_running(child)) for child in children]

    async def _keep_running(self, child: Child) -> None:
        """Restarts the child whenever it ends: soon at first, later if it keeps ending."""
        clock = asyncio.get_running_loop().time
        backoff_s = FIRST_BACKOFF_S
        while True:
            started_at = clock()
            status = await child.wait()
            if clock() - started_at > STEADY_AFTER_S:
                backoff_s = FIRST_BACKOFF_S
            name = child.command.name
            self._say(f"{name} ended ({describe_exit(status)}); restarting in {backoff_s:g} s")
            await child.stop(0)
            await asyncio.sleep(backoff_s)
            backoff_s = min(backoff_s * 2, LAST_BACKOFF_S)
            await child.start()

    async def stop(self, grace_s: float = STOP_GRACE_S) -> None:
        """Stops every child, the last started first. Nothing is left running."""
        for watch in self._watches:
            watch.cancel()
        await asyncio.gather(*self._watches, return_exceptions=True)
        for child in reversed(self.children):
            await child.stop(grace_s)
        self.children.clear()
        self._watches.clear()

    def kill(self) -> None:
        """Ends every child at once, without grace."""
        for child in self.children:
            child.kill()


async def _wait_serving(child: Child, timeout_s: float) -> None:
    ended = asyncio.create_task(child.wait())
    try:
        async with asyncio.timeout(timeout_s):
            while not await child.command.probe():
                await asyncio.wait([ended], timeout=PROBE_INTERVAL_S)
                if ended.done():
                    raise _failure(child, f"ended ({describe_exit(ended.result())})")
    except TimeoutError:
        raise _failure(child, f"did not come to serve within {timeout_s:g} s") from None
    finally:
        ended.cancel()


def _failure(child: Child, what: str) -> StartFailed:
    tail = child.log_tail()
    return StartFailed(f"{child.command.name} {what}; its log ({child.log}) ends:\n{tail}")


def describe_exit(status: int) -> str:
    """An exit status in words."""
    return f"signal {-status}" if status < 0 else f"exit status {status}"
