"""What a run's page and screen say of the future: planted runs whose answer is known, and the words for it."""

import json
import math

import numpy as np
import pytest

from benchmarks.inference import Estimate
from benchmarks.outcome import Measured
from evolve.prospects import Prospects, prospect
from evolve.report import outlook as words
from evolve.report import result
from evolve.report.figures import front
from evolve.store import (
    Batch,
    Bound,
    Checkpoint,
    Evaluation,
    OutcomeRecord,
    Publication,
    SqliteStore,
    utc_now,
)
from evolve.store.testing import new_run
from evolve.tracker import Null, best_so_far, summary
from evolve.tracker.records import records

BASELINE_S, BOUND_S = 1.0, 0.1
CAP = BASELINE_S / BOUND_S


def bounded(n, seed):
    """ln of scores with tail index -1 that end at a speedup of 5."""
    return np.log(5 - 3 * np.random.default_rng(seed).random(n))


def plant(store, *, search=None, control=None, publication=True, elapsed_s=100.0):
    """A run of one search and one control arm, two of it after each of the other; its champion has 6 checkpoints."""
    search = bounded(40, 1) if search is None else search
    control = list(bounded(160, 2) if control is None else control)
    run = new_run(store)
    store.add_event(run.id, "started")
    store.add_bound(Bound(run.id, utc_now(), "fma", BOUND_S, BASELINE_S))
    scores = []
    for score in search:
        scores.append((float(score), "search"))
        scores += [(float(control.pop(0)), "control") for _ in range(2) if control]
    scores += [(float(score), "control") for score in control]
    asked = [
        Evaluation(run.id, n, 0, n - 1, arm, "mutate", {"mr": n % 7, "mc": n}, (), f"s{n}")
        for n, (_, arm) in enumerate(scores, 1)
    ]
    store.add_batch(Batch(run.id, 0, utc_now()), asked)
    for n, (score, _) in enumerate(scores, 1):
        outcome = Measured(time_s=math.exp(-score), log_ratio=score, low=score - 0.01, high=score + 0.01)
        store.add_outcome(OutcomeRecord(run.id, n, outcome, utc_now(), fitness=score))
    store.add_phases(run.id, 0, {"measure": elapsed_s})
    best = int(np.argmax([score for score, _ in scores])) + 1
    champion = math.exp(scores[best - 1][0])
    for k in range(1, 7):
        value = champion * (1 - 0.3 * 0.5**k)
        estimate = Estimate(value, 0.999 * value, 1.001 * value)
        holder = best if k == 6 else min(k, len(scores))
        store.add_checkpoint(Checkpoint(run.id, holder, 10 * 2**k, 2.0**k, 3.0 * 2**k, estimate, {}, utc_now()))
    if publication:
        store.add_publication(
            Publication(
                run=run.id,
                evaluation=best,
                measured_at=utc_now(),
                launches=10,
                rounds=20,
                time_s=BASELINE_S / champion,
                speedup=Estimate(champion, 0.99 * champion, 1.01 * champion),
                rivals={"numpy": Estimate(0.8, 0.79, 0.81)},
                bound_limit="fma",
                bound_time_s=BOUND_S,
                bound_fraction=champion * BOUND_S / BASELINE_S,
                source_hash="ab",
                samples={},
            )
        )
    store.add_event(run.id, "finished")
    return run


@pytest.fixture(scope="module")
def known(tmp_path_factory):
    """A store, the run in it, and what is told of it."""
    with SqliteStore(tmp_path_factory.mktemp("known") / "runs.db") as store:
        run = plant(store)
        yield store, run, told_of(store, run)


def told_of(store, run, share=None):
    return json.loads(json.dumps(summary(store, run.id, share), allow_nan=False))


def said(told):
    return " ".join(words.outlook(told).split())


# ---- the plain values


def test_the_space_of_a_bounded_world_ends_where_it_was_planted_and_the_parts_fill_the_headroom(known):
    told = known[2]
    end = told["tail"]["endpoint"]
    assert told["tail"]["is_seen"]
    assert end["low"] <= 5 <= end["high"]
    parts = {tuple(part["names"]): part["left"] for part in told["split"]["parts"]}
    assert list(parts) == [(name,) for name in words.PARTS]
    assert math.prod(part["estimate"] for part in parts.values()) == pytest.approx(told["split"]["left"])
    # the champion lies near 5, numpy a quarter above it, the cap at 10
    assert parts[("not_in_this_space",)]["estimate"] == pytest.approx(1.25, rel=0.03)
    assert parts[("not_on_this_hardware",)]["estimate"] == pytest.approx(10 / 6.25, rel=0.03)


