"""Our strategies against other packages' tuners, for a terminal and as a part of the file of results."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from evolve import __version__
from evolve.report.parts import part_of
from evolve.report.quantities import percent, plain_number, seconds
from evolve.report.text import facts, markdown_table, omissions, table, together
from evolve.rivalry.standings import HELD_OUT

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from benchmarks.inference import Estimate
    from evolve.rivalry.standings import Standing, Standings

TITLE = "# Strategies against rivals"


def plain(standings: Standings) -> dict[str, Any]:
    """Plain values for JSON."""
    return standings.as_dict()


def text(standings: Standings) -> str:
    """Everybody's score, everybody's score on each space, and what the first of ours is worth."""
    scores = table([cell.upper() for cell in header(standings)], map(row, standings.standings))
    spaces = table(("SCORE ON", *map(starred, standings.spaces)), by_space(standings))
    return together([scores, spaces, footnote(standings), facts(said(standings)), omissions(standings.left_out)])


def markdown(standings: Standings, made: Mapping[str, str]) -> str:
    """The part of ``benchmarks/RESULTS.md``; ``made`` says how, see ``evolve.cli.suites.made``."""
    names = ("score on", *(_escaped(starred(name)) for name in standings.spaces))
    paragraphs = [
        how(standings),
        markdown_table(header(standings), map(row, standings.standings)),
        "\n".join(f"- {label}: {what}" for label, what in said(standings)),
        "Scores by space:",
        markdown_table(names, by_space(standings)),
        _escaped(footnote(standings)),
        "\n".join(f"- left out: {line}" for line in standings.left_out),
        f"With {made['versions']}, on {made['machine']}." if made["versions"] else "",
    ]
    origin = f"Played on {made['date']} with evolve-kernels {__version__}"
    return part_of(TITLE, origin, "python -m benchmarks.suites.strategies", paragraphs)


def _escaped(text: str) -> str:
    return text.replace("*", "\\*")


def how(standings: Standings) -> str:
    """What the figures are, and who plays."""
    return (
        f"{terms(standings)} A strategy of ours stands there as users run it, with a share of random draws as its "
        "control arm, and without."
    )


def terms(standings: Standings) -> str:
    """What the figures are."""
    budget = max(standings.budgets.values())
    return (
        f"Everybody plays each recorded space with the seeds 0 to {standings.seeds - 1}, and may ask for {budget} "
        "different legal schedules; repeats and illegal ones are free. A score of 0 is random search, calculated "
        "exactly, and 1 the optimum at once, averaged over the evaluations (Willemsen et al. 2024). Intervals are of "
        "the mean, at 95 %, by a bootstrap over seeds."
    )


def header(standings: Standings) -> tuple[str, ...]:
    """Of the table of everybody."""
    first = standings.standings[0].name if standings.standings else ""
    budget = max(standings.budgets.values(), default=0)
    return (
        *("strategy", "score", f"behind {first}", f"within 5 % at {budget}"),
        *("worst space", "score up to 50", "search an evaluation"),
    )


def row(one: Standing) -> tuple[str, ...]:
    """An entrant's figures."""
    space, least = one.worst
    return (
        *(one.name, _number(one.score), _number(one.behind), percent(one.within)),
        *(f"{least:.2f} {space}", _number(one.early), seconds(one.search_s)),
    )


def _number(estimate: Estimate | None) -> str:
    return plain_number(estimate.as_dict()) if estimate else ""


def by_space(standings: Standings) -> Iterator[tuple[str, ...]]:
    """An entrant's scores on each space, one row each."""
    for one in standings.standings:
        yield one.name, *(f"{one.spaces[name].score.score.estimate:.2f}" for name in standings.spaces)


def starred(space: str) -> str:
    """A space's name, with a star where no parameter was chosen on it."""
    return f"{space} *" if space in HELD_OUT else space


def footnote(standings: Standings) -> str:
    """What the star says; "" where there is none."""
    held_out = [name for name in standings.spaces if name in HELD_OUT]
    return f"* {' and '.join(held_out)}: only reported, no parameter of a strategy was chosen on it" if held_out else ""


def said(standings: Standings) -> Iterator[tuple[str, str]]:
    """What the first of ours is worth against the best rival, over spaces and where it does worst."""
    rival = standings.best_rival
    if not rival or not standings.standings[0].is_ours:
        return
    ours = standings.standings[0]
    nearest = max((one for one in standings.standings if not one.is_ours), key=lambda one: one.within)
    space, least = ours.worst
    there = standings.best_rival_on(space) or rival
    yield "best rival", f"{rival.name}; {ours.name} minus {rival.name}: {_number(rival.behind)}"
    yield "worst space", f"{space}: {least:.2f}, the best rival there, {there.name}, {_score_on(there, space):.2f}"
    yield "within 5 %", f"{percent(ours.within)} of seeds; the best rival, {nearest.name}, {percent(nearest.within)}"
    stalled = ", ".join(f"{one.name} {one.stalls}" for one in standings.standings if one.stalls)
    if stalled:
        yield "stalled", f"runs that asked for nothing new before their budget was spent: {stalled}"


def _score_on(one: Standing, space: str) -> float:
    return one.spaces[space].score.score.estimate
