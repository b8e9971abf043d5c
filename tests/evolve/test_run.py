"""The loop with a harness of known answers: no clock, no compiler, exact resumption."""

import dataclasses
import hashlib
import math
from types import SimpleNamespace

import pytest

from benchmarks.bound import Bound
from benchmarks.contestant import Contestant, Task
from benchmarks.fresh import Fresh
from benchmarks.exchange import ContestantFailedError
from benchmarks.harness import Built, Incumbent, Plan
from benchmarks.outcome import Crashed, Measured, Samples
from evolve import publish as publishing
from evolve.errors import EvolveError, Interrupted
from evolve.progress import StopRequest
from evolve.run import search
from evolve.session import Session, Surroundings
from evolve.store import Machine, RunSpec, open_store
from kernels.language import Handle, Schedule

TASK = Task("triad", (1000,), "float64")
BASELINE_S = 1.0


class KnownHarness:
    """Times are a function of the schedule; ``stop_after`` evaluations the user presses Ctrl-C."""

    def __init__(self, stop=None, stop_after=None):
        self.task, self.cpus, self.baseline = TASK, [0, 1], Contestant(Handle("baseline", "0"))
        self.stop, self.stop_after, self.measured = stop, stop_after, []

    def time_s(self, schedule):
        digest = hashlib.sha256(str(Schedule(schedule)).encode()).digest()
        return BASELINE_S / (1 + digest[0] / 64)

    def plan(self, schedule):
        # only some genes reach the source, so that duplicates come up
        key = str([schedule[name] for name in list(schedule)[:4]])
        return Plan(schedule, Contestant(Handle("triad", key), (), schedule), key, key)

    def build(self, plans):
        return [Built(plan) for plan in reversed(plans)]

    def first_incumbent(self):
        return Incumbent(self.baseline, BASELINE_S)

    def measure(self, built, incumbent):
        self.measured.append(str(built.plan.schedule))
        if len(self.measured) == self.stop_after:
            self.stop.is_set = True
        if built.plan.key.endswith("8]"):
            return Crashed("died of SIGSEGV")
        time_s = self.time_s(built.plan.schedule)
        ratio = math.log(incumbent.time_s / time_s)
        return Measured(
            time_s=time_s, log_ratio=ratio, low=ratio - 0.01, high=ratio + 0.01, samples=Samples((time_s,), (1.0,), 1)
        )

    def pair(self, candidate, incumbent, _rules):
        return Samples((self.time_s(candidate.schedule),) * 6, (BASELINE_S,) * 6, 1)


def spec(**changes):
    given = {
        "kernel": "triad", "size": (1000,), "dtype": "float64", "threads": 1, "strategy": "genetic", "seed": 3,
        "control_share": 0.15, "budget": "60evals", "batch_size": 8, "machine": "m", **changes,
    }  # fmt: skip
    return RunSpec(**given)


@pytest.fixture
def store(tmp_path):
    with open_store(str(tmp_path / "runs.db")) as opened:
        opened.add_machine(Machine("m", {}))
        yield opened


def session(store, run, harness, stop=None):
    around = Surroundings(store, harness, Bound("made up", 0.1), lambda _progress: None, stop or StopRequest())
    return Session(run, around)


def asked(store, run):
    return [(i.evaluation.arm, i.evaluation.operator, i.evaluation.schedule) for i in store.individuals(run.id)]


def test_a_run_ends_with_its_budget_and_keeps_every_outcome(store):
    run = store.create_run(spec())
    made = session(store, run, KnownHarness())
    search(made)
    individuals = store.individuals(run.id)
    assert sum(i.is_paid for i in individuals) == 60
    assert all(i.record for i in individuals if i.evaluation.duplicate_of is None and i.is_paid)
    assert made.title.individual.record.outcome.time_s == min(
        i.record.outcome.time_s for i in individuals if i.record and i.record.outcome.is_measured
    )


