"""What a confined child can still do: it tries, and says so. Runs in a child of the kind that runs candidates."""

from __future__ import annotations

import contextlib
import json
import mmap
import os
import socket
import subprocess
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path

from benchmarks.confine import confine, limit_memory
from benchmarks.layout import is_fixed
from benchmarks.protect import FILE_BYTES

SPARE_BYTES = 64 << 20


def serve(connection: Connection, folder: Path, elsewhere: Path, threads: int) -> None:
    """Say of each probe what it could do; null where it was kept from it. Then wait until the parent hangs up.

    Args:
        connection: to the parent.
        folder: the child's own.
        elsewhere: a file that is none of its business.
        threads: as for ``confine``.
    """
    import benchmarks.preload  # noqa: F401, PLC0415 - as every child

    layout = is_fixed()
    confine((), threads, folder)
    found = {name: _done(probe) for name, probe in _probes(folder, elsewhere).items()}
    connection.send_bytes(json.dumps({**found, "layout": layout}).encode())
    with contextlib.suppress(EOFError):
        connection.recv()


def _done(probe: Callable[[], str]) -> str | None:
    try:
        return probe()
    except (OSError, MemoryError):
        return None


def _probes(folder: Path, elsewhere: Path) -> dict[str, Callable[[], str]]:
    """The one of memory is last: it leaves none."""
    return {
        "files": lambda: _write(elsewhere, 1),
        "file size": lambda: _write(folder / "large", FILE_BYTES + 1),
        "processes": _fork,
        "programs": _execute,
        "other processes": _touch_parent,
        "network": _reach_out,
        "memory": _take_memory,
    }


def _write(file: Path, size_bytes: int) -> str:
    with file.open("wb") as stream:
        stream.truncate(size_bytes)
    return "it wrote outside its own folder" if size_bytes == 1 else "it wrote a larger file"


def _fork() -> str:
    child = os.fork()
    if not child:
        os._exit(0)
    os.waitpid(child, 0)
    return "it started a process"


def _execute() -> str:
    subprocess.run(["/bin/true"], check=False)
    return "it ran a program"


def _touch_parent() -> str:
    with contextlib.suppress(OSError):
        os.kill(os.getppid(), 0)
        return "it could signal its parent"
    Path(f"/proc/{os.getppid()}/mem").open("rb").close()
    return "it could read its parent's memory"


def _reach_out() -> str:
    with socket.socket(type=socket.SOCK_DGRAM):
        pass
    with socket.socket() as stream, contextlib.suppress(ConnectionRefusedError):
        with contextlib.suppress(PermissionError):
            stream.connect(("127.0.0.1", 9))
            return "it could reach the network"
        return "it could send datagrams"
    return "it could reach the network"


def _take_memory() -> str:
    limit_memory(SPARE_BYTES)
    with mmap.mmap(-1, 2 * SPARE_BYTES):
        return "it took more memory"
