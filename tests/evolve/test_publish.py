"""Promotion and publication of a run: who is chosen, what is kept, what is said of it; nothing is measured."""

from __future__ import annotations

import html
import math
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest

import kernels
from benchmarks.bound import Bound as MachineBound
from benchmarks.contestant import Contestant, Task
from benchmarks.exchange import ContestantFailedError
from benchmarks.fresh import LAUNCHES, Fresh
from benchmarks.harness import Plan
from benchmarks.inference import Estimate
from benchmarks.outcome import Conditions, Samples, Wrong
from benchmarks.promote import Decision, Promotion, Terms
from evolve import publish as publishing
from evolve.report import promotion as said
from evolve.report.html import page
from evolve.report.result import brief, full
from evolve.store import Batch, Bound, OutcomeRecord, open_store, utc_now
from evolve.store.testing import evaluation, measured, new_run
from evolve.tracker.naive import naive_product
from evolve.tracker.summary import summary
from kernels.language import Handle

VECTORISED = """
micro:
.LBB0_1:
	vfmadd213pd	(%rdx,%rax), %xmm1, %xmm2
	jne	.LBB0_1
"""


@pytest.fixture
def session(tmp_path):
    """A run of seven evaluations, the second of them the incumbent; everything that publishing asks of a session."""
    with open_store(str(tmp_path / "runs.db")) as store:
        run = new_run(store)
        schedule = dict(kernels.get("matmul").space.default)
        evaluations = [evaluation(run, n, schedule={**schedule, "mc": 24 * n}) for n in range(1, 8)]
        store.add_batch(Batch(run.id, 0, utc_now()), evaluations)
        for number, fitness in enumerate((0.2, 0.6, 0.7, 0.54, 0.58, 0.57), 1):
            store.add_outcome(measured(run, number, fitness))
        store.add_outcome(OutcomeRecord(run.id, 7, Wrong("beyond tolerance"), utc_now()))
        store.add_bound(Bound(run.id, utc_now(), "fma", 0.04, 0.1))
        individuals = store.individuals(run.id)
        task = Task(run.kernel, run.size, run.dtype)
        yield SimpleNamespace(
            run=run,
            store=store,
            task=task,
            individuals=individuals,
            title=SimpleNamespace(individual=individuals[1], fitness=0.7, most_error=1.0),
            around=SimpleNamespace(bound=MachineBound("fma", 0.04), spread=0.02),
            harness=SimpleNamespace(plan=_plan, baseline=Contestant(Handle("baseline", "0"))),
            shown=[],
            show=lambda stage, doing: None,
        )


def _plan(schedule):
    name = f"mc={schedule['mc']}"
    return Plan(schedule, Contestant(Handle(name, name), (), schedule), name, f"hash of {name}")


def decided(*verdicts):
    """What ``promote`` answers, instead of measuring."""
    decisions = tuple(Decision(verdict, {"baseline": Estimate(1.5, 1.4, 1.6)}, 9) for verdict in verdicts)
    return Promotion(decisions, 0.02, 3, 9, {"memory": 2})


def publish(session, monkeypatch, promotion, speedup=2.0, failing=(), how=publishing.publish):
    """Publishes with planted answers; returns what was asked of the promotion, and who was measured."""
    asked, tried = [], []

    def promote(_harness, finalists, terms, say):
        say(1, 9)
        asked.extend([finalists, terms])
        return promotion

    def against(_harness, contestant, opponents, launches, say):
        say(1)
        tried.append(contestant.schedule["mc"])
        if contestant.schedule["mc"] in failing:
            raise ContestantFailedError("Crashed: died of SIGSEGV")
        rng, one = np.random.default_rng(0), Conditions(flags=("clock",))
        taken = [Samples(tuple(0.05 * np.exp(rng.normal(0, 0.01, 6))), (0.05 * speedup,) * 6, 1, 0.0, one)] * launches
        return Fresh(dict.fromkeys(("baseline", "numpy"), taken), {"micro": VECTORISED}, launches=launches)

    monkeypatch.setattr(publishing, "promote", promote)
    monkeypatch.setattr(publishing, "against", against)
    how(session)
    return asked, tried


