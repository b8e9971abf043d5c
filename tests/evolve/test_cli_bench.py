"""``evolve bench`` as it is typed, over suites whose figures are known."""

from __future__ import annotations

import dataclasses
import json
import sys

import pytest
import sheets
from planted_bench import LEADER, published, suites

from evolve import standard
from evolve.bench import Measured, Request
from evolve.store import open_store
from evolve.store.testing import new_run

TINY = standard.Standard("bench-tiny", "triad", "8", "float32", "3evals")


@pytest.fixture
def benched(monkeypatch, known_machine, tmp_path):
    """The command with suites that are known; keeps what they were given."""
    given = {"file": sheets.write(tmp_path, "0001_bench.json", "{}")}

    def gathered(champions, facts, machine, request, within_s):
        given.update(champions=champions, facts=facts, machine=machine, request=request, within_s=within_s)
        return Measured(suites(LEADER), given["file"])

    monkeypatch.setattr("evolve.pieces.gathered", gathered)
    monkeypatch.setattr("evolve.bench.machine_facts", lambda *_: {"aa": None})
    before = {"bench_kernel[matmul-float64-64x64x32-champion]": 0.04}
    monkeypatch.setattr("evolve.bench.earlier_medians", lambda *_: before)
    given["here"] = known_machine.machine_id
    return given


def test_the_command_prints_and_writes(evolve, benched, tmp_path):
    path = tmp_path / "RESULTS.md"
    code, out, err = evolve("bench", "matmul", "--quick", "--results", str(path))
    assert code == 0
    assert out.startswith("matmul float64 64x64x32: champion of mine")
    assert "before" not in out
    assert path.read_text().startswith("# Results")
    assert err.splitlines()[-1].startswith("next: evolve ")
    assert (benched["request"], benched["machine"]) == (Request(("matmul",), is_quick=True), benched["here"])
    assert f"saved    {benched['file']}" in err


def test_what_was_measured_within_a_time_is_taken_as_it_is(evolve, benched):
    assert evolve("bench", "triad", "--within", "12h")[0] == 0
    assert benched["within_s"] == 12 * 3600


@pytest.mark.parametrize("within", ["300evals", "12"])
def test_a_time_that_is_none_is_refused(evolve, benched, within):
    code, _, err = evolve("bench", "triad", "--within", within)
    assert (code, "request" in benched) == (2, False)
    assert f"--within {within}" in err


def test_the_command_compares_with_what_was_saved(evolve, benched):
    del benched
    _, out, _ = evolve("bench", "--compare")
    assert out.splitlines()[-1].endswith("40.0 ms  20.0 ms  -50.0 %")


def test_the_command_invites_the_champions_of_other_machines(evolve, benched, tmp_path):
    path = sheets.write(tmp_path, "a.json", sheets.pair()[0])
    code, _, err = evolve("bench", "triad", "--with", str(path), "--policy", "rotate")
    assert code == 0, err
    assert [one["home"]["machine"] for one in benched["champions"]] == ["a" * 12]
    assert benched["request"].policy == "rotate"


def test_a_file_that_is_none_of_ours_is_told_before_anything_is_measured(evolve, benched, tmp_path):
    path = sheets.write(tmp_path, "a.json", {"benchmarks": [], "machine_info": {}})
    code, out, err = evolve("bench", "triad", "--with", str(path))
    assert (code, out, "request" in benched) == (2, "", False)
    assert "pytest-benchmark alone" in err


def test_the_command_gives_the_file_to_carry(evolve, benched, tmp_path):
    path = tmp_path / "mine.json"
    _, out, err = evolve("bench", "--save", str(path))
    assert path.read_text() == benched["file"].read_text()
    assert f"saved    {path}" in err
    assert "mine.json" not in out


def test_the_command_prints_json(evolve, benched):
    del benched
    _, out, _ = evolve("bench", "--json")
    assert json.loads(out)["benchmarks"][0]["extra_info"]["run"] == "matmul-1a"


