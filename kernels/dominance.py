"""dominance: out[i] <- the rank of the front on which point i lies, all objectives minimised.

points: (n, objectives), out: (n,); float32 or float64, C-contiguous. A point dominates another that it is no worse than
in any objective and better than in one. What nothing dominates has rank 1, what only those dominate rank 2, and so on;
a point with a NaN is neither better nor worse than any, so its rank is 1. Comparisons and maxima count as ``add``: for
each pair of points one for each objective but the first, by which points are ordered, and one maximum. Bytes: points
are read and ranks are written, each once. Bound: arithmetic.
Sources: Deb, Pratap, Agarwal and Meyarivan, A fast and elitist multiobjective genetic algorithm: NSGA-II, 2002 (ranks);
Zhang, Tian, Cheng and Jin, An efficient approach to nondominated sorting, 2015 (points in order).

A rank is one more than the greatest rank of what dominates: the longest chain of dominance that ends there. Once points
are in lexicographic order none is dominated by a later one, so one pass over pairs finds all ranks, where fronts taken
off one by one need a pass each, and lists of who dominates whom the memory of all pairs. Equal points count once.
Orders that spare pairs (Jensen, 2003; Zhang et al.) branch at every step: neither space nor bound knows of them.

Genes, and what they do to the machine:
- ``variant``: in lanes lie *later* points, each with a maximum of its own, while earlier ones are broadcast one by one;
  or, with two or three objectives, *earlier* points: a few later ones share what is loaded, and reduce over lanes.
- ``lanes vectors``: the register tile, and so how many maxima are under way; pairs within a tile are done last.
- ``rows steps``: of *earlier*, the later points that share a turn; of *later*, the earlier points in one.
- ``passes bits``: first the points are put in order by so many leading digits of their first objective, of so many bits
  each (radix sort): more and wider digits leave less to the comparisons after it.
- ``gap``: these are a shell sort from that gap on: 1 is insertion, best for what is nearly in order.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from kernels.contract import Inputs, Kernel, Rival, Size, Work, item_bytes
from kernels.language import Schedule, Space, choice, integer, power_of_two, static, template
from kernels.language.simd import (
    extract,
    load,
    mask_and,
    row_reduce_max,
    tile_add,
    tile_at_least,
    tile_at_most,
    tile_choose,
    tile_load,
    tile_max,
    tile_store,
    tile_vector,
    tile_zeros,
)

if TYPE_CHECKING:
    from kernels.language import Template

_MOST_TURN = 128  # points of the largest register tile: columns are filled up to whole ones
_UNROLLED = 3  # for 2 objectives to so many each comparison is a statement: coordinates stay in registers

SPACE = Space(
    [
        choice("variant", ("later", "earlier"), "which points lie in lanes"),
        power_of_two("lanes", 2, 16, "numbers in a vector", default=16),
        integer("vectors", (1, 2, 3, 4, 6, 8), "vectors of the register tile", default=4),
        power_of_two("rows", 2, 8, "later points in a turn", default=4, when={"variant": ("earlier",)}),
        power_of_two("steps", 1, 4, "earlier points in a turn", when={"variant": ("later",)}),
        integer("passes", range(5), "leading digits of the radix sort", default=2),
        integer("bits", range(5, 13), "bits of a digit", default=8),
        integer("gap", (1, 4, 10, 23, 57), "first gap of the shell sort"),
    ],
    [
        (lambda lanes, vectors: lanes * vectors <= _MOST_TURN, "the tile exceeds any register file"),
        (
            lambda variant, lanes, vectors, steps: variant == "earlier" or lanes * vectors % steps == 0,
            "a turn cuts a tile",
        ),
        (lambda variant, rows, vectors: variant == "later" or rows * vectors <= 24, "maxima exceed the registers"),
    ],
)


@template("void(T[:, ::1], T[::1])")
def baseline(p, points, out):
    """The loops that everybody writes: count who dominates each point, then take front after front off."""
    n, objectives = points.shape
    dominates = np.zeros((n, n), np.bool_)
    dominators = np.zeros(n, np.int64)
    for i in range(n):
        for j in range(n):
            no_worse, better = 0, 0
            for k in range(objectives):
                no_worse += points[i, k] <= points[j, k]
                better += points[i, k] < points[j, k]
            dominates[i, j] = no_worse == objectives and better > 0
            dominators[j] += dominates[i, j]
    rank, left = 0, n
    while left > 0:
        rank += 1
        for i in range(n):
            if dominators[i] == 0:
                out[i] = rank
                dominators[i] = -1
                left -= 1
        for i in range(n):
            if dominators[i] == -1:
                dominators[i] = -2
                for j in range(n):
                    dominators[j] -= dominates[i, j]


@template("void(T[:, ::1], T[::1], T[::1], T[::1])", runtime=("passes", "bits", "gap"))
def ranked(p, points, out, columns, above):
    """Puts points in order, copies the distinct ones into columns, ranks these, and hands the ranks back."""
    n, objectives = points.shape
    order = np.empty(n, np.int32)
    numbers = without_nan(p, points, order)
    sort_by_digits(p, points, order, numbers)
    sort_by_comparing(p, points, order, numbers)
    length, following = n + _MOST_TURN, above[: n + _MOST_TURN]
    place = np.empty(n, np.int32)
    count = 0
    for s in range(numbers):
        if s == 0 or precedes(p, points, order[s - 1], order[s]):
            for k in range(objectives):
                columns[k * length + count] = points[order[s], k]
            count += 1
        place[s] = count - 1
    for k in range(objectives):
        columns[k * length + count : (k + 1) * length] = np.nan  # no comparison with NaN holds
    if p.variant == "earlier" and 2 <= objectives <= _UNROLLED:
        chain_earlier(p, columns, following, count, objectives)
    else:
        chain_later(p, columns, following, count, objectives)
    for s in range(numbers):
        out[order[s]] = following[place[s]] - p.dtype(1)
    for s in range(numbers, n):
        out[order[s]] = p.dtype(1)


@template()
def without_nan(p, points, order):
    """Points in the order given, those with a NaN last; returns how many come before these."""
    numbers, strange = 0, order.size
    for i in range(order.size):
        is_number = True
        for k in range(points.shape[1]):
            is_number &= not np.isnan(points[i, k])
        if is_number:
            order[numbers] = i
            numbers += 1
        else:
            strange -= 1
            order[strange] = i
    return numbers


@template(runtime=("passes", "bits"))
def sort_by_digits(p, points, order, numbers):
    """Puts points in the order of the leading bits of their first objective, counted from the least that there is."""
    if p.passes == 0 or numbers < 2:
        return
    flat = points.reshape(points.size)
    words = flat.view(np.int32) if p.dtype == "float32" else flat.view(np.int64)
    keys = np.empty(order.size, np.int64)
    for s in range(numbers):  # floats are in the order of these integers
        word = np.int64(words[order[s] * points.shape[1]])
        keys[order[s]] = word ^ ((word >> 63) & (0x7FFFFFFF if p.dtype == "float32" else 0x7FFFFFFFFFFFFFFF))
    least, greatest = keys[order[0]], keys[order[0]]
    for s in range(numbers):
        least, greatest = min(least, keys[order[s]]), max(greatest, keys[order[s]])
    spare = 0  # unsigned, because the difference may exceed what is signed
    while (np.uint64(greatest) - np.uint64(least)) >> np.uint64(spare) >= np.uint64(1) << np.uint64(p.passes * p.bits):
        spare += 1
    for s in range(numbers):
        keys[order[s]] = np.int64((np.uint64(keys[order[s]]) - np.uint64(least)) >> np.uint64(spare))
    places = np.empty((1 << p.bits) + 1, np.int32)
    source, target = order, np.empty_like(order)
    for digit in range(p.passes):
        shift, mask = digit * p.bits, (1 << p.bits) - 1
        places[:] = 0
        for s in range(numbers):
            places[1 + ((keys[source[s]] >> shift) & mask)] += 1
        for value in range(mask):
            places[value + 1] += places[value]
        for s in range(numbers):
            value = (keys[source[s]] >> shift) & mask
            target[places[value]] = source[s]
            places[value] += 1
        source, target = target, source
    if p.passes % 2:
        order[:numbers] = source[:numbers]


@template(runtime=("gap",))
def sort_by_comparing(p, points, order, numbers):
    """Puts points in lexicographic order: a shell sort, with Ciura's gaps but for rounding."""
    apart = p.gap
    while apart > 0:
        for s in range(apart, numbers):
            moving, at = order[s], s
            while at >= apart and precedes(p, points, moving, order[at - apart]):
                order[at] = order[at - apart]
                at -= apart
            order[at] = moving
        apart = apart * 4 // 9


