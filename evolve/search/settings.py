"""How the genetic search goes about it. Each part can be switched off, which is how one knows what it is worth."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from evolve.search.prior import Prior


@dataclass(frozen=True)
class Settings:
    """Settings of ``genetic.Genetic``.

    Attributes:
        population: survivors.
        founders: schedules, others' draws included, before the first children are bred: the default and random ones.
        tournament: contestants for the place of one parent; more of them is a harder selection.
        children: bred for one ask.
        mutants: share of the children that have one parent.
        crosses: share that have two; the rest are random.
        near: of so many of the best all neighbours are looked at too.
        exploit: share of the proposals next to the best, where children are not screened.
        screened: children are chosen by what was learned; else by chance.
        learning: the surrogate's length scales follow the data; else they stay as believed before.
        shunning: what failed counts as worst; else the surrogate does not hear of it.
        lessons: outcomes that the surrogate learns from at most.
        novel: where more are known, half of the lessons are such as lie far from all others; else some of every age.
        patience: outcomes without a better one after which part of every ask climbs from the best few, gene by gene:
            a surrogate that believes to know what lies there may be wrong, and a search that may stop must have looked.
        climbing: share of an ask that does.
        mutations: genes that a mutant has changed, in the mean.
        leaps: share of changes that go to any other value; the others are small steps.
        prior: length scales that the surrogate begins with; None where every gene matters alike.
    """

    population: int = 32
    founders: int = 8
    tournament: int = 3
    children: int = 2000
    mutants: float = 0.5
    crosses: float = 0.25
    near: int = 3
    exploit: float = 0.25
    screened: bool = True
    learning: bool = True
    shunning: bool = True
    lessons: int = 300
    novel: bool = True
    patience: int = 60
    climbing: float = 0.5
    mutations: float = 1.5
    leaps: float = 0.1
    prior: Prior | None = None

    @classmethod
    def from_dict(cls, told: Mapping[str, Any]) -> Settings:
        """The inverse of ``dataclasses.asdict``, through JSON too.

        Raises:
            TypeError: this version has no such setting.
        """
        prior = told.get("prior")
        return cls(**{**told, "prior": Prior.from_dict(prior) if prior else None})

    @property
    def changes(self) -> str:
        """What is not as usual, as in ``crosses=0.0 mutants=0.75``; "" where everything is."""
        own = ((field.name, getattr(self, field.name), field.default) for field in fields(self))
        return " ".join(f"{name}={value}" for name, value, usual in own if value != usual)
