"""What was compiled once is found again by its schedule, and never taken for anything else."""

import dataclasses
import time

import numpy as np
import pytest

import kernels
from benchmarks.contestant import Task
from evolve import made as module
from evolve.made import Made, MadePlain
from kernels.contract import no_workspace
from kernels.door import Tuned
from kernels.language import SourceFolder

TRIAD = kernels.get("triad")
TASK = Task("triad", (1000,), "float64")


@pytest.fixture
def folder(tmp_path):
    return SourceFolder(tmp_path)


def made(folder, task=TASK, **changes):
    return Made(task, TRIAD.space.canonical({**TRIAD.space.default, **changes}), folder)


def images(folder):
    return {file.stem for file in folder.path.rglob("*.image")}


def is_right(made):
    task = made._task
    kernel = TRIAD if made.schedule else dataclasses.replace(TRIAD, workspace=no_workspace)
    triad = Tuned(kernel, made.schedule, task.dtype, made.compiled(), made.runtime, task.threads)
    b, c = np.random.default_rng(1).uniform(0.5, 2, (2, 37)).astype(task.dtype)
    return np.allclose(triad(b, c, 3.0), b + 3 * c, rtol=1e-6)


def test_the_second_time_no_template_is_read(folder, monkeypatch):
    first = made(folder)
    assert is_right(first)
    assert len(images(folder)) == 1

    def refuse(*_arguments):
        raise AssertionError("specialised once more")

    monkeypatch.setattr(module, "source_of", refuse)
    again = made(folder)
    assert is_right(again)
    assert (again.identity, again.runtime) == (first.identity, first.runtime)


def test_each_schedule_dtype_and_team_has_an_image_of_its_own(folder):
    alike = [
        made(folder),
        made(folder, unroll=8),
        made(folder, Task("triad", (1000,), "float32")),
        made(folder, Task("triad", (1000,), "float64", threads=2)),
    ]
    for one in alike:
        one.compiled()
    assert len(images(folder)) == len(alike)
    made(folder, Task("triad", (77,), "float64")).compiled()  # the size decides nothing
    assert len(images(folder)) == len(alike)


def test_a_plain_loop_is_found_again_too(folder, monkeypatch):
    assert is_right(MadePlain(TASK, folder))
    made(folder).compiled()
    assert len(images(folder)) == 2
    monkeypatch.setattr(module, "plain_source_of", lambda _task: pytest.fail("specialised once more"))
    again = MadePlain(TASK, folder)
    assert is_right(again)
    assert (again.schedule, again.runtime) == ({}, ())


def test_other_versions_and_other_templates_have_other_images(folder, monkeypatch):
    names = {made(folder)._name}
    monkeypatch.setattr(module, "library", lambda: "another text")
    names.add(made(folder)._name)
    assert len(names) == 2


def test_templates_that_changed_under_a_running_process_leave_no_image(folder, monkeypatch):
    monkeypatch.setattr(module, "LOADED_S", time.time() - 1e9)
    assert is_right(made(folder))
    assert not images(folder)


def test_a_kernel_from_elsewhere_has_no_image(folder, tmp_path):
    file = tmp_path / "mine.py"
    file.write_text((module.Path(kernels.__file__).parent / "triad.py").read_text())
    assert is_right(made(folder, Task(str(file), (1000,), "float64")))
    assert not images(folder)


def test_a_damaged_image_is_made_anew(folder):
    made(folder).compiled()
    (file,) = folder.path.rglob("*.image")
    file.write_bytes(file.read_bytes()[:-1])
    assert is_right(made(folder))
    assert folder.image(file.stem) is not None
