"""The split of the headroom on planted worlds: who is to blame is known there."""

import dataclasses
import math

import numpy as np
import pytest

from benchmarks.inference import Estimate
from benchmarks.outcome import Measured
from evolve.store import Bound, Checkpoint, Evaluation, Individual, OutcomeRecord, Publication
from evolve.tracker.split import posterior, split

CAP = math.log(4.0)
BOUND = Bound("r", "2026-01-01T00:00:00+00:00", "fma", 0.25, 1.0)


def individual(number, fitness, noise=0.01):
    asked = Evaluation("r", number, 0, number - 1, "search", "mutate", {"mr": number}, (), f"s{number}")
    half = 1.96 * noise
    outcome = Measured(time_s=math.exp(-fitness), log_ratio=fitness, low=fitness - half, high=fitness + half)
    return Individual(asked, OutcomeRecord("r", number, outcome, "2026-01-01T00:00:00+00:00", fitness))


def run_of(fitnesses, noise=0.01):
    return [individual(number, float(fitness), noise) for number, fitness in enumerate(fitnesses, start=1)]


def published(number, fraction, *, rivals=None, spread=0.0, finalists=1):
    launches = [{"candidate_s": (1.0,), "incumbent_s": (math.exp(spread * sign),)} for sign in (-1, 0, 1)]
    return Publication(
        run="r",
        evaluation=number,
        measured_at="2026-01-01T00:00:00+00:00",
        launches=3,
        rounds=1,
        time_s=0.25 / fraction,
        speedup=Estimate(4 * fraction, 3.9 * fraction, 4.1 * fraction),
        rivals=rivals or {},
        bound_limit="fma",
        bound_time_s=0.25,
        bound_fraction=fraction,
        source_hash="ab",
        samples={"baseline": launches},
        details={"promotion": {"decisions": [{}] * finalists}},
    )


def split_of(individuals, publication=None, endpoint=None, bound=BOUND):
    return split(individuals, bound, publication, endpoint, np.random.default_rng(7))


def by_name(found):
    return {part.names: part.gain for part in found.parts}


def bounded(n, seed=3, top=1.0):
    """Scores that end at ``top``, tail index -1/2."""
    return top - 0.5 * np.sqrt(np.random.default_rng(seed).random(n))


@pytest.mark.parametrize("endpoint", [None, Estimate(1.1, 1.05, math.inf)])
@pytest.mark.parametrize("rivals", [None, {"numpy": Estimate(0.8, 0.79, 0.81)}])
@pytest.mark.parametrize("n", [5, 100])
def test_the_parts_fill_the_headroom_exactly(n, rivals, endpoint):
    scores = bounded(n)
    found = split_of(run_of(scores), published(int(scores.argmax()) + 1, 0.6, rivals=rivals), endpoint)
    assert sum(part.gain.estimate for part in found.parts) == pytest.approx(found.left) == math.log(1 / 0.6)
    for part in found.parts:
        assert 0 <= part.gain.low <= part.gain.estimate <= part.gain.high <= found.left + 1e-12


def test_each_part_has_its_own_cause():
    scores = np.minimum(bounded(100), 0.9)
    scores[17] = 1.0
    rivals = {"numpy": Estimate(1 / 1.3, 0.7, 0.8)}
    endpoint = Estimate(1.0 + math.log(1.2), 1.0 + math.log(1.1), 1.0 + math.log(1.25))
    found = by_name(split_of(run_of(scores, noise=0.001), published(18, 0.5, rivals=rivals), endpoint))
    gains = {names: math.exp(gain.estimate) for names, gain in found.items()}
    assert gains[("selection_error",)] == pytest.approx(1.0, abs=0.002)
    assert gains[("not_found_yet",)] == pytest.approx(1.2, rel=0.01)
    assert gains[("not_in_this_space",)] == pytest.approx(1.3 / 1.2, rel=0.01)
    assert gains[("not_on_this_hardware",)] == pytest.approx(2 / 1.3, rel=0.01)


def test_what_cannot_be_told_apart_stays_together():
    scores = bounded(100)
    without_endpoint = split_of(run_of(scores), published(int(scores.argmax()) + 1, 0.5))
    assert [part.names for part in without_endpoint.parts] == [
        ("selection_error",),
        ("not_found_yet", "not_in_this_space", "not_on_this_hardware"),
    ]
    few = split_of(run_of(scores[:5]), published(int(scores[:5].argmax()) + 1, 0.5))
    assert [part.names[0] for part in few.parts] == ["selection_error"]
    assert few.parts[0].gain.estimate == pytest.approx(math.log(2))


