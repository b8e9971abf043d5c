"""black_scholes: out <- spot * N(d1) - strike * exp(-rate * years) * N(d2), prices of European calls.

d1 = (log(spot / strike) + rate * years) / v + v / 2, d2 = d1 - v, v = volatility * sqrt(years); N is the normal
distribution function. spot, strike, years, out: (n,); rate, volatility: scalars; float32 or float64. An option costs
two exps at least, a logarithm, a square root and some quotients. Bytes: three arrays are read and one is written, once.
Bound: the exps and the arithmetic. The put is the call - spot + strike * exp(-rate * years).
Sources: Black and Scholes, The Pricing of Options and Corporate Liabilities, 1973; Hart and others, Computer
Approximations, 1968, number 5666, as in West, Better Approximations to Cumulative Normal Functions, 2005 (*rational*);
Shepherd and Laframboise, Chebyshev Approximation of (1 + 2x) exp(x^2) erfc x, 1981 (the variable of *polynomial*).

A call is a difference of two terms that cancel where it is worth little: errors are relative to 1 + price, which is
what the terms come to with inputs in [0.5, 2). By d1, with v given, the price's derivative is zero: an error of 1e-8
in log(spot / strike) is one of 1e-16 in the price, if densities are their own; shared ones take d1 for exact.

Genes, and what they do to the machine:
- ``normal normal_degree``: N(-x) = exp(-x^2 / 2) M(x). *rational* has M as a quotient of polynomials of degrees 6 and
  7; *short* of the least that are right enough: 2 and 3 in float32, twice 6 in float64; *polynomial* as one of that
  degree (float64: 11 more) in (x - 3) / (x + 3): no quotient less, and more products.
- ``densities``: *own* takes an exp for each of d1 and d2; *shared* one: spot exp(-d1^2 / 2) is what the discounted
  strike has for d2, if d1 is right.
- ``divisions``: *merged* divides by a product once where *separate* divides twice: the divider is the slowest unit.
- ``moneyness``: *forward* takes the logarithm of spot over the discounted strike, and waits for the discount;
  *spot* takes that of spot / strike, and adds rate * years.
- ``log_degree``: of the logarithm's polynomial in float32; float64 takes 3, 6, 7 for 1, 2, 3.
- ``exp``: a *polynomial*; or one of lower degree between the entries of a *table* that fills a register: a permutation
  for four products, whose units are the busiest: 33.0 us became 29.6.
- ``exp_degree``: of exp's polynomial in float32, of which float64 takes 5 more; beside a table 3 less and 1 more.
- ``lanes vectors``: numbers in a vector, and vectors in one turn: so many independent chains are under way. A vector
  of several registers has them take turns at each operation, several vectors at each function.
- ``stores fetch``: *streaming* goes past the caches, where out is aligned; so many turns ahead are prefetched.
"""

from __future__ import annotations

import math
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import numba
import numpy as np

from kernels.contract import Inputs, Kernel, Rival, Size, Work, has_rival_threads, installed, item_bytes, rival_threads
from kernels.language import Schedule, Space, choice, integer, power_of_two, template
from kernels.language.simd import (
    fence,
    scale,
    tile_add,
    tile_div,
    tile_exp2,
    tile_exp2_table,
    tile_fma,
    tile_load,
    tile_load_part,
    tile_log,
    tile_max,
    tile_minus_abs,
    tile_mul,
    tile_polynomial,
    tile_prefetch,
    tile_select,
    tile_sqrt,
    tile_store,
    tile_store_part,
    tile_stream,
    tile_sub,
    tile_zeros,
)
from kernels.language.simd.polynomials import interpolated

if TYPE_CHECKING:
    from kernels.language import Template

_POLYNOMIAL = {"normal": ("polynomial",)}