@template()
def precedes(p, points, i, j):
    """True where point i comes before point j in lexicographic order."""
    for k in range(points.shape[1]):
        if points[i, k] != points[j, k]:
            return points[i, k] < points[j, k]
    return False


@template()
def chain_later(p, columns, above, count, objectives):
    """Later points in lanes: first all pairs with what lies before the tile, then vector by vector those within it."""
    turn = p.lanes * p.vectors
    one = tile_add(tile_zeros(p.dtype, 1, 1, p.lanes), p.dtype(1))
    ones = tile_add(tile_zeros(p.dtype, 1, p.vectors, p.lanes), p.dtype(1))
    numbers = np.empty(p.lanes, above.dtype)
    for lane in range(p.lanes):
        numbers[lane] = lane
    numbered = tile_load(numbers, 0, 0, 1, 1, p.lanes)
    for i in range(0, count, turn):
        best = dominated_tile(p, ones, columns, above, i, objectives)
        tile_store(best, above, i, 0)
        for v in range(i, min(count, i + turn), p.lanes):
            ranks = tile_load(above, v, 0, 1, 1, p.lanes)
            for j in range(i, v):
                at = min(1, objectives - 1) * above.size
                mask = tile_at_least(tile_load(columns, at + v, 0, 1, 1, p.lanes), columns[at + j])
                for k in range(2, objectives):
                    at = k * above.size
                    mask = mask_and(mask, tile_at_least(tile_load(columns, at + v, 0, 1, 1, p.lanes), columns[at + j]))
                ranks = tile_choose(mask, tile_max(ranks, above[j]), ranks)
            for j in range(p.lanes - 1):
                mask = tile_at_least(numbered, p.dtype(j + 1))
                for k in range(1, objectives):
                    at = k * above.size + v
                    mask = mask_and(mask, tile_at_least(tile_load(columns, at, 0, 1, 1, p.lanes), columns[at + j]))
                next_rank = extract(tile_vector(ranks, 0, 0), j) + p.dtype(1)
                ranks = tile_choose(mask, tile_max(ranks, next_rank), ranks)
            tile_store(tile_add(ranks, one), above, v, 0)


