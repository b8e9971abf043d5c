"""bootstrap: out[r] <- the median of values[draws[r]], resample by resample.

values: (n,), draws: (resamples, n) int32 in [0, n), out: (resamples,); float32 or float64, C-contiguous. An even n has
two middle values, of which the median is the mean; a resample that holds a NaN has the median NaN, as in NumPy.
The least work is one look at every draw, counted as one ``add``; its draws are read once. Bound: the bandwidth at which
draws arrive, four bytes each.
Sources: Efron, Bootstrap methods: another look at the jackknife, 1979; O'Neil and Quass, Improved query performance
with variant indexes, 1997 (medians by bit slices).

All resamples share n values, so that the median of one depends on the *ranks* of its draws alone. Values are ranked
once a call, a table tells the rank of a draw, and what is left is to find the k-th of n small whole numbers: by
counting, with neither moves nor branches that a predictor could miss.

Genes, and what they do to the machine:
- ``variant``: *planes* is for resamples that ``words`` hold. Ranks are bytes, 64 in a vector, looked up by one
  permutation of bytes; the k-th bits of 64 ranks become one word, and each lane of a vector then finds its resample's
  k-th rank bit by bit, by counting set bits among the ranks that still match. *bisection* writes a resample's ranks
  into a buffer and halves the interval of ranks by counting those below its middle; *histogram* counts how often each
  rank was drawn and adds up until the middle.
- ``rows``: resamples of a tile, whose planes are made together.
- ``groups``: such tiles until their ranks are searched, side by side: a search is one long chain, so that one alone
  waits most of the time.
- ``shifts``: four draws share 32 bits. Either each is shifted to its place, or loaded from an address so many bytes
  before its own, which spares the shift and crosses more cache lines.
- ``words``: vectors of 64 ranks for a resample. A longer one is bisected, a shorter one wastes what it does not fill.
- ``ranking``: values are ranked by comparing each with all, in vectors, or by a shell sort.
- ``lanes vectors``: of the tile by which *bisection* counts.
- ``copies``: histograms that take turns, so that no count waits for the one before.
- ``fetch``: groups of resamples ahead of which draws are prefetched; 0 leaves it to the hardware.
- ``into``: the caches that prefetching fills.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from kernels.contract import Inputs, Kernel, Rival, Size, Work, item_bytes
from kernels.language import Schedule, Space, choice, flag, integer, power_of_two, static, template
from kernels.language.simd import (
    add,
    bit_planes,
    gather,
    kth_of_planes,
    load,
    mask_count,
    mul,
    prefetch,
    store,
    tile_less,
    tile_load,
    tile_load_bytes,
    tile_load_bytes_part,
    tile_lookup,
    tile_store,
)

if TYPE_CHECKING:
    from kernels.language import Template

_BYTES = 64
_LINE_INTEGERS = 16
_LINES = 4  # that one turn of a loop prefetches
_PLANES = {"variant": ("planes",)}
_COUNTED = {"variant": ("planes", "bisection")}

SPACE = Space(
    [
        choice("variant", ("planes", "bisection", "histogram"), "algorithm"),
        power_of_two("rows", 2, 16, "resamples side by side", default=8, when=_PLANES),
        power_of_two("words", 1, 4, "vectors of 64 ranks for a resample", default=2, when=_PLANES),
        power_of_two("groups", 1, 8, "tiles of resamples that are searched together", default=2, when=_PLANES),
        flag("shifts", "shift draws into bytes, not load them where they need none", when=_PLANES),
        choice("ranking", ("sorting", "counting"), "how values are ranked"),
        power_of_two("lanes", 2, 16, "numbers in a vector", default=16, when=_COUNTED),
        power_of_two(
            "vectors", 1, 8, "vectors counted in a turn", default=2, when={"variant": ("planes", "bisection")}
        ),
        power_of_two("copies", 1, 8, "histograms that take turns", default=2, when={"variant": ("histogram",)}),
        integer("fetch", (0, 1, 2, 4, 8, 16), "groups of resamples to fetch ahead", default=2),
        choice("into", ("all", "outer", "once"), "caches that prefetching fills"),
    ],
    [(lambda rows, groups: rows * groups <= 64, "more searches at a time than hide each other's latency")],
)


def locality(into: str) -> int:
    """The hint of a prefetch instruction."""
    return {"once": 0, "outer": 1, "all": 3}[into]


def bits_of(words: int) -> int:
    """Bits that tell as many ranks apart as so many words of 64 hold."""
    return (_BYTES * words - 1).bit_length()


@template("void(T[::1], int32[:, ::1], T[::1])")
def baseline(p, values, draws, out):
    """The loops that everybody writes: collect a resample, sort it as far as its middle."""
    resamples, n = draws.shape
    sample = np.empty_like(values)
    for r in range(resamples):
        is_number = True
        for j in range(n):
            value = values[draws[r, j]]
            is_number = is_number and not np.isnan(value)
            at = j
            while at > 0 and sample[at - 1] > value:
                sample[at] = sample[at - 1]
                at -= 1
            sample[at] = value
        out[r] = (sample[(n - 1) // 2] + sample[n // 2]) / 2 if is_number else np.nan


@template("void(T[::1], int32[:, ::1], T[::1])", runtime=("fetch",))
def medians(p, values, draws, out):
    """Ranks the values, and each resample by its draws' ranks."""
    resamples, n = draws.shape
    ranks = np.empty(n, np.int32)
    numbers = rank_by_counting(p, values, ranks) if p.ranking == "counting" else rank_by_sorting(p, values, ranks)
    ordered = np.empty_like(values)
    for i in range(n):
        ordered[ranks[i]] = values[i]
    if p.variant == "planes" and n <= _BYTES * p.words and resamples >= p.rows * p.groups:
        by_planes(p, draws, ranks, ordered, out)
    elif p.variant == "histogram":
        by_histogram(p, draws, ranks, ordered, out)
    else:
        by_bisection(p, draws, ranks, ordered, out)
    if numbers < n:
        for r in range(resamples):
            for j in range(n):
                if ranks[draws[r, j]] >= numbers:
                    out[r] = np.nan


