"""triad: a <- b + s*c, vectors longer than the caches.

b, c and the output a: (n,); s: a scalar; float32 or float64. n fused multiply-adds, so 2n FLOP. Bytes: b and c are read
and a is written, each once. Bound: memory bandwidth beyond the caches. An ordinary store first reads the line that it
overwrites: the plain loop then moves four arrays where streaming stores move three, so some 1.33 are to be won.
Source: McCalpin, Memory Bandwidth and Machine Balance in Current High Performance Computers, 1995 (STREAM).

Genes, and what they do to the machine:
- ``variant``: *loop* is one scalar statement, vectorised as LLVM likes; *vector* loads, computes and stores a register
  tile a turn; *ahead* also prefetches at a distance; *fetched* prefetches a block of b, then of c, and computes it,
  so that a DRAM page once opened is used up; *buffered* computes a block into a cached buffer and writes it out
  afterwards, so that the bus turns round from reading to writing once a block.
- ``streams``: parts of the range that are walked together, each with a hardware prefetcher and a DRAM bank of its own.
- ``direction``: ascending or descending addresses, for prefetchers that know one of them better.
- ``lanes unroll``: numbers in a vector, and vectors of each stream in one turn: so many misses are under way.
- ``stores``: *streaming* goes past the caches and spares the read of the overwritten line.
- ``into``: the caches that prefetching fills: all, the outer ones, or as little as possible of any.
- ``distance``: elements from a load to the prefetch of the same turn.
- ``block``: elements of each stream in a block, and so the cache that holds it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from kernels.contract import Inputs, Kernel, Rival, Size, Work, installed, item_bytes
from kernels.language import Schedule, Space, choice, integer, power_of_two, static, template
from kernels.language.simd import fence, prefetch, tile_fma, tile_load, tile_prefetch, tile_store, tile_stream

if TYPE_CHECKING:
    from kernels.language import Template

_LINE_BYTES = 64
_BLOCKED = ("fetched", "buffered")
_TILED = ("vector", "ahead", *_BLOCKED)

SPACE = Space(
    [
        choice("variant", ("vector", "loop", "ahead", "fetched", "buffered"), "algorithm"),
        integer("streams", (1, 2, 3, 4, 6, 8), "parts of the range walked together"),
        choice("direction", ("up", "down"), "order of addresses"),
        power_of_two("lanes", 2, 16, "numbers in a vector", default=8, when={"variant": _TILED}),
        power_of_two("unroll", 1, 8, "vectors of each stream in one turn", default=2, when={"variant": _TILED}),
        choice("stores", ("ordinary", "streaming"), "through the caches or past them", when={"variant": _TILED}),
        choice(
            "into", ("all", "outer", "once"), "caches that prefetching fills", when={"variant": ("ahead", "fetched")}
        ),
        power_of_two("distance", 64, 8192, "elements ahead", default=512, when={"variant": ("ahead",)}),
        power_of_two(
            "block", 256, 65536, "elements of each stream in a block", default=2048, when={"variant": _BLOCKED}
        ),
    ],
    [(lambda streams, unroll: streams * unroll <= 16, "one turn would hold more vectors than any register file")],
)


def locality(into: str) -> int:
    """The hint of a prefetch instruction."""
    return {"once": 0, "outer": 1, "all": 3}[into]


@template("void(T[::1], T[::1], T, T[::1])")
def baseline(p, b, c, s, out):
    """The loop that everybody writes."""
    for i in range(out.size):
        out[i] = b[i] + s * c[i]


@template("void(T[::1], T[::1], T, T[::1])")
def loop(p, b, c, s, out):
    """One scalar statement for each stream."""
    part = out.size // p.streams
    whole = p.streams * part
    for j in range(part):
        i = j if p.direction == "up" else part - 1 - j
        for stream in static(p.streams):
            out[stream * part + i] = b[stream * part + i] + s * c[stream * part + i]
    baseline(p, b[whole:], c[whole:], s, out[whole:])


@template("void(T[::1], T[::1], T, T[::1], T[::1])", runtime=("distance", "block"))
def tiled(p, b, c, s, out, buffer):
    """Register tiles with a row for each stream, from the first aligned element on, block after block."""
    turn = p.lanes * p.unroll
    first = unaligned(p, out)
    part = (out.size - first) // (p.streams * turn) * turn
    end = first + p.streams * part
    extent = p.block if p.variant in _BLOCKED else max(1, part)
    for i in range(first):
        out[i] = b[i] + s * c[i]
    for start in range(0, part, extent):
        count = min(extent, part - start)
        low = first + (start if p.direction == "up" else part - start - count)
        if p.variant == "fetched":
            fetch(p, b, low, count, part)
            fetch(p, c, low, count, part)
        for j in range(0, count, turn):
            i = low + (j if p.direction == "up" else count - turn - j)
            t = tile_load(b, i, part, p.streams, p.unroll, p.lanes)
            if p.variant == "ahead":
                far = i + (p.distance if p.direction == "up" else -p.distance)
                tile_prefetch(t, b, far, part, locality(p.into))
                tile_prefetch(t, c, far, part, locality(p.into))
            t = tile_fma(tile_load(c, i, part, p.streams, p.unroll, p.lanes), s, t)
            if p.variant == "buffered":
                tile_store(t, buffer, i - low, extent)
            elif p.stores == "streaming":
                tile_stream(t, out, i, part)
            else:
                tile_store(t, out, i, part)
        if p.variant == "buffered":
            empty(p, buffer, out, low, count, part)
    for i in range(end, out.size):
        out[i] = b[i] + s * c[i]
    if p.stores == "streaming":
        fence()


@template()
def unaligned(p, out):
    """Elements before the first that lies at a multiple of a vector's bytes."""
    return min(out.size, -out.ctypes.data % (p.lanes * item_bytes(p.dtype)) // item_bytes(p.dtype))


@template()
def fetch(p, a, low, count, part):
    """Prefetch the lines of a block of every stream."""
    for i in range(low, low + count, _LINE_BYTES // item_bytes(p.dtype)):
        for stream in static(p.streams):
            prefetch(a, stream * part + i, locality(p.into))


@template(runtime=("block",))
def empty(p, buffer, out, low, count, part):
    """Write the buffered block of every stream out."""
    for j in range(0, count, p.lanes * p.unroll):
        t = tile_load(buffer, j, p.block, p.streams, p.unroll, p.lanes)
        if p.stores == "streaming":
            tile_stream(t, out, low + j, part)
        else:
            tile_store(t, out, low + j, part)


def problem(size: Size, dtype: str, rng: np.random.Generator) -> Inputs:
    """Random b and c, and a random scalar s."""
    b, c = (rng.uniform(0.5, 2, size).astype(dtype) for _ in range(2))
    return b, c, np.dtype(dtype).type(rng.uniform(0.5, 2))


def size_of(b: np.ndarray, c: np.ndarray, _s: float) -> Size:
    """The length of b and c.

    Raises:
        ValueError: they are no vectors of one length.
    """
    if b.ndim != 1 or b.shape != c.shape:
        raise ValueError(f"triad takes two vectors of one length, not shapes {b.shape} and {c.shape}")
    return b.shape


def out_shape(size: Size) -> tuple[int, ...]:
    """The output is as long as the inputs."""
    return size


def reference(b: np.ndarray, c: np.ndarray, s: float) -> np.ndarray:
    """The truth in float64."""
    return np.asarray(b, np.float64) + float(s) * np.asarray(c, np.float64)


def work(size: Size, dtype: str) -> Work:
    """N fused multiply-adds, two arrays read and one written."""
    item = item_bytes(dtype)
    return Work({"fma": size[0]}, (2 * size[0] + 1) * item, size[0] * item)


def workspace(schedule: Schedule, _size: Size) -> tuple[int, ...]:
    """The buffer: a block of every stream, where the variant has one."""
    if schedule.variant == "loop":
        return ()
    return (schedule.streams * schedule.block if schedule.variant == "buffered" else 0,)


def tolerance(_size: Size, dtype: str) -> float:
    """Product and sum are rounded once or twice, in the reference too."""
    return 2 * float(np.finfo(dtype).eps)


def numpy_passes() -> Rival:
    """Two passes: NumPy has no fused operation."""

    def call(b: np.ndarray, c: np.ndarray, s: Any, out: np.ndarray) -> None:
        np.multiply(c, s, out=out)
        np.add(out, b, out=out)

    return call


def scipy_axpy() -> Rival:
    """A copy and axpy, through SciPy."""
    blas = installed("scipy.linalg.blas")

    def call(b: np.ndarray, c: np.ndarray, s: Any, out: np.ndarray) -> None:
        np.copyto(out, b)
        (blas.daxpy if out.dtype == np.float64 else blas.saxpy)(c, out, a=s)

    return call


def torch_add() -> Rival:
    """``torch.add`` with ``alpha``, one pass."""
    torch = installed("torch")

    def call(b: np.ndarray, c: np.ndarray, s: Any, out: np.ndarray) -> None:
        torch.add(torch.from_numpy(b), torch.from_numpy(c), alpha=float(s), out=torch.from_numpy(out))

    return call


def variant(schedule: Schedule) -> Template:
    """The entry template of a schedule."""
    return loop if schedule.variant == "loop" else tiled


KERNEL = Kernel(
    name="triad",
    doc=__doc__,
    dims=("n",),
    dtypes=("float32", "float64"),
    space=SPACE,
    template=variant,
    problem=problem,
    reference=reference,
    size_of=size_of,
    out_shape=out_shape,
    work=work,
    workspace=workspace,
    baseline=baseline,
    rivals={"numpy": numpy_passes, "scipy": scipy_axpy, "torch": torch_add},
    default_size=(1 << 23,),
    verify_sizes=((1,), (7,), (64,), (1009,), (4099,), (100_003,)),
    tolerance=tolerance,
    split=("rows", "rows", "whole", "rows"),
    left=(
        "one core moves 38 to 51 GB/s from hour to hour, as neighbours leave memory to it, and 79 % of what the "
        "ceiling's own loop gave in turns with it, which takes the best of several loops and samples each time."
    ),
)
