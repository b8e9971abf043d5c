"""``evolve verdict``: of a loop, of a run, and how often verdicts are wrong, with a noise that was not measured."""

import json
import os
import re

import numpy as np
import planted_laps
import pytest

from evolve.controls import rates, searches
from evolve.controls.noise import Recorded
from evolve.controls.stops import Stops
from evolve.store import open_store
from evolve.tracker.rule import LapVerdict

SHARES = {"count", "of", "estimate", "low", "high", "level"}


@pytest.fixture
def loop(url):
    """Batching, well past its bend."""
    with open_store(url) as store:
        return planted_laps.plant_loop(store, planted_laps.batching(14)).id


@pytest.fixture
def few(monkeypatch, tmp_path):
    """The error rates of few worlds, in this process, on a machine that is quiet; nothing is measured."""
    rng = np.random.default_rng(0)
    noise = Recorded("a1b2c3d4e5f6", "t", rng.normal(0, 0.005, (3, 40)).tolist(), rng.normal(0, 0.005, 20).tolist())
    measured = rates.measure
    monkeypatch.setenv("EVOLVE_CACHE", str(tmp_path / "cache"))
    # the stop rule costs a second a run, and has tests of its own
    monkeypatch.setattr(rates, "counted", lambda _ground, numbers: Stops(len(numbers), 0, 0, 0.0))
    monkeypatch.setattr(searches, "EVALUATIONS", searches.BATCH)  # rates of real searches have tests of their own, too
    monkeypatch.setattr("evolve.controls.noise.record", lambda _machine, _say: noise)
    monkeypatch.setattr(rates, "measure", lambda recorded, worlds, say: measured(recorded, 2, say, processes=1))


# ---- of a loop, or a run


def test_a_loop_has_a_verdict(evolve, loop):
    code, out, err = evolve("verdict", loop)
    assert code == 0
    assert "CAPPED" in out
    assert "rho" in out
    assert err.splitlines()[-1] == f"next: evolve loop show {loop}  or  evolve verdict --controls"


def test_the_latest_loop_is_meant_unless_one_is_named(evolve, loop):
    _, named, _ = evolve("verdict", loop, "--json")
    code, told, _ = evolve("verdict", "--json")
    assert code == 0
    assert json.loads(told)["loop"] == json.loads(named)["loop"] == loop
    assert json.loads(told)["verdict"]["verdict"] == "CAPPED"


def test_a_run_has_one_too(evolve, planted):
    code, out, err = evolve("verdict", planted.id)
    assert code == 0
    assert out.splitlines()[0] == f"run      {planted.id}"
    assert re.search(r"^verdict  \w", out, re.MULTILINE)
    assert "next: evolve show" in err


@pytest.mark.parametrize("key", [(), ("nonsense",)])
def test_what_is_not_there_is_a_usage_error(evolve, url, key):
    open_store(url).close()
    code, out, err = evolve("verdict", *key)
    assert (code, out) == (2, "")
    assert "evolve loop" in err


def test_the_error_rates_stand_beside_the_verdict(evolve, loop, few):
    assert "evolve verdict --controls" in evolve("verdict", loop)[1]
    assert evolve("verdict", "--controls")[0] == 0
    assert "falsely CAPPED in at most" in " ".join(evolve("verdict", loop)[1].split())


# ---- the error rates


def test_the_rates_of_every_kind_have_intervals(evolve, few):
    _, out, _ = evolve("verdict", "--controls", "--worlds", "10", "--json")
    told = json.loads(out)
    assert told["schema"] == 1
    for world in told["worlds"].values():
        assert {"worlds", "CAPPED", "COMPOUNDING", "UNDECIDED"} <= set(world)
        assert set(world["CAPPED"]) == SHARES
        assert world["worlds"] == 2


def test_the_table_names_every_world(evolve, few):
    code, out, err = evolve("verdict", "--controls")
    assert code == 0, err
    for what in ("exponential, rho 1", "A/A: all schedules alike", "placebo", "shuffled fitness", "no selection"):
        assert what in out
    assert "all UNDECIDED, as they must be" in out
    assert max(map(len, out.splitlines())) <= 80
    assert re.search(r"planted worlds, \d+% judged, \d+s left", err)
    assert err.splitlines()[-1] == "next: evolve loop batching  or  evolve verdict"


def test_a_rule_that_errs_ends_in_exit_code_3(evolve, few, monkeypatch):
    monkeypatch.setattr(rates, "decide", lambda _series: LapVerdict("COMPOUNDING", ("always",)))
    code, out, err = evolve("verdict", "--controls")
    assert code == 3
    assert "NO" in out
    assert "a verdict was given on no laps at all" in out
    assert "aa" in err.splitlines()[-1]


def test_results_are_a_part_of_their_file(evolve, few, tmp_path):
    results = tmp_path / "RESULTS.md"
    results.write_text("# Results\n\nof others\n")
    for _ in range(2):
        assert evolve("verdict", "--controls", "--results", str(results), "--quiet")[0] == 0
    text = results.read_text()
    assert text.startswith("# Results\n\nof others\n")
    assert text.count("# How often the verdict is wrong") == 1
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    assert len({row.count("|") for row in rows if "exponential" in row or "rho 1 " in row}) <= 2
    assert any("laps of two machines" in row and row.endswith("| yes |") for row in rows)


@pytest.mark.parametrize(
    "arguments",
    [
        ("--controls", "a-loop"),
        ("--results", "there.md"),
        ("--loops", "3"),
        ("--controls", "--results", "/nowhere/at/all.md"),
        ("--controls", "--worlds", "3"),
    ],
)
def test_options_that_make_no_sense_are_refused_at_once(evolve, few, arguments):
    code, out, err = evolve("verdict", *arguments)
    assert (code, out) == (2, "")
    assert len(err.splitlines()) == 1


def test_a_machine_that_measures_already_is_not_disturbed(evolve, few):
    from evolve.lock import MeasuringLock

    with MeasuringLock("another"):
        code, _, err = evolve("verdict", "--controls")
    assert code == 1
    assert f"pid {os.getpid()}" in err
