"""The error rates of the verdict: as a table on the terminal, and as a part of the file of results."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from evolve import __version__
from evolve.controls.kept import COVERAGE, LEAST_WORLDS, VERDICTS, Covering, Rates, Row, Share
from evolve.report.quantities import clock
from evolve.report.text import facts, paragraph, table

if TYPE_CHECKING:
    from evolve.controls.kept import Check

_HEADER = ("PLANTED WORLDS", *VERDICTS, "MUST BE", "HOLDS")
_INTERVALS = ("95 % INTERVALS", "HELD", "FROM", "TO", "OF", "MUST BE", "HOLDS")
_CHECKS = ("BESIDES", "FOUND", "FROM", "TO", "OF", "MUST BE", "HOLDS")
_FAULT = "fault_"


def text(rates: Rates) -> str:
    """All rates, and what they come to."""
    parts = [
        table(_HEADER, map(_row, _worlds(rates))),
        f"Broken laps ({len(_faults(rates))} kinds): {_of_faults(rates)}",
        table(_INTERVALS, map(_covering, rates.coverings)),
        table(_CHECKS, map(_check, rates.checks)) if rates.checks else "",
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
    shares = (_percent(row.verdicts[word].share) for word in VERDICTS)
    return row.what, *shares, _bar(row), _yes(holds=row.holds)


def _bar(row: Row) -> str:
    wrong = [f"{word} <= {row.most_wrong:.0%}" for word in row.wrong]
    right = [f"{row.right} >= {row.least_right:.0%}"] if row.right else []
    return ", ".join([*right, *wrong])


def _covering(one: Covering) -> tuple[str, ...]:
    low, high = COVERAGE
    bar = f"{low:.0%} to {high:.0%}" if one.is_promised else "(assumptions do not hold)"
    return one.what, *_figures(one.held), bar, _yes(holds=one.holds) if one.is_promised else ""


def _check(check: Check) -> tuple[str, ...]:
    return check.what, *_figures(check.found), check.bar, _yes(holds=check.holds)


def _figures(found: Share) -> tuple[str, ...]:
    return _percent(found.share), _percent(found.low), _percent(found.high), str(found.of)


def _percent(share: float) -> str:
    return f"{share:.1%}"


def _yes(*, holds: bool) -> str:
    return "yes" if holds else "NO"


def _made(rates: Rates) -> Iterator[tuple[str, str]]:
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
        _markdown_table(("world", *VERDICTS, "must be", "holds"), [_world_line(row) for row in rates.rows]),
        _markdown_table(("95 % interval of", "held", "intervals", "must be", "holds"), _lines(rates.coverings)),
    ]
    if rates.checks:
        lines = [(one.what, _share(one.found), one.bar, _yes(holds=one.holds)) for one in rates.checks]
        parts.append(_markdown_table(("besides", "found", "must be", "holds"), lines))
    return "\n\n".join(parts) + "\n"


def _when(rates: Rates) -> str:
    few = "" if rates.worlds >= LEAST_WORLDS else " A first look: so few worlds tell little."
    return (
        f"Measured {rates.measured_at} on machine {rates.machine} with evolve-kernels {__version__}: {rates.worlds} "
        f"planted worlds a kind, {rates.laps} laps each, in {clock(rates.elapsed_s)}. Every share has its exact "
        f"binomial 95 % interval.{few}"
    )


def _world_line(row: Row) -> tuple[str, ...]:
    shares = (_share(row.verdicts[word]) for word in VERDICTS)
    return row.what, *shares, _bar(row), _yes(holds=row.holds)


def _lines(coverings: Sequence[Covering]) -> list[tuple[str, ...]]:
    cells = map(_covering, coverings)
    return [(what, f"{held} [{low}, {high}]", of, bar, holds) for what, held, low, high, of, bar, holds in cells]


def _share(share: Share) -> str:
    return f"{_percent(share.share)} [{_percent(share.low)}, {_percent(share.high)}]"


def _markdown_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (header, ["---"] * len(header), *rows))