def test_an_end_that_the_draws_do_not_show_is_none(store):
    heavy = np.log1p(np.random.default_rng(3).pareto(1.0, 100))
    told = told_of(store, plant(store, control=heavy * 0.3))
    assert not told["tail"]["is_seen"]
    assert [part["names"][0] for part in told["split"]["parts"][1:]] == ["not_found_yet", "not_found_yet"]
    assert "show no end of what schedules of this kernel can do" in said(told)


def test_the_search_is_compared_with_luck_at_equal_numbers(known, store):
    told, individuals = known[2], known[0].individuals(known[1].id)
    carried = told["null"]["carried"]
    assert carried["n"] == told["null"]["n"] == 200
    assert carried["best_of_n"] == told["null"]["best_of_n"]
    few = np.concatenate([np.full(16, 0.1), np.linspace(0.3, 2.2, 16)])
    short = told_of(store, plant(store, control=few))["null"]
    assert short["best_of_n"] is None
    n = short["carried"]["n"]
    assert 1 <= n < short["n"]
    null = Null.of(individuals, known[0].bound(known[1].id)).best_of(200).fitness
    assert carried["best_of_n"]["estimate"] == pytest.approx(math.exp(null.estimate))
    assert carried["search"] == pytest.approx(math.exp(best_so_far(individuals)[-1]))
    assert carried["lead"]["estimate"] == pytest.approx(carried["search"] / carried["best_of_n"]["estimate"])


def test_records_are_those_of_the_search_arm(store):
    rising = np.linspace(0.1, 1.5, 120)
    told = told_of(store, plant(store, search=rising, control=np.full(40, 1.6)))
    expected = records(rising, np.random.default_rng(0))
    assert told["null"]["records"]["per_doubling"] == expected.per_doubling.as_dict()
    assert told["null"]["records"]["is_learning"]


def test_the_curve_heads_for_its_end_on_every_axis(known):
    told = known[2]
    champion = told["champion"]["speedup"]["estimate"]
    assert set(told["asymptote"]) == {"evaluations", "elapsed_s", "cpu_s"}
    for found in told["asymptote"].values():
        assert found["speedup"]["low"] <= champion * 1.05
        assert found["speedup"]["estimate"] == pytest.approx(champion, rel=0.1)
    assert [row["evaluations"] for row in told["curve"]][:2] == [20, 40]
    assert told["curve"][-1]["source"] == "published"


def test_more_evaluations_and_minutes_have_an_expected_gain_at_the_rate_of_the_search(known):
    told = known[2]
    again, soon = told["gain"]
    assert again["evaluations"] == 200
    assert again["seconds"] == pytest.approx(told["searching_s"])
    assert soon["seconds"] == pytest.approx(300, rel=0.01)
    assert soon["gain"]["estimate"] >= again["gain"]["estimate"] >= 1


def test_the_stop_rule_and_a_stop_are_told(store):
    run = plant(store)
    assert told_of(store, run)["flat"]["stopped"] is None
    store.add_event(run.id, "flat", "as much again brings nothing")
    told = told_of(store, run)
    assert told["flat"]["stopped"] == "as much again brings nothing"
    assert "gone flat? yes: the search was stopped for that" in said(told)


def test_a_share_turns_the_kernel_into_the_program(known):
    store, run, plain = known
    told = told_of(store, run, share=0.053)
    steps = {step["name"]: step for step in told["amdahl"]["steps"]}
    champion = told["champion"]["speedup"]["estimate"]
    assert steps["champion"]["program"]["estimate"] == pytest.approx(1 / (1 - 0.053 + 0.053 / champion))
    assert steps["bound"]["kernel"]["estimate"] == pytest.approx(CAP)
    text = said(told)
    assert "one that spends 5.3 % of its time in the plain loop" in text
    assert "5.6 % faster with a kernel that takes no time at all" in text
    assert plain["amdahl"] is None


# ---- runs with little in them