SPACE = Space(
    [
        choice("normal", ("rational", "short", "polynomial"), "the normal distribution function"),
        integer("normal_degree", range(7, 11), "degree of its polynomial in float32", default=8, when=_POLYNOMIAL),
        choice("densities", ("shared", "own"), "one exp for d1 and d2, or two"),
        choice("divisions", ("separate", "merged"), "quotients by one division, or each by its own"),
        choice("moneyness", ("spot", "forward"), "of what the logarithm is taken"),
        integer("log_degree", (1, 2, 3), "degree of the logarithm's polynomial in float32", default=2),
        choice("exp", ("table", "polynomial"), "how exp is reckoned"),
        integer("exp_degree", (5, 6, 7), "degree of exp's polynomial in float32"),
        power_of_two("lanes", 2, 64, "numbers in a vector", default=8),
        integer("vectors", (1, 2, 3, 4, 6, 8), "vectors in one turn", default=6),
        choice("stores", ("ordinary", "streaming"), "through the caches or past them"),
        integer("fetch", (0, 1, 2, 4, 8), "turns ahead to prefetch"),
    ],
    [
        (lambda lanes, vectors: lanes * vectors <= 64, "one turn holds more numbers than any register file"),
        (lambda densities, log_degree: densities == "own" or log_degree > 1, "a shared density takes d1 for exact"),
    ],
)

_INVERSE_ROOT_2_PI = Decimal("0.39894228040143267793994605993438186847585863116493")
_CENTRE = 3.0
_LOG2_E = 1.4426950408889634
# fmt: off
_HART = (
    (220.206867912376, 221.213596169931, 112.079291497871, 33.912866078383,
     6.37396220353165, 0.700383064443688, 0.0352624965998911),
    (440.413735824752, 793.826512519948, 637.333633378831, 296.564248779674,
     86.7807322029461, 16.064177579207, 1.75566716318264, 0.0883883476483184),
)
# fitted to N itself by Lawson's method: right to 6.1e-8 and 8.3e-16
_SHORT = {
    "float32": (
        (0.50000005912501190, 0.21553151411875170, 0.040608755623083918),
        (1.0, 1.2289560041672226, 0.56168836190292518, 0.10003928040259497),
    ),
    "float64": (
        (0.49999999999999920796, 0.41850876805783426374, 0.17949470440097283482, 0.043384844291962061749,
         0.0058982858327225715598, 0.00035632465499210129206, 7.0132359195388574078e-9),
        (1.0, 1.6349020969182022158, 1.1634525503684704896, 0.46358098740925180084,
         0.10977545722487972073, 0.014773444835998014133, 0.00089381206838220361265),
    ),
}
# fmt: on


def farthest(dtype: str) -> float:
    """Beyond so many standard deviations the normal distribution ends within a thousandth of an eps."""
    return 6.5 if dtype == "float32" else 9.0


def next_to_nothing(dtype: str) -> float:
    """A number whose square is normal."""
    return float(np.finfo(dtype).tiny) ** 0.5


def log_degree(dtype: str, in_float32: int) -> int:
    """Of the logarithm's polynomial."""
    return (3, 6, 7)[in_float32 - 1] if dtype == "float64" else in_float32


def exp_degree(dtype: str, in_float32: int, exp: str) -> int:
    """Of exp's polynomial."""
    return in_float32 + {"polynomial": (0, 5), "table": (-3, 1)}[exp][dtype == "float64"]


def quotient(normal: str, dtype: str, which: int) -> tuple[float, ...]:
    """The coefficients above (0) or below (1) the line, of M in -x."""
    coefficients = _HART[which] if normal == "rational" else _SHORT[dtype][which]
    return tuple(-c if k % 2 else c for k, c in enumerate(coefficients))


def tail_coefficients(dtype: str, in_float32: int) -> tuple[float, ...]:
    """Of exp(x^2 / 2) N(-x), in (x - 3) / (x + 3)."""
    degree, end = in_float32 + 11 * (dtype == "float64"), farthest(dtype)
    return interpolated(scaled_tail, degree, -1.0, (end - _CENTRE) / (end + _CENTRE))


def scaled_tail(u: Decimal) -> Decimal:
    """exp(x^2 / 2) N(-x) at x = 3 (1 + u) / (1 - u), by Marsaglia's series (2004) for N(x) - 1/2."""
    x = Decimal(_CENTRE) * (1 + u) / (1 - u)
    term, total, n = x, x, 1
    while term > total * Decimal("1e-48"):
        n += 2
        term *= x * x / n
        total += term
    return (x * x / 2).exp() / 2 - total * _INVERSE_ROOT_2_PI


