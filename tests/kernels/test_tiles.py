"""Every tile operation against NumPy, for both float types and 2 to 16 lanes, and what the compiler makes of a tile."""

import platform
import re
from functools import cache
from itertools import chain

import llvmlite.binding
import numpy as np
import pytest
from numba import config, njit

from kernels.language import simd

LANES = (2, 4, 8, 16)
DTYPES = ("float32", "float64")
ROWS, VECTORS = 3, 2
COMBINATIONS = pytest.mark.parametrize(("dtype", "lanes"), [(dtype, lanes) for dtype in DTYPES for lanes in LANES])
IS_X86 = platform.machine().lower() in {"x86_64", "amd64"}

# Code in the generated function, and the same in NumPy. t, u are tiles of ROWS x (VECTORS * lanes); row is a tile of
# one row, strip one of one vector a row, v a vector of one number a row.
ELEMENTWISE = {
    "zeros": ("simd.tile_zeros(a, ROWS, VECTORS, LANES)", lambda c: np.zeros_like(c.t)),
    "zeros of a dtype": ("simd.tile_zeros(T, ROWS, VECTORS, LANES)", lambda c: np.zeros_like(c.t)),
    "load": ("t", lambda c: c.t),
    "add": ("simd.tile_add(t, u)", lambda c: c.t + c.u),
    "sub": ("simd.tile_sub(t, u)", lambda c: c.t - c.u),
    "mul": ("simd.tile_mul(t, u)", lambda c: c.t * c.u),
    "div": ("simd.tile_div(t, u)", lambda c: c.t / c.u),
    "min": ("simd.tile_min(t, u)", lambda c: np.minimum(c.t, c.u)),
    "max": ("simd.tile_max(t, u)", lambda c: np.maximum(c.t, c.u)),
    "minus abs": ("simd.tile_minus_abs(t)", lambda c: -np.abs(c.t)),
    "scale": ("simd.scale(t, 3)", lambda c: c.t * 3),
    "fma": ("simd.tile_fma(t, u, u)", lambda c: c.t * c.u + c.u),
    "fma with scalars": ("simd.tile_fma(t, 3, 0.5)", lambda c: c.t * 3 + c.t.dtype.type(0.5)),
    "sqrt": ("simd.tile_sqrt(simd.tile_mul(t, t))", lambda c: np.abs(c.t)),
    "add a row to every row": ("simd.tile_add(t, row)", lambda c: c.t + c.u[:1]),
    "fma with a row": ("simd.tile_fma(t, 2, row)", lambda c: c.t * 2 + c.u[:1]),
    "add a strip to every strip": ("simd.tile_add(t, strip)", lambda c: c.t + np.tile(c.u[:, : c.lanes], VECTORS)),
    "subtract a number a row": ("simd.tile_sub(t, v)", lambda c: c.t - c.t.sum(axis=1, keepdims=True)),
    "replace": ("simd.tile_replace(t, 2, 1, simd.tile_vector(u, 1, 0))", lambda c: c.replaced()),
    "select": ("simd.tile_select(t, u, t, row)", lambda c: np.where(c.t < c.u, c.t, c.u[:1])),
    "polynomial": ("simd.tile_polynomial(t, (0.5, -2.0, 3.0))", lambda c: 0.5 + c.t * (-2 + 3 * c.t)),
    "exp2": ("simd.tile_exp2(t, DEGREE)", lambda c: np.exp2(c.t.astype("f8")).astype(c.t.dtype)),
    "exp": ("simd.tile_exp(t, DEGREE)", lambda c: np.exp(c.t.astype("f8")).astype(c.t.dtype)),
    "tanh": ("simd.tile_tanh(t, DEGREE)", lambda c: np.tanh(c.t.astype("f8")).astype(c.t.dtype)),
    "log": ("simd.tile_log(simd.tile_mul(t, t), 3)", lambda c: np.log((c.t * c.t).astype("f8")).astype(c.t.dtype)),
}
APPROXIMATE = {"exp2": 1e-6, "exp": 1e-6, "tanh": 1e-6, "log": 1e-6}
REDUCTIONS = {
    "row add": ("simd.store(out, i, simd.row_reduce_add(t))", lambda c: c.t.sum(axis=1)),
    "row min": ("simd.store(out, i, simd.row_reduce_min(t))", lambda c: c.t.min(axis=1)),
    "row max": ("simd.store(out, i, simd.row_reduce_max(t))", lambda c: c.t.max(axis=1)),
    "column add": ("simd.tile_store(simd.column_reduce_add(t), out, i, 0)", lambda c: c.t.sum(axis=0)),
    "column min": ("simd.tile_store(simd.column_reduce_min(t), out, i, 0)", lambda c: c.t.min(axis=0)),
    "column max": ("simd.tile_store(simd.column_reduce_max(t), out, i, 0)", lambda c: c.t.max(axis=0)),
    "add": ("out[i] = simd.tile_reduce_add(t)", lambda c: c.t.sum()),
    "min": ("out[i] = simd.tile_reduce_min(t)", lambda c: c.t.min()),
    "max": ("out[i] = simd.tile_reduce_max(t)", lambda c: c.t.max()),
    "vector": ("simd.store(out, i, simd.tile_vector(t, 2, 1))", lambda c: c.t[2, c.lanes :]),
}


