"""What an evaluation takes beside its race: measured on real builds, and refused where there is nothing to measure."""

from dataclasses import replace

import numpy as np
import pytest
from small_recording import small_recording

import kernels
from evolve.loops.protocol import LapFailedError
from evolve.loops.tricks.evaluation_costs import costs
from evolve.replay.read import recording


@pytest.fixture
def recorded(tmp_path):
    return recording(small_recording(tmp_path / "small.json.gz"))


def looked(times=None):
    def look():
        if times is not None:
            times.append(1)

    return look


def test_building_and_proving_are_measured_anew(recorded, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    rng, space, looks = np.random.default_rng(1), kernels.get("triad").space, []
    made = replace(recorded, subject=replace(recorded.subject, size=(4096,)))
    found = costs(made, [space.sample(rng) for _ in range(4)], looked(looks))
    assert found.schedules == 4
    for side in (found.built_s, found.proven_s):
        assert side.low < side.estimate < side.high
        assert side.estimate > 0
    assert len(looks) == 5
    assert found.as_dict()["schedules"] == 4
    assert not list(tmp_path.glob("evolve-builds-*"))


def test_a_kernel_that_is_not_installed_is_said(recorded):
    elsewhere = replace(recorded, subject=replace(recorded.subject, kernel="unheard_of"))
    with pytest.raises(LapFailedError, match="unheard_of is not installed here"):
        costs(elsewhere, [*recorded.timings][:2], looked())


def test_schedules_that_the_kernel_no_longer_has_are_said(recorded):
    with pytest.raises(LapFailedError, match="triad is no longer what was recorded"):
        costs(recorded, [*recorded.timings][:4], looked())