@template()
def dominated_tile(p, ranks, columns, above, i, objectives):
    """The ranks of the tile at point i by what comes before it; for few objectives without a loop over them."""
    for many in static(2, _UNROLLED + 1):
        if objectives == many:
            for j in range(0, i, p.steps):
                for step in static(p.steps):
                    at = above.size
                    t = tile_load(columns, at + i, 0, 1, p.vectors, p.lanes)
                    mask = tile_at_least(t, columns[at + j + step])
                    for k in static(2, many):
                        t = tile_load(columns, k * above.size + i, 0, 1, p.vectors, p.lanes)
                        mask = mask_and(mask, tile_at_least(t, columns[k * above.size + j + step]))
                    ranks = tile_choose(mask, tile_max(ranks, above[j + step]), ranks)
    for j in range(i if 2 <= objectives <= _UNROLLED else 0, i):
        at = min(1, objectives - 1) * above.size
        mask = tile_at_least(tile_load(columns, at + i, 0, 1, p.vectors, p.lanes), columns[at + j])
        for o in range(2, objectives):
            at = o * above.size
            mask = mask_and(mask, tile_at_least(tile_load(columns, at + i, 0, 1, p.vectors, p.lanes), columns[at + j]))
        ranks = tile_choose(mask, tile_max(ranks, above[j]), ranks)
    return ranks


@template()
def chain_earlier(p, columns, above, count, objectives):
    """Earlier points in lanes, for a few later ones; what is not known yet counts as 0."""
    above[:] = 0
    for i in range(0, count, p.rows):
        ranks = row_reduce_max(dominated_rows(p, columns, above, i, objectives))
        for row in range(min(p.rows, count - i)):
            rank = max(p.dtype(1), extract(ranks, row))
            for j in range(i, i + row):
                is_no_worse = True
                for k in range(1, objectives):
                    is_no_worse &= columns[k * above.size + j] <= columns[k * above.size + i + row]
                rank = max(rank, above[j]) if is_no_worse else rank
            above[i + row] = rank + p.dtype(1)


