"""Buffers that kernels are measured on: where they lie is fixed, and a write outside one cannot pass unseen.

A buffer's mapping, in 2 MiB steps; only the middle is accessible, and every byte of it that is not body is canary::

    | guard |  canary   body  canary | guard |
            ^ 2 MiB boundary         ^ 2 MiB boundary

The body ends within a page of the guard behind it, so that running past the end dies at once, and the guard starts on a
2 MiB boundary, so that protecting it splits no huge page. Bodies start 64-byte aligned at distinct offsets in their
4 KiB page: equal offsets alias in the store buffer, and NumPy's own allocation had two modes by process, 18 % apart.
"""

from __future__ import annotations

import ctypes
import math
import mmap
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

HUGE_PAGE_BYTES = 2 << 20
PAGE_BYTES = 4096
OFFSET_STEP_BYTES = 128
"""Buffer k starts at ``128 k mod 4096``: two cache lines apart, as adjacent lines are fetched in pairs."""
CANARY_BYTES = 64
"""Least canary on either side; the rest of the accessible mapping is canary too."""

_CANARY = 0xA5
_PROT_NONE = 0


@dataclass
class _Buffer:
    """One mapping: ``start`` and ``end`` bound its accessible middle, ``body`` is where the array lies in it."""

    name: str
    mapping: mmap.mmap
    start: int
    body: int
    body_bytes: int
    end: int
    is_frozen: bool = False

    def side(self, which: str) -> NDArray[np.uint8]:
        low, high = (self.start, self.body) if which == "before" else (self.body + self.body_bytes, self.end)
        return np.ndarray(high - low, np.uint8, buffer=self.mapping, offset=low)

    def damage(self) -> str | None:
        for which, origin in (("before", "start"), ("behind", "end")):
            changed = np.flatnonzero(self.side(which) != _CANARY)
            if len(changed):
                gap = changed[0] if which == "behind" else len(self.side(which)) - 1 - changed[-1]
                return (
                    f"{len(changed)} bytes {which} {self.name} were changed, the nearest {gap} bytes from its {origin}"
                )
        return None


class Arena:
    """Allocates guarded arrays. Their memory is returned when the arena is closed and the last array is gone.

    Args:
        first: where in the sequence of offsets to begin: behind the arrays of an arena that is used with this one.
    """

    def __init__(self, first: int = 0) -> None:
        self._first = first
        self._buffers: list[_Buffer] = []

    def allocate(self, shape: int | tuple[int, ...], dtype: Any, name: str = "") -> NDArray[Any]:
        """A C-contiguous array of poison: 64-byte aligned, written once, huge pages behind it where the system allows.

        Args:
            shape: its shape.
            dtype: its dtype, without Python objects.
            name: what ``damage`` calls it; by default its number, dtype and shape.

        Raises:
            MemoryError: the system gives no such mapping.
        """
        shape = (shape,) if isinstance(shape, int) else shape
        kind = np.dtype(dtype)
        buffer = _mapped(
            name or f"buffer {len(self._buffers)} ({kind.name} {'x'.join(map(str, shape))})",
            int(np.prod(shape, dtype=np.int64)) * kind.itemsize,
            (self._first + len(self._buffers)) * OFFSET_STEP_BYTES % PAGE_BYTES,
        )
        self._buffers.append(buffer)
        array: NDArray[Any] = np.ndarray(shape, kind, buffer=buffer.mapping, offset=buffer.body)
        poison(array)
        return array

    def allocate_copies(self, count: int, shape: tuple[int, ...], dtype: Any, name: str = "") -> list[NDArray[Any]]:
        """Several arrays of a shape; of more than one, only the first and the last have a guard beside them.

        They lie one after the other in one buffer, each 64-byte aligned, for a buffer of its own takes 2 MiB at least.
        """
        if count == 1:
            return [self.allocate(shape, dtype, name)]
        elements, item_bytes = math.prod(shape), np.dtype(dtype).itemsize
        step = _round_up(elements * item_bytes, CANARY_BYTES) // item_bytes
        rows = self.allocate((count, step), dtype, name)
        return [row[:elements].reshape(shape) for row in rows]

    def freeze(self, array: NDArray[Any]) -> None:
        """Let nobody write to an array, or around it, any more: who tries dies at once, of SIGSEGV."""
        self._allow(array, mmap.PROT_READ)

    def thaw(self, array: NDArray[Any]) -> None:
        """Let an array be written again."""
        self._allow(array, mmap.PROT_READ | mmap.PROT_WRITE)

    def _allow(self, array: NDArray[Any], allowed: int) -> None:
        at = array.ctypes.data
        for buffer in self._buffers:
            address = _address(buffer.mapping)
            if address + buffer.start <= at < address + buffer.end:
                _protect(address + buffer.start, buffer.end - buffer.start, allowed)
                buffer.is_frozen = allowed == mmap.PROT_READ

    def damage(self) -> str | None:
        """What was written outside the arrays, naming the first buffer and the side; None if nothing."""
        return next(
            (found for found in (buffer.damage() for buffer in self._buffers if not buffer.is_frozen) if found), None
        )

    def rearm(self) -> None:
        """Paint all canaries anew, so that damage that was reported is not reported again."""
        for buffer in self._buffers:
            if not buffer.is_frozen:
                _paint(buffer)

    def huge_page_bytes(self) -> int:
        """How much of the arena lies in huge pages now."""
        spans = [(_address(b.mapping) + b.start, _address(b.mapping) + b.end) for b in self._buffers]
        return sum(size for low, high, size in _anonymous_huge_pages() if any(low < e and s < high for s, e in spans))

    def close(self) -> None:
        """Forget all buffers."""
        self._buffers.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()


