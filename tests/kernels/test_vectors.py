"""Every vector operation against NumPy, for both float types and 2 to 16 lanes."""

import os
import platform
import subprocess
import sys
from functools import cache
from pathlib import Path

import llvmlite.binding
import numpy as np
import pytest
from numba import config, njit
from numba.core.errors import TypingError

import kernels
from kernels.language import simd

LANES = (2, 4, 8, 16)
DTYPES = ("float32", "float64")
IS_X86 = platform.machine().lower() in {"x86_64", "amd64"}
START = 3

# Code in the generated function, and the same in NumPy. x, y, z are loaded vectors; a is the array that x is part of.
LANEWISE = {
    "load": ("x", lambda c: c.x),
    "add": ("simd.add(x, y)", lambda c: c.x + c.y),
    "sub": ("simd.sub(x, y)", lambda c: c.x - c.y),
    "mul": ("simd.mul(x, y)", lambda c: c.x * c.y),
    "div": ("simd.div(x, y)", lambda c: c.x / c.y),
    "add a scalar": ("simd.add(x, 0.5)", lambda c: c.x + c.t(0.5)),
    "subtract from a scalar": ("simd.sub(2, x)", lambda c: c.t(2) - c.x),
    "fma": ("simd.fma(x, y, z)", lambda c: (c.x.astype("f8") * c.y + c.z).astype(c.t)),
    "fma with scalars": ("simd.fma(x, 3.0, 1)", lambda c: (c.x.astype("f8") * 3 + 1).astype(c.t)),
    "sqrt": ("simd.sqrt(simd.mul(x, x))", lambda c: np.sqrt(c.x * c.x)),
    "minimum": ("simd.minimum(x, y)", lambda c: np.minimum(c.x, c.y)),
    "maximum": ("simd.maximum(x, y)", lambda c: np.maximum(c.x, c.y)),
    "broadcast": ("simd.broadcast(a[7], LANES)", lambda c: np.full(c.lanes, c.a[7])),
    "load_broadcast": ("simd.load_broadcast(a, 5, LANES)", lambda c: np.full(c.lanes, c.a[5])),
    "reverse": ("simd.shuffle(x, x, REVERSED)", lambda c: c.x[::-1]),
    "interleave": ("simd.shuffle(x, y, INTERLEAVED)", lambda c: np.stack([c.x, c.y]).T.ravel()[: c.lanes]),
    "strided gather": ("simd.gather(a, i, n, LANES)", lambda c: c.a[START : START + 5 * c.lanes : 5]),
    "backward gather": ("simd.gather(a, 30, -1, LANES)", lambda c: c.a[30 : 30 - c.lanes : -1]),
    "gather by int64": ("simd.gather(a, 1, simd.load(wide, 0, LANES))", lambda c: c.a[1 + c.wide[: c.lanes]]),
    "gather by int32": ("simd.gather(a, 0, simd.load(narrow, 1, LANES))", lambda c: c.a[c.narrow[1 : 1 + c.lanes]]),
    "lookup by int64": ("simd.lookup(a, wide, 2, LANES)", lambda c: c.a[c.wide[2 : 2 + c.lanes]]),
    "lookup by int32": ("simd.lookup(a, narrow, i, LANES)", lambda c: c.a[c.narrow[START : START + c.lanes]]),
    "masked gather": (
        "simd.masked_gather(a, 1, simd.load(narrow, 0, LANES), i)",
        lambda c: np.where(np.arange(c.lanes) < START, c.a[1 + c.narrow[: c.lanes]], 0),
    ),
    "blend": ("simd.blend(x, y, i)", lambda c: np.where(np.arange(c.lanes) < START, c.x, c.y)),
    "blend with a scalar": ("simd.blend(x, 7, 1)", lambda c: np.where(np.arange(c.lanes) < 1, c.x, 7)),
    "blend of none": ("simd.blend(x, y, -1)", lambda c: c.y),
}


class Case:
    """Inputs and results of all operations for one dtype and number of lanes."""

    def __init__(self, dtype, lanes):
        rng = np.random.default_rng(lanes)
        self.t, self.lanes = np.dtype(dtype).type, lanes
        self.a, self.b = (rng.uniform(-2, 2, 128).astype(dtype) for _ in range(2))
        self.wide, self.narrow = rng.integers(0, 100, 64), rng.integers(0, 100, 64).astype(np.int32)
        self.x, self.y, self.z = (array[k : k + lanes] for array, k in ((self.a, START), (self.b, 0), (self.b, 20)))
        self.out = np.zeros((len(LANEWISE), lanes), dtype)
        lanewise(lanes)(self.a, self.b, START, 5, self.out, (self.wide, self.narrow))


