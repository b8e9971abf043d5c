"""Recorded spaces in files: what each kind says, and what is said of one that cannot be read."""

import gzip
import itertools
import json
import math
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_recording import subject

from evolve.errors import EvolveError, UsageError
from evolve.replay.read import read, spaces
from evolve.replay.recording import Recording, Timing
from kernels.language.space import Schedule, choice, integer

FOLDER = os.environ.get("EVOLVE_RECORDED", "")


# ---- files


CACHE = {
    "kernel_name": "axpy",
    "device_name": "a GPU",
    "tune_params_keys": ["x", "kind", "fixed", "class", "on"],
    "cache": {
        "1,a": {"x": 1, "kind": "a", "fixed": 0, "class": 8, "on": False, "time": 8.0},
        "2,a": {"x": 2, "kind": "a", "fixed": 0, "class": 4, "on": True, "time": 4.0},
        "4,a": {"x": 4, "kind": "a", "fixed": 0, "class": 4, "on": True, "time": "CompilationFailedConfig"},
        "2,b": {"x": 2, "kind": "b", "fixed": 0, "class": 8, "on": False, "time": 2.0},
    },
}


def result(x, value, unit="ms", invalidity="correct"):
    measured = [{"name": "GFLOP/s", "value": 7.0, "unit": ""}, {"name": "time", "value": value, "unit": unit}]
    return {"configuration": {"x": x}, "measurements": measured, "invalidity": invalidity, "objectives": ["time"]}


T4 = {
    "schema_version": "1.0.0",
    "results": [
        result(1, 8.0),
        result(2, 4000, "us"),
        result(3, "", invalidity="constraints"),
        result(4, "RuntimeFailedConfig", invalidity="runtime"),
    ],
}


def recording():
    genes = [choice("variant", ("plain", "tiled"), ""), integer("tile", (2, 4), "", when={"variant": ("tiled",)})]
    schedules = [{"variant": "plain", "tile": 2}, {"variant": "tiled", "tile": 2}, {"variant": "tiled", "tile": 4}]
    timings = [Timing(1.23456e-5, 0.012345), Timing(None, outcome="Wrong"), Timing(0.5, 0.001)]
    found = dict(zip(map(Schedule, schedules), timings, strict=True))
    return Recording(subject(), "2026-01-01T00:00:00+00:00", 0.25, tuple(genes), found)


def written(told, folder, name="space.json"):
    path = folder / name
    raw = json.dumps(told).encode()
    path.write_bytes(gzip.compress(raw) if name.endswith(".gz") else raw)
    return path


def test_a_cache_is_its_rows_and_nothing_else(tmp_path):
    known = read(written(CACHE, tmp_path))
    assert (known.name, known.space.size, known.failed) == ("space", 4, 1)
    assert known.space.names == ("x", "kind", "p_class", "on"), "what never changes is left out"
    assert [p.kind for p in known.space.parameters] == ["integer", "choice", "integer", "flag"]
    assert known.times_s[known.space.schedule(x=2, kind="b")] == 2e-3
    assert known.result(known.space.schedule(x=2, kind="b")).fitness == pytest.approx(math.log(2))
    assert "not recorded" in known.space.is_legal(known.space.default.replace(x=4, kind="b"))
    assert "axpy on a GPU" in known.source


def test_t4_knows_units_and_leaves_out_what_was_forbidden(tmp_path):
    known = read(written(T4, tmp_path))
    assert {schedule.x: time_s for schedule, time_s in known.times_s.items()} == {1: 8e-3, 2: 4e-3, 4: None}


def test_our_own_file_keeps_conditions_and_digits(tmp_path):
    recording().write(tmp_path / "own.json.gz")
    known = read(tmp_path / "own.json.gz")
    assert [*known.times_s.values()] == [1.235e-5, None, 0.5]
    assert known.space.canonical({"variant": "plain", "tile": 4}) == {"variant": "plain", "tile": 2}
    assert known.source == "triad 1000 float64, 1 thread, hot caches, on a CPU (cafe), 2026-01-01"
    assert (tmp_path / "own.json.gz").read_bytes() == _written_again(tmp_path)


def _written_again(folder):
    recording().write(folder / "again.json.gz")
    return (folder / "again.json.gz").read_bytes()


def test_our_own_file_gives_back_the_recording():
    plain = json.loads(json.dumps(recording().as_dict()))
    again = Recording.from_dict(plain)
    assert again.subject == recording().subject
    assert [timing.outcome for timing in again.timings.values()] == ["Measured", "Wrong", "Measured"]
    assert Recording.from_dict(json.loads(json.dumps(again.as_dict()))) == again


def built(made, build_s):
    """The same with what builds took."""
    columns = zip(made.timings.items(), build_s, "aab", strict=True)
    return replace(
        made, timings={schedule: replace(one, build_s=spent_s, code=code) for (schedule, one), spent_s, code in columns}
    )


