"""``python -m benchmarks.suites.strategies``: our strategies and other packages' tuners on recorded spaces."""

# ruff: noqa: PLC0415 - what takes long to import waits until the command runs: its help is instant

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from evolve.cli import options, suites
from evolve.cli.options import Output
from evolve.errors import UsageError
from evolve.search.protocol import CONTROL_SHARE

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import ModuleType

    from evolve.replay.landscape import Landscape
    from evolve.rivalry.entrants import Field
    from evolve.rivalry.rounds import Terms
    from evolve.rivalry.standings import Standings

PROGRAM = "python -m benchmarks.suites.strategies"
_OURS, _RIVALS = "genetic", "all"


@options.command("strategies", f"{PROGRAM} spaces/ --seeds 100 --results benchmarks/RESULTS.md")
@click.argument("files", nargs=-1, type=click.Path(path_type=Path), metavar="[SPACE]...")
@click.option("--seeds", type=click.IntRange(1), default=100, show_default=True, help="Runs of each on each space.")
@click.option("--budget", type=click.IntRange(2), default=200, show_default=True, help="Evaluations of a run.")
@click.option("--ours", default=_OURS, show_default=True, metavar="A,B", help="Strategies, or path.py:Class.")
@click.option("--rivals", default=_RIVALS, show_default=True, metavar="A,B", help="Other packages' tuners; or none.")
@click.option(
    "--control-share",
    type=click.FloatRange(0, 1, max_open=True),
    default=CONTROL_SHARE,
    show_default=True,
    help="Share of our evaluations that are random draws, as in a run; each strategy plays without them too.",
)
@click.option("--ablation", "is_ablation", is_flag=True, help="Play genetic without each of its parts, and no rivals.")
@options.results_option("strategies, or that on the ablation")
@click.option("--picture", type=options.FILE, metavar="FILE", help="Write a page with pictures and figures.")
@options.json_option
@options.quiet_option
def command(  # noqa: PLR0913 - one parameter an option
    *,
    files: tuple[Path, ...],
    seeds: int,
    budget: int,
    ours: str,
    rivals: str,
    control_share: float,
    is_ablation: bool,
    results: Path | None,
    picture: Path | None,
    as_json: bool,
    quiet: bool,
) -> None:
    """Play recorded spaces: our strategies against other packages' tuners.

    SPACE is a file, a folder of them, or the name of one that comes with evolve, as in matmul. Without any, all of
    those are played, and those in the folder that EVOLVE_RECORDED names.

    Everybody gets the same spaces, the same count of new legal schedules and the same seeds, on all cores. What was
    played is kept in your cache folder: an interrupted comparison goes on where it stopped, and only what has changed
    is played again. Packages that are not installed are named and left out.
    """
    from evolve.report import ablation, rivalry
    from evolve.rivalry.rounds import Terms

    targets = _Targets(ablation if is_ablation else rivalry, results, picture)
    targets.check()
    field = _parts(ours, rivals, control_share) if is_ablation else _everybody(ours, rivals, control_share)
    output = Output(as_json, quiet)
    found = _played(field, _landscapes(files), Terms(seeds, budget), output)
    targets.write(found, output)


@dataclass(frozen=True)
class _Targets:
    """What is said of the standings, and the files that were asked for."""

    report: ModuleType
    results: Path | None
    picture: Path | None

    def check(self) -> None:
        """What cannot be written must fail before an hour of playing, not after it."""
        options.check_targets(self.results, self.picture)

    def write(self, found: Standings, output: Output) -> None:
        """Say it, write them, and say where they lie."""
        from evolve.report import rivalry_page
        from evolve.report.parts import put

        output.result(self.report.plain(found), self.report.text(found))
        made = _made()
        if self.results:
            put(self.results, self.report.markdown(found, made))
            output.note(f"results  {self.results}")
        if self.picture:
            output.note(f"picture  {rivalry_page.write(found, made, self.picture)}")


def _everybody(ours: str, rivals: str, control_share: float) -> Field:
    from evolve.rivalry.entrants import field_of

    return field_of(_listed(ours), _rivals(rivals), control_share)


def _parts(ours: str, rivals: str, control_share: float) -> Field:
    from evolve.rivalry.ablation import field_of_parts

    if (ours, rivals) != (_OURS, _RIVALS):
        raise UsageError("with --ablation nobody plays but genetic", "leave out --ours and --rivals")
    return field_of_parts(control_share)


def _listed(names: str) -> list[str]:
    return [name.strip() for name in names.split(",") if name.strip()]


def _rivals(names: str) -> list[str]:
    from benchmarks.suites.rivals_search import RIVALS

    return [*RIVALS] if names == "all" else [] if names == "none" else _listed(names)


def _landscapes(given: Sequence[Path]) -> dict[Path, Landscape]:
    """The spaces that are meant; each is read here once, so that what is damaged is told before anybody plays."""
    from evolve.replay.read import read
    from evolve.replay.shipped import named

    return {file: read(file) for file in named(given)}


def _played(field: Field, landscapes: dict[Path, Landscape], terms: Terms, output: Output) -> Standings:
    from evolve.paths import cache_folder
    from evolve.report.terminal import steps
    from evolve.rivalry.rounds import Pairing, play_all
    from evolve.rivalry.standings import standings_of

    for line in field.missing:
        output.note(f"left out: {line}")
    folder = cache_folder() / "strategies"
    pairings = [Pairing.of(entrant, file, terms.budget, folder) for file in landscapes for entrant in field.entrants]
    try:
        with steps(is_quiet=output.is_quiet) as say:
            courses = play_all(pairings, terms, say)
    except KeyboardInterrupt:
        output.note(f"what was played is kept in {folder}: the same command goes on")
        raise
    return standings_of(field, landscapes, courses, terms)


def _made() -> dict[str, str]:
    """How figures were made: when, on what, with which packages."""
    from benchmarks.suites.rivals_search import installed

    made = suites.made()
    versions = dict.fromkeys(f"{rival.distribution} {rival.version}" for rival in installed())
    return {**made, "versions": ", ".join([made["versions"], *versions])}


def main() -> None:
    """The command as a program of its own."""
    suites.run(command, PROGRAM)


if __name__ == "__main__":
    main()
