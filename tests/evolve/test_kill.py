"""``kill -9`` at any moment loses at most the evaluation under way."""

import os
import signal
import subprocess
import sys
import time

import numpy as np

from evolve.store import open_store
from evolve.tracker.status import status

EVALUATIONS = 16
BRIEFLY = """
from functools import partial
from benchmarks import peaks
from evolve import gate, publish
from evolve.cli.main import main

peaks.PASSES, gate.TRIALS = 2, 8
publish.Terms = partial(publish.Terms, rings=1, builds=2)
publish._fresh = partial(publish._fresh, launches=2)
main()
"""
"""The command line; what is measured before the search and after it is measured a few times only."""


def start(*arguments, store):
    return subprocess.Popen(
        [sys.executable, "-c", BRIEFLY, *arguments, "--store", str(store)],
        env={**os.environ, "EVOLVE_STORE": str(store)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )


def outcomes(store):
    with open_store(str(store)) as opened:
        runs = opened.runs()
        return {i.evaluation.number: i.record for i in opened.individuals(runs[0].id) if i.is_paid} if runs else {}


def wait_for(process, store, count):
    while process.poll() is None and len(outcomes(store)) < count:
        time.sleep(0.02)


def test_a_run_killed_at_random_moments_is_resumed_without_loss(real_store):
    rng = np.random.default_rng()
    run = ("run", "matmul", "--size", "64", "--budget", f"{EVALUATIONS}evals", "--seed", "5", "--anyway", "-q")
    process, known = start(*run, store=real_store), {}
    for kill in range(2):
        wait_for(process, real_store, 1 + 8 * kill)
        time.sleep(rng.uniform(0, 0.5))
        process.send_signal(signal.SIGKILL)
        process.wait()
        after = outcomes(real_store)
        assert known.items() <= after.items(), "what was stored before is still there, unchanged"
        known = after
        process = start("resume", "latest", "--anyway", "-q", store=real_store)
    _, errors = process.communicate(timeout=400)
    assert process.returncode == 0, errors.decode()
    done = outcomes(real_store)
    assert known.items() <= done.items()
    assert len(done) == EVALUATIONS
    with open_store(str(real_store)) as opened:
        (only,) = opened.runs()
        assert status(opened.events(only.id)) == "finished"
        assert opened.publication(only.id) is not None
        numbers = [i.evaluation.number for i in opened.individuals(only.id)]
    assert numbers == list(range(1, len(numbers) + 1))


def test_ctrl_c_saves_says_how_to_go_on_and_exits_130(real_store):
    process = start("run", "matmul", "--size", "64", "--budget", "10m", "--anyway", store=real_store)
    wait_for(process, real_store, 3)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "evolve resume" in errors.decode()
    assert "Traceback" not in errors.decode()
    assert len(outcomes(real_store)) >= 3