def test_the_incumbent_and_the_best_others_that_come_close_are_finalists(session, monkeypatch):
    (finalists, terms), _ = publish(session, monkeypatch, decided(*["undecided"] * 4))
    names = [finalist.contestant.handle.name for finalist in finalists]
    assert names == ["mc=48", "mc=72", "mc=120", "mc=144"]
    assert [finalist.incumbent and finalist.incumbent.handle.name for finalist in finalists] == [None, *["mc=48"] * 3]
    assert terms == Terms(spread=0.02, baseline_s=0.1, known_gain=session.title.fitness)
    assert terms.least_gain == 0.02


def test_what_was_promoted_is_published_with_how_it_was_measured(session, monkeypatch):
    _, tried = publish(session, monkeypatch, decided("promoted", "rejected", "undecided", "failed"))
    published = session.store.publication(session.run.id)
    assert tried == [48]
    assert published.is_promoted
    assert (published.evaluation, published.launches, published.source_hash) == (2, LAUNCHES, "hash of mc=48")
    details = published.details
    assert details["builds"] == LAUNCHES
    assert details["search_estimate"] == pytest.approx(math.exp(0.6))
    assert details["shrinkage"] == pytest.approx(published.speedup.estimate / math.exp(0.6))
    assert details["promotion"]["least_gain"] == 0.02
    assert [one["verdict"] for one in details["promotion"]["decisions"]] == [
        *("promoted", "rejected", "undecided", "failed")
    ]
    known, repeat = details["confidence"]["baseline"], published.speedup
    assert repeat.low < known["low"] <= repeat.estimate <= known["high"] < repeat.high
    assert details["flags"] == {"clock": 2 * LAUNCHES}
    assert details["assembly"]["hot_loop"]["vector_bytes"] == 16
    assert set(published.rivals) == {"numpy"}


@pytest.mark.parametrize("speedup", [2.0, 1.0])
def test_in_a_hurry_the_incumbent_is_measured_in_few_launches_and_nobody_else(session, monkeypatch, speedup):
    brief = partial(publishing.publish_briefly, launches=3)
    asked, tried = publish(session, monkeypatch, None, speedup, how=brief)
    assert (asked, tried) == ([], [48])
    published = session.store.publication(session.run.id)
    assert (published.evaluation, published.launches) == (2, 3)
    assert set(published.rivals) == {"numpy"}
    assert published.is_promoted == (speedup > 1)
    assert said.evidence(summary(session.store, session.run.id))


def test_where_nothing_beat_the_baseline_nothing_is_published_in_a_hurry_either(session, monkeypatch):
    session.title.individual = None
    assert publish(session, monkeypatch, None, how=partial(publishing.publish_briefly, launches=3))[1] == []
    assert session.store.publication(session.run.id) is None


def test_without_a_promotion_the_incumbent_is_measured_and_called_no_champion(session, monkeypatch):
    _, tried = publish(session, monkeypatch, decided("undecided", "rejected", "rejected", "rejected"), speedup=1.0)
    assert tried == [48]
    assert not session.store.publication(session.run.id).is_promoted
    told = summary(session.store, session.run.id)
    assert told["champion"]["is_promoted"] is False
    assert told["champion"]["speedup"]["low"] < 1 < told["champion"]["speedup"]["high"]
    for text in (brief(told), full(told), page(session.store, session.run.id)):
        assert "none: the best is" in " ".join(text.split())
        assert "the machine was disturbed: memory in 2 races" in " ".join(text.split())


def test_who_fails_afresh_gives_way_to_the_next(session, monkeypatch):
    verdicts = ("promoted", "failed", "undecided", "promoted")
    _, tried = publish(session, monkeypatch, decided(*verdicts), failing=(48,))
    assert tried == [48, 144]
    published = session.store.publication(session.run.id)
    assert published.evaluation == 6
    assert published.is_promoted
    told = brief(summary(session.store, session.run.id))
    assert "evaluation 2 failed when it was measured afresh: Crashed: died of SIGSEGV" in " ".join(told.split())


