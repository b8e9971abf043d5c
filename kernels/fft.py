"""fft: out <- the discrete Fourier transform of every row of x, sum x[t] exp(-2 pi i k t / n), n a power of two.

x, out: (batch, 2n), real and imaginary parts side by side, so that ``x.view(complex128)`` is what others call the
array; values in [-1, 1). roots: (4n,), what other libraries keep in a plan as twiddle factors, to be made once for each
n by ``unit_roots(n, dtype)``. float32 or float64. Some 4n log2(n) FLOP at the very least; x is read and out is written,
each once. Bound: caches and shuffles rather than arithmetic.
Sources: Stockham, High-speed convolution and correlation, 1966 (passes that sort by themselves); Cooley and Tukey, An
algorithm for the machine calculation of complex Fourier series, 1965 (radices); Frigo and Johnson, The Design and
Implementation of FFTW3, 2005 (plans are searched for, roots are tabulated).

A pass of radix R does n/R small transforms of R numbers that lie n/R apart and puts their results, multiplied by roots,
side by side in strides that grow by R a pass. Within passes real and imaginary parts fill vectors of their own.

Genes, and what they do to the machine:
- ``radix1``, then ``radix2`` to ``radix5``, the last of them again until all is done: the plan. A larger radix means
  fewer passes over the data, and more registers than the CPU may have. Where less is left, the radix is what is left.
  The first pass transposes in registers, so that its radix is at least ``lanes``.
- ``lanes``: numbers in a vector. Rows shorter than radix1 times lanes are transformed number by number.
- ``layout``: of numbers between passes. *blocks*: a vector of real parts, one of imaginary parts, by turns; *planes*:
  all real parts, then all imaginary parts, whose rows fall into the same sets of the cache.
- ``roots``: *derived* loads the first, second, fourth ... power and multiplies by several of these; *powers* loads the
  first alone; *loaded* loads each of them in all passes but the first. Loads against products, and against accuracy.
- ``between``: results of passes go by turns into *out* and one scratch array, or into *two* scratch arrays.
- ``fetch ahead``: so many vectors ahead a pass prefetches each of its rows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from kernels.contract import Inputs, Kernel, Rival, Size, Work, installed, item_bytes
from kernels.language import Schedule, Space, choice, flag, power_of_two, static, template
from kernels.language.simd import (
    load,
    load_broadcast,
    tile_dft,
    tile_interleave,
    tile_load_pairs,
    tile_load_parts,
    tile_prefetch,
    tile_replace,
    tile_store_pairs,
    tile_store_parts,
    tile_twiddle,
    tile_zeros,
)

if TYPE_CHECKING:
    from kernels.language import Template

_FIRST_RADICES = (4, 8, 16)
# with 16 passes are fewer, and slower: 6.9 us for 4096 numbers in float64 where 8 took 4.8, on 32 registers
_RADICES = (2, 4, 8)
_COMPLEX_BYTES = 16

SPACE = Space(
    [
        power_of_two("radix1", 4, 16, "radix of the first pass", default=8),
        power_of_two("radix2", 2, 8, "radix of the second pass", default=8),
        power_of_two("radix3", 2, 8, "radix of the third pass", default=8),
        power_of_two("radix4", 2, 8, "radix of the fourth pass", default=8),
        power_of_two("radix5", 2, 8, "radix of the fifth pass and all that follow", default=8),
        power_of_two("lanes", 4, 16, "numbers in a vector", default=8),
        choice("layout", ("blocks", "planes"), "of real and imaginary parts between passes"),
        choice("roots", ("derived", "powers", "loaded"), "which powers of roots are loaded"),
        choice("between", ("out", "two"), "where passes leave their results"),
        flag("fetch", "prefetch rows"),
        power_of_two("ahead", 1, 16, "vectors ahead of which they are prefetched", when={"fetch": (True,)}),
    ],
    [(lambda radix1, lanes: radix1 >= lanes, "the first pass leaves fewer neighbours than a vector has lanes")],
)


def exponent(radix: int) -> int:
    """The radix is 2 to this power."""
    return radix.bit_length() - 1


def loaded_roots(roots: str, radix: int) -> int:
    """How many roots a small transform loads: 1, 2, 4 ... of them, or all."""
    return {"derived": exponent(radix), "powers": 1, "loaded": radix - 1}[roots]


def step_of(roots: str, row: int) -> int:
    """The power of the root that is loaded as number ``row``."""
    return row + 1 if roots == "loaded" else 1 << row


def part_rows(layout: str, radix: int) -> int:
    """Rows of memory that a small transform reads: imaginary planes go on in the stride of the real ones."""
    return radix if layout == "blocks" else 2 * radix


def part_vectors(layout: str) -> int:
    """Vectors side by side in each of these rows."""
    return 2 if layout == "blocks" else 1


def first_radices(lanes: int) -> tuple[int, ...]:
    """Radices that the first pass may have."""
    return tuple(radix for radix in _FIRST_RADICES if radix >= lanes)


@template()
def short_row(p, x, roots, out, row):
    """One row, number by number: sorted by reversed bits, then radix 2 in place."""
    n = x.shape[1] // 2
    reverse = 0
    for t in range(n):
        out[row, 2 * reverse], out[row, 2 * reverse + 1] = x[row, 2 * t], x[row, 2 * t + 1]
        bit = n >> 1
        while reverse & bit:
            reverse ^= bit
            bit >>= 1
        reverse |= bit
    length = 2
    while length <= n:
        half = length // 2
        for start in range(0, n, length):
            for k in range(half):
                a, b = 2 * (start + k), 2 * (start + k + half)
                w_re, w_im = roots[2 * length + k], roots[3 * length + k]
                re = out[row, b] * w_re - out[row, b + 1] * w_im
                im = out[row, b] * w_im + out[row, b + 1] * w_re
                out[row, b], out[row, b + 1] = out[row, a] - re, out[row, a + 1] - im
                out[row, a], out[row, a + 1] = out[row, a] + re, out[row, a + 1] + im
        length *= 2


@template("void(T[:, ::1], T[::1], T[:, ::1])")
def baseline(p, x, roots, out):
    """The loops that everybody writes."""
    for row in range(x.shape[0]):
        short_row(p, x, roots, out, row)


@template(
    "void(T[:, ::1], T[::1], T[:, ::1], T[::1])",
    runtime=("radix1", "radix2", "radix3", "radix4", "radix5", "lanes", "ahead"),
    pointers=("first_pass", "middle_pass", "last_pass"),
)
def stockham(p, x, roots, out, scratch):
    """Row after row: the first pass from x, the others to and fro, the last into out."""
    n = x.shape[1] // 2
    results = out.reshape(out.size)
    plan = (p.radix2, p.radix3, p.radix4, p.radix5)
    for row in range(x.shape[0]):
        if n < p.radix1 * p.lanes:
            short_row(p, x, roots, out, row)
            continue
        at = 2 * n * row
        left, passes = n // p.radix1, 0
        while left > 1:
            left //= min(plan[min(passes, 3)], left)
            passes += 1
        # results is written by the last pass, and where it serves as scratch by every second one before
        is_result = p.between == "out" and passes % 2 == 0
        target, to = (results, at) if is_result else (scratch, 0)
        first_pass(p, x, at, roots, target, to, n, p.radix1)
        left, stride = n // p.radix1, p.radix1
        for k in range(passes):
            source, start = target, to
            if k == passes - 1 or (p.between == "out" and not is_result):
                target, to = results, at
            else:
                target, to = scratch, 2 * n - start if p.between == "two" else 0
            is_result = not is_result
            radix = min(plan[min(k, 3)], left)
            if left == radix:
                last_pass(p, source, start, target, to, n, radix)
            else:
                middle_pass(p, source, start, roots, target, to, n, radix, stride)
            left //= radix
            stride *= radix


@template("void(T[:, ::1], intp, T[::1], T[::1], intp, intp, intp)", runtime=("ahead",))
def first_pass(p, x, at, roots, target, to, n, radix_now):
    """Neighbouring small transforms fill the lanes; their results are sorted in registers."""
    unit = 2 if p.layout == "blocks" else 1
    step, apart = (2 * p.lanes, p.lanes) if p.layout == "blocks" else (p.lanes, n)
    for radix in static(first_radices(p.lanes)):
        if radix_now == radix:
            ld = n // radix
            for k in range(0, ld, p.lanes):
                if p.fetch:
                    shape = tile_zeros(p.dtype, radix, 2, p.lanes)
                    tile_prefetch(shape, x, at + 2 * (k + p.ahead * p.lanes), 2 * ld)
                w = tile_zeros(p.dtype, 2 * exponent(radix), 1, p.lanes)
                for j in static(exponent(radix)):
                    w = tile_replace(w, j, 0, load(roots, 2 * (n >> j) + k, p.lanes))
                    w = tile_replace(w, exponent(radix) + j, 0, load(roots, 3 * (n >> j) + k, p.lanes))
                t = tile_dft(tile_load_pairs(x, at + 2 * k, 2 * ld, radix, 1, p.lanes))
                u = tile_interleave(tile_twiddle(t, w))
                tile_store_parts(u, target, to + unit * radix * k, 0, step, apart)


@template("void(T[::1], intp, T[::1], T[::1], intp, intp, intp, intp)", runtime=("ahead",))
def middle_pass(p, source, start, roots, target, to, n, radix_now, stride):
    """``stride`` neighbours with the same roots; their results lie ``stride`` apart."""
    unit = 2 if p.layout == "blocks" else 1
    step, apart = (2 * p.lanes, p.lanes) if p.layout == "blocks" else (p.lanes, n)
    length = n // stride
    for radix in static(_RADICES):
        if radix_now == radix:
            ld = n // radix
            for k in range(length // radix):
                count = loaded_roots(p.roots, radix)
                w = tile_zeros(p.dtype, 2 * loaded_roots(p.roots, radix), 1, p.lanes)
                for j in static(loaded_roots(p.roots, radix)):
                    root = k * step_of(p.roots, j)
                    w = tile_replace(w, j, 0, load_broadcast(roots, 2 * length + root, p.lanes))
                    w = tile_replace(w, count + j, 0, load_broadcast(roots, 3 * length + root, p.lanes))
                for q in range(stride * k, stride * (k + 1), p.lanes):
                    if p.fetch:
                        shape = tile_zeros(p.dtype, part_rows(p.layout, radix), part_vectors(p.layout), p.lanes)
                        tile_prefetch(shape, source, start + unit * (q + p.ahead * p.lanes), unit * ld)
                    t = tile_load_parts(source, start + unit * q, unit * ld, step, apart, radix, 1, p.lanes)
                    t = tile_twiddle(tile_dft(t), w)
                    place = q + stride * (radix - 1) * k
                    tile_store_parts(t, target, to + unit * place, unit * stride, step, apart)


@template("void(T[::1], intp, T[::1], intp, intp, intp)", runtime=("ahead",))
def last_pass(p, source, start, target, to, n, radix_now):
    """As many neighbours as results lie apart; all roots are 1, and pairs are written."""
    unit = 2 if p.layout == "blocks" else 1
    step, apart = (2 * p.lanes, p.lanes) if p.layout == "blocks" else (p.lanes, n)
    for radix in static(_RADICES):
        if radix_now == radix:
            ld = n // radix
            for q in range(0, ld, p.lanes):
                if p.fetch:
                    shape = tile_zeros(p.dtype, part_rows(p.layout, radix), part_vectors(p.layout), p.lanes)
                    tile_prefetch(shape, source, start + unit * (q + p.ahead * p.lanes), unit * ld)
                t = tile_dft(tile_load_parts(source, start + unit * q, unit * ld, step, apart, radix, 1, p.lanes))
                tile_store_pairs(t, target, to + 2 * q, 2 * ld)


def unit_roots(n: int, dtype: str) -> np.ndarray:
    """The roots of unity of every length up to n: of length m all real parts from 2m on, all imaginary ones from 3m."""
    table = np.zeros(4 * n)
    for level in range(n.bit_length()):
        length = 1 << level
        roots = np.exp(-2j * np.pi * np.arange(length) / length)
        table[2 * length : 3 * length], table[3 * length : 4 * length] = roots.real, roots.imag
    return table.astype(dtype)


def problem(size: Size, dtype: str, rng: np.random.Generator) -> Inputs:
    """Random rows, and the roots.

    Raises:
        ValueError: n is no power of two.
    """
    batch, n = size
    if n & (n - 1):
        raise ValueError(f"fft takes rows of a power of two, not of {n} numbers")
    x = rng.uniform(-1, 1, (batch, 2 * n)).astype(dtype)
    return x, unit_roots(n, dtype)


def reference(x: np.ndarray, roots: np.ndarray) -> np.ndarray:
    """The truth in float64."""
    rows = np.ascontiguousarray(x, np.float64).view(np.complex128)
    return np.fft.fft(rows, axis=1).view(np.float64) if rows.size else np.zeros(x.shape)


def size_of(x: np.ndarray, roots: np.ndarray) -> Size:
    """Rows, and complex numbers in a row.

    Raises:
        ValueError: rows are no pairs, their number is no power of two, or the roots are not those of its length.
    """
    if x.ndim != 2 or x.shape[1] % 2:
        raise ValueError(f"fft takes rows of pairs, not an array of shape {x.shape}")
    batch, n = x.shape[0], x.shape[1] // 2
    if n & (n - 1):
        raise ValueError(f"fft takes rows of a power of two, not of {n} complex numbers as in the shape {x.shape}")
    if roots.shape != (4 * n,):
        raise ValueError(f"rows of shape {x.shape} need unit_roots({n}, dtype), not roots of shape {roots.shape}")
    return batch, n


def out_shape(size: Size) -> tuple[int, ...]:
    """The output has the shape of x."""
    return size[0], 2 * size[1]


def work(size: Size, dtype: str) -> Work:
    """Of the split-radix algorithm (Yavne, 1968), for n from 2 up; roots could be computed and are not counted."""
    batch, n = size
    level = n.bit_length() - 1
    adds, products = (3 * n * level - 3 * n + 4, n * level - 3 * n + 4) if n > 1 else (0, 0)
    array_bytes = 2 * batch * n * item_bytes(dtype)
    return Work({"add": batch * adds, "mul": batch * products}, array_bytes, array_bytes)


def workspace(schedule: Schedule, size: Size) -> tuple[int, ...]:
    """One row, or two."""
    return ((4 if schedule.between == "two" else 2) * size[1],)


def tolerance(size: Size, dtype: str) -> float:
    """A relative error of 7 units of roundoff a level (Higham, Accuracy and Stability, 2002, 24.1), derived roots more.

    It holds for a row as a whole; single numbers were seen at a fifth of it.
    """
    return 8 * size[1].bit_length() * float(np.finfo(dtype).eps)


def scale(truth: np.ndarray) -> np.ndarray:
    """A row's root mean square: its numbers are sums of all of x, whatever cancels."""
    squares = np.mean(truth**2, axis=1, keepdims=True) + np.finfo(np.float64).tiny
    return np.broadcast_to(np.sqrt(squares), truth.shape)


