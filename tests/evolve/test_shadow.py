"""The shadow run: a part that crashes, errs, hangs or is slow in its place is found before it works there."""

import math

import numpy as np
import planted_engines as planted
import pytest

from benchmarks.sandbox import active
from evolve.engine import STEERING, Manifest
from evolve.loops.engine import shadow
from evolve.loops.engine.shadow import Call, Shadow, shadowed
from kernels.language import SourceFolder

CALL = Call("dominance", (40, 2))
OLD = Manifest.plain()
NEW = OLD.replaced("dominance", STEERING["dominance"].definition.space.default)


@pytest.fixture
def folder(tmp_path):
    return SourceFolder(tmp_path / "sources")


def seen(folder, make, call=CALL):
    return shadowed(OLD, NEW, call, 5, folder, make)


def test_a_part_that_is_right_and_faster_in_its_place_may_work(folder):
    found = seen(folder, planted.Faster)
    assert found.refused == ""
    assert found.gain.low > 0
    assert found.shapes == len(CALL.shapes(np.random.default_rng(5)))


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (planted.WrongOnOneShape, "wrong at size 9x"),
        (planted.NotANumber, "wrong at size 1x1"),
        (planted.Crashing, "crashed in the engine: died of SIGSEGV"),
        (planted.Raising, "failed in the engine: ZeroDivisionError: by accident"),
        (planted.Greedy, "changes its inputs"),
    ],
)
def test_a_part_with_a_fault_is_refused_and_takes_nobody_with_it(folder, make, reason):
    found = seen(folder, make)
    assert reason in found.refused
    assert found.gain is None


def test_a_part_that_is_slower_in_its_place_is_refused_with_the_figure(folder):
    found = seen(folder, planted.Slower)
    assert "times as long as the old one" in found.refused
    assert found.gain.high < 0


def test_a_part_that_does_not_come_to_an_end_is_ended(folder, monkeypatch):
    monkeypatch.setattr(shadow, "PATIENCE_S", 2.0)
    assert "did not come to an end" in seen(folder, planted.Hanging).refused


@pytest.mark.skipif(
    not next(one for one in active() if one.name == "files").is_active, reason="this system protects no files"
)
def test_a_part_may_write_nowhere(folder):
    assert "PermissionError" in seen(folder, planted.Writing).refused
    assert not (folder.path / "left-behind").exists()


def test_nothing_is_left_of_the_child(folder):
    seen(folder, planted.Faster)
    assert not list(folder.path.glob("child-*"))


@pytest.mark.parametrize("said", [{}, {"ratios": "many"}, {"ratios": [math.nan], "shapes": 1}, {"ratios": []}])
def test_a_child_that_makes_no_sense_lets_nothing_through(said):
    assert shadow._judged(said) == Shadow("the child that ran it said nothing that makes sense")


def test_equals_are_refused():
    """What is not faster is not worth the change."""
    assert shadow._judged({"ratios": [0.0] * 8, "shapes": 3}).refused


def test_shapes_are_awkward_small_and_as_large_as_the_engine_has_them():
    call = Call("surrogate_predict", (4096, 300, 64))
    shapes = call.shapes(np.random.default_rng(1))
    assert set(STEERING[call.part].definition.verify_sizes) < set(shapes)
    assert shapes[-1] == call.size
    drawn = np.array(shapes[5:-1])
    assert (drawn >= 1).all()
    assert (drawn <= 2 * np.array(call.size)).all()
    assert (drawn > call.size).any()
    assert (np.median(drawn, axis=0) < np.array(call.size) / 2).all()
    assert len(np.unique(drawn[:, 0])) > 20


def test_the_engines_own_parts_stand_it(tmp_path):
    """Compiled for real, in the confinement of candidates."""
    found = shadowed(OLD, NEW, Call("dominance", (300, 2)), 7, SourceFolder(tmp_path / "real"))
    assert found.shapes > shadow.SHAPES
    assert "wrong" not in found.refused
    assert "crashed" not in found.refused
    assert found.gain is not None
