"""Equals that ask for promotion, in quiet and beside a hog: none must be found faster than the other."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from benchmarks import aa
from benchmarks.exchange import ContestantFailedError
from benchmarks.harness import Harness
from benchmarks.precision import PROBLEM
from benchmarks.promote import Finalist, Promotion, Terms, promote
from benchmarks.trials.hog import hog
from benchmarks.trials.verdict import NULL, Setting, Verdict

TRIALS, MOST_PROMOTED = 40, 1
HOG_TRIALS = 20


def equals(setting: Setting, trials: int = TRIALS) -> Sequence[Verdict]:
    """Promotion of equals."""
    with _worlds(setting) as worlds:
        tally = _asked(worlds, setting, trials)
    return [tally.verdict("aa_promotion", "equals that are promoted", MOST_PROMOTED)]


def beside_hog(setting: Setting, kind: str, trials: int = HOG_TRIALS) -> Sequence[Verdict]:
    """The same while a hog runs on the other core, or on the same where there is one only."""
    with _worlds(setting) as worlds, hog(kind, worlds[0].harness.cpus[0]):
        tally = _asked(worlds, setting, trials)
    return [tally.verdict(f"hog_{kind}", f"the same beside a {kind} hog", 0)]


@dataclass(frozen=True)
class World:
    """A harness, and two contestants in it that are the same."""

    harness: Harness
    finalist: Finalist


@contextlib.contextmanager
def _worlds(setting: Setting) -> Iterator[list[World]]:
    """One that only the clock disturbs, and one that lives in the second cache, of two builds of one source."""
    with Harness(NULL, setting.folder) as chain, Harness(PROBLEM, setting.folder) as triad:
        space = NULL.definition.space
        labels = [chain.plan(space.schedule(label=label)) for label in (1, 2)]
        builds = [aa.another_build(triad) for _ in range(2)]
        yield [
            World(chain, Finalist(*aa.proven(chain, labels))),
            World(triad, Finalist(*aa.proven(triad, builds))),
        ]


@dataclass
class Tally:
    """What became of those that asked."""

    verdicts: Counter[str] = field(default_factory=Counter)
    flags: Counter[str] = field(default_factory=Counter)

    def count(self, promotion: Promotion) -> None:
        """One more of them.

        Raises:
            ContestantFailedError: it failed, which says nothing of the rule.
        """
        (decision,) = promotion.decisions
        if decision.verdict == "failed":
            raise ContestantFailedError(f"a planted equal failed: {decision.reason}")
        self.verdicts[decision.verdict] += 1
        self.flags.update(promotion.flags)

    def verdict(self, name: str, what: str, most: int) -> Verdict:
        """Whether no more than so many were promoted."""
        promoted, trials = self.verdicts["promoted"], self.verdicts.total()
        return Verdict(
            name=name,
            what=what,
            bar=f"at most {most} of {trials}",
            found=aa.binomial_estimate(promoted, trials),
            unit="share",
            holds=promoted <= most,
            trials=trials,
            remark=", ".join(f"{count} {verdict}" for verdict, count in self.verdicts.items()),
            details={"promoted": promoted, "verdicts": dict(self.verdicts), "flags": dict(self.flags)},
        )


def _asked(worlds: Sequence[World], setting: Setting, trials: int) -> Tally:
    tally = Tally()
    for done in range(trials):
        setting.tell(done, trials)
        world = worlds[done % len(worlds)]
        tally.count(promote(world.harness, [world.finalist], Terms(spread=setting.spread)))
    return tally