@template("void(T[::1], T[::1], T[::1], T, T, T[::1])")
def baseline(p, spot, strike, years, rate, volatility, out):
    """The loop that everybody writes."""
    for i in range(out.size):
        deviation = volatility * np.sqrt(years[i])
        d1 = (np.log(spot[i] / strike[i]) + rate * years[i]) / deviation + deviation / 2
        near, far = math.erfc(-d1 * math.sqrt(0.5)) / 2, math.erfc((deviation - d1) * math.sqrt(0.5)) / 2
        out[i] = spot[i] * near - strike[i] * np.exp(-rate * years[i]) * far


@template("void(T[::1], T[::1], T[::1], T, T, T[::1])")
def tiled(p, spot, strike, years, rate, volatility, out):
    """A register tile of options at a time; the last one in part, filled up with ones."""
    step = p.vectors * p.lanes
    one = tile_add(tile_zeros(p.dtype, 1, p.vectors, p.lanes), p.dtype(1))
    if p.stores == "streaming":
        is_aligned = out.ctypes.data % (p.lanes * item_bytes(p.dtype)) == 0
    for i in range(0, out.size, step):
        left = out.size - i
        if p.fetch:
            tile_prefetch(one, spot, i + p.fetch * step, 0)
            tile_prefetch(one, strike, i + p.fetch * step, 0)
            tile_prefetch(one, years, i + p.fetch * step, 0)
        if left >= step:
            s = tile_load(spot, i, 0, 1, p.vectors, p.lanes)
            k = tile_load(strike, i, 0, 1, p.vectors, p.lanes)
            t = tile_load(years, i, 0, 1, p.vectors, p.lanes)
        else:
            s = tile_load_part(one, spot, i, 0, 1, left)
            k = tile_load_part(one, strike, i, 0, 1, left)
            t = tile_load_part(one, years, i, 0, 1, left)
        price = calls(p, s, k, t, rate, volatility)
        if left < step:
            tile_store_part(price, out, i, 0, 1, left)
        elif p.stores == "streaming" and is_aligned:
            tile_stream(price, out, i, 0)
        else:
            tile_store(price, out, i, 0)
    if p.stores == "streaming":
        fence()


@template()
def calls(p, s, k, t, rate, volatility):
    """The prices of a tile of options."""
    zero = tile_zeros(p.dtype, 1, p.vectors, p.lanes)
    # at the end of an option's life, and of the currency's, there is something to divide by
    floor = tile_add(zero, p.dtype(next_to_nothing(p.dtype)))
    deviation = tile_max(floor, scale(tile_sqrt(t), volatility))
    degree = exp_degree(p.dtype, p.exp_degree, p.exp)
    decay = scale(t, rate * p.dtype(-_LOG2_E))
    present = tile_mul(k, tile_exp2_table(decay, degree) if p.exp == "table" else tile_exp2(decay, degree))
    under = tile_max(floor, present) if p.moneyness == "forward" else k
    if p.divisions == "merged":
        inverse = tile_div(tile_add(zero, p.dtype(1)), tile_mul(under, deviation))
        logarithm = tile_log(tile_mul(tile_mul(s, deviation), inverse), log_degree(p.dtype, p.log_degree))
    else:
        logarithm = tile_log(tile_div(s, under), log_degree(p.dtype, p.log_degree))
    if p.moneyness == "spot":
        logarithm = tile_fma(t, rate, logarithm)
    d = tile_mul(logarithm, tile_mul(under, inverse)) if p.divisions == "merged" else tile_div(logarithm, deviation)
    half = scale(deviation, p.dtype(0.5))
    d1, d2 = tile_add(d, half), tile_sub(d, half)
    low = tile_add(zero, p.dtype(-farthest(p.dtype)))
    x1, x2 = tile_max(low, tile_minus_abs(d1)), tile_max(low, tile_minus_abs(d2))  # where the last is NaN, it stays
    tail1 = tile_mul(s, density(p, x1))
    tail2 = tail1 if p.densities == "shared" else tile_mul(present, density(p, x2))
    if p.normal != "polynomial":
        above, below = quotient(p.normal, p.dtype, 0), quotient(p.normal, p.dtype, 1)
        above1, above2 = tile_polynomial(x1, above), tile_polynomial(x2, above)
        below1, below2 = tile_polynomial(x1, below), tile_polynomial(x2, below)
    else:
        above1, above2 = tile_add(x1, p.dtype(_CENTRE)), tile_add(x2, p.dtype(_CENTRE))
        below1, below2 = tile_sub(x1, p.dtype(_CENTRE)), tile_sub(x2, p.dtype(_CENTRE))
    if p.divisions == "merged":
        inverse = tile_div(tile_add(zero, p.dtype(1)), tile_mul(below1, below2))
        m1, m2 = tile_mul(tile_mul(above1, below2), inverse), tile_mul(tile_mul(above2, below1), inverse)
    else:
        m1, m2 = tile_div(above1, below1), tile_div(above2, below2)
    if p.normal == "polynomial":
        m1 = tile_polynomial(m1, tail_coefficients(p.dtype, p.normal_degree))
        m2 = tile_polynomial(m2, tail_coefficients(p.dtype, p.normal_degree))
    tail1, tail2 = tile_mul(tail1, m1), tile_mul(tail2, m2)
    first = tile_select(d1, p.dtype(0), tail1, tile_sub(s, tail1))
    return tile_sub(first, tile_select(d2, p.dtype(0), tail2, tile_sub(present, tail2)))


