"""model: a surrogate proposes, and what is verified of it teaches it for the next lap. Level 3 of the ladder.

The claim that is tested: a model that is taught by its own verified winners makes right nine times out of ten what was
right once in ten, and then there is nothing left to make right. The sources: growth.md, section 4 (a learned cost model
is the bootstrap of learning from verified rewards: p <= 1, and the mass that can still be improved runs out); cost
models that tuners learn as they go (Chen et al., Learning to Optimize Tensor Programs, NeurIPS 2018).

Lap 0 are random draws from each of some recorded spaces, and a *hit* is what exceeds the fitness that one random draw
in ten exceeds, whatever the space. In a lap k the surrogate of the search (``evolve.search.surrogate``) is fitted to
all that was measured before, its length scales beginning where other kernels' spaces left them
(``evolve.search.prior``). Of thousands of random and bred schedules it proposes those that are likeliest to beat this
bar and that of the lap before, and the recording says what they are worth. Beside them there are random draws, which
nobody chose. S is the rate of hits over that of random draws, 1 in 10, so its ceiling is 10; the endpoint is what the
schedules that are left above the bar would allow. What proposes is what is measured: G = S.

Against the bar of the lap before, which rises, the rate of hits falls as the best are taken; that, what is left, and
whether the model knows how sure it may be (calibration) stand in the details. The forecast of a lap is the model's own:
the mean probability that it gives its proposals to be hits. No clock is involved.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from benchmarks.inference import Estimate, exponential
from evolve.errors import UsageError
from evolve.loops.model.hits import RANDOM, Attempt, log_ratio, measured, quantile
from evolve.loops.model.listing import Listing
from evolve.loops.model.proposing import Taught
from evolve.loops.protocol import Expectation, LapFailedError, Turned
from evolve.loops.spaces import Split
from evolve.search.prior import Prior

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from evolve.loops.protocol import Around
    from evolve.store import Lap

    Array = NDArray[np.float64]

EARLIER = 300
"""Schedules of each earlier kernel that taught length scales."""
WRONG_BY = 0.5
"""Deviations by which all that is believed may be wrong alike, either way: the interval of a forecast. On smooth and
rough planted spaces the first forecasts were wrong by -0.56, -0.08 and 0.38, later ones by less."""
_NOTHING = Estimate(0.0, 0.0, 0.0)
_MOST = -math.log(RANDOM)
"""The ceiling of ln S: more than all cannot be hits."""


def make(around: Around) -> Model:
    """The loop, by the options ``candidates seeds spaces held_out``."""
    return Model(around)


class Model:
    """See the module; the contract is ``evolve.loops.protocol.ClosedLoop``."""

    kind: ClassVar[str] = "model"

    def __init__(self, around: Around) -> None:
        self.around, self.options = around, around.loop.options
        self.candidates, self.seeds = int(self.options["candidates"]), int(self.options["seeds"])
        self._attempted: tuple[int, list[list[Attempt]]] | None = None

    @cached_property
    def split(self) -> Split:
        """The recorded spaces."""
        return Split.of(self.options)

    @cached_property
    def listings(self) -> list[Listing]:
        """The spaces in which hits are counted.

        Raises:
            UsageError: a tenth of one are fewer schedules than a lap proposes.
        """
        listings = [Listing(ground.landscape) for ground in self.split.held_out]
        for one in listings:
            if RANDOM * len(one) < self.candidates:
                count = f"{one.name} has {len(one)} schedules, and a tenth of them is less than a lap proposes"
                raise UsageError(f"{count} ({self.candidates})", "ask for fewer with --candidates")
        return listings

    def start(self) -> Turned:
        """Lap 0: random draws, the bar that one in ten exceeds, and what other kernels' spaces teach.

        Raises:
            LapFailedError: fewer than a tenth of the draws could be measured.
        """
        drawn = [[self._drawn(one, self._rng(0, at, seed)) for seed in range(self.seeds)] for at, one in self._numbered]
        for one, rows in zip(self.listings, drawn, strict=True):
            if not all(math.isfinite(quantile(one.fitness[row])) for row in rows):
                raise LapFailedError(f"on {one.name} fewer than a tenth of {self.candidates} draws could be measured")
        return Turned(
            gain=_NOTHING,
            engine=_NOTHING,
            inputs=float(self.candidates),
            ceiling=Estimate(_MOST, _MOST, _MOST),
            details={
                "spaces": self.split.as_list(),
                "scales": self._learned_elsewhere().as_dict(),
                "tried": self._named(drawn),
                "drawn": self._named([[[] for _ in rows] for rows in drawn]),
                "ceiling_by": "where every proposal is a hit",
                "endpoint_by": "by what is left above the bar in the recording",
            },
        )

    def forecast(self, laps: Sequence[Lap]) -> Expectation:
        """The model's own: the mean probability of its proposals to be hits."""
        spaces, now = self._attempts(laps), laps[-1].gain
        assert now is not None
        if name := _exhausted(spaces):
            return Expectation(now, f"nothing is left to try on {name}")
        low, centre, high = (_foreseen(spaces, shift) for shift in (-WRONG_BY, 0.0, WRONG_BY))
        noise = 1.96 * _sampling_error(spaces)
        ends = centre - math.hypot(centre - low, noise), centre + math.hypot(high - centre, noise)
        said = f"the model gives {math.exp(centre) * RANDOM:.0%} of its proposals to be hits"
        return Expectation(Estimate(centre, ends[0], min(_MOST, ends[1])), said)

    def turn(self, laps: Sequence[Lap], rng: np.random.Generator) -> Turned:
        """Look up what was proposed in the recording.

        Raises:
            LapFailedError: nothing is left to propose.
            EvolveError: a recorded space is not what it was at lap 0.
            Interrupted: the user asked to stop; nothing of the lap is kept.
        """
        del rng  # the forecast makes the same draws before the lap begins: they follow from seed, lap and space
        self.split.check(laps[0].details["spaces"])
        spaces = self._attempts(laps)
        if name := _exhausted(spaces):
            raise LapFailedError(f"nothing is left to try on {name}")
        hits, most = ([[getattr(one, name) for one in row] for row in spaces] for name in ("hits", "most"))
        least = 0.5 / (self.seeds * self.candidates)
        by_chance = [[RANDOM] * len(row) for row in spaces]
        lucky = [[float(np.mean(one.listing.fitness[one.drawn] > one.fixed)) for one in row] for row in spaces]
        gain = log_ratio(hits, by_chance, least)
        return Turned(
            gain=gain,
            engine=gain,
            inputs=laps[-1].inputs + 2 * self.candidates,
            endpoint=log_ratio(most, by_chance, least),
            details={
                "scales": laps[0].details["scales"],
                "tried": self._named([[one.proposed.places.tolist() for one in row] for row in spaces]),
                "drawn": self._named([[one.drawn.tolist() for one in row] for row in spaces]),
                "left": log_ratio(most, hits, least).as_dict(),
                "lift": exponential(log_ratio(hits, lucky, least)).as_dict(),
                **measured(spaces),
            },
        )

    def close(self) -> None:
        """Nothing is held."""

    # ---- what a lap tries

    def _attempts(self, laps: Sequence[Lap]) -> list[list[Attempt]]:
        """By space one a seed; the forecast and the lap itself are of the same ones."""
        if self._attempted is None or self._attempted[0] != len(laps):
            prior = Prior.from_dict(laps[0].details["scales"])
            made = [[self._attempt(laps, at, seed, prior) for seed in range(self.seeds)] for at, _ in self._numbered]
            self._attempted = len(laps), made
        return self._attempted[1]

    def _attempt(self, laps: Sequence[Lap], at: int, seed: int, prior: Prior) -> Attempt:
        listing, rng = self.listings[at], self._rng(len(laps), at, seed)
        self._say(f"lap {len(laps)}: fitting what is known of {listing.name}, seed {seed + 1} of {self.seeds}")
        past = [np.array(places, dtype=np.int64) for places in _past(laps, listing.name, seed)]
        known = np.unique(np.concatenate(past))
        first, last = (listing.fitness[lap.details["tried"][listing.name][seed]] for lap in (laps[0], laps[-1]))
        fixed = quantile(first)
        moving = max(fixed, found) if math.isfinite(found := quantile(last)) else fixed
        taught, drawn = Taught(listing, known, prior), listing.drawn(rng, self.candidates)
        proposed = taught.proposed(self.candidates, (fixed, moving), rng)
        return Attempt(listing, known, fixed, moving, proposed, drawn, taught.believed(np.setdiff1d(drawn, known)))

    def _learned_elsewhere(self) -> Prior:
        """Length scales of the training spaces, each by itself."""
        fitted = []
        for at, ground in enumerate(self.split.training):
            listing = Listing(ground.landscape)
            self._say(f"lap 0: learning length scales on {listing.name}")
            known = np.unique(listing.drawn(self._rng(0, len(self.listings) + at, 0), EARLIER))
            fitted.append(Taught(listing, known, None).surrogate)
        return Prior.learned(fitted)

    def _drawn(self, listing: Listing, rng: np.random.Generator) -> list[int]:
        drawn: list[int] = listing.drawn(rng, self.candidates).tolist()
        return drawn

    def _rng(self, lap: int, space: int, seed: int) -> np.random.Generator:
        return np.random.default_rng([self.around.loop.seed, lap, space, seed])

    @property
    def _numbered(self) -> Iterator[tuple[int, Listing]]:
        return enumerate(self.listings)

    def _named(self, rows: Sequence[Sequence[Sequence[int]]]) -> dict[str, Any]:
        """By space, and in it by seed."""
        return {one.name: [[*places] for places in row] for one, row in zip(self.listings, rows, strict=True)}

    def _say(self, doing: str) -> None:
        """Tell what is being done, unless the user asked to stop."""
        self.around.look()
        self.around.say(doing)