@template()
def rank_by_counting(p, values, ranks):
    """The rank of each value: how many are less, or equal and before it. NaN come last; returns how many are none."""
    numbers = 0
    for i in range(values.size):
        numbers += not np.isnan(values[i])
    strange = numbers
    for i in range(values.size):
        value = values[i]
        below = np.int32(0)
        for j in range(i):
            below += np.int32(values[j] <= value)
        for j in range(i + 1, values.size):
            below += np.int32(values[j] < value)
        ranks[i] = below
        if np.isnan(value):
            ranks[i] = strange
            strange += 1
    return numbers


@template()
def rank_by_sorting(p, values, ranks):
    """The same by a shell sort of the numbers' places, with Tokuda's gaps within a few percent."""
    order = np.empty(values.size, np.int32)
    numbers, strange = 0, values.size
    for i in range(values.size):
        if not np.isnan(values[i]):
            order[numbers] = i
            numbers += 1
        else:
            strange -= 1
            order[strange] = i
    gap = 1
    while gap < numbers:
        gap = gap * 9 // 4 + 1
    while gap > 0:
        for i in range(gap, numbers):
            moving, at = order[i], i
            while at >= gap and values[order[at - gap]] > values[moving]:
                order[at] = order[at - gap]
                at -= gap
            order[at] = moving
        gap = gap * 4 // 9
    for i in range(values.size):
        ranks[order[i]] = i
    return numbers


