"""A child's memory, read and written by its parent: the child can neither notice nor refuse.

Not by memory that both share: that would be other pages than those of the race (small ones as a rule, where the arena
has huge ones), at other addresses, and a child can shorten a shared file under its parent. The kernel gives a parent
this right over its descendants, but for some containers. ``/proc/…/mem`` goes past write protection, as a debugger
must; ``process_vm_writev`` does not, and inputs are protected.
"""

from __future__ import annotations

import contextlib
import errno
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

_SCHEDULED = 2


class Memory:
    """The memory of one process, while it is open.

    Raises:
        OSError: the process is gone, or the system refuses; of reading and writing also that nothing lies there.
    """

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._file = os.open(f"/proc/{pid}/mem", os.O_RDWR)

    def read(self, address: int, into: NDArray[Any]) -> None:
        """Fill a C-contiguous array."""
        view, done = into.reshape(-1).view(np.uint8).data, 0
        while done < len(view):
            done += _moved(os.preadv(self._file, [view[done:]], _offset(address + done)))

    def write(self, address: int, values: NDArray[Any]) -> None:
        """Write a C-contiguous array there."""
        view, done = values.reshape(-1).view(np.uint8).data, 0
        while done < len(view):
            done += _moved(os.pwritev(self._file, [view[done:]], _offset(address + done)))

    def close(self) -> None:
        """Let go of it."""
        os.close(self._file)


@contextlib.contextmanager
def opened(pid: int) -> Iterator[Memory]:
    """The memory of a process; see ``Memory``."""
    with contextlib.closing(Memory(pid)) as memory:
        yield memory


def _offset(address: int) -> int:
    if not 0 < address < sys.maxsize:
        raise OSError(errno.EFAULT, os.strerror(errno.EFAULT))
    return address


def _moved(size_bytes: int) -> int:
    if size_bytes == 0:
        raise OSError("the process has ended")
    return size_bytes


def processor_s(pid: int) -> float:
    """Processor time that all threads of a process have used, by the kernel's clock of that process.

    Exact of a process that sleeps; of one that runs as old as the last tick of its processor, so up to 4 ms.

    Raises:
        OSError: the process is gone.
    """
    # as clock_getcpuclockid(3) numbers it, which Python does not offer
    return time.clock_gettime(~pid << 3 | _SCHEDULED)


def waited_s(pid: int) -> float:
    """Seconds for which the first thread of a process was ready to run and had no processor; 0 where nobody counts."""
    with contextlib.suppress(OSError, IndexError):
        return int(Path(f"/proc/{pid}/schedstat").read_text().split()[1]) / 1e9
    return 0.0


def all_waited_s(pid: int) -> float:
    """The same of all its threads together."""
    waited_ns = 0
    for thread in Path(f"/proc/{pid}/task").glob("*"):
        with contextlib.suppress(OSError, IndexError):  # one that has ended meanwhile
            waited_ns += int((thread / "schedstat").read_text().split()[1])
    return waited_ns / 1e9


def why_not(pid: int) -> str | None:
    """Why the parent cannot look into a process of its own; None where it can."""
    maps = Path(f"/proc/{pid}/maps")
    try:
        mapped = next(line for line in maps.read_text().splitlines() if line.split()[1] == "rw-p")
        with opened(pid) as memory:
            found, address = np.zeros(1), int(mapped.split("-")[0], 16)
            memory.read(address, found)
            memory.write(address, found)
    except (OSError, StopIteration) as error:
        return f"the system lets no process look into its children: {error}"
    return None