class Case:
    """Inputs and results of all operations for one dtype and number of lanes. Values are small integers, sums exact."""

    def __init__(self, dtype, lanes):
        rng = np.random.default_rng(lanes)
        self.lanes, self.columns = lanes, VECTORS * lanes
        self.ld = self.columns + 3
        self.a, self.b = (rng.choice([-3, -2, -1, 1, 2, 3], (ROWS + 2, self.ld)).astype(dtype) for _ in "ab")
        self.t, self.u = self.a[1 : 1 + ROWS, 2 : 2 + self.columns], self.b[:ROWS, : self.columns]
        self.elementwise = np.zeros((len(ELEMENTWISE), ROWS, self.columns), dtype)
        self.reduced = np.zeros((len(REDUCTIONS), max(ROWS, self.columns)), dtype)
        program(dtype, lanes)(self.a, self.b, self.ld + 2, self.ld, self.elementwise, self.reduced.reshape(-1))

    def replaced(self):
        made = self.t.copy()
        made[2, self.lanes :] = self.u[1, : self.lanes]
        return made


@cache
def program(dtype, lanes):
    size = ROWS * VECTORS * lanes
    lines = [
        "def made(a, b, i, ld, tiles, out):",
        f"t = simd.tile_load(a, i, ld, {ROWS}, {VECTORS}, {lanes})",
        f"u = simd.tile_load(b, 0, ld, {ROWS}, {VECTORS}, {lanes})",
        f"row = simd.tile_load(b, 0, 0, 1, {VECTORS}, {lanes})",
        f"strip = simd.tile_load(b, 0, ld, {ROWS}, 1, {lanes})",
        "v = simd.row_reduce_add(t)",
        *(f"simd.tile_store({code}, tiles, {k * size}, {VECTORS * lanes})" for k, code in codes(ELEMENTWISE)),
        *(f"i = {k * max(ROWS, VECTORS * lanes)}; {code}" for k, code in codes(REDUCTIONS)),
    ]
    names = {"simd": simd, "ROWS": ROWS, "VECTORS": VECTORS, "LANES": lanes}
    names |= {"T": np.dtype(dtype).type, "DEGREE": 6 if dtype == "float32" else 8}
    exec("\n    ".join(lines), names)
    return njit(names["made"], error_model="numpy")


def codes(table):
    return enumerate(code for code, _ in table.values())


case = cache(Case)


@pytest.mark.parametrize("operation", ELEMENTWISE)
@COMBINATIONS
def test_elementwise_operation_gives_what_numpy_gives(dtype, lanes, operation):
    c = case(dtype, lanes)
    got = c.elementwise[list(ELEMENTWISE).index(operation)]
    expected = ELEMENTWISE[operation][1](c)
    np.testing.assert_allclose(got, expected, rtol=APPROXIMATE.get(operation, 0), atol=0)