@template(runtime=("fetch",))
def by_planes(p, draws, ranks, ordered, out):
    """Some resamples at a time, each a lane; the last ones may overlap those before."""
    resamples, n = draws.shape
    table = np.full(_BYTES * p.words, np.int8(-1), np.int8)  # what is drawn beyond n ranks above all
    for i in range(n):
        table[i] = ranks[i]
    lanes = p.rows * p.groups
    planes = np.empty(bits_of(p.words) * p.words * lanes, np.int64)
    found = np.empty(2 * lanes, np.int64)
    for first in range(0, resamples, lanes):
        r = min(first, resamples - lanes)
        for lane in range(0, lanes, p.rows):
            for word in static(p.words):
                at, left = (r + lane) * n + word * _BYTES, n - word * _BYTES
                if (r + lane + p.rows - 1) * n + _BYTES * p.words <= draws.size:
                    drawn = tile_load_bytes(draws, at, n, p.rows, left, _BYTES * p.words - 1, int(p.shifts))
                else:
                    drawn = tile_load_bytes_part(draws, at, n, p.rows, left, _BYTES * p.words - 1, int(p.shifts))
                made = bit_planes(tile_lookup(drawn, table, _BYTES * p.words), bits_of(p.words))
                tile_store(made, planes, word * lanes + lane, p.words * lanes)
        fetched(p, draws, r + p.fetch * p.rows, lanes)  # here, as the search reads nothing: 76 us became 68
        if n % 2:
            tile_store(kth_of_planes(planes, 0, bits_of(p.words), p.words, lanes, n // 2, 1), found, 0, lanes)
            store(out, r, gather(ordered, 0, load(found, 0, lanes)))
        else:
            tile_store(kth_of_planes(planes, 0, bits_of(p.words), p.words, lanes, n // 2 - 1, 2), found, 0, lanes)
            lower, upper = gather(ordered, 0, load(found, 0, lanes)), gather(ordered, 0, load(found, lanes, lanes))
            store(out, r, mul(add(lower, upper), p.dtype(0.5)))


@template()
def fetched(p, draws, r, rows):
    """Prefetches the draws of some resamples, where there are any and they are wanted."""
    n = draws.shape[1]
    if p.fetch:
        for at in range(r * n, (r + rows) * n, _LINES * _LINE_INTEGERS):
            for line in static(_LINES):
                prefetch(draws, at + line * _LINE_INTEGERS, locality(p.into))


@template(runtime=("fetch",))
def by_bisection(p, draws, ranks, ordered, out):
    """One resample after the other: its ranks are written down, and the interval of the middle one is halved."""
    resamples, n = draws.shape
    turn = p.lanes * p.vectors
    drawn = np.full((n + turn - 1) // turn * turn, np.int32(n), np.int32)
    for r in range(resamples):
        fetched(p, draws, r + p.fetch, 1)
        for j in range(n):
            drawn[j] = ranks[draws[r, j]]
        upper = selected(p, drawn, n, n // 2)
        lower = upper
        if n % 2 == 0 and counted(p, drawn, upper) == n // 2:
            lower = selected(p, drawn, n, n // 2 - 1)
        out[r] = ordered[upper] if lower == upper else (ordered[lower] + ordered[upper]) * p.dtype(0.5)


@template()
def selected(p, drawn, n, k):
    """The k-th smallest of ranks below n: the greatest rank that no more than k are below."""
    rank, step = 0, 1
    while 2 * step < n:
        step *= 2
    while step > 0:
        if rank + step < n and counted(p, drawn, rank + step) <= k:
            rank += step
        step //= 2
    return rank


@template()
def counted(p, drawn, rank):
    """How many are below a rank."""
    count = 0
    for j in range(0, drawn.size, p.lanes * p.vectors):
        count += mask_count(tile_less(tile_load(drawn, j, 0, 1, p.vectors, p.lanes), rank))
    return count


@template(runtime=("fetch",))
def by_histogram(p, draws, ranks, ordered, out):
    """One resample after the other: how often each rank was drawn, added up as far as the middle."""
    resamples, n = draws.shape
    counts = np.empty((p.copies, n), np.int32)
    for r in range(resamples):
        fetched(p, draws, r + p.fetch, 1)
        counts[:] = 0
        for j in range(0, n - p.copies + 1, p.copies):
            for copy in static(p.copies):
                counts[copy, ranks[draws[r, j + copy]]] += 1
        for j in range(n // p.copies * p.copies, n):
            counts[0, ranks[draws[r, j]]] += 1
        rank, total = -1, 0
        while total <= (n - 1) // 2:
            rank += 1
            for copy in static(p.copies):
                total += counts[copy, rank]
        lower = rank
        while total <= n // 2:
            rank += 1
            for copy in static(p.copies):
                total += counts[copy, rank]
        out[r] = ordered[rank] if lower == rank else (ordered[lower] + ordered[rank]) * p.dtype(0.5)


def problem(size: Size, dtype: str, rng: np.random.Generator) -> Inputs:
    """Random values; draws follow from the size."""
    n = size[1]
    draws = np.random.default_rng(n).integers(n, size=size, dtype=np.int32)
    return rng.uniform(0.5, 2, n).astype(dtype), draws


def reference(values: np.ndarray, draws: np.ndarray) -> np.ndarray:
    """The truth in float64."""
    return np.asarray(np.median(np.asarray(values, np.float64)[draws], axis=1))


def size_of(values: np.ndarray, draws: np.ndarray) -> Size:
    """Resamples and values.

    Raises:
        ValueError: a resample is not as long as the values, or there are none.
    """
    if values.ndim != 1 or draws.ndim != 2 or draws.shape[1] != values.size or not draws.size:
        raise ValueError(
            f"bootstrap takes n values and rows of n draws, not arrays of shapes {values.shape}, {draws.shape}"
        )
    return draws.shape


def out_shape(size: Size) -> tuple[int, ...]:
    """A median for each resample."""
    return size[:1]


def work(size: Size, dtype: str) -> Work:
    """One ``add`` for each draw, which is to be counted; draws and values read once."""
    resamples, n = size
    item = item_bytes(dtype)
    return Work({"add": resamples * n}, 4 * resamples * n + n * item, resamples * item)


def tolerance(_size: Size, dtype: str) -> float:
    """The mean of two values is rounded once: half an eps, and nothing else is."""
    return float(np.finfo(dtype).eps)


def numpy_median() -> Rival:
    """``numpy.median`` of all resamples at once."""

    def call(values: np.ndarray, draws: np.ndarray, out: np.ndarray) -> None:
        np.median(values[draws], axis=1, out=out)

    return call


def numpy_partition() -> Rival:
    """``numpy.partition`` at the middle, which spares what ``numpy.median`` does around it."""

    def call(values: np.ndarray, draws: np.ndarray, out: np.ndarray) -> None:
        lower, upper = (values.size - 1) // 2, values.size // 2
        middle = np.partition(values[draws], (lower, upper), axis=1)
        np.add(middle[:, lower], middle[:, upper], out=out)
        out *= 0.5

    return call


def variant(_schedule: Schedule) -> Template:
    """The entry template of a schedule."""
    return medians


KERNEL = Kernel(
    name="bootstrap",
    doc=__doc__,
    dims=("resamples", "n"),
    dtypes=("float32", "float64"),
    space=SPACE,
    template=variant,
    problem=problem,
    reference=reference,
    size_of=size_of,
    out_shape=out_shape,
    work=work,
    baseline=baseline,
    rivals={"numpy": numpy_median, "numpy_partition": numpy_partition},
    default_size=(8192, 100),
    verify_sizes=((1, 1), (3, 2), (9, 5), (35, 64), (40, 101), (33, 250), (5, 257), (3, 1030)),
    tolerance=tolerance,
    split=("whole", "rows", "rows"),
    left=(
        "loading draws (3.2 ns a resample) and searching among ranks (2.1 ns) do not overlap, as the chains "
        "of a search fill the scheduler; meshing both by hand gave 8 % for some sixty lines."
    ),
)
