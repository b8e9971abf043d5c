"""How far a run can still go, in words: each figure with its interval, and what it means for somebody who reads it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from evolve.report.quantities import clock, factor, number, percent, plain_number, speedup
from evolve.report.text import facts, table

Told = Mapping[str, Any]

PARTS = {
    "selection_error": ("selection error", "a faster schedule was tried, and noise hid it"),
    "not_found_yet": ("not found yet", "among this kernel's schedules, and none of those tried"),
    "not_in_this_space": ("not in this space", "other code goes so far here, no schedule of this kernel does"),
    "not_on_this_hardware": ("not on this hardware", "nothing shows that it can be had here at all"),
}
_AXES = {"evaluations": "evaluations", "elapsed_s": "time", "cpu_s": "processor time"}


def outlook(told: Told) -> str:
    """All of it, behind the rows of what was found."""
    said = facts([*headroom(told), *luck(told), *future(told), *costs(told)])
    return "\n\n".join(filter(None, (curve(told["curve"]), said)))


# ---- what the champion was, moment by moment


HEADER = ("evaluations", "time", "cpu time", "against the plain loop", "measured")


def curve(rows: list[Told]) -> str:
    """The champion at each checkpoint, measured anew against the same plain loop; empty where there was none."""
    if not rows:
        return ""
    return table(HEADER, [moment(row) for row in rows])


def moment(row: Told) -> tuple[str, str, str, str, str]:
    """One checkpoint, as the cells of a row."""
    how = "in new processes" if row["source"] == "published" else "on the way"
    times = ["" if row[axis] is None else clock(row[axis]) for axis in ("elapsed_s", "cpu_s")]
    return str(row["evaluations"]), times[0], times[1], speedup(row["speedup"]), how


# ---- what is left, and where


def headroom(told: Told) -> list[tuple[str, str]]:
    """The headroom and its parts."""
    found = told["split"]
    if found is None:
        is_there = _fraction(told["champion"]) >= 1
        why = "nothing: the champion stands at this machine's measured ceiling" if is_there else ""
        return [("left", why or "not known: it takes a champion and a measured ceiling")]
    by = "" if found["is_published"] else ", by its search estimate,"
    total = f"at most {more(found['left'])} from the champion{by} to what this machine's ceiling allows; of that"
    parts = [f"{gained(part['left'])} {title(part)}: {meaning(part)}" for part in found["parts"]]
    return [("left", total), *(("", part) for part in parts)]


def _fraction(best: Told | None) -> float:
    """Of the bound, to a hundredth of a per cent; 0 where it is not known."""
    found = (best["bound_fraction"] or best["search_estimate"]["bound_fraction"] or 0.0) if best else 0.0
    return round(float(found), 4)


def title(part: Told) -> str:
    """What a part is called."""
    return ", or ".join(PARTS[name][0] for name in part["names"])


def meaning(part: Told) -> str:
    """What that means; several parts that cannot be told apart go together."""
    names = part["names"]
    if len(names) == 1:
        return PARTS[names[0]][1]
    if names[-1] == "not_in_this_space":
        return "other code goes so far here; whether a schedule of this kernel could, the data do not say"
    return "which of these, the data do not say"


def more(ratio: float) -> str:
    """By how much a ratio exceeds 1: in per cent, or as a factor where that is large."""
    return factor(ratio) if ratio >= 2 else f"{100 * (ratio - 1):.2g} %"


def gained(ratio: Told) -> str:
    """The same with an interval; what is exact has none."""
    if ratio["low"] == ratio["high"]:
        return more(ratio["estimate"])
    return f"{more(ratio['estimate'])} [{more(ratio['low'])}, {more(ratio['high'])}]"


# ---- luck


def luck(told: Told) -> list[tuple[str, str]]:
    """What random draws would have found, and how likely it is that the search is nothing else."""
    null = told["null"]
    return [("luck", best_of(told)), ("", ahead(null)), ("records", records(null["records"]))]


def best_of(told: Told) -> str:
    """The expected best of random draws beside the search: estimates of the search against estimates of the search."""
    null = told["null"]
    found = null["carried"]
    if found is None:
        return f"not known: of {null['control']} random draws {null['measured']} were measured, too few or too unlike"
    guess = ", extrapolated" if found["is_extrapolated"] else ""
    drawn = f"best of {found['n']} random draws: {speedup(found['best_of_n'])}{guess}"
    as_many = "" if found["n"] == null["n"] else " after as many"
    search = f", the search{as_many} {factor(found['search'])}" if found["search"] else ""
    beyond = f"; {null['control']} draws do not say what {null['n']} would find" if found["n"] < null["n"] else ""
    return f"{drawn}{search} (search-time estimates){beyond}"


def ahead(null: Told) -> str:
    """How much of the search beats all of the random draws, and how often luck does that."""
    found = null["surpassing"]
    if found is None:
        return ""
    by = null["carried"]["lead"] if null["carried"] else None
    lead = f"the search has {speedup(by)} of that; " if by else ""
    return (
        f"{lead}{found['above']} of {found['search']} schedules of the search beat all {found['control']} random "
        f"draws: luck does that with probability {found['probability']:.2g}"
    )


def records(found: Told | None) -> str:
    """How often the search found something better, against draws that learn nothing."""
    if found is None:
        return ""
    rate = found["per_doubling"]
    return (
        f"{plain_number(rate)} new bests each time the evaluations double; draws that learn nothing make "
        f"{number(found['expected'])}, whatever they draw from"
    )


# ---- where it heads


def future(told: Told) -> list[tuple[str, str]]:
    """What the scores' tail, the champion's own curve and the chances of more searching say."""
    return [
        ("best there is", tail(told["tail"])),
        ("heads for", asymptote(told["asymptote"])),
        *[("still to come" if k == 0 else "", expected(one)) for k, one in enumerate(told["gain"])],
        ("gone flat?", flat(told["flat"])),
    ]


def expected(found: Told) -> str:
    """What some more evaluations are expected to bring."""
    return (
        f"{gained(found['gain'])} from {found['evaluations']} evaluations more ({clock(found['seconds'])}); "
        f"over 2 % with probability {found['chance']:.2f}"
    )


def flat(found: Told) -> str:
    """What the stop rule says."""
    if found["stopped"]:
        return "yes: the search was stopped for that before its budget was used up"
    if found["recent"] is None:
        return str(found["says"])
    near = found["near"]
    word = "yes" if found["is_flat"] else "no"
    return (
        f"{word}: it has tried {percent(near['explored'])} of what lies one gene from its best, the last third of its "
        f"evaluations brought {more(math.exp(found['recent']))}; as much again brings over 2 % with probability "
        f"{found['chance']:.2f}"
    )


def tail(found: Told | None) -> str:
    """Where the scores of random schedules end."""
    if found is None:
        return "not known: too few different random draws to see where their scores end"
    index = found["index"]
    draws = f"the best {found['in_tail']} of {found['draws']} random draws (tail index {plain_number(index)})"
    if not found["is_seen"]:
        return f"not known: {draws} show no end of what schedules of this kernel can do"
    end = found["endpoint"]
    return f"{speedup(end)} is where schedules of this kernel end, by {draws}; rely on the upper end"


def asymptote(found: Told) -> str:
    """Where the champion's own curve heads, over each axis that shows it."""
    known = {axis: one for axis, one in found.items() if one}
    if not known:
        return "not known: it takes six checkpoints at least"
    over = "; ".join(f"over {_AXES[axis]} {heads_for(one)}" for axis, one in known.items())
    return f"{over}; one run's curve is weak evidence"


