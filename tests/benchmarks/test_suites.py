"""The pytest-benchmark suites: who takes part, what is kept of it; the suites themselves run once, on little."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from contextlib import contextmanager, nullcontext
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import benchmarks
import kernels
from benchmarks import rivals
from benchmarks.contestant import Contestant, Task
from benchmarks.fresh import AGAINST_PEER, Fresh, Opponent, against
from benchmarks.machine import fingerprint
from benchmarks.outcome import Samples
from benchmarks.suites.bench_startup import COMMANDS
from benchmarks.suites.entries import Champion, default_task, entries, read_champions
from benchmarks.suites.record import SCHEMA

SUITES = Path(benchmarks.__file__).parent / "suites"


def _plain(kernel="triad", size=(4096,), dtype="float32", **others):
    """A champion as a file holds it: the default schedule, until told otherwise."""
    schedule = dict(kernels.get(kernel).space.schedule())
    return {"kernel": kernel, "size": list(size), "dtype": dtype, "threads": 1, "schedule": schedule, **others}


# ---- who takes part


@pytest.mark.parametrize("name", kernels.names())
def test_without_a_champion_the_default_schedule_leads_the_default_problem(name):
    kernel = kernels.get(name)
    found = entries([name], [])
    assert [entry.name for entry in found] == ["baseline", *kernel.rivals, "default"]
    assert {entry.task for entry in found} == {default_task(kernel)}
    assert [entry.name for entry in found if entry.is_leader] == ["default"]


def test_every_champion_has_its_own_problem_and_leads_it():
    problems = [((64,), "float32"), ((8,), "float64")]
    champions = [Champion.from_json(_plain(size=size, dtype=dtype)) for size, dtype in problems]
    found = entries(["triad"], champions)
    assert {entry.problem for entry in found} == {"triad-float32-64", "triad-float64-8"}
    assert [entry.champion for entry in found if entry.is_leader] == champions
    assert len({(entry.problem, entry.name) for entry in found}) == len(found) == 2 * len(entries(["triad"], [])) + 2


def test_a_champion_of_another_kernel_changes_nothing():
    assert entries(["softmax"], [Champion.from_json(_plain())]) == entries(["softmax"], [])


def _guest(machine="cafe", policy="hot", **others):
    return _plain(home={"machine": machine, "profile": "p", "policy": policy}, **others)


def test_guests_stand_before_the_leader_of_their_problem_and_need_no_own_champion():
    guest = _guest()
    guest["schedule"]["unroll"] = 4
    found = entries(["triad"], [Champion.from_json(guest)])
    assert [entry.name for entry in found][-2:] == ["champion of cafe", "default"]
    assert found[-2].is_guest
    assert found[-2].facts()["home"] == guest["home"]
    assert [entry.is_leader for entry in found[-2:]] == [False, True]
    assert {entry.task for entry in found} == {Task("triad", (4096,), "float32")}


def test_a_guest_with_the_leaders_own_schedule_is_not_made_to_race_it():
    champions = [Champion.from_json(data) for data in (_plain(), _guest())]
    assert [entry.name for entry in entries(["triad"], champions)][-2:] == ["default", "champion"]


def test_guests_of_one_machine_are_told_apart_by_policy():
    names = [Champion.from_json(_guest(policy=policy)).name for policy in ("hot", "flush")]
    assert names == ["champion of cafe", "champion of cafe flush"]


def test_the_policy_is_part_of_the_problem():
    found = entries(["triad"], [Champion.from_json(_plain(), "rotate")], "rotate")
    assert {entry.problem for entry in found} == {"triad-float32-4096-rotate"}
    assert {entry.facts()["policy"] for entry in found} == {"rotate"}
    assert {entry.task.policy for entry in entries(["softmax"], [], "flush")} == {"flush"}
    assert {entry.task.threads for entry in entries(["softmax"], [], threads=2)} == {2}


def test_what_the_space_forbids_is_an_objection():
    guest = _guest()
    guest["schedule"]["lanes"] = 3
    baseline, *_, entry, leader = entries(["triad"], [Champion.from_json(guest)])
    assert "lanes=3 is not one of" in entry.objection
    assert baseline.objection == leader.objection == ""


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"dtype": "float16"}, "no such problem here"),
        ({"size": (8, 8)}, "no such problem here"),
        ({"threads": 4096}, "4096 threads on"),
    ],
)
def test_a_problem_that_this_machine_cannot_take_is_an_objection(changes, reason):
    *_, leader = entries(["triad"], [Champion.from_json({**_plain(), **changes})])
    assert reason in leader.objection


def test_champions_are_read_with_their_origin(tmp_path):
    path = tmp_path / "champions.json"
    path.write_text(json.dumps([_plain(run="triad-1", bound={"limit": "fma", "time_s": 1.0})]))
    [champion] = read_champions(path)
    assert champion.task == Task("triad", (4096,), "float32")
    assert champion.schedule == kernels.get("triad").space.schedule()
    assert champion.origin == {"run": "triad-1", "bound": {"limit": "fma", "time_s": 1.0}}


def test_facts_are_what_is_known_before_measuring():
    baseline, *_, leader = entries(["triad"], [Champion.from_json(_plain(run="triad-1", evaluations=7))])
    assert {"run", "schedule", "source_hash"}.isdisjoint(baseline.facts())
    facts = leader.facts()
    assert (facts["run"], facts["evaluations"], facts["contestant"]) == ("triad-1", 7, "champion")
    assert (facts["flop"], facts["moved_bytes"]) == (2 * 4096, (3 * 4096 + 1) * 4)
    assert facts["schedule"] == dict(leader.schedule)
    assert len(facts["source_hash"]) == 64


# ---- fresh processes


def _samples(candidate_s, incumbent_s, rounds=6):
    return Samples((candidate_s,) * rounds, (incumbent_s,) * rounds, 1)


def test_a_speedup_is_the_middle_of_the_launches():
    fresh = Fresh({"numpy": [_samples(1.0, ratio) for ratio in (1.9, 2.0, 2.1)]})
    found = fresh.speedups(np.random.default_rng(0))["numpy"]
    assert found.estimate == pytest.approx(2.0)
    assert found.low < 2.0 < found.high


def test_the_time_is_the_middle_of_all_launches_and_opponents():
    fresh = Fresh({"baseline": [_samples(1.0, 9.0), _samples(2.0, 9.0)], "numpy": [_samples(30.0, 9.0)]})
    assert fresh.time_s == 2.0


class KnownHarness:
    """Launches whose pairs are known; a missing library gives None."""

    def __init__(self):
        self.folder, self.seeds, self.pairs = None, [], []

    @contextmanager
    def launch(self, seed, folder):
        assert folder == "a new build"
        self.seeds.append(seed)
        yield SimpleNamespace(pair=self._pair, prove=lambda _contestant: None, assembly=lambda _contestant: {})

    def _pair(self, candidate, incumbent, rules):
        self.pairs.append((candidate.rival, incumbent.rival, rules))
        return None if incumbent.rival == "torch" else _samples(1.0, 2.0)


def test_each_launch_meets_every_opponent_on_inputs_of_its_own(monkeypatch):
    monkeypatch.setattr("benchmarks.fresh.fresh_build", lambda *_: nullcontext("a new build"))
    monkeypatch.setattr("benchmarks.fresh._audited", lambda *_: True)
    harness, told = KnownHarness(), []
    opponents = {name: Opponent(Contestant(None, rival=name), AGAINST_PEER) for name in ("numpy", "torch")}
    fresh = against(harness, Contestant(None, rival="mine"), opponents, 3, told.append)
    assert told == [1, 2, 3]
    assert len(set(harness.seeds)) == 3
    assert harness.pairs == 3 * [("mine", "numpy", AGAINST_PEER), ("mine", "torch", AGAINST_PEER)]
    assert {name: len(launches) for name, launches in fresh.samples.items()} == {"numpy": 3}


# ---- what stands behind the rivals


def test_a_library_tells_its_package_and_not_its_place(monkeypatch):
    info = {"internal_api": "openblas", "version": "0.3.30", "architecture": "Haswell"}
    places = ["/home/me/lib/numpy.libs/libopenblas.so", "/home/me/torch/lib/libgomp.so", "/usr/lib/libopenblas.so"]
    monkeypatch.setattr("threadpoolctl.threadpool_info", lambda: [{**info, "filepath": place} for place in places])
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    found = rivals.loaded()
    assert [library.package for library in found] == ["numpy", "torch", ""]
    assert {(library.target, library.vector_bytes) for library in found} == {("Haswell", 32)}
    assert "/" not in json.dumps([library.as_dict() for library in found])


def test_torch_tells_its_capability(monkeypatch):
    cpu = SimpleNamespace(get_cpu_capability=lambda: "AVX512")
    monkeypatch.setitem(sys.modules, "torch", SimpleNamespace(backends=SimpleNamespace(cpu=cpu)))
    monkeypatch.setattr("threadpoolctl.threadpool_info", list)
    [library] = rivals.loaded()
    assert (library.package, library.target, library.vector_bytes) == ("torch", "AVX512", 64)


def test_an_unknown_target_has_an_unknown_width(monkeypatch):
    info = {"internal_api": "openblas", "version": None, "architecture": "Zen9", "filepath": "x"}
    monkeypatch.setattr("threadpoolctl.threadpool_info", lambda: [info])
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    [library] = rivals.loaded()
    assert (library.version, library.vector_bytes) == ("", None)


def test_versions_of_what_is_installed():
    assert rivals.versions()["numpy"] == np.__version__


# ---- the suites themselves


@pytest.fixture(scope="module")
def measured(tmp_path_factory, alone):
    """The JSON of both suites on a small problem, beside a champion whose space has changed since its run."""
    folder = tmp_path_factory.mktemp("suites")
    outdated, guest, refused = _plain(size=(8,)), _guest("cafe"), _guest("beef")
    outdated["schedule"]["lanes"] = refused["schedule"]["lanes"] = 3
    guest["schedule"]["unroll"] = 4
    bound = {"limit": "bandwidth (L1, triad)", "time_s": 1e-8}
    champions = [_plain(run="triad-1", bound=bound), outdated, guest, refused]
    (folder / "champions.json").write_text(json.dumps(champions))
    (folder / "machine.json").write_text(json.dumps({"aa": {"trials": 3}}))
    command = [
        *(sys.executable, "-m", "pytest", str(SUITES), "--benchmark-only", "--quick", "--kernels=triad"),
        *(f"--champions={folder / 'champions.json'}", f"--machine={folder / 'machine.json'}"),
        f"--sources={folder / 'sources'}",
        *(f"--benchmark-json={folder / 'measured.json'}", f"--benchmark-storage=file://{folder / 'storage'}"),
    ]
    done = subprocess.run(command, check=False, capture_output=True, text=True, cwd=SUITES.parents[1])
    assert done.returncode == 0, done.stdout
    return SimpleNamespace(said=done.stdout, **json.loads((folder / "measured.json").read_text()))


def _contestants(measured, problem):
    infos = [one["extra_info"] for one in measured.benchmarks if one["group"] == problem]
    return {info["contestant"]: info for info in infos}


def test_every_contestant_is_timed(measured):
    installed = {"baseline", "numpy", "scipy", "default", "champion", "champion of cafe"}
    assert set(_contestants(measured, "triad-float32-4096")) - {"torch"} == installed
    assert all(one["stats"]["min"] > 0 for one in measured.benchmarks)


def test_only_the_leader_is_compared_and_with_all_others(measured):
    found = _contestants(measured, "triad-float32-4096")
    assert [name for name, info in found.items() if "speedups" in info] == ["champion"]
    leader = found["champion"]
    assert set(leader["speedups"]) == set(found) - {"champion"}
    assert all(speedup["estimate"] > 0 for speedup in leader["speedups"].values())
    fraction = leader["bound_fraction_interval"]
    assert leader["bound_fraction"] == fraction["estimate"]
    assert fraction["low"] < fraction["estimate"] < fraction["high"]
    assert fraction["estimate"] == pytest.approx(1e-8 / leader["time_s"], rel=0.5)
    assert leader["run"] == "triad-1"


def test_samples_and_conditions_are_kept_for_each_opponent(measured):
    leader = _contestants(measured, "triad-float32-4096")["champion"]
    assert set(leader["samples"]) == set(leader["conditions"]) == set(leader["speedups"])
    counts = {name: [len(launch["leader_s"]) for launch in launches] for name, launches in leader["samples"].items()}
    assert counts == leader["rounds"]
    assert all(seen["steal_share"] >= 0 for seen in leader["conditions"].values())


def test_a_schedule_that_is_no_longer_legal_is_left_out_and_said(measured):
    assert "champion" not in _contestants(measured, "triad-float32-8")
    assert "lanes=3 is not one of" in measured.said


def test_who_was_left_out_is_listed(measured):
    illegal = [one for one in measured.evolve["left_out"] if one["kind"] == "illegal"]
    [outdated, refused] = sorted(illegal, key=lambda one: one["contestant"])
    assert (outdated["contestant"], outdated["size"], outdated["home"]) == ("champion", [8], {})
    assert (refused["contestant"], refused["home"]["machine"]) == ("champion of beef", "beef")
    assert "lanes=3 is not one of" in refused["reason"]


def test_the_file_says_whose_it_is_and_in_which_manner(measured):
    assert {name: measured.evolve[name] for name in ("schema", "policy", "is_quick")} == {
        "schema": SCHEMA,
        "policy": "hot",
        "is_quick": True,
    }
    assert measured.machine_info["aa"] == {"trials": 3}


@pytest.mark.parametrize("manner", ["--group-by=fullname", "--between=median"])
def test_pytest_benchmark_compares_the_files_of_two_machines(measured, tmp_path, manner):
    plain = {name: value for name, value in vars(measured).items() if name != "said"}
    for machine in ("aaaa", "bbbb"):
        info = {**plain["machine_info"], "node": machine}
        (tmp_path / f"{machine}.json").write_text(json.dumps({**plain, "machine_info": info}))
    command = [sys.executable, "-m", "pytest_benchmark", "compare", "aaaa.json", "bbbb.json", manner]
    done = subprocess.run(command, check=False, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "bench_kernel[triad-float32-4096-champion]" in done.stdout


def test_start_up_is_timed(measured):
    commands = [one["extra_info"]["command"] for one in measured.benchmarks if one["group"] == "start-up"]
    assert commands == list(COMMANDS)


def test_the_door_is_timed(measured):
    (one,) = [one for one in measured.benchmarks if one["group"] == "door"]
    assert one["extra_info"]["door"] == "triad"
    assert one["stats"]["iterations"] > 1


def test_the_machine_is_told_by_its_fingerprint_and_no_name(measured):
    info = measured.machine_info
    assert info["node"] == info["fingerprint"]["machine_id"] == fingerprint().machine_id
    assert not [name for name in info["cpu"] if name.startswith("hz")]
    assert socket.gethostname() not in json.dumps(info).split('"')
    assert measured.rivals["versions"]["numpy"] == np.__version__
    assert {"package", "name", "version", "target", "vector_bytes"} == set(measured.rivals["libraries"][0])
