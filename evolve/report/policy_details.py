"""What the laps of loop ``policy`` show beside their gain: rates, mistakes, and the rules themselves."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from evolve.report.quantities import number, percent, speedup

Told = Mapping[str, Any]

HEADER = ("LAP", "A SECOND", "BY HAND-SET RULES", "WRONG", "BY HAND-SET RULES", "IN A WHOLE RUN", "RULES")


def rows(told: Told) -> list[tuple[str, ...]]:
    """A row a lap: evaluations a second, and mistakes among all planted decisions, each beside the hand-set rules'."""
    return [_row(str(lap["lap"]), lap["details"]) for lap in told["laps"] if "comparison" in lap["details"]]


def _row(lap: str, details: Told) -> tuple[str, ...]:
    wrong = details["comparison"]["rates"][-1]
    whole = details.get("in_a_run")
    return (
        lap,
        number(details["per_s"]["policy"]),
        number(details["per_s"]["hand_set"]),
        percent(wrong["policy"]),
        percent(wrong["hand_set"]),
        speedup(whole["speedup"]) if whole else "",
        details["changes"],
    )


def remarks(told: Told) -> Iterator[tuple[str, str]]:
    """What was refused, what the last lap's policy does to each problem and each kind of mistake, and what it hides."""
    laps = [lap for lap in told["laps"] if "comparison" in lap["details"]]
    for lap in laps:
        for why in lap["details"]["refused"]:
            yield "refused", f"in lap {lap['lap']}: {why}"
    for lap in laps[-1:]:
        yield from _last(lap["details"])


def _last(details: Told) -> Iterator[tuple[str, str]]:
    for name, live in details["live"].items():
        alike = live["both"] + live["neither"]
        count = alike + live["hand_set_only"] + live["policy_only"]
        rates = f"{number(live['policy_per_s'])} evaluations a second beside {number(live['hand_set_per_s'])}"
        yield name, f"{rates}; {alike} of {count} candidates decided alike"
    for rate in details["comparison"]["rates"]:
        margin = f"{100 * rate['difference']['low']:+.1f} to {100 * rate['difference']['high']:+.1f} points"
        yield (
            "mistakes",
            f"it {rate['kind']}: {percent(rate['policy'])} of races beside {percent(rate['hand_set'])} ({margin})",
        )
    hand_set, policy = details["comparison"]["misread"]
    yield (
        "misread",
        f"a candidate's ratio by {percent(policy)} in the mean, beside {percent(hand_set)}: decides nothing",
    )
    yield "samples", f"{percent(details['share'])} of an evaluation by the hand-set rules"
