"""``evolve doctor``: can this machine be trusted to measure?"""

# ruff: noqa: PLC0415 - what takes long to import waits until the command runs: its help is instant

from __future__ import annotations

from typing import TYPE_CHECKING

from evolve.cli import options
from evolve.cli.options import Output
from evolve.errors import CheckFailedError, NoisyMachineError

if TYPE_CHECKING:
    from benchmarks.aa import SelfComparison
    from evolve.doctor import Diagnosis


@options.command("doctor", "evolve doctor")
@options.wait_option
@options.store_option
@options.json_option
@options.quiet_option
def command(*, wait: bool, store: str | None, as_json: bool, quiet: bool) -> None:
    """See whether this machine can be trusted to measure.

    Looks at installation, clock, load, settings and folders, then races a function against itself: what differs
    there is noise. Exit code 4 if it is too much.
    """
    from evolve.doctor import examine
    from evolve.lock import MeasuringLock
    from evolve.paths import default_store
    from evolve.report.terminal import steps

    output = Output(as_json, quiet, store)
    with MeasuringLock("doctor", wait=wait, on_wait=options.say_waiting), steps(is_quiet=quiet) as say:
        found = examine(store or default_store(), say)
    output.result(found.as_dict(), _text(found))
    _judge(found)
    output.next("evolve run matmul" if store else "evolve machine")


def _judge(found: Diagnosis) -> None:
    if found.fatal:
        raise CheckFailedError("nothing can be measured here", found.fatal[0].remedy)
    if found.aa and found.aa.objections:
        raise NoisyMachineError("; ".join(found.aa.objections), "stop what else runs here, then try again")


def _text(found: Diagnosis) -> str:
    from evolve.report.quantities import rate, seconds
    from evolve.report.text import facts

    clock = found.clock
    threads = ", ".join(f"{name}={value}" for name, value in found.threads.items())
    said = [
        ("machine", found.machine),
        ("clock", f"{seconds(clock['overhead_s'])} to read, steps of {seconds(clock['resolution_s'])}"),
        ("core", f"runs at {rate(clock['core_hz'], 'Hz')}"),
        ("threads", threads or "no limit set in the environment"),
        ("store", found.folders["store"]),
        ("cache", found.folders["cache"]),
        ("A/A test", _aa(found.aa)),
        *[("finding", f"{finding.detail}: {finding.cause}; {finding.remedy}") for finding in found.findings],
    ]
    return f"{facts(said)}\n\n{_conclusion(found)}"


def _aa(aa: SelfComparison | None) -> str:
    from evolve.report.quantities import percent

    if aa is None:
        return "not made"
    return (
        f"{aa.false_positives} of {aa.trials} races of a function against itself found a winner "
        f"({percent(aa.rate.estimate)}, at most {percent(aa.rate.high)}; 5 % is what to expect); "
        f"95 % of the ratios within {aa.ratio.low:.3f} and {aa.ratio.high:.3f}"
    )


def _conclusion(found: Diagnosis) -> str:
    if found.fatal:
        return "Nothing can be measured here."
    if found.aa and found.aa.objections:
        return "Too noisy to judge anything now."
    if found.findings:
        return "Measurements can be trusted, but what was found above makes them less exact."
    return "Measurements of this machine can be trusted."
