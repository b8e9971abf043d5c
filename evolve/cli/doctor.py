"""``evolve doctor``: can this machine be trusted to measure?"""

# ruff: noqa: PLC0415 - what takes long to import waits until the command runs: its help is instant

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from evolve.cli import options
from evolve.cli.options import Output
from evolve.errors import CheckFailedError, NoisyMachineError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from benchmarks.gallery import Gallery
    from benchmarks.trials.verdict import Verdict
    from evolve.doctor import Diagnosis


@options.command("doctor", "evolve doctor --attacks")
@click.option(
    "--attacks", is_flag=True, help="See too whether the harness catches kernels that cheat (a minute or two)."
)
@click.option("--full", is_flag=True, help="Try all that is promised of the harness (over half an hour).")
@click.option("--results", type=options.FILE, help="With --full: keep the figures in this file.")
@options.profile_options
@options.wait_option
@options.store_option
@options.json_option
@options.quiet_option
def command(  # noqa: PLR0913 - one parameter an option
    *, attacks: bool, full: bool, results: Path | None, wait: bool, store: str | None, as_json: bool, quiet: bool
) -> None:
    """See whether this machine can be trusted to measure, and down to which difference.

    Looks at installation, clock, load, settings, protections and folders, then races equals: what differs there is
    noise. Exit code 4 if it is too much.
    """
    from evolve.paths import default_store
    from evolve.report.terminal import steps

    _check(results, full=full)
    output = Output(as_json, quiet, store)
    with steps(is_quiet=quiet) as say:
        found = _found(store or default_store(), say, wants=(attacks, full), wait=wait)
    measured_at = datetime.now(UTC).isoformat(timespec="seconds")
    output.result({**found.as_dict(), "measured_at": measured_at}, found.text())
    if results:
        _keep(found, results, measured_at)
        output.note(f"\nresults  {results}")
    _judge(found)
    output.next("evolve run matmul" if store else "evolve machine")


@dataclass(frozen=True)
class Found:
    """What the command found.

    Attributes:
        diagnosis: always.
        gallery: of attacks; None where it was not asked for.
        verdicts: of trials; empty where they were not asked for.
    """

    diagnosis: Diagnosis
    gallery: Gallery | None
    verdicts: Sequence[Verdict]

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        attacks = self.gallery.as_dict()["attacks"] if self.gallery else None
        return {**self.diagnosis.as_dict(), "attacks": attacks, "trials": [one.as_dict() for one in self.verdicts]}

    def text(self) -> str:
        """The same for people."""
        from evolve.report import doctor

        parts = [doctor.text(self.diagnosis)]
        if self.gallery:
            parts.append(doctor.gallery_text(self.gallery.as_dict()["attacks"]))
        if self.verdicts:
            parts.append(doctor.verdicts_text(self.verdicts))
        return "\n\n".join([*parts, _conclusion(self.diagnosis)])


def _check(results: Path | None, *, full: bool) -> None:
    """What cannot be written must fail before half an hour of measuring, not after it."""
    if results is None:
        return
    if not full:
        raise UsageError("--results keeps what the trials of --full find", "add --full")
    options.check_targets(results)


def _found(store: str, say: Callable[[str], None], *, wants: tuple[bool, bool], wait: bool) -> Found:
    from evolve.doctor import EXTENTS, examine
    from evolve.lock import MeasuringLock

    wants_attacks, wants_trials = wants
    with MeasuringLock("doctor", wait=wait, on_wait=options.say_waiting):
        diagnosis = examine(store, say, EXTENTS[wants_trials])
        may_go_on = not diagnosis.fatal
        gallery = _attacked(say) if may_go_on and (wants_attacks or wants_trials) else None
    verdicts = _tried(diagnosis, gallery, say) if may_go_on and wants_trials else []
    return Found(diagnosis, gallery, verdicts)


def _attacked(say: Callable[[str], None]) -> Gallery:
    from benchmarks.gallery import run

    return run(say)


def _tried(diagnosis: Diagnosis, gallery: Gallery | None, say: Callable[[str], None]) -> Sequence[Verdict]:
    from evolve.trials import all_of

    assert diagnosis.precision is not None
    assert gallery is not None
    return all_of(diagnosis.precision, gallery, say)


def _keep(found: Found, results: Path, measured_at: str) -> None:
    from evolve.report import doctor
    from evolve.report.parts import put

    before = results.read_text(encoding="utf-8") if results.exists() else ""
    put(results, doctor.markdown(found.diagnosis.as_dict(), found.verdicts, measured_at, before))


def _judge(found: Found) -> None:
    diagnosis, gallery = found.diagnosis, found.gallery
    if diagnosis.fatal:
        raise CheckFailedError("nothing can be measured here", diagnosis.fatal[0].remedy)
    if diagnosis.objections:
        raise NoisyMachineError("; ".join(diagnosis.objections), "stop what else runs here, then try again")
    if gallery and (gallery.caught < gallery.total or gallery.honest_rejected):
        raise CheckFailedError("the harness was fooled, or took the honest for cheats", "the rows above say by whom")
    if missed := [verdict.name for verdict in found.verdicts if not verdict.holds]:
        raise CheckFailedError(f"{', '.join(missed)} missed the bar", "the table above says by how much")


def _conclusion(found: Diagnosis) -> str:
    if found.fatal:
        return "Nothing can be measured here."
    if found.objections:
        return "Too noisy to judge anything now."
    if found.findings:
        return "Measurements can be trusted, but what was found above makes them less exact."
    return "Measurements of this machine can be trusted."
