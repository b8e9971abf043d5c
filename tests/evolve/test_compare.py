"""``evolve compare``: what is read of each machine, how they are laid side by side, what is refused and how."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import runpy
import socket
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from benchmarks import isa
from evolve import bench
from evolve.bench import Request
from evolve.compare import compare
from evolve.errors import CheckFailedError, UsageError
from evolve.report.compare import plain, text
from evolve.report.compare_page import page
from evolve.sheet import Problem, estimate, read_sheet, sheet_of_run
from evolve.store import open_store
from kernels.language import Schedule

sheets = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("sheets.py"))))

A, B = "a" * 12, "b" * 12
TRIAD = Problem("triad", "float32", (4096,))


@pytest.fixture
def compared(tmp_path):
    """Compares JSON as if it lay in files."""

    def over(*data):
        return compare([read_sheet(sheets.write(tmp_path, f"{k}.json", one)) for k, one in enumerate(data)])

    return over


@pytest.fixture
def met(compared):
    return compared(*sheets.pair())


def _cell(aligned, home, host):
    return next(cell for cell in aligned.cells if (cell.home[0], cell.host[0]) == (home, host))


# ---- side by side


def test_each_machine_is_held_against_itself(met):
    [one] = met.problems
    assert one.problem == TRIAD
    found = one.leaders[A, "hot"]
    assert (found.fraction.estimate, found.limit) == (0.8, "bandwidth (L1, triad)")
    assert found.speedups["baseline"].estimate == 20.0


def test_a_champion_abroad_is_a_fraction_of_the_hosts_own(met):
    cell = _cell(met.problems[0], A, B)
    assert cell.kind == "measured"
    assert cell.fraction.estimate == pytest.approx(1 / 1.25)
    assert cell.fraction.low == pytest.approx(1 / (1.25 * 1.05))
    assert cell.fraction.high == pytest.approx(1 / (1.25 * 0.95))
    assert _cell(met.problems[0], A, A).kind == "own"


def test_the_portable_schedule_costs_the_worst_off_machine_least(met):
    [one] = met.problems
    assert one.portable.home == (B, "hot")
    assert one.portable.worst == (A, "hot")
    assert one.portable.costs[A, "hot"].estimate == 1.1
    assert one.portable.costs[B, "hot"].estimate == 1.0
    assert one.is_settled


def test_genes_agree_or_differ_and_those_without_meaning_do_neither(met):
    genes = {gene.name: gene for gene in met.problems[0].genes}
    assert not genes["unroll"].agrees
    assert genes["lanes"].agreed == "8"
    assert set(genes["distance"].values.values()) == {None}
    assert (genes["distance"].agrees, genes["distance"].agreed) == (True, "")


def test_what_is_missing_comes_with_the_command_that_measures_it(compared):
    first, second = sheets.pair()
    second["benchmarks"] = [one for one in second["benchmarks"] if "home" not in one["extra_info"]]
    second["machine_info"]["fingerprint"]["profile"] = "avx2, 1 core"
    found = compared(first, second)
    cell = _cell(found.problems[0], A, B)
    assert (cell.kind, cell.fraction) == ("missing", None)
    assert re.fullmatch(r"on avx2, 1 core: evolve bench triad --isa avx2 --cores 1 --with \S+0\.json", cell.note)
    assert found.problems[0].portable.home == (B, "hot")
    assert not found.problems[0].is_settled


def test_what_is_missing_may_be_settled_by_what_is_known(compared):
    first, second = sheets.pair()
    third = sheets.sheet("c" * 12, sheets.leader(sheets.genome(unroll=2)), day=3)
    for name, schedule, cost in (("a" * 12, 1, 1.5), ("b" * 12, 4, 1.2)):
        info = sheets.guest(name, sheets.genome(unroll=schedule))
        third["benchmarks"].insert(0, {**third["benchmarks"][0], "extra_info": info})
        third["benchmarks"][-1]["extra_info"]["speedups"][f"champion of {name}"] = sheets.ratio(cost)
    assert not compared(first, second, third).problems[0].is_settled
    visit = {**second["benchmarks"][0], "extra_info": sheets.guest("c" * 12, sheets.genome(unroll=2))}
    second["benchmarks"].insert(0, visit)
    second["benchmarks"][-1]["extra_info"]["speedups"]["champion of " + "c" * 12] = sheets.ratio(1.3)
    [one] = compared(first, second, third).problems
    assert one.portable.home == (B, "hot")
    assert one.is_settled


def test_an_earlier_champion_says_nothing_of_the_present_one(compared):
    first, second = sheets.pair()
    first["benchmarks"][-1]["extra_info"]["schedule"]["unroll"] = 2
    assert _cell(compared(first, second).problems[0], A, B).kind == "missing"


def test_what_the_host_refuses_is_listed_and_not_portable(compared):
    first, second = sheets.pair()
    theirs = second["benchmarks"].pop(0)["extra_info"]
    theirs |= {"kind": "illegal", "reason": "lanes=8 is not one of 2, 4"}
    second["evolve"]["left_out"] = [theirs]
    [one] = compared(first, second).problems
    assert _cell(one, A, B).kind == "refused"
    assert "lanes=8 is not one of 2, 4" in _cell(one, A, B).note
    assert one.portable.home == (B, "hot")
    assert one.is_settled


def test_the_same_schedule_needs_no_measurement(compared):
    schedule = sheets.genome()
    [one] = compared(sheets.sheet(A, sheets.leader(schedule)), sheets.sheet(B, sheets.leader(schedule), day=2)).problems
    assert {cell.kind for cell in one.cells} == {"own", "same"}
    assert all(gene.agrees for gene in one.genes)


def test_two_policies_of_one_machine_are_two_machines(compared):
    schedule = sheets.genome()
    hot, rotate = (sheets.sheet(A, sheets.leader(schedule), policy=policy, profile="") for policy in ("hot", "rotate"))
    found = compared(hot, rotate)
    assert list(found.labels.values()) == ["256-bit vectors, 2 cores", "256-bit vectors, 2 cores, rotate caches"]


def test_machines_that_read_alike_are_told_apart_by_their_ids(compared):
    first, second = sheets.pair()
    for one in (first, second):
        one["machine_info"]["fingerprint"]["profile"] = "sse2"
    assert list(compared(first, second).labels.values()) == ["A CPU, sse2 (aaaaaa)", "A CPU, sse2 (bbbbbb)"]


def test_what_was_measured_last_counts_and_that_is_said(compared):
    first, second = sheets.pair()
    again = sheets.sheet(A, sheets.leader(sheets.genome(unroll=1), bound_fraction_interval=sheets.ratio(0.9)), day=9)
    found = compared(again, first, second)
    assert found.problems[0].leaders[A, "hot"].fraction.estimate == 0.9
    assert any("is superseded by" in remark for remark in found.remarks)


def test_what_throws_doubt_on_a_figure_is_remarked(compared):
    first, second = sheets.pair()
    info = first["benchmarks"][-1]["extra_info"]
    info |= {"conditions": {"numpy": {**sheets.CALM, "flags": ["steal"]}}, "bound_fraction_interval": sheets.ratio(1.4)}
    second["evolve"]["is_quick"] = True
    del second["machine_info"]["ceilings"]
    said = "\n".join(compared(first, second).remarks)
    assert "steal while it was measured" in said
    assert "beyond its bound" in said
    assert "--quick" in said
    assert "its ceilings are not known" in said


def test_problems_of_one_machine_are_named(compared):
    first, second = sheets.pair()
    alone = sheets.leader(sheets.genome(), size=[8])
    first["benchmarks"].append({**first["benchmarks"][-1], "extra_info": alone})
    found = compared(first, second)
    assert [(problem.size, key[0]) for problem, key in found.alone] == [((8,), A)]


# ---- what is said


def test_the_terminal_shows_all_of_it(met):
    shown = [" ".join(line.split()) for line in text(met).splitlines()]
    assert "profile of aaaa 80 % [76, 84] bandwidth (L1, triad) 20.0x [19.0, 21.0] champion of triad-1a" in shown
    assert "profile of aaaa 100 %, its own 80 % [76, 84]" in shown
    assert "differ unroll 1 / 4 (in order of profile of aaaa / profile of bbbb)" in shown
    assert "portable champion of profile of bbbb, at more time than with its own: profile" in shown


def test_plain_values_are_json_without_seconds(met):
    told = plain(met)
    assert json.loads(json.dumps(told, allow_nan=False)) == told
    assert "time_s" not in json.dumps({**told, "machines": []})
    [one] = told["problems"]
    assert one["portable"]["champion_of"] == "profile of bbbb"
    assert [cell["kind"] for cell in one["cross"]] == ["own", "measured", "measured", "own"]


def test_the_page_holds_everything_itself(met):
    shown = page(met)
    own = re.sub(r"<script>.*?</script>", "", shown, flags=re.DOTALL)
    assert not re.findall(r"https?:|//cdn|url\(|@import|<script[^>]* src", own)
    assert 'data-for="fractions"' in shown
    assert "<b>80 %</b><small>76 to 84</small>" in shown
    assert shown.count("<h2>triad float32 4096</h2>") == 1


def test_a_page_without_bounds_has_no_picture(compared):
    first, second = sheets.pair()
    for one in (first, second):
        one["benchmarks"][-1]["extra_info"]["bound_fraction_interval"] = None
    shown = page(compared(first, second))
    assert "data-for" not in shown
    assert "not known" in shown


def test_names_cannot_break_the_page(compared):
    first, second = sheets.pair()
    first["machine_info"]["fingerprint"]["profile"] = "</script><b>x"
    shown = page(compared(first, second))
    assert "<b>x" not in shown


# ---- bad input


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


def test_one_machine_is_no_comparison(compared):
    first, _ = sheets.pair()
    with pytest.raises(UsageError, match=f"only one machine.*{A}"):
        compared(first)


def test_the_same_measurement_twice_is_refused(compared):
    first, second = sheets.pair()
    with pytest.raises(UsageError, match=r"2\.json is given as .*0\.json too"):
        compared(first, second, first)


def test_machines_with_nothing_in_common_are_told_what_each_has(compared):
    first, second = sheets.pair()
    second["benchmarks"] = [
        {**second["benchmarks"][-1], "extra_info": sheets.leader({}, kernel="matmul", size=[8, 8, 8])}
    ]
    with pytest.raises(UsageError, match=f"no problem in common .*{A}: triad; {B}: matmul"):
        compared(first, second)


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


# ---- the command


@pytest.fixture
def files(tmp_path):
    first, second = sheets.pair()
    return str(sheets.write(tmp_path, "a.json", first)), str(sheets.write(tmp_path, "b.json", second))


def test_the_command_prints_and_writes_a_page(evolve, files, tmp_path):
    path = tmp_path / "both.html"
    code, out, err = evolve("compare", *files, "--report", str(path))
    assert code == 0, err
    assert out.startswith("profile of aaaa")
    assert path.read_text().startswith("<!doctype html>")
    assert err.split() == ["report", str(path)]


def test_the_command_prints_json(evolve, files):
    code, out, _ = evolve("compare", *files, "--json")
    told = json.loads(out)
    assert code == 0
    assert Path(told["report"]).is_file()
    assert [one["machine"] for one in told["machines"]] == [A, B]


@pytest.mark.parametrize("word", ["gone.json", "./gone", "nothing-like-it"])
def test_what_is_neither_file_nor_run_is_told(evolve, files, word, planted):
    del planted
    code, out, err = evolve("compare", files[0], word)
    assert (code, out, len(err.splitlines())) == (2, "", 1)
    assert word.removeprefix("./") in err


def test_without_a_store_a_word_is_no_run(evolve, files):
    code, _, err = evolve("compare", files[0], "matmul-1a")
    assert code == 2
    assert "matmul-1a" in err


def test_a_folder_is_no_file(evolve, files, tmp_path):
    code, _, err = evolve("compare", files[0], str(tmp_path))
    assert (code, len(err.splitlines())) == (2, 1)


def test_a_page_that_cannot_be_written_is_told(evolve, files, tmp_path):
    code, _, err = evolve("compare", *files, "--report", str(tmp_path / "no" / "x.html"))
    assert code == 1
    assert "cannot be written" in err


# ---- one machine standing in for two


@pytest.fixture(scope="module")
def profiles(tmp_path_factory):
    """Files of the suites, run with SSE2 alone and with AVX2 alone, each with the other's champion as a guest."""
    folder = tmp_path_factory.mktemp("profiles")
    problem = {"kernel": "triad", "size": [4096], "dtype": "float32", "threads": 1}
    names = [name for name in ("sse2", "avx2") if not _missing(name)]
    if len(names) < 2:
        pytest.skip("this CPU has not both instruction sets")
    own = {"sse2": sheets.genome(unroll=1), "avx2": sheets.genome(unroll=4)}
    ids = {name: _machine_id(isa.environment(name)) for name in names}
    for name, other in (names, reversed(names)):
        guest = {**problem, "schedule": own[other], "home": {"machine": ids[other], "profile": other, "policy": "hot"}}
        champions = sheets.write(folder, f"champions-{name}.json", [{**problem, "schedule": own[name]}, guest])
        command = [
            *bench.pytest_command(Request(("triad",), is_quick=True)),
            *(f"--champions={champions}", f"--benchmark-json={folder / name}.json"),
        ]
        environment = {**os.environ, **isa.environment(name), "EVOLVE_CACHE": str(folder)}
        done = subprocess.run(
            command, check=False, capture_output=True, text=True, env=environment, cwd=bench.SUITES.parents[1]
        )
        assert done.returncode == 0, done.stdout
    return [folder / f"{name}.json" for name in names]


def _missing(name):
    try:
        return isa.environment(name) is None
    except isa.RestrictionError:
        return True


def _machine_id(environment):
    script = "from benchmarks.machine import fingerprint; print(fingerprint().machine_id)"
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, check=True, capture_output=True, text=True, env={**os.environ, **environment})
    return done.stdout.strip()


@pytest.mark.slow
def test_profiles_of_one_machine_are_compared_as_machines(profiles, evolve):
    code, out, err = evolve("compare", *map(str, profiles), "--json")
    assert code == 0, err
    told = json.loads(out)
    assert [one["label"] for one in told["machines"]] == ["sse2", "avx2"]
    [problem] = told["problems"]
    assert [cell["kind"] for cell in problem["cross"]] == ["own", "measured", "measured", "own"]
    assert all(cell["fraction"]["estimate"] > 0 for cell in problem["cross"])
    assert problem["portable"] is not None
    assert problem["is_settled"]


@pytest.mark.slow
def test_profiles_carry_their_instruction_set_and_no_host(profiles):
    widths = [json.loads(path.read_text())["machine_info"]["fingerprint"]["vector_bytes"] for path in profiles]
    assert widths == [16, 32]
    assert all(socket.gethostname() not in path.read_text().split('"') for path in profiles)
