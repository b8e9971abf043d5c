"""Near-minimax polynomials of smooth functions, their coefficients right to the last bit."""

from __future__ import annotations

from decimal import Decimal, localcontext
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable


@cache
def interpolated(function: Callable[[Decimal], Decimal], degree: int, low: float, high: float) -> tuple[float, ...]:
    """The polynomial that meets ``function`` at the Chebyshev nodes of [low, high].

    Its greatest error exceeds that of the best polynomial of this degree by a small factor (Trefethen, Approximation
    Theory and Approximation Practice, theorem 16.1). The arithmetic has 50 digits, so the coefficients are right to
    the last bit of a float64, which 64-bit Remez iterations do not reach at high degree.

    Args:
        function: of and to ``Decimal``, defined on the interval but for a finite number of points.
        degree: of the polynomial.
        low: left end.
        high: right end.

    Returns:
        Coefficients from the constant up.
    """
    angles = (np.arange(degree + 1) + 0.5) * np.pi / (degree + 1)
    with localcontext() as context:
        context.prec = 50
        nodes = [Decimal(float(x)) for x in (low + high) / 2 + (high - low) / 2 * np.cos(angles)]
        return tuple(map(float, monomials(nodes, divided_differences(nodes, [function(x) for x in nodes]))))


def divided_differences(nodes: list[Decimal], values: list[Decimal]) -> list[Decimal]:
    """Newton's coefficients of the polynomial through (nodes, values)."""
    table = list(values)
    for k in range(1, len(nodes)):
        for i in reversed(range(k, len(nodes))):
            table[i] = (table[i] - table[i - 1]) / (nodes[i] - nodes[i - k])
    return table


def monomials(nodes: list[Decimal], newton: list[Decimal]) -> list[Decimal]:
    """Coefficients of the powers of x, from the constant up, of a polynomial in Newton's form."""
    total = [newton[-1]]
    for node, coefficient in zip(reversed(nodes[:-1]), reversed(newton[:-1]), strict=True):
        shifted = [Decimal(0), *total]
        total = [a - node * b for a, b in zip(shifted, [*total, Decimal(0)], strict=True)]
        total[0] += coefficient
    return total
