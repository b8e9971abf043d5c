from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.contestant import Task
from kernels.language import SourceFolder

PLANTED = str(Path(__file__).with_name("planted.py"))


@pytest.fixture(scope="module")
def task():
    """A kernel of which most schedules misbehave, on a problem larger than the sizes that are tried first."""
    return Task(PLANTED, (20_000,), "float64")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return SourceFolder(tmp_path_factory.mktemp("sources"))
