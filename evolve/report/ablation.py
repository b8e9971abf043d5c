"""What each part of the genetic search is worth, for a terminal and as a part of the file of results."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from evolve import __version__
from evolve.report.parts import part_of
from evolve.report.quantities import plain_number
from evolve.report.rivalry import terms
from evolve.report.text import markdown_table, omissions, paragraph, table, together
from evolve.rivalry.ablation import Worth, worths

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from evolve.rivalry.standings import Standings

TITLE = "# What each part of the search is worth"
_HEADER = ("without", "instead", "score", "worth", "on single spaces")


def plain(standings: Standings) -> dict[str, Any]:
    """Plain values for JSON."""
    return {**standings.as_dict(), "parts": [one.as_dict() for one in worths(standings)]}


def text(standings: Standings) -> str:
    """The whole search's score, and a row for each part."""
    figures = table([cell.upper() for cell in _HEADER], _rows(standings))
    return together([figures, paragraph(_footnote(standings)), omissions(standings.left_out)])


def markdown(standings: Standings, made: Mapping[str, str]) -> str:
    """The part of ``benchmarks/RESULTS.md``; ``made`` says how, see ``evolve.cli.suites.made``."""
    origin = f"Played on {made['date']} with evolve-kernels {__version__}, on {made['machine']}"
    figures = markdown_table(_HEADER, _rows(standings))
    left_out = "\n".join(f"- left out: {line}" for line in standings.left_out)
    paragraphs = [terms(standings), figures, _footnote(standings), left_out]
    return part_of(TITLE, origin, "python -m benchmarks.suites.strategies --ablation", paragraphs)


def _rows(standings: Standings) -> Iterator[tuple[str, ...]]:
    whole = standings.standings[0]
    yield f"nothing: {whole.name}", "", plain_number(whole.score.as_dict()), "", ""
    for one in worths(standings):
        named = (one.part.name, one.part.instead)
        yield *named, plain_number(one.score.as_dict()), plain_number(one.worth.as_dict()), _span(one)


def _span(worth: Worth) -> str:
    ordered = sorted(worth.by_space.items(), key=lambda pair: pair[1])
    (least_on, least), (most_on, most) = ordered[0], ordered[-1]
    return f"{least:+.2f} ({least_on}) to {most:+.2f} ({most_on})"


def _footnote(standings: Standings) -> str:
    """What the last columns say."""
    return (
        "Worth: the score of the search with the part minus that of the search without it, seed by seed: the mean over "
        f"seeds and {len(standings.spaces)} spaces, with its 95 % interval; below 0 the search does better without. "
        "What acts only where children are not screened is held against the search without screening."
    )