def test_no_source_is_measured_twice(store):
    run = store.create_run(spec())
    harness = KnownHarness()
    search(session(store, run, harness))
    keys = [i.evaluation.source_key for i in store.individuals(run.id) if i.is_paid]
    assert len(keys) == len(set(keys))
    assert any(i.evaluation.duplicate_of for i in store.individuals(run.id))


@pytest.mark.parametrize("strategy", ["genetic", "random", "local"])
@pytest.mark.parametrize("stop_after", [1, 7, 8, 29])
def test_an_interrupted_run_goes_on_exactly(store, strategy, stop_after):
    whole = store.create_run(spec(strategy=strategy))
    search(session(store, whole, KnownHarness()))

    broken = store.create_run(spec(strategy=strategy))
    stop = StopRequest()
    with pytest.raises(Interrupted):
        search(session(store, broken, KnownHarness(stop, stop_after), stop))
    search(session(store, broken, KnownHarness()))

    assert asked(store, broken) == asked(store, whole)
    fitness = [[i.fitness for i in store.individuals(run.id)] for run in (broken, whole)]
    assert fitness[0] == fitness[1]


def test_where_the_time_went_is_kept_when_a_run_ends_within_a_batch(store):
    run = store.create_run(spec())
    stop = StopRequest()
    made = session(store, run, KnownHarness(stop, 29), stop)
    with pytest.raises(Interrupted):
        search(made)
    assert store.phases(run.id) == pytest.approx(made.phases.totals(), abs=0.2)
    assert store.phases(run.id)["build"] > 0


def test_a_run_of_another_search_is_refused_not_continued_differently(store):
    run = store.create_run(spec())
    stop = StopRequest()
    with pytest.raises(Interrupted):
        search(session(store, run, KnownHarness(stop, 20), stop))
    with pytest.raises(EvolveError, match="no longer asks"):
        search(session(store, dataclasses.replace(run, seed=4), KnownHarness()))


def test_the_fitness_of_an_incumbent_is_measured_against_the_baseline_not_a_product(store):
    run = store.create_run(spec())
    made = session(store, run, KnownHarness())
    search(made)
    checkpoints = store.checkpoints(run.id)
    assert checkpoints
    for checkpoint in checkpoints:
        schedule = store.individuals(run.id)[checkpoint.evaluation - 1].evaluation.schedule
        assert checkpoint.speedup.estimate == pytest.approx(BASELINE_S / KnownHarness().time_s(schedule))


def test_progress_says_how_things_stand(store):
    seen = []
    run = store.create_run(spec())
    around = Surroundings(store, KnownHarness(), Bound("made up", 0.1), seen.append, StopRequest())
    search(Session(run, around))
    fractions = [progress.fraction for progress in seen]
    assert fractions == sorted(fractions)
    assert seen[-1].evaluations >= 59
    assert seen[-1].counts["Measured"] > seen[-1].counts["Crashed"] > 0
    assert max(seen[-1].history) == seen[-1].history[-1]


def test_a_champion_that_fails_when_measured_afresh_gives_way_to_the_next(store, monkeypatch):
    run, tried = store.create_run(spec()), []
    made = session(store, run, KnownHarness())
    search(made)

    def fails_at_first(_session, contestant):
        tried.append(contestant)
        if len(tried) == 1:
            raise ContestantFailedError("Crashed: died of SIGSEGV")
        return Fresh({publishing.PLAIN: [Samples((0.5,) * 6, (1.0,) * 6, 1)] * 5})

    monkeypatch.setattr(publishing, "_fresh", fails_at_first)
    publishing.publish(made)
    assert len(tried) == 2
    published = store.publication(run.id)
    assert published.evaluation != made.title.individual.evaluation.number
    assert published.speedup.estimate == pytest.approx(2)


def test_an_exhausted_space_ends_the_run(store, monkeypatch):
    run = store.create_run(spec(budget="100000evals"))
    made = session(store, run, KnownHarness())
    monkeypatch.setattr(made, "strategy", SimpleNamespace(ask=lambda _n: [], tell=lambda _results: None))
    search(made)
    assert store.individuals(run.id) == []