@template()
def density(p, x):
    """exp(-x^2 / 2), a normal number for x as they come."""
    degree = exp_degree(p.dtype, p.exp_degree, p.exp)
    power = tile_mul(x, scale(x, p.dtype(-_LOG2_E / 2)))
    return tile_exp2_table(power, degree, 1) if p.exp == "table" else tile_exp2(power, degree)


def problem(size: Size, dtype: str, rng: np.random.Generator) -> Inputs:
    """Random options; the rate lies in [0.01, 0.1), the volatility in [0.1, 0.5)."""
    spot, strike, years = (rng.uniform(0.5, 2, size).astype(dtype) for _ in range(3))
    kind = np.dtype(dtype).type
    return spot, strike, years, kind(rng.uniform(0.01, 0.1)), kind(rng.uniform(0.1, 0.5))


def size_of(spot: np.ndarray, strike: np.ndarray, years: np.ndarray, _rate: float, _volatility: float) -> Size:
    """The number of options.

    Raises:
        ValueError: the arrays are no vectors of one length.
    """
    if spot.ndim != 1 or not spot.shape == strike.shape == years.shape:
        shapes = f"{spot.shape}, {strike.shape} and {years.shape}"
        raise ValueError(f"black_scholes takes three vectors of one length, not shapes {shapes}")
    return spot.shape


def out_shape(size: Size) -> tuple[int, ...]:
    """A price for each option."""
    return size


def reference(spot: np.ndarray, strike: np.ndarray, years: np.ndarray, rate: float, volatility: float) -> np.ndarray:
    """The truth in float64; erfc to some units in the last place, from the C library."""
    s, k, t = (np.asarray(values, np.float64) for values in (spot, strike, years))
    deviation = np.maximum(float(volatility) * np.sqrt(t), 1e-150)
    d1 = (np.log(s / k) + float(rate) * t) / deviation + deviation / 2
    return np.asarray(s * normal(d1) - k * np.exp(-float(rate) * t) * normal(d1 - deviation))


def normal(x: np.ndarray) -> np.ndarray:
    """The normal distribution function, element by element: NumPy has none."""
    return np.array([math.erfc(-value * math.sqrt(0.5)) / 2 for value in x.ravel()], np.float64).reshape(x.shape)


def work(size: Size, dtype: str) -> Work:
    """An option's two exps, root and two quotients; fused, 10 of the logarithm and 14 of each normal distribution."""
    n, item = size[0], item_bytes(dtype)
    operations = {"exp": 2 * n, "sqrt": n, "div": 2 * n, "fma": 38 * n, "mul": 10 * n, "add": 8 * n}
    return Work(operations, (3 * n + 2) * item, n * item)


