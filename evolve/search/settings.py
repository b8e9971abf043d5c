"""How the genetic search goes about it. Each part can be switched off, which is how one knows what it is worth."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Settings:
    """Settings of ``genetic.Genetic``.

    Attributes:
        population: survivors.
        founders: schedules that are told, control draws included, before children are bred.
        tournament: contestants for the place of one parent; more of them is a harder selection.
        children: bred for one ask, and screened.
        exploit: share of the proposals next to the best few.
        surrogate: children are screened by what was learned; else drawn from the brood by chance.
        feasibility: what is like that which failed is worth less.
        linked: crossover keeps linked genes together.
        credit: operators breed in the measure of what their children brought.
    """

    population: int = 32
    founders: int = 8
    tournament: int = 3
    children: int = 2000
    exploit: float = 0.0
    surrogate: bool = True
    feasibility: bool = False
    linked: bool = False
    credit: bool = True
    # experiments
    reach: float = 1.0
    spread: float = 1.0
    alone: float = 1.0
    pairs: float = 0.1
    matern: int = 5
    target: str = "ranks"
    steps: int = 12
    refit: int = 4
    limit: int = 300
    worst: bool = True
    without: str = ''
    wander: float = 0.0
    sceptic: float = 0.0
