"""Two exact answers to "could that be luck?" that assume nothing of the distribution of speedups."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from evolve.tracker.curve import paid

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evolve.store import Individual


@dataclass(frozen=True)
class Surpassing:
    """How much of the search arm is better than all of the control arm.

    Attributes:
        above: evaluations of the search arm that beat the best control draw.
        search: evaluations of the search arm.
        control: control draws.
        probability: of that many or more, were the search arm random draws too.
    """

    above: int
    search: int
    control: int
    probability: float


def surpassing(individuals: Sequence[Individual]) -> Surpassing | None:
    """The precedence test: if all draws are alike, every order of them is equally likely.

    The best ``above`` of all ``search + control`` draws then come from the search arm with probability
    C(search, above) / C(search + control, above) (Nelson, Technometrics 5, 1963). A failed evaluation counts as worst;
    a control draw that repeats a schedule is a draw all the same.

    Returns:
        None unless both arms have something measured.
    """
    search = [_rank_value(i) for i in paid(individuals) if i.evaluation.arm == "search"]
    control = [_rank_value(i) for i in individuals if i.evaluation.arm == "control" and i.record is not None]
    best = max(control, default=-math.inf)
    if best == -math.inf or not search:
        return None
    above = sum(fitness > best for fitness in search)
    probability = math.comb(len(search), above) / math.comb(len(search) + len(control), above)
    return Surpassing(above, len(search), len(control), probability)


def _rank_value(individual: Individual) -> float:
    return -math.inf if individual.fitness is None else individual.fitness


def drought_probability(evaluations: int, since_improvement: int) -> float:
    """How often independent draws go without a record for as long as a run just has.

    The best of N draws lies among the first n with probability n / N, whatever their distribution (Renyi 1962): luck
    meets a patience of "as long again" every second time.
    """
    return 1 - since_improvement / evaluations
