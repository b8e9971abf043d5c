"""What the commands of ``benchmarks.suites`` share that are programs of their own."""

# ruff: noqa: PLC0415 - what takes long to import waits until the command runs: its help is instant

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from evolve.cli.main import reported

if TYPE_CHECKING:
    from evolve.cli.options import Decorator

FILE = click.Path(path_type=Path, dir_okay=False)


def results_option(part: str) -> Decorator:
    """``--results``, of a command that writes this part of the file."""
    return click.option("--results", type=FILE, metavar="FILE", help=f"Rewrite this Markdown file's part on {part}.")


def made() -> dict[str, str]:
    """How figures were made: when, on what, with which Python."""
    from datetime import UTC, datetime

    from benchmarks.machine import fingerprint

    here = fingerprint()
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "machine": f"{here.cpu} ({here.llvm_cpu}), {here.logical_cores} cores",
        "versions": f"python {here.versions['python']}",
    }


def run(command: click.Command, program: str) -> None:
    """Run a command as a program of its own, and exit as ``evolve`` does."""
    try:
        command.main(prog_name=program, standalone_mode=False)
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - the last resort, and it reports
        sys.exit(reported(error))
