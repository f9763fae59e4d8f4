"""Runs a command as a container would: ``python -I -S enter_pod.py SPEC COMMAND…``, as root.

SPEC is a file of JSON: ``hostname``; ``lower``, the file system it sees; ``scratch``, a folder on
which its own copy of that lies; ``binds``, of [source, target, is it read-only]; ``user`` and
``group``. The root is read-only, no privilege is left, and the command ends with its parent.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import socket
import sys
from pathlib import Path

_NEWNS, _NEWUTS, _NEWIPC = 0x00020000, 0x04000000, 0x08000000
_RDONLY, _REMOUNT, _BIND, _REC, _PRIVATE = 1, 32, 4096, 16384, 1 << 18
_PR_SET_PDEATHSIG, _PR_SET_NO_NEW_PRIVS = 1, 38
_LIBC = ctypes.CDLL(None, use_errno=True)


def main() -> None:
    spec, command = json.loads(Path(sys.argv[1]).read_text()), sys.argv[2:]
    parent = os.getppid()
    _check(_LIBC.unshare(_NEWNS | _NEWUTS | _NEWIPC), "unshare")
    _mount("none", "/", "", _REC | _PRIVATE)
    root = _make_root(spec["lower"], Path(spec["scratch"]))
    for source in ("/proc", "/dev"):
        _bind(source, root, source, flags=_REC)
    for source, target, is_read_only in spec["binds"]:
        _bind(source, root, target)
        if is_read_only:
            _mount("none", f"{root}{target}", "", _REMOUNT | _BIND | _RDONLY)
    _mount("none", str(root), "", _REMOUNT | _BIND | _RDONLY)
    socket.sethostname(spec["hostname"])
    os.chroot(root)
    os.chdir("/")
    os.setgroups([])
    os.setresgid(*[spec["group"]] * 3)
    os.setresuid(*[spec["user"]] * 3)
    _LIBC.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    # Another user was another request: it is made anew.
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    if os.getppid() != parent:
        sys.exit(1)
    os.execvp(command[0], command)


def _make_root(lower: str, scratch: Path) -> Path:
    for name in ("upper", "work", "root"):
        (scratch / name).mkdir(parents=True, exist_ok=True)
    options = f"lowerdir={lower},upperdir={scratch / 'upper'},workdir={scratch / 'work'}"
    _mount("overlay", str(scratch / "root"), "overlay", 0, options)
    # Bound onto itself, so that it can be made read-only by itself.
    _mount(str(scratch / "root"), str(scratch / "root"), "", _BIND)
    return scratch / "root"


def _bind(source: str, root: Path, target: str, flags: int = 0) -> None:
    place = Path(f"{root}{target}")
    if Path(source).is_dir():
        place.mkdir(parents=True, exist_ok=True)
    else:
        place.parent.mkdir(parents=True, exist_ok=True)
        place.touch()
    _mount(source, str(place), "", _BIND | flags)


def _mount(source: str, target: str, kind: str, flags: int, options: str = "") -> None:
    done = _LIBC.mount(
        source.encode(), target.encode(), kind.encode(), flags, options.encode() or None
    )
    _check(done, f"mount {source} {target}")


def _check(answer: int, what: str) -> None:
    if answer:
        raise OSError(ctypes.get_errno(), f"{what}: {os.strerror(ctypes.get_errno())}")


if __name__ == "__main__":
    main()