@pytest.mark.parametrize("operation", REDUCTIONS)
@COMBINATIONS
def test_reduction_gives_what_numpy_gives(dtype, lanes, operation):
    c = case(dtype, lanes)
    expected = np.atleast_1d(REDUCTIONS[operation][1](c))
    np.testing.assert_array_equal(c.reduced[list(REDUCTIONS).index(operation), : len(expected)], expected)


@cache
def parts(lanes):
    @njit
    def made(a, rows, columns, out):
        ld = VECTORS * lanes + 2
        t = simd.tile_load(a, 1, ld, ROWS, VECTORS, lanes)
        nines = simd.tile_add(simd.tile_zeros(a, ROWS, VECTORS, lanes), 9)
        simd.tile_store_part(t, out, 0, ld, rows, columns)
        simd.tile_add_to_part(t, out, ROWS * ld, ld, rows, columns)
        simd.tile_store(simd.tile_load_part(nines, a, 1, ld, rows, columns), out, 2 * ROWS * ld, ld)
        simd.add_to(t, out, 3 * ROWS * ld, ld)

    return made


@COMBINATIONS
def test_parts_touch_the_first_rows_and_columns_only(dtype, lanes):
    width = VECTORS * lanes
    a = np.arange(ROWS * (width + 2) + 1, dtype=dtype)
    t = a[1:].reshape(ROWS, -1)[:, :width]
    for rows in (-1, 0, 1, ROWS, 2**40):
        for columns in (-(2**33), 0, 1, lanes - 1, lanes, lanes + 1, width, 2**33):
            out = np.full((4, ROWS, width + 2), -7, dtype)
            parts(lanes)(a, rows, columns, out)
            inside = np.zeros(t.shape, bool)
            inside[: max(rows, 0), : max(columns, 0)] = True
            assert (out[[0, 1, 3], :, width:] == -7).all()
            np.testing.assert_array_equal(out[0, :, :width], np.where(inside, t, -7))
            np.testing.assert_array_equal(out[1, :, :width], np.where(inside, t - 7, -7))
            np.testing.assert_array_equal(out[2, :, :width], np.where(inside, t, 9))
            np.testing.assert_array_equal(out[3, :, :width], t - 7)


@cache
def transposer(rows, vectors, lanes):
    @njit
    def made(a, out):
        simd.tile_store(simd.tile_transpose(simd.tile_load(a, 0, vectors * lanes, rows, vectors, lanes)), out, 0, rows)

    return made


@pytest.mark.parametrize(("tall", "wide"), [(1, 1), (2, 1), (1, 2)])
@COMBINATIONS
def test_transposition_in_registers(dtype, lanes, tall, wide):
    a = np.arange(tall * wide * lanes**2, dtype=dtype).reshape(tall * lanes, wide * lanes)
    out = np.zeros(a.shape[::-1], dtype)
    transposer(tall * lanes, wide, lanes)(a, out)
    np.testing.assert_array_equal(out, a.T)


@cache
def products(lanes):
    width = VECTORS * lanes

    @njit
    def made(a, at, b, packed, out):
        """From packed columns of A (``at``) and from A as it lies; from packed rows of B and from within a matrix."""
        k, ldb = a.shape[1], b.shape[1]
        t = u = v = w = d = e = simd.tile_zeros(a, ROWS, VECTORS, lanes)
        for p in range(k):
            d = simd.square_distances(d, at, p * ROWS, packed, p * width)
            t = simd.rank1(t, at, p * ROWS, packed, p * width)
        for p in range(0, k, 3):
            u = simd.rank1(u, at, p * ROWS, packed, p * width, 1, 3)
            v = simd.rank1_strided(v, a, p, k, packed, p * width, steps=3)
            w = simd.rank1_strided(w, a, p, k, b, p * ldb + 1, ldb, 1, 3)
            e = simd.square_distances(e, at, p * ROWS, packed, p * width, 1, 3)
        simd.tile_prefetch(t, out, 0, width, 3, 1)
        for i, tile in enumerate((t, u, v, w, d, e)):
            simd.tile_store(tile, out, i * ROWS * width, width)

    return made