def poison(array: NDArray[Any]) -> None:
    """Fill with what no kernel may leave behind: NaN, or all bits set where the dtype has none."""
    if array.dtype.kind in "fc":
        array.fill(np.nan)
    else:
        array.view(np.uint8).fill(0xFF)


def _mapped(name: str, body_bytes: int, offset: int) -> _Buffer:
    """Map, ask for huge pages, protect both sides, paint the canaries."""
    inner_bytes = _round_up(body_bytes + 2 * CANARY_BYTES + PAGE_BYTES, HUGE_PAGE_BYTES)
    try:
        mapping = mmap.mmap(-1, inner_bytes + 2 * HUGE_PAGE_BYTES, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    except OSError as error:
        raise MemoryError(f"no mapping of {inner_bytes} bytes for {name}: {error}") from error
    address = _address(mapping)
    start = _round_up(address + PAGE_BYTES, HUGE_PAGE_BYTES) - address
    end = start + inner_bytes
    last = address + end - CANARY_BYTES - body_bytes
    body = last - (last - offset) % PAGE_BYTES - address
    mapping.madvise(mmap.MADV_HUGEPAGE, start, inner_bytes)
    _protect(address, start, _PROT_NONE)
    _protect(address + end, len(mapping) - end, _PROT_NONE)
    buffer = _Buffer(name, mapping, start, body, body_bytes, end)
    _paint(buffer)
    return buffer


def _paint(buffer: _Buffer) -> None:
    for which in ("before", "behind"):
        buffer.side(which).fill(_CANARY)


def _round_up(value: int, step: int) -> int:
    return -(-value // step) * step


def _address(mapping: mmap.mmap) -> int:
    return ctypes.addressof(ctypes.c_char.from_buffer(mapping))


def _protect(address: int, length: int, allowed: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mprotect(ctypes.c_void_p(address), ctypes.c_size_t(length), allowed):
        number = ctypes.get_errno()
        raise OSError(number, f"no memory protection: mprotect says {os.strerror(number)}")


def _anonymous_huge_pages() -> Iterator[tuple[int, int, int]]:
    """``(low, high, huge_bytes)`` of this process' mappings."""
    low = high = 0
    for line in Path("/proc/self/smaps").read_text().splitlines():
        if found := re.match(r"([0-9a-f]+)-([0-9a-f]+) ", line):
            low, high = int(found[1], 16), int(found[2], 16)
        elif line.startswith("AnonHugePages:"):
            yield low, high, int(line.split()[1]) * 1024
