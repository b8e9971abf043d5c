"""Where the headroom of a run lies: which part of it more searching could win, and which part no search can.

From the champion to the cap there are four steps, all in ln units, and what the data cannot tell apart stays together:

- **selection error**: a faster schedule was evaluated, and noise hid it. Above a high
  threshold scores fall off like exp(-y / s), so that behind an estimate y with noise sigma stands a truth of
  y - sigma^2 / s, normal with deviation sigma (Tweedie's formula: Efron, JASA 106, 2011, equation 1.4). Over 18
  worlds of bounded scores (60 or 300, GPD tails of index -1, -1/2, -1/6, noise 0.5, 2, 5 %, 200 of each) the 95 %
  interval held the true error in 97 to 100 %, and in 96 to 99 % of 450 searches in which candidates are raced against
  incumbents that were themselves measured with an error; the estimate is right or, where noise hides much, too large.
- **not found yet**: from the best that was evaluated to the endpoint of the scores' tail (``tail``).
- **not in this space**: from there to the fastest other code for the same job that was timed here.
- **not on this hardware**: from there to the cap. Nobody has shown that it can be had here: the cap counts only the
  work that cannot be avoided, at the best rates ever measured, all of it at once.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.inference import Estimate, exponential, log_ratios
from benchmarks.outcome import Measured
from evolve.tracker.curve import champion, paid

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from evolve.store import Bound, Checkpoint, Individual, Publication

SELECTION, SEARCH, SPACE, HARDWARE = "selection_error", "not_found_yet", "not_in_this_space", "not_on_this_hardware"

LEAST_LEFT = 1e-4
"""Ln units from the bound at which a champion stands at it."""

LEAST_SCORES = 20
"""Measured evaluations below which nothing is said of selection."""

_TOP = 0.1
_LEAST_TOP = 10
_DRAWS = 2000
_BUILD_SPREAD = 0.005
"""Builds of one source differ by half a percent by where their code comes to lie; no race of one build shows that."""


@dataclass(frozen=True)
class Part:
    """A part of the headroom.

    Attributes:
        names: one of the four, or several that the data cannot tell apart.
        gain: ln of the factor that lies there.
    """

    names: tuple[str, ...]
    gain: Estimate

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON, as factors of speed."""
        return {"names": list(self.names), "left": exponential(self.gain).as_dict()}