@template()
def dominated_rows(p, columns, above, i, objectives):
    """For the points from i on, a row each, what follows the rank of each earlier point that dominates, else 0."""
    turn = p.lanes * p.vectors
    best = tile_zeros(p.dtype, p.rows, p.vectors, p.lanes)
    for many in static(2, _UNROLLED + 1):
        if objectives == many:
            for j in range(0, i, turn):
                at = above.size
                t = tile_load(columns, at + j, 0, p.rows, p.vectors, p.lanes)
                mask = tile_at_most(t, load(columns, at + i, p.rows))
                for k in static(2, many):
                    t = tile_load(columns, k * above.size + j, 0, p.rows, p.vectors, p.lanes)
                    mask = mask_and(mask, tile_at_most(t, load(columns, k * above.size + i, p.rows)))
                best = tile_choose(mask, tile_max(best, tile_load(above, j, 0, p.rows, p.vectors, p.lanes)), best)
    return best


def problem(size: Size, dtype: str, rng: np.random.Generator) -> Inputs:
    """Random points."""
    return (rng.uniform(0.5, 2, size).astype(dtype),)


def numpy_ranks(points: np.ndarray) -> np.ndarray:
    """Ranks by counting who dominates each point, all pairs at once, and taking front after front off."""
    is_no_worse = np.ones((len(points), len(points)), np.bool_)
    is_better = np.zeros_like(is_no_worse)
    for column in points.T:
        is_no_worse &= column[:, np.newaxis] <= column
        is_better |= column[:, np.newaxis] < column
    dominates = is_no_worse & is_better
    dominators = np.count_nonzero(dominates, axis=0)
    ranks, rank = np.zeros(len(points)), 1
    while not ranks.all():
        front = np.flatnonzero((dominators == 0) & (ranks == 0))
        ranks[front] = rank
        dominators -= np.count_nonzero(dominates[front], axis=0)
        rank += 1
    return ranks


def reference(points: np.ndarray) -> np.ndarray:
    """The truth in float64: whole numbers."""
    return numpy_ranks(np.asarray(points, np.float64))


def size_of(points: np.ndarray) -> Size:
    """Points and objectives.

    Raises:
        ValueError: they are no matrix, or there are none.
    """
    if points.ndim != 2 or not points.size:
        raise ValueError(f"dominance takes a matrix of points, one a row, not an array of shape {points.shape}")
    return points.shape


def out_shape(size: Size) -> tuple[int, ...]:
    """A rank for each point."""
    return size[:1]


def work(size: Size, dtype: str) -> Work:
    """For every pair a comparison in each objective but one, and a maximum."""
    n, objectives = size
    item = item_bytes(dtype)
    return Work({"add": n * (n - 1) // 2 * objectives}, n * objectives * item, n * item)


def workspace(_schedule: Schedule, size: Size) -> tuple[int, ...]:
    """The objectives of distinct points in order, objective after objective, and what may follow their ranks."""
    n, objectives = size
    return objectives * (n + _MOST_TURN), n + _MOST_TURN


def tolerance(_size: Size, _dtype: str) -> float:
    """Ranks are counted."""
    return 0.0


def numpy_pairs() -> Rival:
    """All pairs at once in NumPy: a matrix of who dominates whom."""
    return lambda points, out: np.copyto(out, numpy_ranks(points))


def variant(_schedule: Schedule) -> Template:
    """The entry template of a schedule."""
    return ranked


KERNEL = Kernel(
    name="dominance",
    doc=__doc__,
    dims=("n", "objectives"),
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
    rivals={"numpy": numpy_pairs},
    default_size=(2048, 3),
    verify_sizes=((1, 1), (2, 3), (9, 1), (40, 2), (133, 3), (97, 5), (301, 2)),
    tolerance=tolerance,
    left=(
        "sorting and the chains within a tile take 40 us beside 107 us of comparing (53 us in float32); ranks "
        "in 16 bits would halve the comparing, and ask for another bound."
    ),
)
