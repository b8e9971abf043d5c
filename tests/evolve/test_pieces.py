"""A measurement in pieces: one kernel a process, what stands for a measurement, and the file that holds all."""

import json
from datetime import UTC, datetime, timedelta

import pytest

import kernels
from benchmarks import rivals
from benchmarks.contestant import source_of
from benchmarks.machine import fingerprint
from benchmarks.suites.entries import default_task
from evolve import pieces
from evolve.bench import Measured, Request
from evolve.errors import EvolveError

HOUR_S = 3600.0


def leader(kernel, **changes):
    """What the suites say of a kernel without a champion."""
    task = default_task(kernels.get(kernel))
    info = {
        "kernel": kernel,
        "dtype": task.dtype,
        "size": list(task.size),
        "contestant": "default",
        "source_hash": source_of(task, task.definition.space.schedule()).identity,
        "speedups": {},
        **changes,
    }
    return {"name": f"bench_kernel[{kernel}]", "extra_info": info, "stats": {"median": 1.0}}


def suites(*benchmarks, hours_ago=0.0, left_out=(), **manner):
    at = datetime.now(UTC) - timedelta(hours=hours_ago)
    return {
        "datetime": at.isoformat(),
        "machine_info": {"fingerprint": {"versions": dict(fingerprint().versions)}},
        "benchmarks": [*benchmarks],
        "rivals": {"versions": rivals.versions(), "libraries": [{"name": "openblas"}]},
        "evolve": {"policy": "hot", "threads": 1, "is_quick": False, "left_out": [*left_out], **manner},
    }


@pytest.fixture
def kept(tmp_path, monkeypatch):
    """The folder of a machine's measurements, and what is measured anew: names of kernels, or of suites."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    folder = tmp_path / "data" / "evolve-kernels" / "benchmarks" / "m-1" / "Linux"
    folder.mkdir(parents=True)
    measured = []

    def write(told):
        path = folder / f"{len(list(folder.iterdir())) + 1:04}_bench.json"
        path.write_text(json.dumps(told))
        return Measured(told, path)

    def run_suites(_champions, _facts, _machine, request, *files):
        measured.append(request.names or files)
        names = request.names if not files else ()
        return write(suites(*map(leader, names), left_out=[{"kernel": name} for name in names]))

    monkeypatch.setattr(pieces, "run_suites", run_suites)
    write.measured = measured
    return write


def gathered(*names, within_s=0.0, champions=(), **manner):
    return pieces.gathered([*champions], {}, "m-1", Request(names, **manner), within_s)


def test_each_kernel_has_a_process_of_its_own_and_one_file_holds_all(kept):
    found = gathered("triad", "softmax")
    assert kept.measured == [("triad",), ("softmax",)]
    assert [one["extra_info"]["kernel"] for one in found.suites["benchmarks"]] == ["triad", "softmax"]
    assert [one["kernel"] for one in found.suites["evolve"]["left_out"]] == ["triad", "softmax"]
    assert found.suites["rivals"]["libraries"] == [{"name": "openblas"}]
    assert found.suites["evolve"]["began_at"] <= found.suites["datetime"]
    assert found.file.name == "0003_bench.json"
    assert json.loads(found.file.read_text()) == found.suites


def test_one_kernel_needs_no_further_file(kept):
    assert gathered("triad").file.name == "0001_bench.json"


def test_all_kernels_come_with_the_suites_that_are_of_none(kept):
    gathered()
    assert kept.measured == [*((name,) for name in kernels.names()), pieces.BESIDE]


def test_with_threads_only_those_are_measured_that_can_share_them(kept):
    kept(suites(leader("triad")))
    gathered("triad", "dominance", threads=2)
    assert kept.measured == [("triad",)]


def test_what_was_kept_within_the_time_is_not_measured_again(kept):
    kept(suites(leader("triad"), leader("softmax"), hours_ago=2))
    found = gathered("triad", "matvec", within_s=3 * HOUR_S)
    assert kept.measured == [("matvec",)]
    assert [one["extra_info"]["kernel"] for one in found.suites["benchmarks"]] == ["triad", "matvec"]


def test_what_was_put_together_before_serves_as_well(kept):
    gathered("triad", "softmax")
    gathered("triad", "softmax", within_s=HOUR_S)
    assert kept.measured == [("triad",), ("softmax",)]


@pytest.mark.parametrize(
    "told",
    [
        suites(leader("triad"), hours_ago=4),
        suites(leader("triad"), is_quick=True),
        suites(leader("triad"), policy="flush"),
        suites(leader("triad"), threads=2),
        suites(leader("triad", source_hash="another")),
        suites(leader("triad"), leader("triad", contestant="champion of cafe", home={"machine": "cafe"})),
        suites(leader("softmax")),
        suites(leader("triad"), began_at="2026-11-01"),  # put together, and its pieces are older
        {**suites(leader("triad")), "machine_info": {"fingerprint": {"versions": {"numba": "0.1"}}}},
        {**suites(leader("triad")), "rivals": {"versions": {"numpy": "1.0"}, "libraries": []}},
        {"datetime": "9999", "benchmarks": [leader("triad")]},
    ],
)
def test_what_measured_something_else_stands_for_nothing(kept, told):
    kept(told)
    gathered("triad", within_s=3 * HOUR_S)
    assert kept.measured == [("triad",)]


def test_a_new_champion_is_measured(kept):
    task = default_task(kernels.get("triad"))
    schedule = dict(task.definition.space.schedule().replace(unroll=4))
    champion = {"kernel": "triad", "size": task.size, "dtype": task.dtype, "threads": 1, "schedule": schedule}
    kept(suites(leader("triad")))
    gathered("triad", within_s=HOUR_S, champions=[champion])
    assert kept.measured == [("triad",)]


def test_where_the_whole_cannot_be_written_the_pieces_stay(kept, monkeypatch):
    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.replace", fail)
    with pytest.raises(EvolveError, match="No space left"):
        gathered("triad", "softmax")
    monkeypatch.undo()
    assert kept.measured == [("triad",), ("softmax",)]