def test_what_builds_took_is_kept_with_the_code_that_they_built(tmp_path):
    built(recording(), [0.12345, None, 2.0]).write(tmp_path / "own.json")
    told = json.loads((tmp_path / "own.json").read_text())
    assert (told["schema"], told["build_s"], told["codes"]) == (1, [0.123, None, 2.0], [0, 0, 1])
    timings = [*Recording.from_dict(told).timings.values()]
    assert [(timing.build_s, timing.code) for timing in timings] == [(0.123, "0"), (None, "0"), (2.0, "1")]


def test_a_recording_of_before_says_nothing_of_builds():
    plain = json.loads(json.dumps(recording().as_dict()))
    assert {"build_s", "codes"}.isdisjoint(plain)
    assert {(timing.build_s, timing.code) for timing in Recording.from_dict(plain).timings.values()} == {(None, "")}


def test_twenty_thousand_schedules_take_less_than_half_a_megabyte(tmp_path):
    rng = np.random.default_rng(0)
    genes = [integer(name, range(10), "") for name in "abcde"]
    rows = itertools.islice(itertools.product(range(10), repeat=5), 20_000)
    schedules = [Schedule(dict(zip("abcde", row, strict=True))) for row in rows]
    timings = [Timing(*pair) for pair in zip(rng.lognormal(-6, 1, 20_000), rng.uniform(0, 0.1, 20_000), strict=True)]
    found = dict(zip(schedules, timings, strict=True))
    Recording(subject(), "", 1.0, tuple(genes), found).write(tmp_path / "large.json.gz")
    assert (tmp_path / "large.json.gz").stat().st_size < 500_000
    assert read(tmp_path / "large.json.gz").space.size == 20_000


def test_files_may_be_compressed_and_a_folder_lists_them(tmp_path):
    path = written(CACHE, tmp_path, "one.json.gz")
    path.rename(tmp_path / "two.json")
    written(T4, tmp_path, "one.json.gz")
    assert [found.name for found in spaces(tmp_path)] == ["one.json.gz", "two.json"]
    assert read(tmp_path / "two.json").space.size == 4, "what is compressed shows in the file, not in its name"


OWN = recording().as_dict()


@pytest.mark.parametrize(
    ("told", "error", "said"),
    [
        ({}, UsageError, "no recorded space"),
        ([1], UsageError, "no recorded space"),
        ({"tune_params_keys": ["x"], "cache": {}}, EvolveError, "nothing to search"),
        ({"tune_params_keys": 3, "cache": {}}, EvolveError, "damaged"),
        ({"tune_params_keys": ["x"], "cache": {"1": {"x": 1}}}, EvolveError, "damaged"),
        ({"tune_params_keys": ["x"], "cache": {"1": {"x": 1, "time": "no"}, "2": {"x": 2, "time": "no"}}},
         EvolveError, "no configuration that was measured"),
        ({"results": []}, EvolveError, "nothing to search"),
        ({**T4, "schema_version": "2.0.0"}, EvolveError, "T4 of version 2.0.0"),
        ({"results": [result(1, 1.0, "W"), result(2, 1.0, "W")]}, EvolveError, "no times"),
        ({**OWN, "schema": 2}, EvolveError, "has schema 2, this version reads 1: update evolve"),
        ({**OWN, "times_s": [1.0, 2.0]}, EvolveError, "incomplete, with 2 of 3 schedules"),
        ({**OWN, "genes": {"variant": [0, 1, 1], "tile": [0, 0, 7]}}, EvolveError, "damaged"),
        ({**OWN, "parameters": None}, EvolveError, "damaged"),
        ({**OWN, "build_s": [1.0]}, EvolveError, "incomplete, with 1 of 3 schedules"),
    ],
)  # fmt: skip
def test_what_cannot_be_replayed_is_told_in_a_line(told, error, said, tmp_path):
    with pytest.raises(error) as caught:
        read(written(told, tmp_path))
    assert said in str(caught.value)
    assert "space.json" in str(caught.value)
    assert "\n" not in str(caught.value)


@given(st.integers(0, 400), st.binary(max_size=3))
@settings(max_examples=60, deadline=None)
def test_a_damaged_file_never_crashes_the_reader(tmp_path_factory, at, junk):
    path = tmp_path_factory.mktemp("damaged") / "space.json.gz"
    recording().write(path)
    raw = path.read_bytes()
    path.write_bytes(raw[:at] + junk + raw[at + len(junk) :] if junk else raw[:at])
    try:
        assert read(path).times_s
    except EvolveError as error:
        assert "space.json.gz" in str(error)  # noqa: PT017 - most damage is noticed, but not all can be


@pytest.mark.skipif(not FOLDER, reason="EVOLVE_RECORDED names no folder of recorded spaces")
def test_real_caches_are_whole():
    sizes = {"convolution_W6600": 4362, "convolution_W7800": 4362, "dedispersion_W6600": 11130, "gemm_RTX_Titan": 17956}
    known = [read(path) for path in spaces(Path(FOLDER))]
    assert known
    assert all(one.space.size == sizes.get(one.name, one.space.size) for one in known)
