"""Closed loops as one page: laps, verdicts and all that they rest on, in a single file that needs no network."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import plotly.offline

from evolve.report import loop as words
from evolve.report.argument import history
from evolve.report.figures import champion_curve
from evolve.report.hit_figures import hits_picture
from evolve.report.lap_details import lap_details, remarks
from evolve.report.lap_figures import front_picture, laps_picture, steps_picture
from evolve.report.machine import ceiling_tables, machine_facts
from evolve.report.page import template, write_page
from evolve.tracker.turns import turns

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from evolve.report.drawing import Picture
    from evolve.store import Store

Told = dict[str, Any]


def write(store: Store, loops: Sequence[str], path: Path, rates: str = "") -> Path:
    """Write the page of one loop, or of several that make one argument.

    Args:
        store: where the loops are.
        loops: their ids.
        path: the file, in a folder that exists; replaced as a whole.
        rates: how often such verdicts are wrong, in words; "" where that was not measured.

    Raises:
        UsageError: there is no such loop.
        EvolveError: the store cannot be read, or the file cannot be written.
    """
    return write_page(page(store, loops, rates), path)


def page(store: Store, loops: Sequence[str], rates: str = "") -> str:
    """The page's text; see ``write``."""
    shown = [_loop(store, turns(store, loop)) for loop in loops]
    known = dict.fromkeys(loop["told"]["machine"] for loop in shown)
    return template("loop.html").render(
        loops=shown,
        rates=rates or words.NO_RATES,
        is_rated=bool(rates),
        machines=[_machine(store, machine) for machine in known],
        pictures=any(loop["pictures"] for loop in shown),
        meanings=words.MEANINGS,
        plotly_js=plotly.offline.get_plotlyjs(),
    )


def _loop(store: Store, told: Told) -> Told:
    """All that the page says of a loop."""
    drawn = {"laps": laps_picture(told), "steps": steps_picture(told), "front": front_picture(told)}
    drawn["hits"] = hits_picture(told)
    return {
        "told": told,
        "what": words.WHAT.get(told["kind"], ""),
        "progress": words.progress(told),
        "history": history(told),
        "last": next((lap for lap in reversed(told["laps"]) if lap["factor"]), None),
        "dials": words.dials(told),
        "details": lap_details(told),
        "remarks": remarks(told),
        "reasons": words.reasons(told["verdict"]),
        "legs": [(leg, words.found(leg)) for leg in told["verdict"]["legs"]],
        "to_decide": words.to_decide(told["verdict"]),
        "forecasts": words.forecasts(told),
        "turning": words.turning(told),
        "pictures": {name: picture for name, picture in drawn.items() if picture},
        "runs": list(_runs(store, told)),
        "options": [(name, value) for name, value in told["options"].items() if value is not None],
    }


def _runs(store: Store, told: Told) -> Iterator[tuple[str, Picture]]:
    """The champion's curve in each run that a lap made."""
    made = [(lap["lap"], key) for lap in told["laps"] for key in _run_ids(told["kind"], lap["details"])]
    for lap, key in made:
        run = store.run(key)
        fresh, bound = store.publication(run.id), store.bound(run.id)
        if picture := champion_curve(store.individuals(run.id), store.checkpoints(run.id), fresh, bound):
            yield f"Lap {lap}: {run.id}", _renamed(picture, f"{run.id}-curve")


def _run_ids(kind: str, details: Told) -> list[str]:
    """Of the runs that a lap made: one, or one for each part of an engine."""
    if kind == "engine":
        return [part["run"] for part in details.get("parts", {}).values() if "run" in part]
    return [details["run"]] if details.get("run") else []


def _renamed(picture: Picture, name: str) -> Picture:
    return type(picture)(name, picture.json, picture.legend, picture.caption, picture.height)


def _machine(store: Store, machine: str) -> Told:
    ceilings = store.latest_ceilings(machine)
    return {
        "id": machine,
        "facts": machine_facts(store.machine(machine)),
        "ceilings": ceiling_tables(ceilings.values) if ceilings else [],
        "ceilings_at": ceilings.measured_at if ceilings else "",
    }
