"""A neighbour that nobody wants: ``python -m benchmarks.trials.hog KIND CPU`` runs until its standard input closes."""

from __future__ import annotations

import contextlib
import os
import select
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import numpy as np

STREAMED_BYTES = 256 << 20
BEGUN_S = 1.0  # a hog needs as long to import and to fill its memory


@contextlib.contextmanager
def hog(kind: str, cpu: int) -> Iterator[None]:
    """Have a hog run beside the block; it ends with the block, or with this process, however that ends.

    Args:
        kind: ``"cpu"`` or ``"memory"``.
        cpu: processor that it is bound to.
    """
    command = [sys.executable, "-m", "benchmarks.trials.hog", kind, str(cpu)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        process.stdout.readline()  # it says when it is about to begin
        time.sleep(BEGUN_S)
        yield
    finally:
        process.kill()
        process.communicate()


def burn() -> Callable[[], object]:
    """A turn of arithmetic."""
    return lambda: sum(range(1_000_000))


def stream() -> Callable[[], object]:
    """A turn through memory: a copy of more than any cache holds."""
    source, target = (np.ones(STREAMED_BYTES // 16) for _ in range(2))
    return lambda: np.copyto(target, source)


KINDS: dict[str, Callable[[], Callable[[], object]]] = {"cpu": burn, "memory": stream}


def _main(kind: str, cpu: int) -> None:
    with contextlib.suppress(OSError):
        os.sched_setaffinity(0, {cpu})
    turn = KINDS[kind]()
    os.write(sys.stdout.fileno(), b"begun\n")
    while not select.select([sys.stdin], [], [], 0)[0]:
        turn()


if __name__ == "__main__":
    _main(sys.argv[1], int(sys.argv[2]))
