"""The error rates of the verdict: as a table on the terminal, and as a part of the file of results."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from evolve import __version__
from evolve.controls.kept import COVERAGE, LEAST_WORLDS, VERDICTS, Covering, Rates, Row, Share
from evolve.report.quantities import clock
from evolve.report.text import facts, markdown_table, paragraph, table, yes_or_no

if TYPE_CHECKING:
    from evolve.controls.kept import Check

_HEADER = ("PLANTED WORLDS", *VERDICTS, "HOLDS")
_INTERVALS = ("95 % INTERVALS", "HELD THE TRUTH", "OF", "HOLDS")
_FAULT = "fault_"


def text(rates: Rates) -> str:
    """All rates, and what they come to."""
    parts = [
        table(_HEADER, map(_row, _worlds(rates))),
        f"Broken laps ({len(_faults(rates))} kinds): {_of_faults(rates)}",
        table(_INTERVALS, map(_covering, rates.coverings)),
        facts(map(_check, rates.checks)),
        facts(_made(rates)),
        paragraph(rates.sentence()),
    ]
    return "\n\n".join(part for part in parts if part)


def _worlds(rates: Rates) -> list[Row]:
    return [row for row in rates.rows if not row.name.startswith(_FAULT)]


def _faults(rates: Rates) -> list[Row]:
    return [row for row in rates.rows if row.name.startswith(_FAULT)]


def _of_faults(rates: Rates) -> str:
    broken = [row.what for row in _faults(rates) if not row.holds]
    return f"a verdict was given on {', '.join(broken)}" if broken else "all UNDECIDED, as they must be"


def _row(row: Row) -> tuple[str, ...]:
    cells = (f"{_percent(row.verdicts[word].share)}{_bar(row, word)}" for word in VERDICTS)
    return row.what, *cells, yes_or_no(row.holds)


def _bar(row: Row, word: str) -> str:
    """What a share is held against; nothing where it may be what it will."""
    if word == row.right:
        return f" >={100 * row.least_right:.0f}"
    return f" <={100 * row.most_wrong:.0f}" if word in row.wrong else ""


def _covering(one: Covering) -> tuple[str, ...]:
    return one.what, _share(one.held), str(one.held.of), yes_or_no(one.holds) if one.is_promised else "any"


def _check(check: Check) -> tuple[str, str]:
    return f"holds: {yes_or_no(check.holds)}", f"{check.what}: {_share(check.found)} of {check.found.of} ({check.bar})"


def _share(found: Share) -> str:
    return f"{_percent(found.share)} [{100 * found.low:.1f}, {100 * found.high:.1f}]"


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _made(rates: Rates) -> Iterator[tuple[str, str]]:
    low, high = (f"{100 * end:.0f}" for end in COVERAGE)
    yield (
        "must be",
        (
            f"beside each share, in %: >= of what is right, <= of what is false; {low} to {high} % of intervals hold "
            "the truth, any share where their assumptions do not hold"
        ),
    )
    yield "made", f"{rates.worlds} worlds a kind of {rates.laps} laps, in {clock(rates.elapsed_s)}"
    yield "on", f"machine {rates.machine}, {rates.measured_at}"
    for name, found in rates.noise.items():
        yield f"noise, {name}", _noise(found)


def _noise(found: Mapping[str, float]) -> str:
    return f"{found['spread']:.2%} a lap, interval +-{found['half_width']:.2%}, from {found['laps']:.0f} laps of equals"


# ---- the file


def markdown(rates: Rates) -> str:
    """The part of the file of results."""
    parts = [
        "# How often the verdict is wrong",
        "`evolve verdict --controls --results` writes this part and will overwrite it.",
        _when(rates),
        *(f"Noise of laps, {name}: {_noise(found)}." for name, found in rates.noise.items()),
        markdown_table(("world", *VERDICTS, "holds"), [_world_line(row) for row in rates.rows]),
        markdown_table(("95 % interval of", "held", "intervals", "holds"), map(_covering, rates.coverings)),
    ]
    if rates.checks:
        lines = [
            (one.what, _share(one.found), str(one.found.of), one.bar, yes_or_no(one.holds)) for one in rates.checks
        ]
        parts.append(markdown_table(("besides", "found", "of", "must be", "holds"), lines))
    return "\n\n".join(parts) + "\n"


def _check_line(one: Check) -> tuple[str, ...]:
    return one.what, _share(one.found), str(one.found.of), one.bar, yes_or_no(one.holds)


def _when(rates: Rates) -> str:
    few = "" if rates.worlds >= LEAST_WORLDS else " A first look: so few worlds tell little."
    return (
        f"Measured {rates.measured_at} on machine {rates.machine} with evolve-kernels {__version__}: {rates.worlds} "
        f"planted worlds a kind, {rates.laps} laps each, in {clock(rates.elapsed_s)}. Every share has its exact "
        f"binomial 95 % interval; >= and <= say what it must be, and of intervals "
        f"{COVERAGE[0]:.0%} to {COVERAGE[1]:.0%} must hold the truth, where their assumptions hold.{few}"
    )


def _world_line(row: Row) -> tuple[str, ...]:
    cells = (f"{_share(row.verdicts[word])}{_bar(row, word)}" for word in VERDICTS)
    return row.what, *cells, yes_or_no(row.holds)
