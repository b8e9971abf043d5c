"""A run as one page: a single HTML file that needs no network, for any screen, light and dark."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import plotly.offline

import kernels
from benchmarks.outcome import KINDS
from evolve.report import outlook, promotion, quantities, result
from evolve.report.accuracy import accuracy
from evolve.report.figures import champion_curve, front, opponents
from evolve.report.genes import genes
from evolve.report.loop import NO_RATES
from evolve.report.machine import ceiling_tables, machine_facts
from evolve.report.page import template, write_page
from evolve.tracker import summary

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from evolve.store import Individual, Run, Store
    from kernels import Kernel

Told = dict[str, Any]

_PHASES = {
    "build": "specialising and compiling schedules, on all cores",
    "verify": "proving results right, before and after timing",
    "measure": "timing, while nothing else of ours runs",
    "search": "deciding what to try next",
    "other": "the store, starting processes, waiting",
}


def write(store: Store, run_id: str, path: Path, share: float | None = None, rates: str = "") -> Path:
    """Write a run's report; a run that is not finished, or has failed, says what is missing.

    Args:
        store: where the run is.
        run_id: its id.
        path: the file, in a folder that exists; replaced as a whole.
        share: of a program's time that the plain kernel takes; None leaves the program out.
        rates: how often verdicts on loops are wrong here, in words; "" where that was not measured.

    Raises:
        UsageError: there is no such run.
        EvolveError: the store cannot be read, or the file cannot be written.
    """
    return write_page(page(store, run_id, share, rates), path)


def page(store: Store, run_id: str, share: float | None = None, rates: str = "") -> str:
    """The report's text; see ``write``."""
    run = store.run(run_id)
    told, individuals = summary(store, run.id, share), store.individuals(run.id)
    kernel = _installed(run)
    best = told["champion"]
    publication, bound = store.publication(run.id), store.bound(run.id)
    machine, ceilings = store.machine(run.machine), store.latest_ceilings(run.machine)
    pictures = [
        champion_curve(individuals, store.checkpoints(run.id), publication, bound, told),
        opponents(publication),
        front(told["front"], run.id),
        accuracy(individuals, told["accuracy"]),
    ]
    return template("report.html").render(
        told=told,
        run=run,
        best=best,
        summary=kernel.summary if kernel else run.kernel,
        size=quantities.extents(run.size),
        dims=kernel.dims if kernel else (),
        throughput=_throughput(run, kernel, best),
        luck=_luck(told),
        left=_left(told["split"]),
        total_left=outlook.more(told["split"]["left"]) if told["split"] else "",
        moment_header=outlook.HEADER,
        moments=[outlook.moment(row) for row in told["curve"]],
        future=[*outlook.luck(told), *outlook.future(told)],
        costs=outlook.costs(told),
        rates=rates or NO_RATES,
        missing=list(_missing(store, run, told)),
        remarks=list(promotion.remarks(told)),
        pictures={picture.name: picture for picture in pictures if picture},
        phases=list(_phases(told["phases_s"])),
        outcomes=list(_outcomes(told["outcomes"], individuals)),
        genes=genes(individuals, best["schedule"], kernel) if best else [],
        publication=publication,
        machine=machine_facts(machine),
        ceilings=ceiling_tables(ceilings.values) if ceilings else [],
        conditions=result.conditions(told),
        ceilings_at=ceilings.measured_at if ceilings else "",
        command=_command(run),
        plotly_js=plotly.offline.get_plotlyjs(),
    )


def _installed(run: Run) -> Kernel | None:
    """The kernel's own description, where it is installed here: a report can be written anywhere."""
    try:
        return kernels.get(run.kernel)
    except (KeyError, ImportError):
        return None


def _throughput(run: Run, kernel: Kernel | None, best: Told | None) -> str:
    """What the champion does in a second, by the least work that the problem takes."""
    if kernel is None or best is None or not best["time_s"]:
        return ""
    work = kernel.work(run.size, run.dtype)
    rates = ((work.flop, "FLOP/s"), (work.moved_bytes, "B/s"))
    return ", ".join(quantities.rate(count / best["time_s"], unit) for count, unit in rates if count)


