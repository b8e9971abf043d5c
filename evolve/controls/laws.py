"""Loops that follow a formula: ln S of every lap is known, and so is whether it ends.

A law takes the number of laps and the gain of the first one, and gives ``(laps + 1,)`` ln S_0 = 0, ln S_1, ...
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from evolve.controls.planted import CEILING_SPREAD, START, Setting, World, laps_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from benchmarks.inference import Estimate
    from evolve.store.looprecords import Lap

FIRST = math.log(1.30)
"""ln m_1, the gain of the first lap, of the simulations that the bars were set by."""
ABOVE = math.log(2), math.log(1000)
"""How far above its last lap a loop that has not come to its end still has its ceiling: anywhere between."""
EVALUATIONS = 100
"""Research input of a lap where the engine stays as it is."""
_ENDPOINT_SPREAD = 0.03
_DOUBLING = math.log(2)


# ---- the laws


def geometric(ratio: float, laps: int, first: float = FIRST) -> NDArray[np.float64]:
    """Each lap gains ``ratio`` times, in ln units, what the one before gained; 1 is exponential growth."""
    return np.concatenate([[0.0], np.cumsum(first * ratio ** np.arange(laps))])


def end_of(ratio: float, first: float = FIRST) -> float:
    """Ln S to which geometric laps come: ln m_1 / (1 - rho); inf from 1 on."""
    return first / (1 - ratio) if ratio < 1 else math.inf


def power(laps: int, first: float = FIRST) -> NDArray[np.float64]:
    """S_k = (1 + k)^p: it slows down for ever and ends nowhere."""
    return first / _DOUBLING * np.log1p(np.arange(laps + 1))


def hyperbolic(laps: int, blow_up: float, first: float = FIRST) -> NDArray[np.float64]:
    """S_k = (1 - k / blow_up)^-q: what grows like this is infinite at a lap that has a number.

    Raises:
        ValueError: that lap is among those asked for.
    """
    if blow_up <= laps:
        raise ValueError(f"growth that ends at lap {blow_up:g} has no lap {laps}")
    return first / math.log1p(-1 / blow_up) * np.log1p(-np.arange(laps + 1) / blow_up)


def batching(capital: float, end: float) -> float:
    """Ln S of a batch of ``capital`` elements, n / (t0 + n t1), over that of one; (t0 + t1) / t1 is exp(``end``)."""
    overhead = math.expm1(end)
    return math.log(capital * (overhead + 1) / (overhead + capital))


# ---- loops that follow them


def capped_by_machine(ratio: float, setting: Setting) -> World:
    """Laps of an engine that stays as it is; what they come to is all that the machine allows."""
    end = end_of(ratio)
    laps = _unaided(geometric(ratio, setting.laps), setting, setting.measured(end, CEILING_SPREAD))
    return World(laps, ratio, end)


def capped_by_space(ratio: float, setting: Setting) -> World:
    """The machine would allow half as much again; the space does not hold it, and the tail of its scores says so."""
    end = end_of(ratio)
    ceiling = setting.measured(end + math.log(1.5), CEILING_SPREAD)
    endpoint = setting.measured(end, _ENDPOINT_SPREAD)
    return World(_unaided(geometric(ratio, setting.laps), setting, ceiling, endpoint), ratio, end)


def growing(ratio: float, setting: Setting) -> World:
    """Laps that gain as much as those before, or more, below their ceiling."""
    return World(_reinvested_law(geometric(ratio, setting.laps), setting, ABOVE), ratio)


def blowing_up(setting: Setting) -> World:
    """Hyperbolic growth, two thirds of the way to the lap at which it would be infinite."""
    return World(_reinvested_law(hyperbolic(setting.laps, 1.5 * setting.laps), setting, ABOVE))


def slowing(setting: Setting) -> World:
    """A power law, far below its ceiling: whatever its laps seem to come to, it is none."""
    return World(_reinvested_law(power(setting.laps), setting, (math.log(10), ABOVE[1])))


def before_bend(setting: Setting) -> World:
    """Batching with a ceiling of twice as many doublings as there are laps."""
    end = 2 * setting.laps * _DOUBLING
    return World(reinvested(lambda _lap, capital: batching(capital, end), 1.0, end, setting, setting.laps))


def past_bend(setting: Setting) -> World:
    """Batching with a ceiling of half as many doublings as there are laps, and as many laps again."""
    end = setting.laps / 2 * _DOUBLING
    return World(reinvested(lambda _lap, capital: batching(capital, end), 1.0, end, setting, 2 * setting.laps))


def _unaided(
    gains: NDArray[np.float64], setting: Setting, ceiling: Estimate, endpoint: Estimate | None = None
) -> list[Lap]:
    """Laps of equal research input, measured over fresh processes."""
    measured = [setting.launches.around(float(gain), setting.rng) for gain in gains[1:]]
    inputs = [float(EVALUATIONS * (lap + 1)) for lap in range(len(gains))]
    return laps_of([START, *measured], inputs, ceiling=ceiling, endpoint=endpoint)


def _reinvested_law(gains: NDArray[np.float64], setting: Setting, above: tuple[float, float]) -> list[Lap]:
    ceiling = float(gains[-1]) + setting.rng.uniform(*above)
    return reinvested(lambda lap, _capital: float(gains[lap]), math.expm1(gains[1]), ceiling, setting, len(gains) - 1)


def reinvested(
    law: Callable[[int, float], float],
    earned: float,
    ceiling: float,
    setting: Setting,
    laps: int,
    endpoint: float | None = None,
) -> list[Lap]:
    """Laps as the positive controls run them: the throughput that a lap measures buys the next one's capital.

    C_(k+1) = C_k + C_1 S_k, see ``evolve.loops.reinvestment``: research input, engine and gain fit together, so that
    exponential growth has eta xi = 1, a power law less, and of whatever ends xi falls to 0.

    Args:
        law: ln S by lap and capital.
        earned: what lap 0 adds to a capital of 1.
        ceiling: ln of what the machine allows.
        setting: the world's.
        laps: how many.
        endpoint: ln of what the loop can come to, where that is measured too.
    """
    gains, capital = [START], [1.0]
    for lap in range(1, laps + 1):
        capital.append(capital[-1] + earned * math.exp(gains[-1].estimate))
        gains.append(setting.throughput.around(law(lap, capital[-1]), setting.rng))
    roof = setting.measured(ceiling, CEILING_SPREAD)
    end = None if endpoint is None else setting.measured(endpoint, CEILING_SPREAD)
    return laps_of(gains, capital, ceiling=roof, endpoint=end, engines=gains)
