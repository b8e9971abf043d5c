"""The loop with a harness of known answers: no clock, no compiler, exact resumption."""

import dataclasses
import math
from collections import Counter
from types import SimpleNamespace

import pytest
from known import BASELINE_S, KnownHarness, KnownSurvey, OddHarness, limits

from benchmarks.bound import Bound
from benchmarks.exchange import ContestantFailedError
from benchmarks.fresh import Fresh
from benchmarks.outcome import Impossible, Noisy, Samples
from benchmarks.promote import Decision, Promotion
from benchmarks.race import Rules
from evolve import publish as publishing
from evolve.budget import Budget
from evolve.champion import title_of
from evolve.errors import EvolveError, Interrupted, NoisyMachineError, UsageError
from evolve.gate import NOISY, Gate
from evolve.progress import StopRequest
from evolve.racing import SPACE, raced_by, rules_for, rules_of
from evolve.run import Admission, Request, resume, search, start
from evolve.search.protocol import PATIENCE, Proposal
from evolve.session import LONG_RUN, MOST_AT_ONCE, MOST_DOUBTS, Session, Surroundings
from evolve.store import Machine, RunSpec
from evolve.tracker.status import status
from evolve.tracker.summary import summary
from kernels.language import Schedule


def spec(**changes):
    given = {
        "kernel": "triad", "size": (1000,), "dtype": "float64", "threads": 1, "strategy": "genetic", "seed": 3,
        "control_share": 0.15, "budget": "60evals", "batch_size": 8, "machine": "m", **changes,
    }  # fmt: skip
    return RunSpec(**given)


@pytest.fixture
def store(store):
    store.add_machine(Machine("m", {}))
    return store


def session(store, run, harness, stop=None, survey=None):
    bound = survey.bounds.efficiency if survey else Bound("made up", 0.1)
    return Session(run, Surroundings(store, harness, bound, lambda _progress: None, stop or StopRequest(), survey))


def asked(store, run):
    return [(i.evaluation.arm, i.evaluation.operator, i.evaluation.schedule) for i in store.individuals(run.id)]


def test_a_run_ends_with_its_budget_and_keeps_every_outcome(store):
    run = store.create_run(spec())
    made = session(store, run, KnownHarness())
    search(made)
    individuals = store.individuals(run.id)
    assert sum(i.is_paid for i in individuals) == 60
    assert all(i.record for i in individuals if i.evaluation.duplicate_of is None and i.is_paid)
    fastest_s = min(i.record.outcome.time_s for i in individuals if i.record and i.record.outcome.is_measured)
    assert made.title.individual.record.outcome.time_s <= 1.0101 * fastest_s, "what is within its interval wins nothing"


def test_no_source_is_measured_twice(store):
    run = store.create_run(spec())
    harness = KnownHarness()
    search(session(store, run, harness))
    keys = [i.evaluation.source_key for i in store.individuals(run.id) if i.is_paid]
    assert len(keys) == len(set(keys))
    assert any(i.evaluation.duplicate_of for i in store.individuals(run.id))


@pytest.mark.parametrize("strategy", ["genetic", "random", "local"])
def test_an_interrupted_run_goes_on_exactly(store, strategy):
    whole = store.create_run(spec(strategy=strategy))
    search(session(store, whole, KnownHarness()))

    broken = store.create_run(spec(strategy=strategy))
    for stop_after in (1, 7, 8, 29):
        stop = StopRequest()
        with pytest.raises(Interrupted):
            search(session(store, broken, KnownHarness(stop, stop_after), stop))
    search(session(store, broken, KnownHarness()))

    assert asked(store, broken) == asked(store, whole)
    fitness = [[i.fitness for i in store.individuals(run.id)] for run in (broken, whole)]
    assert fitness[0] == fitness[1]


def test_a_long_run_asks_for_more_at_once_and_goes_on_exactly(store):
    whole = store.create_run(spec(strategy="random", budget="400evals"))
    search(session(store, whole, KnownHarness()))
    sizes = list(Counter(i.evaluation.batch for i in store.individuals(whole.id)).values())
    assert max(sizes[:LONG_RUN]) == 8
    assert {9, 16, MOST_AT_ONCE} <= set(sizes)
    assert max(sizes) == MOST_AT_ONCE

    # of so small a space some 190 sources are left to measure, the last 50 of them in larger batches
    broken, stop = store.create_run(spec(strategy="random", budget="400evals")), StopRequest()
    with pytest.raises(Interrupted):
        search(session(store, broken, KnownHarness(stop, 160), stop))
    search(session(store, broken, KnownHarness()))
    assert asked(store, broken) == asked(store, whole)


def test_where_the_time_went_is_kept_when_a_run_ends_within_a_batch(store):
    run = store.create_run(spec())
    stop = StopRequest()
    made = session(store, run, KnownHarness(stop, 29), stop)
    with pytest.raises(Interrupted):
        search(made)
    assert store.phases(run.id) == pytest.approx(made.phases.totals(), abs=0.2)
    assert store.phases(run.id)["build"] > 0