def test_results_that_cannot_be_written_are_told_before_anything_is_measured(evolve, benched, tmp_path):
    code, out, err = evolve("bench", "--results", str(tmp_path / "no" / "RESULTS.md"))
    assert (code, out) == (2, "")
    assert "in a folder that exists" in err
    assert "request" not in benched


def test_evolving_measures_the_champions_of_the_standard_runs_alone(evolve, benched, monkeypatch, url):
    here = benched["here"]
    with open_store(url) as store:
        other = published(store, "2026-09", kernel="triad", size=(16,), dtype="float32", machine=here)
        mine = published(store, "2026-01", kernel="triad", size=(8,), dtype="float32", machine=here, name=TINY.name)
        store.add_event(mine.id, "finished")
    monkeypatch.setattr(standard, "STANDARD", (TINY,))
    code, _, err = evolve("bench", "--evolve")
    assert code == 0, err
    assert "standard run 1 of 1: bench-tiny, 3evals" in err
    assert [told["run"] for told in benched["champions"]] == [mine.id]
    evolve("bench", "triad")
    assert {told["run"] for told in benched["champions"]} == {mine.id, other.id}


def test_a_taken_name_is_told_before_the_first_run_starts(evolve, benched, monkeypatch, url):
    with open_store(url) as store:
        new_run(store, name="second")
    first = dataclasses.replace(TINY, name="first")
    monkeypatch.setattr(standard, "STANDARD", (first, dataclasses.replace(TINY, name="second")))
    monkeypatch.setattr(standard, "start", lambda *_, **__: pytest.fail("started"))
    code, _, err = evolve("bench", "--evolve")
    assert (code, "request" in benched) == (2, False)
    assert "run second" in err


def test_without_pyperf_the_extra_is_named(evolve, benched, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "pyperf", None)
    code, _, err = evolve("bench", "--pyperf", str(tmp_path / "x.json"))
    assert (code, "request" in benched) == (2, False)
    assert "evolve-kernels[export]" in err


def test_bench_writes_the_page_where_it_is_asked_for(evolve, benched, tmp_path):
    page = tmp_path / "roofs.html"
    code, _, err = evolve("bench", "--all", "--report", str(page))
    assert (code, page.exists()) == (0, True), err
    code, _, err = evolve("bench", "matmul", "--all")
    assert (code, "leave out matmul" in err) == (2, True)


def test_bench_draws_the_picture_where_it_is_asked_for(evolve, benched, tmp_path):
    del benched
    picture = tmp_path / "roofs.svg"
    code, _, err = evolve("bench", "--picture", str(picture))
    assert (code, f"picture  {picture}" in err) == (0, True), err
    assert picture.read_text().startswith("<svg ")


def test_a_file_is_shown_and_drawn_without_measuring(evolve, benched, tmp_path):
    ceilings = {"flop_per_s": {"float32": {"fma": {"1": 59e9}}}, "bytes_per_s": {"DRAM": {"read": {"1": 20e9}}}}
    known = {"name": "mine", "budget": "1m", "evaluations": 3, "flop": 2e6, "moved_bytes": 3e7}
    sheet = sheets.sheet("a" * 12, sheets.leader(sheets.genome(), **known))
    sheet["machine_info"]["ceilings"] = {"machine": "a" * 12, "measured_at": "", "latest": ceilings, "best": ceilings}
    path, picture = sheets.write(tmp_path, "a.json", sheet), tmp_path / "roofs.svg"
    code, out, err = evolve("bench", "--read", str(path), "--picture", str(picture))
    assert (code, "request" in benched) == (0, False), err
    assert out.startswith("triad float32 4096: ")
    assert "triad f32" in picture.read_text()
    assert f"saved    {path}" in err
    code, _, err = evolve("bench", "triad", "--read", str(path), "--compare", "--threads", "2")
    assert (code, "leave out KERNEL --compare --threads" in err) == (2, True)