def _luck(told: Told) -> Told | None:
    """The expected best of random draws."""
    carried = told["null"]["carried"]
    if carried is None:
        return None
    search = f"; the search after as many {quantities.factor(carried['search'])}" if carried["search"] else ""
    guess = ", extrapolated" if carried["is_extrapolated"] else ""
    note = f"expected best: {quantities.speedup(carried['best_of_n'])}{guess}{search}"
    return {"n": carried["n"], "speedup": carried["best_of_n"], "note": note}


def _left(split: Told | None) -> list[Told]:
    """The parts of the headroom, each with its share of it on the logarithmic scale that all speedups have."""
    whole = math.log(split["left"]) if split else 0.0
    return [
        {
            "name": outlook.title(part),
            "says": outlook.meaning(part),
            "left": outlook.gained(part["left"]),
            "share": math.log(part["left"]["estimate"]) / whole,
        }
        for part in (split["parts"] if split else ())
    ]


def _missing(store: Store, run: Run, told: Told) -> Iterator[str]:
    """What a reader might look for in vain, and why it is not there."""
    status, best = told["status"], told["champion"]
    if status == "failed":
        yield f"The run failed: {_reason(store, run)}."
    elif status != "finished":
        yield f"The run is {status}: all that follows is what is known so far."
    yield from (f"The search {label}, {why}." for label, why in result.stopped(told))
    if not told["evaluations"]:
        yield "Nothing has been evaluated yet."
    elif best is None:
        yield "There is no champion: no schedule was right and could be timed."
    elif best["source"] != "published":
        yield (
            "The champion has not been measured in fresh processes yet, so there is no figure to quote and nothing "
            "about rivals; speedups here are estimates of the search, rather too good than too bad."
        )
    if told["conditions"]["is_noisy"]:
        yield f"Measured on a noisy machine, as was asked for: {result.details(told['conditions']['machine'])}."
    yield from result.quarantined(told)
    if best is not None and best["bound"] is None:
        yield "The machine's ceiling was not measured for this run: there is no cap line."
    if told["evaluations"] and told["null"]["carried"] is None:
        null = told["null"]
        drawn = f"only {null['measured']} of {null['control']} random draws were measured, and they differ too much"
        yield f"What luck would have found is not known: {drawn if null['control'] else 'there were no random draws'}."


def _reason(store: Store, run: Run) -> str:
    failed = [event.detail for event in store.events(run.id) if event.kind == "failed"]
    return failed[-1] or "it left no reason"


def _phases(phases_s: Mapping[str, float]) -> Iterator[Told]:
    total_s = sum(phases_s.values())
    for name, value in phases_s.items():
        if total_s:
            yield {"name": name, "seconds": value, "share": value / total_s, "doc": _PHASES.get(name, "")}


def _outcomes(counts: Mapping[str, int], individuals: Sequence[Individual]) -> Iterator[Told]:
    """Kinds with their share, the commonest first, each with the reason that was given last."""
    reasons = {i.record.outcome.kind: i.record.outcome.reason for i in individuals if i.record}
    total = sum(counts.values())
    for kind, count in sorted(counts.items(), key=lambda item: -item[1]):
        doc = (KINDS[kind].__doc__ or "").splitlines()[0] if kind in KINDS else ""
        yield {"name": kind, "count": count, "share": count / total, "doc": doc, "reason": reasons.get(kind, "")}


def _command(run: Run) -> str:
    """The command that asks for the same once more."""
    return (
        f"evolve run {run.kernel} --size {quantities.extents(run.size)} --dtype {run.dtype} --threads {run.threads} "
        f"--policy {run.policy} --budget {run.budget} --strategy {run.strategy} --control-share {run.control_share:g} "
        f"--seed {run.seed}"
    )
