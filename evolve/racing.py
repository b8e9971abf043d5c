"""How a run races where it does not race as usual: a policy, as plain data, within limits.

A policy says when a race in a search is over, and how long its samples are; loop ``policy`` evolves it. It reaches a
run as one of its options, so that a run that is resumed races as it began. Every policy may drop whoever will not win,
and none has fewer rounds than an interval takes, so that none makes a winner without one. What is published, promoted,
confirmed or tested is raced by rules of its own, which drop nobody: no policy is asked there, nor where candidates are
proven, doubted or audited.

``most_s`` is no part of it: it ends races of which a round takes a tenth of a second or more, which are too slow for
anybody to record enough of.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from benchmarks.race import Rules
from evolve.errors import UsageError
from kernels.language.space import Space, integer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from evolve.store import RunSpec, Store
    from evolve.store.records import Value

_OPTION = "race"

SPACE = Space(
    [
        integer("most_rounds", range(12, 33, 2), "a race is over after so many", default=30),
        integer("least_rounds", range(6, 17, 2), "before them only what is far behind is dropped"),
        integer(
            "hopeless_percent",
            (101, 102, 103, 104, 105, 106, 108, 110, 115, 120, 125, 130, 140, 150, 175, 200),
            "of the incumbent's time, beyond which two rounds are enough",
            default=105,
        ),
        integer(
            "ruinous_percent",
            (105, 110, 115, 120, 125, 130, 140, 150, 175, 200, 250, 300, 400),
            "of the incumbent's time, beyond which one round is enough",
            default=300,
        ),
        integer(
            "clear_percent",
            (101, 102, 103, 104, 106, 108, 110, 115, 120, 130, 150, 200),
            "of the candidate's time, which the incumbent surely takes: it has won",
            default=110,
        ),
        integer(
            "futile_percent",
            (20, 30, 40, 50, 60, 70, 80, 100),
            "of all rounds, from which on the middle has to be in front",
            default=50,
        ),
        integer("sample_us", (100, 200, 400), "least length of a sample, in microseconds", default=200),
    ],
    [
        (lambda least_rounds, most_rounds: least_rounds <= most_rounds, "fewer rounds at most than at least"),
        (lambda ruinous_percent, hopeless_percent: ruinous_percent >= hopeless_percent, "one round says less than two"),
    ],
)
"""The policies that there are; the default is the hand-set one, ``Rules()``."""

HAND_SET = SPACE.default
MOST_ROUNDS = max(int(value) for value in SPACE.by_name["most_rounds"].values)
SAMPLES_US = tuple(int(value) for value in SPACE.by_name["sample_us"].values)


def rules_of(policy: Mapping[str, Value]) -> Rules:
    """The rules by which a policy's races end.

    Raises:
        ValueError: it is none of ``SPACE``; the message says why.
    """
    if reason := SPACE.is_legal(policy):
        raise ValueError(f"not a policy: {reason}")
    told = {name: int(value) for name, value in policy.items()}
    return Rules(
        most_rounds=told["most_rounds"],
        least_rounds=told["least_rounds"],
        hopeless=told["hopeless_percent"] / 100,
        ruinous=told["ruinous_percent"] / 100,
        clear=told["clear_percent"] / 100,
        futile=told["futile_percent"] / 100,
        sample_s=told["sample_us"] / 1e6,
    )


def raced_by(policy: Mapping[str, Value]) -> dict[str, Value | float]:
    """The options of a run whose candidates are raced by a policy.

    Raises:
        ValueError: it is none.
    """
    rules_of(policy)
    return {_OPTION: json.dumps(dict(policy), separators=(",", ":"))}


def found_by(store: Store, key: str) -> Mapping[str, Value]:
    """The policy that stands after the last lap of a loop ``policy``.

    Args:
        store: of the loop.
        key: of the loop, as ``Store.loop`` takes it.

    Raises:
        UsageError: there is no such loop, it is of another kind, or it has no policy of this version.
    """
    loop = store.loop(key)
    if loop.kind != "policy":
        raise UsageError(f"loop {loop.id} evolves no policy", "`evolve loop policy` does")
    policies = [lap.details["policy"]["genes"] for lap in store.laps(loop.id) if not lap.fault]
    if not policies:
        raise UsageError(f"loop {loop.id} has no lap yet", f"`evolve resume {loop.id}` goes on with it")
    if reason := SPACE.is_legal(policies[-1]):
        raise UsageError(f"the policy of loop {loop.id} is none of this version: {reason}", "start a new loop")
    return dict(policies[-1])


def rules_for(run: RunSpec) -> Rules:
    """The rules by which a run races its candidates.

    Raises:
        ValueError: its policy is none of this version.
    """
    text = run.options.get(_OPTION)
    return rules_of(json.loads(text)) if isinstance(text, str) else Rules()


def changes(policy: Mapping[str, Value]) -> str:
    """What is not as set by hand, as in ``hopeless_percent 125 -> 110``."""
    own = (f"{name} {HAND_SET[name]} -> {value}" for name, value in policy.items() if value != HAND_SET[name])
    return ", ".join(own) or "as set by hand"
