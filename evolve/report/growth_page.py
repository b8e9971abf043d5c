"""The growth picture as one page: all loops, all that they cost, in a single file that needs no network."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import plotly.offline

from evolve.report import growth as words
from evolve.report.growth_figures import front_picture, growth_picture
from evolve.report.loop import WHAT
from evolve.report.page import template, write_page

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from evolve.tracker.growth import Grown


def write(loops: Sequence[Grown], life_s: float, path: Path) -> Path:
    """Write the page, in a folder that exists; the file is replaced as a whole.

    Raises:
        EvolveError: it cannot be written.
    """
    return write_page(page(loops, life_s), path)


def page(loops: Sequence[Grown], life_s: float) -> str:
    """The page's text; see ``write``."""
    drawn = {"growth": growth_picture(loops, life_s), "fronts": front_picture(loops)}
    return template("growth.html").render(
        loops=[_loop(loop, life_s) for loop in loops],
        life=words.life(life_s),
        header=[cell.capitalize() for cell in words.header(life_s)],
        rows=[words.row(loop, life_s) for loop in loops],
        legend=words.legend(life_s),
        remarks=[*words.remarks(loops)],
        pictures={name: picture for name, picture in drawn.items() if picture},
        plotly_js=plotly.offline.get_plotlyjs(),
    )


def _loop(loop: Grown, life_s: float) -> dict[str, Any]:
    """All that the page says of a loop."""
    return {
        "id": loop.loop.id,
        "kind": loop.loop.kind,
        "name": loop.loop.name,
        "what": WHAT.get(loop.loop.kind, ""),
        "verdict": loop.verdict,
        "says": words.in_all(loop, life_s),
        "rows": [words.stage_row(stage) for stage in loop.stages],
    }