def test_where_everybody_fails_nothing_is_published_and_the_run_says_why(session, monkeypatch):
    publish(session, monkeypatch, decided(*["failed"] * 4))
    assert session.store.publication(session.run.id) is None
    failed = summary(session.store, session.run.id)["conditions"]["failed_afresh"]
    assert [one.partition(" failed ")[0] for one in failed] == [f"evaluation {number}" for number in (2, 3, 5, 6)]


def test_where_nothing_beat_the_baseline_nothing_is_measured(session, monkeypatch):
    session.title.individual = None
    asked, tried = publish(session, monkeypatch, decided())
    assert (asked, tried) == ([], [])
    assert session.store.publication(session.run.id) is None


def test_an_older_publication_counts_as_promoted_and_says_less(planted, url):
    with open_store(url) as store:
        assert store.publication(planted.id).is_promoted
        told = summary(store, planted.id)
        assert told["champion"]["measured"]["builds"] is None
        assert "5 launches noise" in " ".join(full(told).split())
        assert "2.00x [1.90, 2.10] the speed of the plain loop" in " ".join(full(told).split())
        page(store, planted.id)


# ---- the naive product


def _told(session, **measured_of):
    told = summary(session.store, session.run.id)
    if measured_of:
        told["champion"]["measured"] |= measured_of
    return told


def test_the_naive_product_multiplies_each_batchs_best_gain_over_each_incumbent(tmp_path):
    gains = [  # batch, incumbent, log ratio
        *((0, None, 0.1), (0, None, 0.3), (0, 2, 0.2)),
        *((1, 3, -0.4), (1, 3, -0.1)),
        *((2, 3, 0.05), (2, 3, 0.01)),
    ]
    with open_store(str(tmp_path / "runs.db")) as store:
        run = new_run(store)
        for batch in range(3):
            numbered = [(n, gain) for n, gain in enumerate(gains, 1) if gain[0] == batch]
            asked = [evaluation(run, n, batch=batch, position=k) for k, (n, _) in enumerate(numbered)]
            store.add_batch(Batch(run.id, batch, utc_now()), asked)
            for n, (_, incumbent, log_ratio) in numbered:
                record = measured(run, n, 0.1)
                outcome = type(record.outcome)(**{**vars(record.outcome), "log_ratio": log_ratio})
                store.add_outcome(OutcomeRecord(run.id, n, outcome, utc_now(), 0.1, incumbent))
        assert naive_product(store.individuals(run.id)) == pytest.approx(math.exp(0.3 + 0.2 + 0.05))
    assert naive_product([]) is None


def test_a_null_evolution_multiplies_to_much_where_nothing_is_gained():
    rng = np.random.default_rng(1)
    generations = []
    for batch in range(20):
        for log_ratio in rng.normal(0, 0.02, 8):
            record = SimpleNamespace(outcome=measured(SimpleNamespace(id="r"), 1).outcome, incumbent=None)
            record.outcome = type(record.outcome)(**{**vars(record.outcome), "log_ratio": float(log_ratio)})
            generations.append(SimpleNamespace(is_paid=True, record=record, evaluation=SimpleNamespace(batch=batch)))
    assert naive_product(generations) > 1.5


def test_the_naive_product_stands_beside_what_was_measured(session, monkeypatch):
    publish(session, monkeypatch, decided(*["promoted"] * 4))
    told = _told(session)
    assert told["naive_product"] == pytest.approx(math.exp(0.1))
    assert "multiplied, would claim 1.11x; measured afresh: 2.0" in said.naive(told)
    assert said.naive(told) in " ".join(full(told).split())
    assert said.naive(told) in html.unescape(page(session.store, session.run.id))


def test_what_the_compiled_code_does_not_do_is_said(session, monkeypatch):
    publish(session, monkeypatch, decided(*["promoted"] * 4))
    told = _told(session)
    findings = told["champion"]["measured"]["assembly"]["findings"]
    assert any("the hot loop works on 16 bytes" in finding for finding in findings)
    assert findings[0] in " ".join(full(told).split())
    assert findings[0] in page(session.store, session.run.id)
    assert said.code({"is_checked": False}) == "not checked: there was no assembly"
    loop = {"function": "micro", "vector_bytes": 64, "fused": 16}
    assert "64 bytes, 16 fused" in said.code({"is_checked": True, "findings": [], "hot_loop": loop})
