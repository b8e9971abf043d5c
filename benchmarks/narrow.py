"""Ceilings of narrower instruction sets: measured in processes of their own, for Numba reads once what it may use.

parent                       python -P -m benchmarks.narrow FOLDER
------                       -------------------------------------
starts it          ------>   imports, loads or compiles its loops
                   <------   "ready"
"pass"             ------>   samples every figure once
                   <------   "done"
"rates"            ------>
                   <------   "rates", and on the next line all as JSON
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, TextIO

from benchmarks import isa


class NarrowProcesses:
    """One process for every instruction set, started at once so that they load while others do.

    Args:
        names: of ``isa.INSTRUCTION_SETS``.
        folder: keeps the compiled loops.
    """

    def __init__(self, names: Sequence[str], folder: Path) -> None:
        self.remarks: list[str] = []
        self._processes = {name: _started(name, folder) for name in names}

    def wait(self) -> None:
        """Until all have loaded."""
        for name in list(self._processes):
            self._expect(name, "ready")

    def measure_pass(self) -> Iterator[str]:
        """Sample every figure of every process once; yields what comes next."""
        for name in list(self._processes):
            yield f"{name} arithmetic"
            self._tell(name, "pass")
            self._expect(name, "done")

    def rates(self) -> dict[str, Any]:
        """Figures by instruction set; one whose process failed is left out, and remarked on."""
        for name in list(self._processes):
            self._tell(name, "rates")
            self._expect(name, "rates")
        return {name: json.loads(_ends(process)[1].readline()) for name, process in self._processes.items()}

    def _tell(self, name: str, word: str) -> None:
        stream = _ends(self._processes[name])[0]
        with contextlib.suppress(BrokenPipeError):
            print(word, file=stream, flush=True)

    def _expect(self, name: str, word: str) -> None:
        if _ends(self._processes[name])[1].readline().strip() != word:
            _end(self._processes.pop(name))
            self.remarks.append(f"{name} was not measured: its process failed")

    def close(self) -> None:
        """End the processes."""
        for process in self._processes.values():
            _end(process)
        self._processes.clear()


def _ends(process: subprocess.Popen[str]) -> tuple[Any, Any]:
    return process.stdin, process.stdout


def _end(process: subprocess.Popen[str]) -> None:
    process.kill()
    with contextlib.suppress(BrokenPipeError), process:
        pass


def _started(name: str, folder: Path) -> subprocess.Popen[str]:
    # without -P a folder named benchmarks where the user stands would come first
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "benchmarks.narrow", str(folder)],
        env={**os.environ, **isa.environment(name), "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )


def serve(folder: Path, asked: TextIO, answers: TextIO) -> None:
    """The child's side: arithmetic and functions of one thread."""
    from benchmarks import peaks  # noqa: PLC0415 - imports numba
    from benchmarks.arena import Arena  # noqa: PLC0415
    from benchmarks.machine import fingerprint  # noqa: PLC0415
    from benchmarks.points import Needed  # noqa: PLC0415
    from benchmarks.team import bound_to_last_core  # noqa: PLC0415
    from kernels.language import SourceFolder  # noqa: PLC0415

    def say(text: str) -> None:
        print(text, file=answers, flush=True)

    wanted = Needed(chains=(), patterns=(), with_loads=False, with_plateau=False)
    with Arena() as arena, bound_to_last_core():
        loops = peaks.Peaks(fingerprint(), arena, SourceFolder(folder), wanted)
        say("ready")
        for line in asked:
            if line == "pass\n":
                list(loops.measure_pass())
                say("done")
            else:
                say("rates")
                say(json.dumps(peaks.tree(loops.rates)))


if __name__ == "__main__":
    serve(Path(sys.argv[1]), sys.stdin, sys.stdout)
