"""A tour of the whole system, in the order in which a genome passes its rooms. Read it first."""

import functools
import json
import subprocess
import sys

import numpy as np
import pytest

import kernels
from benchmarks.contestant import Task
from benchmarks.harness import Harness, speedup
from benchmarks.outcome import Measured
from benchmarks.race import Rules
from evolve import search
from evolve.budget import Budget
from evolve.paths import source_folder
from evolve.publish import publish_briefly
from evolve.report import export, html
from evolve.run import Admission, Request, start
from evolve.search.protocol import Result
from evolve.store import open_store
from evolve.tracker import summary
from kernels.language import specialise


def test_a_kernel_is_an_algorithm_and_a_space_of_schedules():
    matmul = kernels.get("matmul")
    assert matmul.space.size > 10**9
    rng = np.random.default_rng(1)
    inputs = matmul.problem((3, 4, 5), "float64", rng)
    assert matmul.reference(*inputs).shape == matmul.out_shape((3, 4, 5)) == (3, 4)
    assert matmul.work((3, 4, 5), "float64").flop == 2 * 3 * 4 * 5


def test_a_strategy_asks_and_is_told_and_never_sees_a_clock():
    space = kernels.get("matmul").space
    strategy = search.make("genetic", space, np.random.default_rng(1))
    proposals = strategy.ask(8)
    assert all(space.is_legal(proposal.schedule) is None for proposal in proposals)
    strategy.tell([Result(proposal.schedule, fitness=1.0) for proposal in proposals])
    assert not {p.schedule for p in strategy.ask(8) if p.operator != "control"} & {p.schedule for p in proposals}


def test_a_schedule_becomes_plain_numba_source():
    matmul = kernels.get("matmul")
    schedule = matmul.space.schedule(mr=3, nv=2, lanes=4)
    source = specialise(matmul.template(schedule), schedule, "float64")
    micro = source.pointers[0]
    assert "p.mr" not in micro.text
    assert "tile_zeros(float64(0), 3, 2, 4)" in micro.text


def test_the_harness_builds_proves_and_races(alone):
    task = Task("matmul", (64, 64, 64), "float64")
    with Harness(task, source_folder()) as harness:
        (built,) = harness.build([harness.plan(task.definition.space.default)])
        outcome = harness.measure(built, harness.first_incumbent())
        assert isinstance(outcome, Measured), outcome.reason
        assert outcome.max_error <= 1
        assert outcome.low > 0, "even the default schedule beats the plain loop"
        again = harness.pair(built.plan.contestant, harness.baseline, Rules(may_drop=False, most_rounds=8))
        assert speedup(again).low > 1


@pytest.fixture(scope="module")
def run(measured_machine):
    """A short real run, its store, and what its observer saw."""
    seen = []
    with open_store(str(measured_machine)) as store:
        request = Request("matmul", (64, 64, 64), "float64", 1, Budget.parse("16evals"), seed=1)
        ending = functools.partial(publish_briefly, launches=3)
        yield start(store, request, seen.append, Admission(anyway=True), ending), store, seen


def test_a_run_evolves_a_kernel_and_publishes_its_champion(run):
    made, store, seen = run
    told = summary(store, made.id)
    assert told["evaluations"] == 16
    assert {progress.stage for progress in seen} >= {"baseline", "search", "publish"}
    champion = told["champion"]
    assert champion["source"] == "published"
    assert champion["speedup"]["low"] > 1
    assert 0 < champion["bound_fraction"] < 1.1
    assert champion["rivals"]["numpy"]["low"] < champion["rivals"]["numpy"]["high"]
    assert told["verdict"]["verdict"] == "UNDECIDED", "one run has no laps"
    assert json.dumps(told)


def test_the_report_is_one_file_that_needs_no_network(run, tmp_path):
    made, store, _ = run
    page = html.write(store, made.id, tmp_path / "report.html").read_text()
    assert made.id in page
    assert 'src="http' not in page


def test_the_champion_leaves_as_one_file_that_proves_itself(run, tmp_path):
    made, store, _ = run
    file = tmp_path / "champion.py"
    file.write_text(export.standalone(store, made.id))
    checked = subprocess.run([sys.executable, file], capture_output=True, text=True, cwd=tmp_path, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr
