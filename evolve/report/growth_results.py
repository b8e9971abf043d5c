"""What loops came to, as a part of the file of results: every lap beside its forecast, and what all of it cost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from evolve import __version__
from evolve.report.growth import header, legend, remarks, row
from evolve.report.lap_details import lap_details
from evolve.report.lap_details import remarks as notes
from evolve.report.loop import HEADER, WHAT, asymptote, ceiling, lap_rows, reasons, since
from evolve.report.parts import part_of
from evolve.report.quantities import clock, plain_number, speedup
from evolve.report.text import markdown_table, together

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from evolve.store import Machine
    from evolve.tracker.growth import Grown

    Told = Mapping[str, Any]

_STANDINGS = ("loop", "laps", "wall time", "now", "last lap", "left", "forecasts that held", "rho", "eta xi", "verdict")


def markdown(loops: Sequence[Grown], told: Sequence[Told], machine: Machine, life_s: float) -> str:
    """The part of ``benchmarks/RESULTS.md``.

    Args:
        loops: of one machine, as they grew.
        told: what ``evolve.tracker.turns.turns`` says of each.
        machine: on which they ran.
        life_s: processor seconds of the life that the second table is about.
    """
    here = machine.fingerprint
    title = f"# Closed loops on {here.get('llvm_cpu', 'a machine')} {machine.id}"
    days = sorted({one["created_at"][:10] for one in told})
    cores = f"{here.get('logical_cores', '?')} cores"
    origin = (
        f"Run from {days[0]} to {days[-1]} on {here.get('cpu', machine.id)}, {cores}; read with evolve-kernels "
        f"{__version__}"
    )
    meaning = "\n".join(f"- {label}: {says}" for label, says in legend(life_s))
    paragraphs = [
        _INTRODUCTION,
        markdown_table(_STANDINGS, map(_standing, told)),
        _forecasts(told),
        "All things considered, in processor time:",
        markdown_table([cell.lower() for cell in header(life_s)], [row(loop, life_s) for loop in loops]),
        meaning,
        "\n".join(remarks(loops)),
        *map(_loop, told),
    ]
    return part_of(title, origin, f"evolve loop growth {' '.join(_key(one) for one in told)}", paragraphs)


_INTRODUCTION = (
    "Each lap is measured against the frozen lap 0, both in turns; its forecast was made before it began. A figure "
    "is a factor with its 95 % interval; rho is the part of a lap's gain that the next lap gains again, eta xi how "
    "much of a gain returns as further gain."
)


def _key(told: Told) -> str:
    return str(told["name"] or told["loop"])


def _standing(told: Told) -> tuple[str, ...]:
    """A loop in a line."""
    laps, shown = [lap for lap in told["laps"] if lap["factor"]], told["verdict"]
    last, score = laps[-1], told["forecasts"]
    return (
        f"{told['kind']} ({_key(told)})",
        str(last["lap"]),
        clock(told["elapsed_s"]),
        speedup(last["factor"]),
        speedup(last["step"]) if last["step"] else "",
        speedup(told["headroom"]) if told["headroom"] else "not known",
        f"{score['held']} of {score['made']}",
        plain_number(shown["ratio"]) if shown["ratio"] else "",
        plain_number(shown["feedback"]) if shown["feedback"] else "",
        f"{shown['verdict']}{since(told)}",
    )


def _forecasts(told: Sequence[Told]) -> str:
    """Of all loops together."""
    made, held = (sum(one["forecasts"][key] for one in told) for key in ("made", "held"))
    return f"Of {made} forecasts, each made before its lap, {held} agreed with what came."


def _loop(told: Told) -> str:
    """One loop, lap by lap."""
    found = lap_details(told)
    figures = markdown_table([cell.lower() for cell in found[0]], found[1]) if found else ""
    said = [
        ("asked", " ".join(f"--{name} {value}" for name, value in _options(told))),
        ("ceiling", ceiling(told)),
        ("asymptote", asymptote(told["verdict"])),
        *(("verdict", reason) for reason in reasons(told["verdict"])),
        *(notes(told)),
    ]
    lines = "\n".join(f"- {label}: {text}" for label, text in said if text)
    title = f"## {told['kind']} ({_key(told)})"
    what = WHAT.get(told["kind"], "")
    table = markdown_table([cell.lower() for cell in HEADER], lap_rows(told))
    return together([title, f"{what[:1].upper()}{what[1:]}." if what else "", table, figures, lines])


def _options(told: Told) -> Iterator[tuple[str, object]]:
    yield "laps", told["laps_asked"]
    yield "seed", told["seed"]
    yield from sorted((name.replace("_", "-"), value) for name, value in told["options"].items() if value != "")