def test_a_run_with_nothing_in_it_says_what_is_missing(store):
    told = told_of(store, new_run(store))
    assert (told["split"], told["tail"], told["gain"], told["break_even"], told["front"]) == (None, None, [], [], None)
    text = said(told)
    for part in ("left not known", "luck not known", "best there is not known", "heads for not known"):
        assert part in text


def test_a_run_in_which_everything_failed_has_an_outlook(store):
    told = told_of(store, plant(store, search=[math.log(2)], control=[], publication=False))
    assert told["split"]["is_published"] is False
    assert "by its search estimate" in said(told)


def test_a_champion_at_the_ceiling_has_nothing_left(store):
    told = told_of(store, plant(store, search=[math.log(CAP)], control=[], publication=False))
    assert told["split"] is None
    assert "left nothing: the champion stands at this machine's measured ceiling" in said(told)


# ---- the words


def test_the_screen_says_every_figure_with_its_interval(known):
    text = said(known[2])
    for part in (
        "evaluations time cpu time against the plain loop",
        "selection error: a faster schedule was tried, and noise hid it",
        "not found yet: among this kernel's schedules, and none of those tried",
        "not in this space: other code goes so far here",
        "not on this hardware: nothing shows that it can be had here at all",
        "is where schedules of this kernel end",
        "new bests each time the evaluations double",
        "luck does that with probability",
        "from 200 evaluations more",
        "in the place of the plain loop",
        "there was no front to move",
    ):
        assert part in text, part


def test_small_parts_are_per_cent_and_large_ones_factors():
    ratio = {"estimate": 1.034, "low": 1.01, "high": 2.5, "level": 0.95}
    assert words.gained(ratio) == "3.4 % [1 %, 2.50x]"
    assert words.gained({**ratio, "low": 1.034, "high": 1.034}) == "3.4 %"


def test_what_cannot_be_told_apart_is_said_to_be_so():
    part = {"names": ["not_found_yet", "not_in_this_space", "not_on_this_hardware"]}
    assert words.title(part) == "not found yet, or not in this space, or not on this hardware"
    assert words.meaning(part) == "which of these, the data do not say"
    assert words.meaning({"names": part["names"][:2]}).startswith("other code goes so far here")


def test_a_break_even_that_may_never_come_says_so():
    found = {
        "against": "numpy",
        "calls": {"estimate": 1234.0, "low": 500.0, "high": None},
        "work_s": {"estimate": 90.0},
    }
    assert words.pays(found) == "after 1,234 calls [500, perhaps never] in the place of numpy, 1m 30s of its work"
    never = {"estimate": None, "low": 500.0, "high": None}
    assert "never" in words.pays({**found, "calls": never})


def test_an_asymptote_without_an_end_says_so():
    open_end = {"speedup": {"estimate": None, "low": 4.0, "high": None, "level": 0.95}}
    assert words.heads_for(open_end) == "above 4.00x, and no end in sight"
    assert "each would end below" in words.heads_for({"speedup": None})


def test_the_long_form_gives_the_verdict_once_and_last(known):
    text = result.full(known[2])
    assert text.count("UNDECIDED") == 1
    assert text.index("still to come") < text.index("UNDECIDED")


# ---- pictures and the live view


def test_the_front_is_drawn_once_there_are_two_runs(store):
    first = plant(store)
    assert front(told_of(store, first)["front"], first.id) is None
    second = plant(store)
    told = told_of(store, second)["front"]
    picture = front(told, second.id)
    data = json.loads(picture.json)["data"]
    assert len(data) == 3
    assert data[-1]["x"] == [point["cpu_s"] for point in told["points"]]
    assert any(mark.label == "this run" for mark in picture.legend)


def test_a_prospect_is_worked_out_once_a_batch(known):
    store, run, _ = known
    individuals, bound = store.individuals(run.id), store.bound(run.id)
    prospects = Prospects()
    assert prospects.of(individuals[:5], bound, 5, 8).luck is None
    now = prospects.of(individuals[:100], bound, 100, 8)
    assert now.gain.evaluations == 100
    assert now == prospect(individuals[:100], bound)
    assert prospects.of(individuals[:107], bound, 107, 8) is now
    assert prospects.of(individuals[:108], bound, 108, 8).gain.evaluations == 108
