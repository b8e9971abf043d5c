"""The demonstration, over loops that measure nothing."""

import re
from pathlib import Path

import pytest
from planted_laps import batching, plant_loop

from evolve.controls.kept import Rates, Row, Share

SEARCHED = [0.0, 4.4, 4.5, 4.52, 4.52]


@pytest.fixture
def looked(monkeypatch, tmp_path):
    """Stands for ``evolve.controls.rates.first_look``: machines that it was asked about."""
    monkeypatch.setenv("EVOLVE_CACHE", str(tmp_path / "cache"))
    machines = []

    def first_look(machine, say):
        say("planting nothing")
        machines.append(machine)
        return rates_of(machine)

    monkeypatch.setattr("evolve.controls.rates.first_look", first_look)
    return machines


def rates_of(machine):
    """None of 20 capped or compounding worlds was called what it is not; 19 of 20 were called what they are."""
    right, wrong, rest = Share(19, 20, 0.75, 0.99), Share(0, 20, 0.0, 0.17), Share(1, 20, 0.0, 0.25)
    rows = [
        Row(
            "capped",
            "laps that end",
            {"CAPPED": right, "COMPOUNDING": wrong, "UNDECIDED": rest},
            ("COMPOUNDING",),
            "CAPPED",
        ),
        Row(
            "grows",
            "laps that grow",
            {"CAPPED": wrong, "COMPOUNDING": right, "UNDECIDED": rest},
            ("CAPPED",),
            "COMPOUNDING",
        ),
    ]
    return Rates(machine, "2026-01-01T00:00:00+00:00", 20, 8, rows)


@pytest.fixture
def begun(monkeypatch, plant, looked, started):
    """Stands for ``evolve.loops.drive.start``: plants laps; remembers what it was asked for."""
    asked = []

    def start(store, spec, observer, admission):
        asked.append(spec)
        observer.says("measuring nothing")
        if spec.kind == "batching":
            return plant_loop(store, batching(14))
        champion = {"details": {"run": plant(store).id}}
        return plant_loop(store, SEARCHED, cap=100.0, kind="kernels", has_engine=False, lap_1=champion)

    monkeypatch.setattr("evolve.loops.drive.start", start)
    return asked


def test_demo_explains_each_step_and_ends_with_the_whole_argument(evolve, begun, started, known_machine):
    code, out, err = evolve("demo", "--budget", "3s")
    assert code == 0, err
    assert [line[:2] for line in out.splitlines() if re.match(r"\d\. ", line)] == [f"{step}." for step in range(1, 8)]
    said = " ".join(out.split())
    for what in ("59.0 GFLOP/s", "evolves for 3s", "vs numpy", "COMPOUNDING in laps 4 to", "kernels CAPPED since"):
        assert what in said
    assert started.asked.size == (500, 500, 500)
    assert [spec.kind for spec in begun] == ["kernels", "batching"]
    assert {spec.machine for spec in begun} == {known_machine.machine_id}
    last = err.splitlines()[-1]
    assert re.match(r"next: evolve loop show batching-\w+  or  evolve export matmul-\w+ -o matmul.py", last)


def test_the_demo_leaves_a_page_of_the_run_and_one_of_both_loops(evolve, begun, known_machine):
    out = evolve("demo")[1]
    run, loops = (Path(line).read_text() for line in out.splitlines() if line.endswith(".html"))
    assert 'data-for="curve"' in run
    assert [spec.kind for spec in begun] == ["kernels", "batching"]
    assert len(re.findall(r'data-for="kernels-\w+-(?:laps|steps|front)"', loops)) == 3
    assert len(re.findall(r'data-for="batching-\w+-(?:laps|steps|front)"', loops)) == 3
    assert re.search(r'data-for="matmul-\w+-curve"', loops)


def test_error_rates_are_measured_once_and_stand_on_the_screen(evolve, begun, looked, known_machine):
    first, second = (" ".join(evolve("demo")[1].split()) for _ in range(2))
    assert len(looked) == 1
    assert len(begun) == 4
    for said in (first, second):
        assert rates_of("any").sentence() in said


def test_a_budget_that_means_nothing_stops_the_demo_before_anything_is_measured(evolve, begun):
    code, _, err = evolve("demo", "--budget", "nothing")
    assert code == 2
    assert "write 90s, 5m" in err
    assert not begun