@cache
def lanewise(lanes):
    body = [f"simd.store(out, {k * lanes}, {code})" for k, (code, _) in enumerate(LANEWISE.values())]
    lines = [
        "def program(a, b, i, n, out, integers):",
        "wide, narrow = integers",
        f"x, y, z = simd.load(a, i, {lanes}), simd.load(b, 0, {lanes}), simd.load(b, 20, {lanes})",
        *body,
    ]
    order = tuple(k // 2 + k % 2 * lanes for k in range(lanes))
    names = {"simd": simd, "LANES": lanes, "REVERSED": tuple(reversed(range(lanes))), "INTERLEAVED": order}
    exec("\n    ".join(lines), names)
    return njit(names["program"], error_model="numpy")


case = cache(Case)


@pytest.mark.parametrize("operation", LANEWISE)
@pytest.mark.parametrize("lanes", LANES)
@pytest.mark.parametrize("dtype", DTYPES)
def test_lanewise_operation_gives_what_numpy_gives(dtype, lanes, operation):
    c = case(dtype, lanes)
    expected = LANEWISE[operation][1](c)
    got = c.out[list(LANEWISE).index(operation)]
    if "fma" in operation:
        np.testing.assert_allclose(got, expected, rtol=2 * np.finfo(dtype).eps, atol=4 * np.finfo(dtype).eps)
    else:
        np.testing.assert_array_equal(got, expected)


@cache
def sorter(lanes):
    @njit
    def program(a, out, is_less):
        v = simd.broadcast(a.dtype.type(np.inf), lanes)
        for i in range(a.size):
            is_less[i] = simd.any_less(simd.broadcast(a[i], lanes), v)
            v = simd.insert_sorted(v, a[i])
        simd.store(out, 0, v)

    return program


@pytest.mark.parametrize("lanes", LANES)
@pytest.mark.parametrize("dtype", DTYPES)
def test_a_sorted_vector_keeps_the_least_numbers_and_never_nan(dtype, lanes):
    rng = np.random.default_rng(lanes)
    a = rng.integers(-9, 9, 40).astype(dtype)
    a[rng.permutation(40)[:4]] = np.nan, -np.inf, np.inf, -0.0
    out, is_less = np.zeros(lanes, dtype), np.zeros(40, np.bool_)
    sorter(lanes)(a, out, is_less)
    np.testing.assert_array_equal(out, np.sort(a)[:lanes])
    kept = [np.sort(np.append(a[:i], [np.inf] * lanes))[lanes - 1] for i in range(40)]
    np.testing.assert_array_equal(is_less, a < kept)


@cache
def reductions(lanes):
    @njit
    def program(a, i, out):
        v = simd.load(a, i, lanes)
        out[0], out[1], out[2] = simd.reduce_add(v), simd.reduce_min(v), simd.reduce_max(v)
        out[3], out[4] = simd.extract(v, 1), simd.extract(v, i)

    return program


def halved(values):
    while len(values) > 1:
        values = values[: len(values) // 2] + values[len(values) // 2 :]
    return values[0]


@pytest.mark.parametrize("lanes", LANES)
@pytest.mark.parametrize("dtype", DTYPES)
def test_reductions_halve_in_a_fixed_order(dtype, lanes):
    a, out = np.random.default_rng(1).standard_normal(32).astype(dtype), np.zeros(5, dtype)
    reductions(lanes)(a, 1, out)
    v = a[1 : 1 + lanes]
    np.testing.assert_array_equal(out, [halved(v), v.min(), v.max(), v[1], v[1]])


@cache
def tails(lanes):
    @njit
    def program(a, i, count, filled, out):
        simd.store(out, 0, simd.masked_load(a, i, lanes, count))
        simd.store(out, lanes, simd.masked_load(a, i, lanes, count, filled))
        simd.masked_store(out, 2 * lanes + 1, simd.load(a, i, lanes), count)

    return program


@pytest.mark.parametrize("lanes", LANES)
@pytest.mark.parametrize("dtype", DTYPES)
def test_masked_operations_touch_the_first_lanes_only(dtype, lanes):
    a = np.arange(1, 40, dtype=dtype)
    for count in (-(2**40), -1, *range(lanes + 2), 2**32, 2**62):
        out = np.full(3 * lanes + 3, -7, dtype)
        tails(lanes)(a, 5, count, -3, out)
        kept = min(max(count, 0), lanes)
        v = a[5 : 5 + kept]
        np.testing.assert_array_equal(out[:lanes], np.pad(v, (0, lanes - kept)))
        np.testing.assert_array_equal(out[lanes : 2 * lanes], np.pad(v, (0, lanes - kept), constant_values=-3))
        np.testing.assert_array_equal(out[2 * lanes :], np.pad(v, (1, lanes + 2 - kept), constant_values=-7))


@njit
def extremes(a, b, out):
    x, y = simd.load(a, 0, 4), simd.load(b, 0, 4)
    simd.store(out, 0, simd.minimum(x, y))
    simd.store(out, 4, simd.maximum(x, y))
    simd.store(out, 8, simd.sqrt(y))
    simd.store(out, 12, simd.div(x, y))


@pytest.mark.parametrize("dtype", DTYPES)
def test_extremes_follow_their_documented_rule_for_nan_and_zero(dtype):
    a, b = np.array([np.nan, 1, 0.0, np.inf], dtype), np.array([2, np.nan, -0.0, -1], dtype)
    out = np.zeros(16, dtype)
    extremes(a, b, out)
    np.testing.assert_array_equal(out[:8], [2, np.nan, 0, -1, 2, np.nan, 0, np.inf])
    assert np.signbit(out[[2, 6]]).all()
    with np.errstate(all="ignore"):
        np.testing.assert_array_equal(out[8:], [*np.sqrt(b), *(a / b)])


@njit
def rounded_once(a, out):
    v = simd.load(a, 0, 4)
    simd.store(out, 0, simd.fma(v, simd.sub(2, v), -1))
    simd.store(out, 4, simd.sub(simd.mul(v, simd.sub(2, v)), 1))


@pytest.mark.parametrize("dtype", DTYPES)
def test_only_fma_rounds_once(dtype):
    eps = np.finfo(dtype).eps
    out = np.zeros(8, dtype)
    rounded_once(np.full(4, 1 + eps, dtype), out)
    np.testing.assert_array_equal(out, [-(eps**2)] * 4 + [0] * 4)


@njit
def streamed(a, out):
    for i in range(0, a.size, 8):
        simd.prefetch(a, i + 512)
        simd.prefetch(out, i, 0, True)
        simd.stream(out, i, simd.load(a, i, 8))
    simd.fence()


def test_streamed_vectors_arrive_past_the_caches_and_are_fenced():
    a, raw = np.arange(64.0), np.zeros(64 + 8)
    out = raw[-raw.ctypes.data % 64 // 8 :][:64]
    streamed(a, out)
    np.testing.assert_array_equal(out, a)
    if not IS_X86:
        pytest.skip("which instructions do it is known for x86 only")
    (assembly,) = streamed.inspect_asm().values()
    after = assembly[assembly.index("movntp") :]
    assert "prefetch" in assembly
    assert any(word in after for word in ("mfence", "orl\t$0"))


@njit
def integers(a, out):
    v = simd.load(a, 1, 4)
    simd.store(out, 0, simd.maximum(simd.fma(v, 3, simd.broadcast(a[0], 4)), 0))
    out[4] = simd.reduce_add(simd.mul(v, v))


@pytest.mark.parametrize("dtype", ["int32", "int64"])
def test_vectors_of_integers_compute(dtype):
    a, out = np.array([2, -5, 4, 7, 0], dtype), np.zeros(5, dtype)
    integers(a, out)
    np.testing.assert_array_equal(out, [*np.maximum(a[1:] * 3 + 2, 0), 90])


@njit
def twice(v, t):
    return simd.add(v, v), simd.scale(t, 2)


@njit
def through_a_function(a):
    v, t = simd.load(a, 0, 4), simd.tile_load(a, 0, 4, 2, 1, 4)
    for _ in range(3):
        v, t = twice(v, t)
    return simd.reduce_add(v), simd.tile_reduce_add(t)


def test_vectors_and_tiles_pass_through_functions_and_loops():
    assert through_a_function(np.arange(8.0).reshape(2, 4)) == (48, 224)


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda a, _b, n: simd.reduce_add(simd.load(a, 0, n)), "must be a literal"),
        (lambda a, _b, _n: simd.reduce_add(simd.load(a, 0, 3)), "power of two"),
        (lambda a, _b, _n: simd.reduce_add(simd.load(a.T, 0, 4)), "C-contiguous"),
        (lambda a, _b, _n: simd.reduce_add(simd.load(a, 0.5, 4)), "must be an integer"),
        (lambda a, b, _n: simd.store(b, 0, simd.load(a, 0, 4)), "dtypes differ"),
        (lambda a, b, _n: simd.add(simd.load(a, 0, 4), simd.load(b, 0, 4)), "vectors of one type"),
        (lambda a, _b, _n: simd.exp(simd.load(a, 0, 4), 4), "degree must be 5 to 13"),
        (lambda a, _b, _n: simd.shuffle(simd.load(a, 0, 2), simd.load(a, 0, 2), (0, 4)), "lane numbers must lie"),
        (lambda a, _b, _n: simd.tile_transpose(simd.tile_load(a, 0, 4, 3, 1, 4)), "no multiple of its lanes"),
        (lambda a, b, _n: simd.rank1(simd.tile_zeros(a, 2, 1, 4), a, 0, b, 0), "dtypes differ"),
        (lambda a, _b, _n: simd.tile_add(simd.tile_zeros(a, 2, 2, 4), simd.tile_zeros(a, 3, 2, 4)), "cannot be spread"),
    ],
)
def test_misuse_is_refused_when_compiling(function, message):
    with pytest.raises(TypingError, match=message):
        njit(function)(np.zeros((8, 8)), np.zeros(64, np.float32), 4)