def heads_for(one: Told) -> str:
    """One axis' asymptote, or why there is none."""
    end = one["speedup"]
    if end is None:
        return "no law that ends fits: each would end below what has been found"
    if end["high"] is None:
        return f"above {factor(end['low'])}, and no end in sight"
    return speedup(end)


# ---- what it costs


def costs(told: Told) -> list[tuple[str, str]]:
    """When the search has paid for itself, how it stands to other runs, and what a whole program gains."""
    paid = [("pays off" if k == 0 else "", pays(one)) for k, one in enumerate(told["break_even"])]
    return [*paid, ("other runs", told["front"]["says"] if told["front"] else ""), *program(told["amdahl"])]


def pays(found: Told) -> str:
    """After how many calls a search has paid for itself."""
    calls, against = found["calls"], found["against"]
    other = f"the {against}" if against == "plain loop" else against
    if calls["estimate"] is None:
        return f"never in the place of {other}: it saves nothing"
    latest = "perhaps never" if calls["high"] is None else f"{calls['high']:,.0f}"
    return (
        f"after {calls['estimate']:,.0f} calls [{calls['low']:,.0f}, {latest}] in the place of {other}, "
        f"{clock(found['work_s']['estimate'])} of its work"
    )


def program(found: Told | None) -> Iterator[tuple[str, str]]:
    """From the kernel to the whole program: Amdahl's law for the share that the user gave."""
    if found is None:
        return
    yield "program", f"one that spends {_fine(found['share'])} of its time in the plain loop becomes"
    for step in found["steps"]:
        yield "", level(step)
    yield "", f"the champion is then {_fine(found['share_left'])} of it: all that a next search can work on"


def level(step: Told) -> str:
    """One level of the waterfall."""
    kernel = step["kernel"]["estimate"]
    names = {
        "champion": f"with the champion, {factor(kernel or 1)}",
        "bound": f"with a kernel at this machine's limit, {factor(kernel or 1)}",
        "free": "with a kernel that takes no time at all",
    }
    return f"{gained(step['program'])} faster {names[step['name']]}"


def _fine(share: float) -> str:
    return f"{100 * share:.2g} %"
