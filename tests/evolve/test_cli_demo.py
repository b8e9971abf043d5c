"""The demonstration, over loops that measure nothing."""

import re
from pathlib import Path

import pytest
from planted_laps import batching, plant_loop

SEARCHED = [0.0, 4.4, 4.5, 4.52, 4.52]


@pytest.fixture
def begun(monkeypatch, plant):
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


def test_demo_explains_each_step_and_ends_with_the_whole_argument(evolve, begun, known_machine):
    code, out, err = evolve("demo", "--budget", "3s")
    assert code == 0, err
    assert [line[:2] for line in out.splitlines() if re.match(r"\d\. ", line)] == [f"{step}." for step in range(1, 7)]
    said = " ".join(out.split())
    for what in (
        "59.0 GFLOP/s",
        "evolves for 3s a lap",
        "vs numpy",
        "COMPOUNDING in laps 4 to",
        "kernels CAPPED since",
    ):
        assert what in said
    assert [spec.kind for spec in begun] == ["kernels", "batching"]
    assert {spec.machine for spec in begun} == {known_machine.machine_id}
    assert begun[0].options["size"] == "512x512x512"
    assert begun[0].options["budget"] == "3s"
    assert re.match(
        r"next: evolve loop show batching-\w+  or  evolve export matmul-\w+ -o matmul.py", err.splitlines()[-1]
    )


def test_the_page_of_the_demo_holds_both_loops_and_the_champions_curve(evolve, begun, known_machine):
    out = evolve("demo")[1]
    path = next(Path(line) for line in out.splitlines() if line.endswith(".html"))
    page = path.read_text()
    assert [spec.kind for spec in begun] == ["kernels", "batching"]
    assert len(re.findall(r'data-for="kernels-\w+-(?:laps|steps|front)"', page)) == 3
    assert len(re.findall(r'data-for="batching-\w+-(?:laps|steps|front)"', page)) == 3
    assert re.search(r'data-for="matmul-\w+-curve"', page)


def test_a_budget_that_means_nothing_stops_the_demo_before_anything_is_measured(evolve, begun):
    code, _, err = evolve("demo", "--budget", "nothing")
    assert code == 2
    assert "write 90s, 5m" in err
    assert not begun