def test_read_only_arrays_are_not_stored_to():
    a = np.zeros(8)
    a.flags.writeable = False
    with pytest.raises(TypingError, match="read-only"):
        njit(lambda a: simd.store(a, 0, simd.broadcast(1.0, 4)))(a)


def test_types_are_equal_by_what_they_say():
    from numba import types

    assert simd.Vector(types.float32, 4) == simd.Vector(types.float32, 4) != simd.Vector(types.float32, 8)
    assert len({simd.Tile(types.float32, 2, 1, 4), simd.Tile(types.float32, 2, 1, 4)}) == 1
    assert str(simd.Tile(types.float32, 2, 1, 4)) == "Tile(float32, 2, 1, 4)"


@pytest.mark.skipif(not IS_X86, reason="the instruction's name is known for x86 only")
def test_fma_is_one_instruction_where_the_cpu_has_it():
    if "+fma" not in (config.CPU_FEATURES or llvmlite.binding.get_host_cpu_features().flatten()).split(","):
        pytest.skip("this CPU has no fused multiply-add")
    rounded_once(np.ones(4), np.zeros(8))
    assert all("vfm" in text for text in rounded_once.inspect_asm().values())


CACHED = """
import sys
import numpy as np
from numba import config, njit
from kernels.language.simd import add_to, exp, fma, load, rank1, reduce_add, scale, tile_zeros

@njit(cache=True)
def inner(v, t):
    return fma(v, v, 1.0), scale(t, 0.5)

@njit("float64(float64[::1])", cache=True)
def outer(a):
    v, t = inner(exp(load(a, 0, 4), 9), rank1(tile_zeros(a, 2, 1, 4), a, 0, a, 0))
    add_to(t, a, 0, 4)
    return reduce_add(v)

print(f"{outer(np.linspace(0, 1, 8)):.6f}", sum(outer.stats.cache_hits.values()), sum(inner.stats.cache_hits.values()))
"""


def test_the_next_process_loads_compiled_vectors_from_the_disk_cache(tmp_path):
    program = tmp_path / "cached.py"
    program.write_text(CACHED)
    root = str(Path(kernels.__file__).parents[1])
    environment = {**os.environ, "PYTHONPATH": root, "NUMBA_CACHE_DIR": str(tmp_path / "cache")}
    command = [sys.executable, str(program)]
    runs = [subprocess.run(command, env=environment, capture_output=True, text=True, check=True) for _ in range(2)]
    answers = [run.stdout.split() for run in runs]
    assert answers[0][0] == answers[1][0]
    assert [answer[1] for answer in answers] == ["0", "1"]