def complex_rows(x: np.ndarray) -> np.ndarray:
    """The same memory as complex numbers."""
    return x.view(np.complex64 if x.dtype == np.float32 else np.complex128)


def scipy_fft() -> Rival:
    """``scipy.fft.fft``: pocketfft."""
    fft = installed("scipy.fft").fft

    def call(x: np.ndarray, _roots: np.ndarray, out: np.ndarray) -> None:
        complex_rows(out)[:] = fft(complex_rows(x), axis=1)

    return call


def torch_fft() -> Rival:
    """``torch.fft.fft``: MKL, where torch was built with it."""
    torch = installed("torch")

    def call(x: np.ndarray, _roots: np.ndarray, out: np.ndarray) -> None:
        if (x.ctypes.data | out.ctypes.data) % _COMPLEX_BYTES:
            # torch crashes on the likes of them
            complex_rows(out)[:] = torch.fft.fft(torch.from_numpy(complex_rows(x.copy()))).numpy()
        else:
            torch.fft.fft(torch.from_numpy(complex_rows(x)), out=torch.from_numpy(complex_rows(out)))

    return call


def pyfftw_fft() -> Rival:
    """FFTW through pyfftw, with a measured plan for each shape, made at its first call."""
    pyfftw = installed("pyfftw")
    plans: dict[Any, Any] = {}

    def call(x: np.ndarray, _roots: np.ndarray, out: np.ndarray) -> None:
        given, made = complex_rows(x), complex_rows(out)
        key = given.shape, given.dtype, *(pyfftw.is_byte_aligned(array) for array in (given, made))
        if key not in plans:
            # planning overwrites both arrays, so it is done on others of the same alignment
            spare = [
                np.empty_like(array) if not aligned else pyfftw.empty_aligned(array.shape, array.dtype)
                for array, aligned in zip((given, made), key[2:], strict=True)
            ]
            flags = ("FFTW_MEASURE", "FFTW_UNALIGNED") if not all(key[2:]) else ("FFTW_MEASURE",)
            plans[key] = pyfftw.FFTW(*spare, axes=(1,), flags=flags, threads=1)
        plans[key](given, made)

    return call


def variant(_schedule: Schedule) -> Template:
    """The entry template of a schedule."""
    return stockham


KERNEL = Kernel(
    name="fft",
    doc=__doc__,
    dims=("batch", "n"),
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
    rivals={"scipy": scipy_fft, "torch": torch_fft, "pyfftw": pyfftw_fft},
    default_size=(1, 4096),
    verify_sizes=((1, 1), (3, 2), (2, 16), (1, 64), (3, 256), (2, 1024), (1, 2048)),
    tolerance=tolerance,
    scale=scale,
    split=("rows", "whole", "rows"),
    left=(
        "four passes take 128 KB each through L2, 2.3 us by its rate, beside 1.6 us of multiplications; radix 16 "
        "spills. Two passes at a time on columns that fit L1 (Bailey, 1990) would halve the traffic."
    ),
)