@COMBINATIONS
def test_rank1_updates_sum_to_the_product_and_to_square_distances(dtype, lanes):
    rng = np.random.default_rng(0)
    width = VECTORS * lanes
    a, b = rng.integers(-4, 5, (ROWS, 6)).astype(dtype), rng.integers(-4, 5, (6, width + 5)).astype(dtype)
    packed = np.ascontiguousarray(b[:, 1 : 1 + width])
    out = np.zeros((6, ROWS, width), dtype)
    products(lanes)(a, np.ascontiguousarray(a.T), b, packed, out)
    np.testing.assert_array_equal(out[:4], np.broadcast_to(a @ packed, (4, ROWS, width)))
    distances = ((a[:, :, np.newaxis] - packed) ** 2).sum(axis=1)
    np.testing.assert_array_equal(out[4:], np.broadcast_to(distances, (2, ROWS, width)))


@njit
def streamed(a, out):
    simd.tile_stream(simd.tile_load(a, 0, 16, 2, 2, 8), out, 0, 16)
    simd.fence()


def test_streamed_tiles_arrive():
    a, raw = np.arange(32.0), np.zeros(32 + 8)
    out = raw[-raw.ctypes.data % 64 // 8 :][:32]
    streamed(a, out)
    np.testing.assert_array_equal(out, a)


def has(feature):
    """True where code is compiled for a CPU with the feature."""
    features = config.CPU_FEATURES or llvmlite.binding.get_host_cpu_features().flatten()
    return f"+{feature}" in features.split(",")


@cache
def micro_kernel(rows, vectors, lanes, order):
    @njit(error_model="numpy")
    def made(kc, a, b, c):
        t = simd.tile_zeros(c, rows, vectors, lanes)
        for p in range(kc):
            t = simd.rank1(t, a, p * rows, b, p * vectors * lanes, order)
        simd.add_to(t, c, 0, vectors * lanes)

    return made


def loops(assembly):
    """The bodies of the loops of an assembly listing: from a label to a jump back to it."""
    lines, seen = assembly.splitlines(), {}
    for number, line in enumerate(lines):
        if label := re.match(r"(\.?L\w+):", line):
            seen[label[1]] = number
        elif (jump := re.match(r"\s+j\w+\s+(\.?L\w+)", line)) and jump[1] in seen:
            yield lines[seen[jump[1]] : number]


@pytest.mark.skipif(not IS_X86, reason="reads x86 assembly")
@pytest.mark.parametrize(
    ("shape", "order", "feature"),
    [
        ((4, 1, 4), 0, "fma"),
        ((4, 1, 4), 1, "fma"),
        ((6, 2, 4), 0, "avx2"),
        ((2, 6, 4), 1, "avx2"),
        ((12, 2, 8), 0, "avx512f"),
        ((6, 4, 8), 1, "avx512f"),
    ],
)
def test_the_tile_of_a_rank1_loop_stays_in_registers(shape, order, feature):
    if not has(feature) or not has("fma"):
        pytest.skip(f"this CPU has no {feature} and fma: the tile does not fit, or fma is a library call")
    assert spills(shape, order) == []


@pytest.mark.skipif(not IS_X86 or not has("fma"), reason="reads x86 assembly with vfmadd")
def test_a_tile_that_does_not_fit_is_seen_to_spill():
    assert spills((12, 4, 8), 0)


def spills(shape, order):
    """The instructions in the loops of a micro-kernel that store vectors or use the stack."""
    function = micro_kernel(*shape, order)
    rows, columns = shape[0], shape[1] * shape[2]
    function(0, np.zeros(rows), np.zeros(columns), np.zeros((rows, columns)))
    (assembly,) = function.inspect_asm().values()
    bodies = [body for body in loops(assembly) if any("vfmadd" in line for line in body)]
    assert bodies
    return [line for line in chain(*bodies) if re.match(r"\s+v?mov\w+\s+%[xyz]mm\d+, .*\(", line) or "%rsp" in line]