def tolerance(_size: Size, dtype: str) -> float:
    """Two terms, each wrong by some products, an exp and a quotient: a tenth was seen, 0.4 of short quotients."""
    return 32 * float(np.finfo(dtype).eps)


def beside_one(truth: np.ndarray) -> np.ndarray:
    """What the two terms come to where spot and strike lie about 1."""
    return 1 + abs(truth)


def plain_loop(spot: Any, strike: Any, years: Any, rate: Any, volatility: Any, out: Any) -> None:
    """The loop of ``baseline``, as a Numba user writes it."""
    for i in numba.prange(out.size):
        deviation = volatility * math.sqrt(years[i])
        d1 = (math.log(spot[i] / strike[i]) + rate * years[i]) / deviation + deviation / 2
        near, far = math.erfc(-d1 * math.sqrt(0.5)) / 2, math.erfc((deviation - d1) * math.sqrt(0.5)) / 2
        out[i] = spot[i] * near - strike[i] * math.exp(-rate * years[i]) * far


def numba_fast() -> Rival:
    """The plain loop under ``fastmath``, and over threads where there are some."""
    rival: Rival = numba.njit(fastmath=True, error_model="numpy", parallel=has_rival_threads())(plain_loop)
    return rival


def scipy_ndtr() -> Rival:
    """NumPy, with ``scipy.special.ndtr`` for the normal distribution function."""
    ndtr = installed("scipy.special").ndtr

    def call(spot: Any, strike: Any, years: Any, rate: Any, volatility: Any, out: Any) -> None:
        deviation = volatility * np.sqrt(years)
        d1 = (np.log(spot / strike) + rate * years) / deviation + deviation / 2
        np.multiply(spot, ndtr(d1), out=out)
        out -= strike * np.exp(-rate * years) * ndtr(d1 - deviation)

    return call


def numexpr_ndtr() -> Rival:
    """numexpr, with SciPy's ``ndtr``: it has none, and a quotient written out, all in one pass, took no less."""
    numexpr, ndtr = installed("numexpr"), installed("scipy.special").ndtr
    numexpr.set_num_threads(rival_threads())

    def call(spot: Any, strike: Any, years: Any, rate: Any, volatility: Any, out: Any) -> None:
        given = {"s": spot, "k": strike, "t": years, "r": rate, "v": volatility}
        given["d"] = d1 = numexpr.evaluate("(log(s / k) + r * t) / (v * sqrt(t)) + v * sqrt(t) / 2", given)
        given |= {"near": ndtr(d1), "far": ndtr(numexpr.evaluate("d - v * sqrt(t)", given))}
        numexpr.evaluate("s * near - k * exp(-r * t) * far", given, out=out)

    return call


def torch_ndtr() -> Rival:
    """torch, operation by operation."""
    torch = installed("torch")

    def call(spot: Any, strike: Any, years: Any, rate: Any, volatility: Any, out: Any) -> None:
        s, k, t = (torch.from_numpy(values) for values in (spot, strike, years))
        deviation = torch.sqrt(t) * float(volatility)
        d1 = (torch.log(s / k) + t * float(rate)) / deviation + deviation / 2
        far = k * torch.exp(t * -float(rate)) * torch.special.ndtr(d1 - deviation)
        torch.sub(s * torch.special.ndtr(d1), far, out=torch.from_numpy(out))

    return call


def variant(_schedule: Schedule) -> Template:
    """The entry template of a schedule."""
    return tiled


KERNEL = Kernel(
    name="black_scholes",
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
    baseline=baseline,
    rivals={"numba_fast": numba_fast, "scipy": scipy_ndtr, "numexpr": numexpr_ndtr, "torch": torch_ndtr},
    default_size=(16384,),
    verify_sizes=((1,), (7,), (64,), (129,), (1009,)),
    tolerance=tolerance,
    split=("rows", "rows", "rows", "whole", "whole", "rows"),
    scale=beside_one,
    left=(
        "some 80 of the 105 instructions for eight options need the two units that multiply; six of the "
        "logarithm's only serve zero, negative and infinite arguments."
    ),
)