def test_how_busy_the_cores_were_while_building_is_kept(store):
    class Building(KnownHarness):
        """Each batch takes its build workers 10 s of processor time."""

        def build(self, plans):
            self.children_cpu_s += 10.0
            return super().build(plans)

    run = store.create_run(spec())
    search(session(store, run, Building()))
    found = store.building(run.id)
    assert found["building_cpu"] == pytest.approx(10.0 * len(store.batches(run.id)), abs=5.0)
    assert 0 < found["building"] <= sum(store.phases(run.id).values())


def test_a_schedule_is_specialised_once_whether_it_is_measured_or_not(store):
    planned = Counter()

    class Planning(KnownHarness):
        def plan(self, schedule):
            planned[str(schedule)] += 1
            return super().plan(schedule)

    run = store.create_run(spec())
    search(session(store, run, Planning()))
    holders = {c.evaluation for c in store.checkpoints(run.id)}
    asked = [i.evaluation for i in store.individuals(run.id) if i.evaluation.number not in holders]
    drawn = Counter(str(Schedule(evaluation.schedule)) for evaluation in asked)
    assert len(drawn) > 40
    assert {name: planned[name] for name in drawn} == drawn


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

    def undecided(_session, finalists):
        return Promotion(tuple(Decision("undecided") for _ in finalists), 0.01, 3, 3, {})

    monkeypatch.setattr(publishing, "_promotion", undecided)
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


def test_a_search_that_only_repeats_itself_ends_the_run_and_says_so(store, monkeypatch):
    run = store.create_run(spec(budget="100000evals", control_share=0.0))
    made = session(store, run, KnownHarness())
    default = made.task.definition.space.default
    again = SimpleNamespace(ask=lambda _n: [Proposal(default, "default")], tell=lambda _results: None)
    monkeypatch.setattr(made, "strategy", again)
    search(made)
    assert sum(i.is_paid for i in store.individuals(run.id)) == 1
    assert notes(store, run, "stalled") == [f"the search asked {PATIENCE} times for what it knew"]


# ---- noise, doubt, quarantine


def notes(store, run, kind):
    return [event.detail for event in store.events(run.id) if event.kind == kind]


def test_what_was_noisy_is_measured_once_more_at_the_end_of_its_batch(store):
    run, harness = store.create_run(spec()), OddHarness({"4": Noisy("memory")})
    made = session(store, run, harness)
    search(made)
    assert store.counts(run.id).get("Noisy", 0) == 0
    retried = notes(store, run, "retried")
    assert retried
    assert len(retried) == len(set(retried)) == len(harness.said)
    assert all(detail.endswith(": memory") for detail in retried)
    assert sum(i.is_paid for i in store.individuals(run.id)) == 60
    again = title_of(store.individuals(run.id), store.checkpoints(run.id))
    assert (again.individual.evaluation, again.fitness) == (made.title.individual.evaluation, made.title.fitness)


def test_a_machine_that_stays_noisy_is_not_asked_twice_for_long(store):
    run = store.create_run(spec())
    harness = OddHarness({"4": Noisy("memory", measure_s=1.0)}, times=math.inf)
    search(session(store, run, harness))
    assert store.counts(run.id)["Noisy"] == sum(harness.said.values()) > 0
    assert notes(store, run, "retried") == []
    noisy = [i for i in store.individuals(run.id) if i.record and i.record.outcome.kind == "Noisy"]
    assert {i.fitness for i in noisy} == {None}


@pytest.fixture
def quarantined(monkeypatch):
    """Numbers of the evaluations that were put there."""
    numbers = []
    monkeypatch.setattr("evolve.session.quarantine", lambda _session, asked, _record: numbers.append(asked.number))
    return numbers


def test_what_beats_the_hardware_is_quarantined_and_counts_for_nothing(store, quarantined):
    run = store.create_run(spec())
    made = session(store, run, OddHarness({"4": Impossible("too fast")}, times=math.inf))
    search(made)
    impossible = [i for i in store.individuals(run.id) if i.record and i.record.outcome.kind == "Impossible"]
    assert [i.evaluation.number for i in impossible if i.is_paid] == quarantined != []
    assert {i.fitness for i in impossible} == {None}
    assert made.title.individual not in impossible


def test_a_machine_that_is_faster_than_was_known_redeems_what_seemed_impossible(store, quarantined):
    run, survey = store.create_run(spec()), KnownSurvey(limits(0.1, 0.09), limits(0.05, 0.045))
    harness = OddHarness({"4": Impossible("too fast")})
    made = session(store, run, harness, survey=survey)
    made.keep_bound()
    search(made)
    # only the first was doubted by a sweep that moved the bound; the others found nothing new
    assert len(quarantined) == store.counts(run.id)["Impossible"] == len(harness.said) - 1
    assert survey.asked == MOST_DOUBTS
    assert harness.reject_s == 0.045
    assert made.around.bound.time_s == store.bound(run.id).time_s == 0.05
    assert store.bound(run.id).baseline_s == BASELINE_S