def _past(laps: Sequence[Lap], space: str, seed: int) -> Iterator[Sequence[int]]:
    """Places of all that was measured of a space before."""
    columns: list[Mapping[str, Any]] = [lap.details[name] for lap in laps for name in ("tried", "drawn")]
    return (column[space][seed] for column in columns)


def _exhausted(spaces: Sequence[Sequence[Attempt]]) -> str:
    """The name of a space where a seed has nothing to propose; "" where each has."""
    empty = (one.listing.name for row in spaces for one in row if not len(one.proposed.places))
    return next(empty, "")


def _foreseen(spaces: Sequence[Sequence[Attempt]], shift: float) -> float:
    """What is foreseen of ln S, were all proposals so many deviations better than the model believes."""
    rates = [np.mean([one.proposed.hits(one.fixed, shift).mean() for one in row]) for row in spaces]
    return float(np.mean(np.log(np.maximum(rates, 1e-6) / RANDOM)))


def _sampling_error(spaces: Sequence[Sequence[Attempt]]) -> float:
    """Standard error of the mean ln rate: seeds differ in what they foresee, and proposals come true or not."""
    errors = []
    for row in spaces:
        chances = [one.proposed.hits(one.fixed) for one in row]
        means = np.array([one.mean() for one in chances])
        drawn = np.mean([(one * (1 - one)).mean() / len(one) for one in chances])
        spread = means.var(ddof=1) if len(means) > 1 else 0.0
        errors.append(math.sqrt((spread + float(drawn)) / len(means)) / max(1e-6, float(means.mean())))
    return float(np.linalg.norm(errors)) / len(errors)
