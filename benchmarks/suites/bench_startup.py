"""How long a user waits for the first word: whole processes, each a new one."""

from __future__ import annotations

import functools
import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

import benchmarks

ROUNDS, QUICK_ROUNDS = 11, 1
ROOT = Path(benchmarks.__file__).parents[1]

COMMANDS = {
    "python -c pass": ("-c", "pass"),
    "evolve --help": ("-m", "evolve", "--help"),
    "import evolve.cli.main": ("-c", "import evolve.cli.main"),
    "import kernels": ("-c", "import kernels"),
    "import numba": ("-c", "import numba"),
    "evolve.best": ("-c", "import evolve; evolve.best('matmul', size=512)"),
}
"""What is timed; bare Python, and numba, for comparison: the best kernel comes from a cache that is warm."""


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of compiled code and byte code; the first process of each command, which does not count, fills it."""
    return tmp_path_factory.mktemp("cache")


def _environment(cache: Path) -> dict[str, str]:
    """Variables of a user's process: no store of his own, and byte code on disk, as an installer leaves it."""
    own = {**os.environ, "EVOLVE_CACHE": str(cache), "EVOLVE_STORE": str(cache / "none.db")}
    # else the first process leaves it with the sources
    if own.pop("PYTHONDONTWRITEBYTECODE", ""):
        own["PYTHONPYCACHEPREFIX"] = str(cache / "bytecode")
    return own


@pytest.mark.parametrize("command", COMMANDS)
def bench_startup(benchmark: BenchmarkFixture, command: str, cache: Path, pytestconfig: pytest.Config) -> None:
    """Seconds of a process that does no more than start; the first, with a cold disk, does not count."""
    if "evolve" in command and importlib.util.find_spec("evolve") is None:
        pytest.skip("evolve is not installed")
    benchmark.group = "start-up"
    benchmark.extra_info["command"] = command
    start = functools.partial(
        subprocess.run,
        [sys.executable, *COMMANDS[command]],
        cwd=ROOT,
        env=_environment(cache),
        check=True,
        stdout=subprocess.DEVNULL,
    )
    rounds = QUICK_ROUNDS if pytestconfig.getoption("--quick") else ROUNDS
    benchmark.pedantic(start, rounds=rounds, warmup_rounds=1)  # type: ignore[no-untyped-call]
