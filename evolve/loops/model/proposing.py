"""What a surrogate that all outcomes so far have taught would try next, and how sure it is that these are hits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from evolve.search.blas import one_thread
from evolve.search.breeding import Breeder, joined
from evolve.search.embedding import Embedding
from evolve.search.screening import scores_of_ranks
from evolve.search.surrogate import Surrogate

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from evolve.loops.model.listing import Listing, Places
    from evolve.search.prior import Prior

    Array = NDArray[np.float64]

_DRAWS, _CHILDREN = 1000, 1000
"""Of those among which is chosen: random ones, and mutants and crosses of the best."""
_PARENTS, _NEAR = 32, 3
"""The best that breed, and those whose neighbours are looked at too."""
_FITS = 3
"""Ascents of the length scales, each where the last ended: twelve steps from the prior do not arrive."""
_TOP = 0.9
"""From there up the scale of fitness is as steep as it goes on beyond the best."""


class Scale:
    """Fitness as a surrogate learns it: by ranks, so that no outlier counts, and straight on beyond the best seen.

    Args:
        known: ``(n,)`` fitnesses that were seen, -inf where one failed; one at least did not.
    """

    def __init__(self, known: Array) -> None:
        self._worst = float(known[np.isfinite(known)].min()) - 1
        held = np.maximum(known, self._worst)
        self._values, first = np.unique(held, return_index=True)
        self._scores = scores_of_ranks(held)[first]
        at = min(int(_TOP * len(self._values)), len(self._values) - 2)
        rise, run = self._scores[-1] - self._scores[at], self._values[-1] - self._values[at]
        self._slope = float(rise / run) if at >= 0 and run > 0 else 1.0

    def __call__(self, fitness: Array) -> Array:
        """``(n,)`` what fitnesses come to on it."""
        held = np.maximum(fitness, self._worst)
        beyond = np.maximum(0.0, held - self._values[-1])
        scaled: Array = np.interp(held, self._values, self._scores) + self._slope * beyond
        return scaled


@dataclass(frozen=True)
class Belief:
    """What is believed of some schedules before they are measured.

    Attributes:
        places: ``(n,)`` in the recording.
        mean: ``(n,)`` on the scale.
        deviation: ``(n,)`` of a measurement.
        scale: of fitness.
    """

    places: Places
    mean: Array
    deviation: Array
    scale: Scale

    def hits(self, threshold: float, shift: float = 0.0) -> Array:
        """``(n,)`` probabilities to be above a fitness, were all so many deviations better than believed."""
        from scipy.special import ndtr  # noqa: PLC0415 - costs a quarter of a second, needed only here

        bar = self.scale(np.array([threshold]))[0]
        chances: Array = ndtr((self.mean - bar) / self.deviation + shift)
        return chances

    def inside(self, fitness: Array, share: float = 0.9) -> NDArray[np.bool_]:
        """``(n,)`` whether what was found lies in the interval that is to hold it in that share of cases."""
        from scipy.special import ndtri  # noqa: PLC0415 - see hits

        half = float(ndtri((1 + share) / 2)) * self.deviation
        is_inside: NDArray[np.bool_] = np.abs(self.scale(fitness) - self.mean) <= half
        return is_inside

    def taken(self, which: NDArray[np.int64]) -> Belief:
        """Some of them."""
        return Belief(self.places[which], self.mean[which], self.deviation[which], self.scale)


class Taught:
    """A surrogate of one recorded space, fitted to what is known of it.

    Args:
        listing: the space.
        known: ``(n,)`` places of what was measured, each once.
        prior: length scales with which it begins.
    """

    def __init__(self, listing: Listing, known: Places, prior: Prior | None) -> None:
        self.listing, self.known = listing, known
        self._scale = Scale(listing.fitness[known])
        self.surrogate = Surrogate(Embedding(listing.alphabet.space), prior=prior)
        with one_thread():  # a sum must not depend on the count of cores
            for _ in range(_FITS):
                self.surrogate.fit(listing.rows[known], self._scale(listing.fitness[known]))

    def believed(self, places: Places) -> Belief:
        """What is believed of schedules; the noise of a measurement is in it."""
        with one_thread():
            posterior = self.surrogate.posterior(self.listing.rows[places])
            mean, deviation = posterior.mean, posterior.deviation
        noise = self.surrogate.unit**2 * self.surrogate.variance * self.surrogate.noise
        return Belief(places, mean, np.sqrt(deviation**2 + noise), self._scale)

    def proposed(self, count: int, bars: Sequence[float], rng: np.random.Generator) -> Belief:
        """Of a thousand random draws and a thousand children those that are expected to beat the most bars.

        Where the higher of two bars is out of reach, those that beat the lower are still the surest: by the higher one
        alone schedules of which nothing is known were chosen, and 42 % beat the lower bar, after 88 % a lap before.

        Args:
            count: how many at most: of what was not tried.
            bars: fitnesses.
            rng: of draws and children.
        """
        believed = self.believed(self._pool(rng))
        beaten = np.sum([believed.hits(bar) for bar in bars], axis=0)
        # rounded: a sum in another order must not choose another
        order = np.argsort(-np.round(beaten, 9), kind="stable")
        return believed.taken(order[:count])

    def _pool(self, rng: np.random.Generator) -> Places:
        drawn = self.listing.drawn(rng, _DRAWS)
        return np.setdiff1d(np.concatenate([drawn, self._children(rng)]), self.known)

    def _children(self, rng: np.random.Generator) -> Places:
        ordered = self.known[np.argsort(-self.listing.fitness[self.known], kind="stable")]
        best = ordered[np.isfinite(self.listing.fitness[ordered])][:_PARENTS]
        population, breeder = self.listing.rows[best], Breeder(self.listing.alphabet, rng)
        mothers, fathers, others = rng.integers(len(best), size=(3, _CHILDREN // 2))
        broods = [
            breeder.neighbours(population, range(min(_NEAR, len(best)))),
            breeder.mutants(population, others),
            breeder.crosses(population, mothers, fathers),
        ]
        return self.listing.places(joined(broods).rows)
