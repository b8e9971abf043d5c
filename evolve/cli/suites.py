"""What the commands of ``benchmarks.suites`` share that are programs of their own."""

# ruff: noqa: PLC0415 - what takes long to import waits until the command runs: its help is instant

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from evolve.cli.main import reported

if TYPE_CHECKING:
    import click


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
