"""What the doctor found, for a terminal, and as the file that keeps the figures of several days side by side."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from evolve import __version__
from evolve.report.quantities import factor, percent, rate, seconds
from evolve.report.text import facts, markdown_table, table, yes_or_no

if TYPE_CHECKING:
    from benchmarks.trials.verdict import Verdict
    from evolve.doctor import Diagnosis

Told = Mapping[str, Any]

LEVELS = {"same": "one process", "rebuilt": "two builds", "relaunched": "two launches"}
"""Of the A/A test, by their names in JSON."""

_HEADER = ("what", "bar", "found", "interval", "trials", "holds")
_HISTORY = "## Runs"


def text(found: Diagnosis) -> str:
    """Facts, noise, and findings."""
    findings = [("finding", f"{one.detail}: {one.cause}; {one.remedy}") for one in found.findings]
    parts = [facts(_facts(found)), *_noise(found), facts(findings)]
    return "\n\n".join(part for part in parts if part)


def _facts(found: Diagnosis) -> Iterator[tuple[str, str]]:
    clock, system = found.clock, found.system
    yield "machine", found.machine
    yield "timer", f"{seconds(clock['overhead_s'])} to read, steps of {seconds(clock['resolution_s'])}"
    yield "core", f"runs at {rate(clock['core_hz'], 'Hz')}{_clock_range(found)}"
    yield "cores", f"{system['logical_cores']} logical, {system['physical_cores']} physical, {_bound(system)}"
    yield "memory", f"huge pages: {system['huge_pages'] or 'unknown'}; {_layout(system)}"
    yield "others", _others(found)
    yield "threads", ", ".join(f"{name}={value}" for name, value in found.threads.items()) or "no limit set"
    yield "protections", _protections(found.protections)
    yield "store", found.folders["store"]
    yield "cache", found.folders["cache"]


def _clock_range(found: Diagnosis) -> str:
    seen = found.precision.conditions["clock_hz"] if found.precision else None
    return f", {rate(seen['low'], 'Hz')} to {rate(seen['high'], 'Hz')} beside the races" if seen else ""


def _bound(system: Told) -> str:
    return "timed on one of them alone" if system["is_bound"] else "timed on any: binding is not permitted"


def _layout(system: Told) -> str:
    return "races in a fixed layout" if system["is_layout_fixed"] else "layouts are random"


def _others(found: Diagnosis) -> str:
    readings = found.readings
    shares = {"use": readings.busy_share, "steal": readings.steal_share}
    told = [f"{word} {percent(share)} of the cores" for word, share in shares.items() if share is not None]
    return ", ".join([*told, *_contention(found)])


def _contention(found: Diagnosis) -> list[str]:
    if found.precision is None:
        return []
    seen = found.precision.conditions
    flags = [f"{flag} in {count}" for flag, count in seen["flags"].items()]
    retaken = sum(seen["retakes"].values())
    return [f"disturbed {' and '.join(flags) or 'none'} of {seen['races']} races, {retaken} rounds retaken"]


def _protections(protections: Sequence[Any]) -> str:
    """What holds, by what holds it; what does not is among the findings."""
    held: dict[str, list[str]] = {}
    for one in protections:
        held.setdefault(one.reason if one.is_active else "NOT ACTIVE", []).append(one.name)
    return "; ".join(f"{', '.join(names)} ({by})" for by, names in held.items())


# ---- noise


def _noise(found: Diagnosis) -> list[str]:
    seen = found.precision
    if seen is None:
        return ["No A/A test was made."]
    noise = {"same": seen.noise.round, "rebuilt": seen.noise.build, "relaunched": seen.noise.launch}
    rows = [(LEVELS[name], *_level(level), f"{noise[name]:.2%}") for name, level in seen.levels.items()]
    header = ("equals raced in", "trials", "found a winner", "95 % of the ratios", "noise")
    return [
        f"{table(header, rows)}\n(noise of a round, a build, a launch; each build and launch is in several trials)",
        facts(_gains(found)),
    ]


def _level(level: Any) -> tuple[str, str, str]:
    interval = f"{percent(level.rate.low)} to {percent(level.rate.high)}"
    ratios = f"{level.ratio.low:.4f} to {level.ratio.high:.4f}"
    return str(level.trials), f"{percent(level.rate.estimate)} ({interval})", ratios


def _gains(found: Diagnosis) -> Iterator[tuple[str, str]]:
    seen = found.precision
    assert seen is not None
    gains = ", ".join(f"{gain:.2%} in {rounds}" for rounds, gain in seen.smallest_gain.items())
    yield "smallest gain", f"that rounds find in four of five races: {gains} rounds"
    named = ", ".join(f"{gain:.0%} in {rounds or 'too many'}" for gain, rounds in seen.rounds_for.items())
    yield "rounds needed", f"{named} rounds"


# ---- trials


def verdicts_text(verdicts: Sequence[Verdict]) -> str:
    """The table of trials."""
    remarks = [(verdict.name, verdict.remark) for verdict in verdicts]
    return f"{table(_HEADER, [_row(verdict) for verdict in verdicts])}\n\n{facts(remarks)}"


def _row(verdict: Verdict) -> tuple[str, ...]:
    found = verdict.found
    show = _UNITS[verdict.unit]
    interval = f"{show(found.low)} to {show(found.high)}"
    trials, word = str(verdict.trials), yes_or_no(verdict.holds)
    return verdict.what, verdict.bar, show(found.estimate), interval, trials, word


_UNITS = {
    "share": lambda value: "none" if math.isnan(value) else f"{value:.1%}",
    "s": seconds,
    "factor": factor,
}


def gallery_text(attacks: Told) -> str:
    """Catch rate and false alarms, and what got through."""
    missed = [f"  {row['name']}: {row['outcome']}: {row['reason']}" for row in attacks["rows"] if not row["is_right"]]
    head = f"{attacks['caught']} of {attacks['total']} attacks caught, {attacks['honest_rejected']} honest rejected"
    return "\n".join([head, *missed])


# ---- the file


def markdown(told: Told, verdicts: Sequence[Verdict], measured_at: str, before: str = "") -> str:
    """The part of the file with this run in front of those that it holds already.

    Args:
        told: the diagnosis in plain values.
        verdicts: of all trials.
        measured_at: time of day, UTC.
        before: the file as it is, with the parts of others; empty where there is none.
    """
    parts = [
        "# What the doctor found",
        "`evolve doctor --full --results` writes this part: the newest run in full, and a line for every run.",
        f"## Latest: {measured_at}, machine {told['machine']}, evolve-kernels {__version__}",
        markdown_table((*_HEADER, "remark"), [(*_row(verdict), verdict.remark) for verdict in verdicts]),
        _noise_markdown(told),
        _HISTORY,
        _history(verdicts, measured_at, told, before),
    ]
    return "\n\n".join(parts) + "\n"


def _noise_markdown(told: Told) -> str:
    noise, gains = told["noise"], told["smallest_gain"]
    named = ", ".join(f"{noise[level]:.2%} of a {level}" for level in ("round", "build", "launch"))
    found = ", ".join(f"{gain:.2%} in {rounds}" for rounds, gain in gains.items())
    return f"Noise: {named}. Smallest gain that is found in four of five races: {found} rounds."


def _history(verdicts: Sequence[Verdict], measured_at: str, told: Told, before: str) -> str:
    """One line a run, the newest first."""
    header = ("measured at", "machine", "holds", *(verdict.name for verdict in verdicts))
    holds = f"{sum(verdict.holds for verdict in verdicts)} of {len(verdicts)}"
    cells = [f"{_UNITS[v.unit](v.found.estimate)}{'' if v.holds else ' (NO)'}" for v in verdicts]
    rows = [(measured_at, told["machine"], holds, *cells)]
    return markdown_table(header, [*rows, *_earlier(before, header)])


def _earlier(before: str, header: Sequence[str]) -> list[list[str]]:
    """Rows of the runs that a file holds, their cells put under this header: a column that they lack is empty."""
    lines = re.findall(r"^\| (.*) \|$", before.partition(_HISTORY)[2].partition("\n# ")[0], re.MULTILINE)
    if len(lines) < 3:
        return []
    names, rows = lines[0].split(" | "), [line.split(" | ") for line in lines[2:]]
    return [[dict(zip(names, row, strict=False)).get(name, "") for name in header] for row in rows]