def test_a_time_at_the_edge_of_the_bound_has_the_ceilings_measured_again(store):
    run, survey = store.create_run(spec()), KnownSurvey(limits(0.1, 0.09))
    survey.least_s = 1.0
    made = session(store, run, KnownHarness(), survey=survey)
    made.keep_bound()
    search(made)
    assert survey.asked == len(notes(store, run, "ceilings")) == MOST_DOUBTS
    assert "the bound stands at 0.1 s" in notes(store, run, "ceilings")[0]
    assert made.title.individual is not None, "no microkernel confirmed it, yet within the margin it is no fault"


def test_a_better_sweep_at_the_end_redraws_the_bound_that_is_published(store):
    run, survey = store.create_run(spec()), KnownSurvey(limits(0.1, 0.09), limits(0.08, 0.07), limits(0.08, 0.07))
    made = session(store, run, KnownHarness(), survey=survey)
    made.keep_bound()
    assert made.resurvey("measured again at the end")
    assert not made.resurvey("and again")
    assert (made.around.bound, store.bound(run.id).time_s) == (Bound("made up", 0.08), 0.08)
    assert notes(store, run, "ceilings")[0].startswith("measured again at the end; the bound fell from 0.1 s to 0.08 s")


# ---- from the gate to the end


TRUSTED = Gate("machine can be trusted", 0.01, 0.02)
TOO_NOISY = Gate("machine too noisy to judge, measured all the same", 0.2, 0.5, (NOISY,))
ASKED = Request("triad", (1000,), "float64", 1, Budget.parse("8evals"), 3, policy="flush")


@pytest.fixture
def whole(monkeypatch, tmp_path, store):
    """``start`` and ``resume`` with all that measures replaced; holds what publication was given."""
    made = SimpleNamespace(gate=TRUSTED, tasks=[], published=[])

    def gate(task, _say, *, anyway):
        made.tasks.append(task)
        if NOISY in made.gate.flags and not anyway:
            raise NoisyMachineError("equals differ by 20 %", "measure --anyway")
        return made.gate

    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))  # no other evolve of this machine holds this lock
    monkeypatch.setattr("evolve.run.gate", gate)
    monkeypatch.setattr("evolve.run.Survey", lambda *_: KnownSurvey(limits(0.1, 0.09), limits(0.08, 0.07)))
    monkeypatch.setattr("evolve.run.Harness", lambda *_: KnownHarness())
    monkeypatch.setattr("evolve.run.publish", made.published.append)
    monkeypatch.setattr("evolve.run.known_machine", lambda _store: Machine("m", {}))
    return made


def test_a_run_asks_the_machine_first_and_hands_its_spread_to_publication(store, whole):
    said = []
    run = start(store, ASKED, lambda _progress: None, Admission(on_gate=said.append))
    assert said == notes(store, run, "trusted") == [TRUSTED.line]
    assert {(task.kernel, task.policy) for task in whole.tasks} == {("triad", "flush")}
    assert store.run(run.id).policy == "flush"
    (published,) = whole.published
    assert (published.around.spread, published.around.bound.time_s) == (0.01, 0.08)
    assert status(store.events(run.id)) == "finished"


def test_a_run_races_by_the_policy_that_it_was_given_and_keeps_it(store, whole, monkeypatch):
    policy, given = SPACE.schedule(hopeless_percent=110), []
    monkeypatch.setattr("evolve.run.Harness", lambda *arguments: given.append(arguments[-1]) or KnownHarness())
    runs = [
        start(store, dataclasses.replace(ASKED, options=options), lambda _progress: None)
        for options in ({}, raced_by(policy))
    ]
    assert given == [Rules(), rules_of(policy)]
    assert [rules_for(store.run(run.id)) for run in runs] == given


def test_a_noisy_machine_is_refused_and_leaves_no_run(store, whole):
    whole.gate = TOO_NOISY
    with pytest.raises(NoisyMachineError) as error:
        start(store, ASKED, lambda _progress: None)
    assert error.value.exit_code == 4
    assert store.runs() == []


def test_a_run_on_a_noisy_machine_says_so_for_ever(store, whole):
    whole.gate = TOO_NOISY
    run = start(store, ASKED, lambda _progress: None, Admission(anyway=True))
    told = summary(store, run.id)["conditions"]
    assert told["is_noisy"]
    assert told["machine"] == TOO_NOISY.line


def test_a_run_is_not_resumed_on_another_profile_of_its_machine(store, whole, monkeypatch):
    run = store.create_run(spec())
    store.add_machine(Machine("lesser", {"profile": "avx2, 1 core"}))
    monkeypatch.setattr("evolve.run.known_machine", lambda _store: Machine("lesser", {}))
    with pytest.raises(UsageError, match=r"measured on machine m, this is machine lesser \(avx2, 1 core\)"):
        resume(store, run.id, lambda _progress: None)
    assert whole.tasks == []
