"""What ``evolve compare`` reads: files of ``evolve bench`` and runs; what of them is refused, and how."""

from __future__ import annotations

import dataclasses
import json

import pytest
import sheets

from evolve.errors import CheckFailedError, UsageError
from evolve.sheet import estimate, read_sheet, sheet_of_run
from evolve.store import open_store
from kernels.language import Schedule

A, B = "a" * 12, "b" * 12


def _broken(change):
    data, _ = sheets.pair()
    change(data)
    return data


OURS = sheets.pair()[0]
FOREIGN = {
    "pytest-benchmark": ({k: v for k, v in OURS.items() if k != "evolve"}, "pytest-benchmark"),
    "pyperf": ({"benchmarks": [{"runs": [{"values": [1.0]}]}], "metadata": {"name": "x"}, "version": "1.0"}, "pyperf"),
    "asv": ({"commit_hash": "ab", "results": {}, "params": {}, "version": 2}, "asv"),
    "google": ({"context": {}, "benchmarks": []}, "google/benchmark"),
    "printed": ({"schema": 1, "machine": A, "benchmarks": []}, "bench --json"),
    "shown": ({"schema": 1, "run": "x", "kernel": "triad"}, "show --json"),
    "anything": ({"hello": "world"}, "something else"),
    "list": ([1, 2], "something else"),
    "number": (3, "something else"),
    "same word": ({"evolve": 3}, "something else"),
}


@pytest.mark.parametrize("name", FOREIGN)
def test_files_of_other_tools_are_told_by_name(tmp_path, name):
    data, tool = FOREIGN[name]
    with pytest.raises(UsageError, match=tool):
        read_sheet(sheets.write(tmp_path, "x.json", data))


DAMAGED = {
    "cut": json.dumps(OURS)[:-200],
    "empty": "",
    "binary": "\x00\x01",
    "deep": "[" * 100_000,
    "nan": json.dumps(OURS).replace("0.8", "NaN", 1),
    "schema": _broken(lambda data: data["evolve"].update(schema="one")),
    "no schema": _broken(lambda data: data["evolve"].clear()),
    "no fingerprint": _broken(lambda data: data["machine_info"].pop("fingerprint")),
    "no benchmarks": _broken(lambda data: data.update(benchmarks=None)),
    "no size": _broken(lambda data: data["benchmarks"][-1]["extra_info"].pop("size")),
    "odd size": _broken(lambda data: data["benchmarks"][-1]["extra_info"].update(size=["x"])),
    "no schedule": _broken(lambda data: data["benchmarks"][-1]["extra_info"].pop("schedule")),
    "negative": _broken(lambda data: data["benchmarks"][-1]["extra_info"].update(time_s=-1.0)),
    "zero": _broken(
        lambda data: data["benchmarks"][-1]["extra_info"]["speedups"].update(numpy=sheets.ratio(0.0, 0, 1))
    ),
    "turned": _broken(
        lambda data: data["benchmarks"][-1]["extra_info"]["speedups"].update(numpy=sheets.ratio(1, 3, 2))
    ),
    "text": _broken(lambda data: data["benchmarks"][-1]["extra_info"].update(speedups="fast")),
    "left out": _broken(lambda data: data["evolve"].update(left_out=[{"home": {}}, 3])),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_damage_is_told_in_a_line(evolve, tmp_path, name):
    path = sheets.write(tmp_path, "x.json", DAMAGED[name])
    code, out, err = evolve("compare", str(path), str(path))
    assert (code, out) == (2, "")
    assert len(err.splitlines()) == 1
    assert f"{path} " in err
    assert "damaged" in err


def test_a_newer_schema_asks_for_an_update(tmp_path):
    data = _broken(lambda data: data["evolve"].update(schema=99))
    with pytest.raises(UsageError, match=r"schema 99, newer than 1.*update evolve"):
        read_sheet(sheets.write(tmp_path, "x.json", data))


@pytest.mark.parametrize(
    "change",
    [
        lambda data: data["machine_info"]["ceilings"].update(machine=B),
        lambda data: data["machine_info"]["ceilings"]["best"].update(machine_id=B),
        lambda data: data["machine_info"].update(node=B),
    ],
)
def test_ceilings_of_another_machine_do_not_pass(tmp_path, change):
    with pytest.raises(CheckFailedError, match=f"contradicts itself.*{B}.*{A}"):
        read_sheet(sheets.write(tmp_path, "x.json", _broken(change)))


def test_an_open_interval_stays_open():
    found = estimate({"estimate": 2.0, "low": None, "high": None, "level": 0.95})
    assert (found.low, found.high) == (0.0, float("inf"))


# ---- runs


def test_a_published_run_is_a_sheet_too(planted, url):
    with open_store(url) as store:
        found = sheet_of_run(store, planted)
    [(problem, leader)] = found.leaders.items()
    assert (problem.kernel, found.profile.machine, found.profile.policy) == ("matmul", "cafe", "hot")
    assert leader.speedups["baseline"].estimate == 2.0
    assert (leader.fraction.estimate, leader.run) == (0.8, planted.id)
    assert leader.schedule == Schedule({"mr": 1})


def test_the_samples_of_a_run_give_its_interval_and_its_doubts(planted, url):
    with open_store(url) as store:
        launches = [
            {
                "candidate_s": [0.05, t],
                "incumbent_s": [0.1, 0.1],
                "loops": 1,
                "conditions": {"flags": ["steal", "floor"]},
            }
            for t in (0.05, 0.051, 0.049)
        ]
        published = dataclasses.replace(
            store.publication(planted.id), samples={"baseline": launches, "numpy": launches[:2]}
        )
        store.add_publication(published)
        [leader] = sheet_of_run(store, planted).leaders.values()
    assert 0 < leader.fraction.low < 0.8 < leader.fraction.high < 2
    assert leader.flags == ("steal",)


def test_an_unpublished_run_has_nothing_to_compare(evolve, plant, url):
    with open_store(url) as store:
        run = plant(store, is_published=False)
    code, _, err = evolve("compare", run.id, run.id)
    assert code == 2
    assert "no published champion" in err
