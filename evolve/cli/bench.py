"""``evolve bench``: the pytest-benchmark suites."""

# ruff: noqa: PLC0415 - what takes long to import waits until the command runs: its help is instant

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import click

from evolve.cli import options
from evolve.cli.options import Output
from evolve.errors import EvolveError, UsageError

_PASSED, _INTERRUPTED, _NO_TESTS = 0, 2, 5  # exit codes of pytest


@options.command("bench", "evolve bench matmul triad --compare")
@click.argument("kernels", nargs=-1, metavar="[KERNEL]...")
@click.option("--compare", is_flag=True, help="Show the last saved figures beside the new ones.")
@options.wait_option
def command(*, kernels: tuple[str, ...], compare: bool, wait: bool) -> None:
    """Run the benchmark suites, of all kernels or of some.

    Baseline, rivals and champions side by side. Figures are saved in your data folder by pytest-benchmark.
    """
    from evolve.cli.asked import known_kernel
    from evolve.lock import MeasuringLock

    for name in kernels:
        known_kernel(name)
    # the suites measure in a process of their own, which takes the lock where it needs it
    with MeasuringLock("bench", wait=wait, on_wait=options.say_waiting):
        pass
    code = subprocess.run(pytest_command(kernels, compare=compare), check=False).returncode
    if code == _INTERRUPTED:
        raise KeyboardInterrupt
    if code == _NO_TESTS:
        raise UsageError(
            f"no suite measures {' or '.join(kernels) or 'anything'}", "`evolve kernels` lists the kernels"
        )
    if code != _PASSED:
        raise EvolveError("a benchmark failed", "its traceback stands above")
    Output().next("evolve bench --compare")


def pytest_command(kernels: tuple[str, ...], *, compare: bool) -> list[str]:
    """The command line of pytest: its own rules, whatever the working directory's pytest.ini says."""
    import benchmarks
    from evolve.paths import data_folder

    suites = Path(benchmarks.__file__).parent / "suites"
    return [
        *(sys.executable, "-m", "pytest", str(suites), "-c", "/dev/null", "--rootdir", str(suites)),
        *("-o", "python_files=bench_*.py", "-o", "python_functions=bench_*", "-p", "no:cacheprovider"),
        *("--benchmark-only", "--benchmark-autosave", f"--benchmark-storage=file://{data_folder() / 'benchmarks'}"),
        *(("-k", " or ".join(kernels)) if kernels else ()),
        *(("--benchmark-compare",) if compare else ()),
    ]
