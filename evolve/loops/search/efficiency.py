"""How good an engine the search has become: tuning itself, replayed with both engines on what is known of the settings.

A lap tunes with the settings that the lap before found. To tune once more with those of lap 0 would cost as much as
the lap, and a single lap of each says little. But all that was tried is kept. A Gaussian process that is fitted to it
stands for the settings' space, and the tuning of a lap is replayed there with many seeds, from the same start and with
as many candidates. The engine's gain is how many times fewer candidates it takes to what the frozen one finds. What
each setting of a champion is worth is read off the same process: the score that is expected without it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from benchmarks.inference import Estimate
from evolve.loops.search.tuning import BATCH, REPLAYS, SPACE, Tried, schedule_of, shrunk
from evolve.replay.targets import fewer
from evolve.search import make
from evolve.search.alphabet import Alphabet
from evolve.search.blas import one_thread
from evolve.search.embedding import Embedding
from evolve.search.protocol import Result
from evolve.search.settings import Settings
from evolve.search.surrogate import Surrogate
from kernels.language.space import Schedule

_SAME = 1e-9
"""Scores that differ by less are equal: sums in another order do not change what arrived."""


def efficiency(tried: Sequence[Tried], frozen: Settings, present: Settings, candidates: int, seed: int) -> Estimate:
    """How many times fewer candidates one engine takes than the frozen one, as ln, with a bootstrap interval.

    Args:
        tried: all that is known of settings.
        frozen: the engine of lap 0.
        present: the engine that is held against it.
        candidates: of a lap.
        seed: of the replays.
    """
    if present == frozen or not any(one.score is not None for one in tried):
        return Estimate(0.0, 0.0, 0.0)
    with one_thread():  # a sum must not depend on the count of cores
        guess = _Guess(tried)
        sides = [
            [_heights(one, schedule_of(frozen), guess, candidates, [seed, at]) for at in range(REPLAYS)]
            for one in (frozen, present)
        ]
    target = float(np.median([max(heights) for heights in sides[0]])) - _SAME
    before, after = ([_arrived(heights, target) for heights in side] for side in sides)
    return fewer([before], [after], candidates)


def worths(tried: Sequence[Tried], frozen: Settings, champion: Settings) -> dict[str, float]:
    """What each setting of a champion is worth in training: the score that goes where it alone is put back.

    Args:
        tried: all that is known of settings.
        frozen: the settings that it differs from.
        champion: whose settings are asked for; those that cannot be put back alone are left out.
    """
    now, before = schedule_of(champion), schedule_of(frozen)
    back = {name: SPACE.canonical({**now, name: before[name]}) for name in now if now[name] != before[name]}
    legal = {name: one for name, one in back.items() if one != now and SPACE.is_legal(one) is None}
    if not legal or not any(one.score is not None for one in tried):
        return {}
    with one_thread():
        whole, *without = _Guess(tried)([now, *legal.values()])
    found = {name: whole - height for name, height in zip(legal, without, strict=True)}
    return dict(sorted(found.items(), key=lambda pair: -pair[1]))


class _Guess:
    """What settings would score.

    Args:
        tried: what is known, of one at least.
    """

    def __init__(self, tried: Sequence[Tried]) -> None:
        self._alphabet, self._surrogate = Alphabet(SPACE), Surrogate(Embedding(SPACE))
        known = [(one.schedule, score) for one, score in zip(tried, shrunk(tried), strict=True) if score is not None]
        rows = self._alphabet.rows(schedule for schedule, _ in known)
        self._surrogate.fit(rows, np.array([score for _, score in known]))

    def __call__(self, schedules: Sequence[Schedule]) -> list[float]:
        """The expected score of each."""
        guessed: list[float] = self._surrogate.posterior(self._alphabet.rows(schedules)).mean.tolist()
        return guessed


def _heights(engine: Settings, start: Schedule, guess: _Guess, candidates: int, seed: Sequence[int]) -> list[float]:
    """Guessed scores of the candidates that an engine tries, in order."""
    strategy = make("genetic", SPACE, np.random.default_rng(seed), 0.0, start, settings=engine)
    heights: list[float] = []
    while len(heights) < candidates and (proposals := strategy.ask(min(BATCH, candidates - len(heights)))):
        schedules = [proposal.schedule for proposal in proposals]
        guessed = guess(schedules)
        strategy.tell([Result(*pair) for pair in zip(schedules, guessed, strict=True)])
        heights += guessed
    return heights


def _arrived(heights: Sequence[float], target: float) -> int | None:
    return next((n for n, height in enumerate(heights, 1) if height >= target), None)