@dataclass(frozen=True)
class Split:
    """What is left to a champion, and of what it consists.

    Attributes:
        left: ln of the factor from champion to cap.
        parts: from the champion upwards; their estimates add up to that of ``left``.
        is_published: false where the champion stands by its search estimate.
    """

    left: float
    parts: tuple[Part, ...]
    is_published: bool

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON, as factors of speed."""
        parts = [part.as_dict() for part in self.parts]
        return {"left": math.exp(self.left), "parts": parts, "is_published": self.is_published}


def split(
    individuals: Sequence[Individual],
    bound: Bound | None,
    publication: Publication | None,
    endpoint: Estimate | None,
    rng: np.random.Generator,
    checkpoints: Sequence[Checkpoint] = (),
) -> Split | None:
    """The headroom of a run, split as far as its data allow.

    Args:
        individuals: all that the run asked for.
        bound: the attainable time.
        publication: the champion's final measurement; without one its search estimate has to do.
        endpoint: ln of the greatest speedup in the space, from the tail of the scores; None where that is not known.
        rng: of the draws by which selection is judged.
        checkpoints: the champions on the way, measured afresh: what was raced against them errs as they do.

    Returns:
        None where nothing was measured, or no bound is known, or the champion stands at the bound or above it.
    """
    fresh = [fact.evaluation for fact in (*checkpoints, publication) if fact is not None]
    best = _individual(individuals, fresh[-1]) if fresh else champion(individuals)
    left = _left(best, bound, publication)
    if best is None or best.fitness is None or left is None or left < LEAST_LEFT:
        return None
    hidden, found = _selection(_Field.of(individuals, best, publication, checkpoints), rng)
    steps: list[tuple[tuple[str, ...], Estimate]] = [((SELECTION,), hidden)] if hidden else []
    unknown: tuple[str, ...] = () if hidden else (SELECTION,)
    if endpoint is None:
        unknown = (*unknown, SEARCH)
    else:
        steps.append(((*unknown, SEARCH), _shifted(endpoint, found)))
        unknown = ()
    return Split(left, _stacked(steps, unknown, _shown(publication), left), publication is not None)


def _individual(individuals: Sequence[Individual], number: int) -> Individual | None:
    return next((i for i in individuals if i.evaluation.number == number), None)


def _left(best: Individual | None, bound: Bound | None, publication: Publication | None) -> float | None:
    if publication is not None:
        return -math.log(publication.bound_fraction)
    time_s = best.search_time_s if best else None
    return math.log(time_s / bound.time_s) if bound and time_s else None


def _shifted(endpoint: Estimate, found: float) -> Estimate:
    return Estimate(endpoint.estimate - found, endpoint.low - found, endpoint.high - found, endpoint.level)


def _shown(publication: Publication | None) -> float:
    """Ln of how far the fastest rival lies above the champion; 0 where none does."""
    return max([0.0, *(-math.log(rival.estimate) for rival in publication.rivals.values())]) if publication else 0.0


def _stacked(
    steps: Sequence[tuple[tuple[str, ...], Estimate]], unknown: tuple[str, ...], shown: float, left: float
) -> tuple[Part, ...]:
    """Parts that fill the headroom exactly, each within what the ones below it leave.

    Args:
        steps: what is known within the space, from the champion upwards.
        unknown: names of what could not be told apart within the space.
        shown: how far above the champion other code was seen on this machine.
        left: the whole headroom.
    """
    parts, at, high = [], 0.0, 0.0
    for names, step in steps:
        gain = min(max(0.0, step.estimate), left - at)
        ends = min(max(0.0, step.low), gain), max(gain, min(step.high, left - at))
        parts.append(Part(names, Estimate(gain, *ends, step.level)))
        at, high = at + gain, min(left, high + ends[1])
    return (*parts, *_outside(unknown, max(0.0, min(shown, left) - at), max(0.0, min(shown, left) - high), left - at))


def _outside(unknown: tuple[str, ...], shown: float, least: float, left: float) -> list[Part]:
    """Beyond the space's endpoint: what other code was seen to reach here, and what nobody was.

    Without an endpoint all of that may as well lie within the space.
    """
    seen = Part((*unknown, SPACE), Estimate(shown, least, left))
    rest = Part((HARDWARE,), Estimate(left - shown, 0.0, left - shown))
    if not unknown:
        return [seen, rest]
    blurred = Part((*unknown, SPACE, HARDWARE), Estimate(left - shown, left - shown, left - shown))
    return [seen, blurred] if shown > 0 else [blurred]


# ---- selection


@dataclass(frozen=True)
class _Field:
    """The champion, and whoever may have been better: first the champion, then the others, the worst first.

    Attributes:
        scores: ``(n,)`` search estimates, ln units.
        noise: ``(n,)`` standard deviation of each one's own race.
        levels: ``(n,)`` which measurement of an incumbent each estimate rests on.
        errors: standard deviation of each of those, which all who rest on it share.
        beaten: how many at the end were measured afresh and lost: selection can have missed nothing with them.
    """

    scores: NDArray[np.float64]
    noise: NDArray[np.float64]
    levels: NDArray[np.int64]
    errors: NDArray[np.float64]
    beaten: int

    @classmethod
    def of(
        cls,
        individuals: Sequence[Individual],
        best: Individual,
        publication: Publication | None,
        checkpoints: Sequence[Checkpoint],
    ) -> _Field:
        """A champion that was measured against the baseline itself stands by that, not by the race that it won."""
        first = {fact.evaluation: fact.speedup for fact in reversed(checkpoints)}
        others = [i for i in paid(individuals) if i.fitness is not None and i is not best]
        pool = [best, *sorted(others, key=lambda i: i.fitness or 0.0)]
        scores = np.array([i.fitness for i in pool], dtype=np.float64)
        rests_on = [i.record.incumbent if i.record else None for i in pool]
        noise = np.hypot([_race_noise(i) for i in pool], _launch_spread(publication))
        if (known := first.get(best.evaluation.number)) is not None:
            scores[0], rests_on[0], noise[0] = math.log(known.estimate), best.evaluation.number, 0.0
        names = list(dict.fromkeys(rests_on))
        errors = np.array([_deviation(first[name]) if name in first else 0.0 for name in names])
        levels = np.array([names.index(name) for name in rests_on])
        return cls(scores, noise, levels, errors, _beaten(publication))


def _selection(field: _Field, rng: np.random.Generator) -> tuple[Estimate | None, float]:
    """By how much a faster schedule was missed, and where the best that was evaluated lies, by search estimates."""
    if len(field.scores) < LEAST_SCORES:
        return None, float(field.scores[0])
    shared = rng.normal(0.0, field.errors, (_DRAWS, len(field.errors)))[:, field.levels]
    truths = (posterior(field.scores, field.noise, rng) + shared)[:, : len(field.scores) - field.beaten]
    missed = np.maximum(0.0, truths.max(axis=1) - truths[:, 0])
    low, high = np.quantile(missed, (0.025, 0.975))
    return Estimate(float(missed.mean()), float(low), float(high)), float(truths.max(axis=1).mean())


def _deviation(speedup: Estimate) -> float:
    """Standard deviation in ln units, from a 95 % interval; an open one counts as a factor of 2."""
    if not 0 < speedup.low <= speedup.high < math.inf:
        return math.log(2)
    return math.log(speedup.high / speedup.low) / (2 * 1.96)


def posterior(scores: NDArray[np.float64], noise: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    """What the truths behind noisy scores may be.

    Args:
        scores: ``(n,)`` estimates, ln units.
        noise: ``(n,)`` standard deviations of their errors.
        rng: of the draws.

    Returns:
        ``(draws, n)``: normal with mean y - sigma^2 / s, s the mean excess of the best tenth (module docstring).
    """
    top = np.sort(scores)[-max(_LEAST_TOP, int(_TOP * len(scores))) :]
    scale = max(float((top[1:] - top[0]).mean()), float(np.median(noise)), 1e-9)
    return rng.normal(scores - noise**2 / scale, noise, (_DRAWS, len(scores)))


def _beaten(publication: Publication | None) -> int:
    """How many finalists were measured afresh and lost: selection can have missed nothing with them."""
    promotion: Mapping[str, Any] = (publication.details.get("promotion") or {}) if publication else {}
    return max(0, len(promotion.get("decisions", ())) - 1)


def _race_noise(individual: Individual) -> float:
    """Standard deviation of a race's result, from its 95 % interval; of few rounds, as much as they spread."""
    outcome = individual.record.outcome if individual.record else None
    if not isinstance(outcome, Measured):
        return _BUILD_SPREAD
    half = (outcome.high - outcome.low) / 2
    return half / 1.96 if 0 < half < math.inf else _BUILD_SPREAD


def _launch_spread(publication: Publication | None) -> float:
    """By how much launches of one kernel differ, as its publication found: the calmest opponent's figure."""
    found = (publication.samples if publication else {}).values()
    spreads = [
        np.std([np.median(log_ratios(one["candidate_s"], one["incumbent_s"])) for one in launches], ddof=1)
        for launches in found
        if len(launches) > 2
    ]
    return max(_BUILD_SPREAD, float(min(spreads, default=_BUILD_SPREAD)))