def test_noise_hides_faster_schedules_and_finalists_that_lost_are_none():
    scores = bounded(200, top=0.5)
    best = int(scores.argmax()) + 1
    hidden = [
        by_name(split_of(run_of(scores, noise=noise), published(best, 0.5)))[("selection_error",)]
        for noise in (0.001, 0.02, 0.1)
    ]
    assert hidden[0].estimate < hidden[1].estimate < hidden[2].estimate
    beaten = by_name(split_of(run_of(scores, noise=0.02), published(best, 0.5, finalists=200)))[("selection_error",)]
    assert beaten.high == 0


@pytest.mark.parametrize("noise", [0.005, 0.05])
def test_the_interval_of_the_selection_error_holds_the_truth(noise):
    rng = np.random.default_rng(11)
    held, trials = 0, 80
    for trial in range(trials):
        truths = bounded(100, seed=trial)
        scores = truths + rng.normal(0, noise, 100)
        found = by_name(split_of(run_of(scores, noise), published(int(scores.argmax()) + 1, 0.5)))[("selection_error",)]
        held += found.low <= truths.max() - truths[scores.argmax()] <= found.high
    assert held / trials >= 0.92


def test_estimates_are_shrunk_by_their_own_noise():
    rng, scores = np.random.default_rng(0), bounded(100)
    shrunk = scores - posterior(scores, np.full(100, 0.02), rng).mean(axis=0)
    more = scores - posterior(scores, np.full(100, 0.04), rng).mean(axis=0)
    assert more.mean() == pytest.approx(4 * shrunk.mean(), rel=0.05)


def test_launches_that_differ_count_as_noise():
    scores = bounded(200)
    best = int(scores.argmax()) + 1
    calm, wild = (
        by_name(split_of(run_of(scores, 0.001), published(best, 0.5, spread=spread)))[("selection_error",)]
        for spread in (0.0, 0.05)
    )
    assert wild.estimate > 3 * calm.estimate


def checkpoint(number, fitness, error):
    ends = (math.exp(fitness + sign * 1.96 * error) for sign in (0, -1, 1))
    return Checkpoint("r", number, number, 1.0, 1.0, Estimate(*ends), {}, "2026-01-01T00:00:00+00:00")


def test_a_champion_and_those_raced_against_it_err_together_and_others_apart():
    """An incumbent's error hides nothing of who beat it, but much of who raced against another one."""
    scores = bounded(60)
    best = int(scores.argmax()) + 1
    known = run_of(scores, 0.001)
    fresh = [checkpoint(best, float(scores.max()), 0.1)]
    others = [dataclasses.replace(i, record=dataclasses.replace(i.record, incumbent=best)) for i in known]
    apart, together = (
        by_name(split(individuals, BOUND, published(best, 0.5), None, np.random.default_rng(7), fresh))
        for individuals in (known, others)
    )
    assert together[("selection_error",)].estimate < 0.01
    assert apart[("selection_error",)].estimate > 5 * together[("selection_error",)].estimate


def test_the_champion_is_the_one_that_was_measured_last():
    scores = [*bounded(60, top=0.5), 1.2]
    known = run_of(scores, 0.001)
    found = split(known, BOUND, None, None, np.random.default_rng(7), [checkpoint(3, 0.3, 0.01)])
    assert found.left == pytest.approx(CAP - scores[2])
    assert by_name(found)[("selection_error",)].estimate == pytest.approx(0.9, abs=0.05)


def test_without_a_publication_the_search_estimate_has_to_do():
    found = split_of(run_of([0.2, 0.5]))
    assert found.left == pytest.approx(CAP - 0.5)
    assert not found.is_published
    assert split_of([]) is None
    assert split_of(run_of([0.5]), bound=None) is None
    assert split_of(run_of([CAP + 0.1])) is None
    assert split_of(run_of([0.5]), published(9, 0.5)) is None


def test_plain_values_are_factors():
    plain = split_of(run_of([0.2, 0.5]), published(2, 0.5)).as_dict()
    assert plain["left"] == pytest.approx(2)
    assert math.prod(part["left"]["estimate"] for part in plain["parts"]) == pytest.approx(2)
