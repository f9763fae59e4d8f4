"""One child process: started on a leash, in a group of its own, logging to a file."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

Probe = Callable[[], Awaitable[bool]]
"""Whether the child serves now; raises nothing."""

_LEASH: Final = str(Path(__file__).with_name("leash.py"))
_MAX_LOG_BYTES: Final = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Command:
    """What to run, with which environment, and how to see that it serves."""

    name: str
    argv: tuple[str, ...]
    environ: Mapping[str, str]
    probe: Probe
    # Descriptors the child keeps open.
    pass_fds: tuple[int, ...] = ()


@dataclass(slots=True)
class Child:
    """A command that runs, or ran."""

    command: Command
    log: Path
    _process: asyncio.subprocess.Process | None = field(default=None, init=False)

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.returncode is None

    @property
    def pid(self) -> int | None:
        """The process's id, once it was started."""
        return self._process.pid if self._process else None

    async def start(self) -> None:
        """Starts the command; its output is appended to the log."""
        keep_log_small(self.log)
        descriptor = os.open(self.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-I", "-S", _LEASH, str(os.getpid())),
                *self.command.argv,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=descriptor,
                stderr=descriptor,
                env=dict(self.command.environ),
                # Its own group: Ctrl-C reaches the supervisor only, which stops in order.
                start_new_session=True,
                pass_fds=self.command.pass_fds,
            )
        finally:
            os.close(descriptor)

    async def wait(self) -> int:
        """Until it exits; its exit status (negative: the signal)."""
        if self._process is None:
            raise RuntimeError(f"{self.command.name} was not started")
        return await self._process.wait()

    async def stop(self, grace_s: float) -> None:
        """SIGTERM, and after the grace SIGKILL to whatever is left of its group."""
        if self._process is None:
            return
        if self.is_running:
            with contextlib.suppress(ProcessLookupError):
                self._process.terminate()
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._process.wait(), grace_s)
        self.kill()
        await self._process.wait()

    def kill(self) -> None:
        """SIGKILL to its whole group."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)

    def log_tail(self, lines: int = 12) -> str:
        """The last lines of its log."""
        with contextlib.suppress(OSError):
            text = self.log.read_text(encoding="utf-8", errors="replace")
            return "\n".join(text.rstrip().split("\n")[-lines:])
        return ""


def keep_log_small(path: Path) -> None:
    """Moves a log that has grown large aside, in place of the one moved before."""
    with contextlib.suppress(FileNotFoundError):
        if path.stat().st_size > _MAX_LOG_BYTES:
            path.replace(path.with_suffix(".log.1"))
