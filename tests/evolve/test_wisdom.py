"""What was found is handed to programs, and to other machines as a beginning."""

import gc
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import evolve
import kernels
from benchmarks.contestant import Task
from benchmarks.inference import Estimate
from benchmarks.machine import fingerprint
from evolve import wisdom
from evolve.budget import Budget
from evolve.errors import EvolveError, UsageError
from evolve.paths import source_folder
from evolve.run import Request
from evolve.starting import origin_of, start_of
from evolve.store import Batch, Evaluation, Machine, Publication, RunSpec, open_store
from kernels.language import parallel_of, specialise

ROOT = Path(__file__).parents[2]
HERE = fingerprint().machine_id
TRIAD = kernels.get("triad")


def schedule(**changes):
    return TRIAD.space.canonical({**TRIAD.space.default, **changes})


def publish(store, size, time_s=1e-3, *, machine=HERE, unfit=(), **changes):
    """A run of triad whose champion is the default schedule with these changes."""
    terms = {"is_promoted": True, "source_hash": None, "threads": 1, **dict(unfit)}
    store.add_machine(Machine(machine, {"cpu": "a CPU"}))
    given = {
        "size": size,
        "threads": terms["threads"],
        "machine": machine,
        "budget": "1evals",
        "batch_size": 1,
        "seed": 1,
    }
    run = store.create_run(RunSpec(kernel="triad", dtype="float64", strategy="genetic", control_share=0.1, **given))
    made = schedule(**changes)
    store.add_batch(Batch(run.id, 0, "2026-01-01"), [Evaluation(run.id, 1, 0, 0, "search", "mutate", dict(made))])
    alone = specialise(TRIAD.template(made), made, "float64")
    own = parallel_of(alone, TRIAD.split, terms["threads"]).identity
    store.add_publication(
        Publication(
            run=run.id,
            evaluation=1,
            measured_at="2026-01-02T03:04:05",
            launches=5,
            rounds=30,
            time_s=time_s,
            speedup=Estimate(2.0, 1.9, 2.1),
            rivals={},
            bound_limit="bandwidth",
            bound_time_s=time_s / 2,
            bound_fraction=0.5,
            source_hash=terms["source_hash"] or own,
            samples={"baseline": []},
            details={"promotion": {"is_promoted": terms["is_promoted"]}},
        )
    )
    return made


@pytest.fixture
def store(url):
    with open_store(url) as opened:
        yield opened


@pytest.fixture
def elsewhere(tmp_path):
    with open_store(str(tmp_path / "elsewhere.db")) as opened:
        yield opened


def chosen(size):
    task = Task("triad", size, "float64")
    return wisdom.chosen(task, wisdom.champions_of(task, None), source_folder()).schedule


def test_without_wisdom_the_default_schedule_is_best(url):
    assert wisdom.champions_of(Task("triad", (1000,), "float64"), None) == []
    assert chosen((1000,)) == TRIAD.space.default


def test_of_one_size_the_fastest_champion_is_best(store):
    publish(store, (1000,), 2e-3, unroll=4)
    fast = publish(store, (1000,), 1e-3, unroll=8)
    publish(store, (1000,), 3e-3, unroll=1)
    assert chosen((1000,)) == fast


def test_otherwise_the_nearest_size_within_reach_counts(store):
    small, large = publish(store, (1000,), unroll=4), publish(store, (64000,), unroll=8)
    assert [chosen((n,)) for n in (900, 2000, 7000, 9000, 500000)] == [small, small, small, large, large]
    assert chosen((125,)) == small
    assert chosen((124,)) == chosen((512001,)) == TRIAD.space.default


@pytest.mark.parametrize(
    "given",
    [
        {"machine": "another"},
        {"unfit": {"is_promoted": False}},
        {"unfit": {"source_hash": "of older templates"}},
        {"unfit": {"threads": 2}},
    ],
)
def test_what_was_not_proven_here_for_this_is_not_handed_out(store, given):
    publish(store, (1000,), unroll=8, **given)
    assert chosen((1000,)) == TRIAD.space.default


def test_best_is_a_function_for_any_size(store):
    made = publish(store, (1000,), unroll=8)
    triad = evolve.best("triad", size=1000)
    assert triad.schedule == made
    for n in (0, 1, 17, 5000):
        b, c = np.random.default_rng(n).uniform(0.5, 2, (2, n))
        np.testing.assert_allclose(triad(b, c, 3.0), b + 3.0 * c, rtol=1e-15)


def test_threads_have_champions_of_their_own_and_share_each_call(store):
    made = publish(store, (1000,), unroll=4, unfit={"threads": 2})
    publish(store, (1000,), unroll=8)
    triad = evolve.best("triad", size=1000, threads=2)
    assert (triad.schedule, triad.threads) == (made, 2)
    for n in (0, 1, 17, 5000):
        b, c = np.random.default_rng(n).uniform(0.5, 2, (2, n))
        np.testing.assert_allclose(triad(b, c, 3.0), b + 3.0 * c, rtol=1e-15)


ASKED = """
import json, sys
import evolve
triad = evolve.best("triad", size=1000, threads=int(sys.argv[1]))
from numba.core.runtime import rtsys
known = [name for name in sys.modules if name.startswith(("evolve.store", "evolve_generated."))]
import numpy as np
b = np.ones(1000)
is_right = bool((triad(b, b, 2.0) == 3).all())
print(json.dumps([dict(triad.schedule), is_right, bool(known), rtsys._init]))
"""


@pytest.mark.parametrize("threads", [1, 2])
def test_asked_again_it_is_there_without_store_and_compiler(store, tmp_path, threads):
    made = publish(store, (1000,), unroll=8, unfit={"threads": threads})
    environment = {**os.environ, "EVOLVE_CACHE": str(tmp_path), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", ASKED, str(threads)]
    first, again = (json.loads(subprocess.check_output(command, env=environment)) for _ in range(2))
    assert first == [dict(made), True, True, True]
    assert again == [dict(made), True, False, False]


def test_a_new_champion_is_handed_out_at_once(store):
    found = []
    for unroll in (1, 4, 8):
        wanted = publish(store, (1000,), 1e-3 / unroll, unroll=unroll)
        found += [(wanted, evolve.best("triad", size=1000).schedule) for _ in range(2)]
    assert all(wanted == handed_out for wanted, handed_out in found)


def test_a_store_that_is_named_must_be_there(url, tmp_path):
    del url
    for _ in range(2):
        evolve.best("triad", size=1000)
        with pytest.raises(EvolveError, match="there is no store"):
            evolve.best("triad", size=1000, store=str(tmp_path / "none.db"))


def test_what_was_collected_before_is_collected_after(url):
    del url
    for is_on in (True, False):
        (gc.enable if is_on else gc.disable)()
        try:
            evolve.best("triad", size=1000)
            assert gc.isenabled() is is_on
        finally:
            gc.enable()


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"kernel": "triads"}, "no kernel 'triads'"),
        ({"dtype": "int8"}, "triad has no int8; it has"),
        ({"size": (3, 4)}, r"triad takes 1 positive extents \(n\)"),
        ({"size": 0}, "positive"),
    ],
)
def test_what_there_is_not_is_a_usage_error(url, given, words):
    with pytest.raises(UsageError, match=words):
        evolve.best(**{"kernel": "triad", **given})


def test_wisdom_of_another_machine_is_a_candidate_until_it_is_measured(store, elsewhere):
    made = publish(elsewhere, (1000,), machine="another", unroll=8)
    told = json.loads(json.dumps(wisdom.exported(elsewhere)))
    assert [one.schedule for one in wisdom.imported(store, told)] == [dict(made)]
    assert chosen((1000,)) == TRIAD.space.default
    assert wisdom.imported(store, told) == []  # known by now


def test_what_went_out_and_comes_home_is_not_news(store):
    publish(store, (1000,), unroll=8)
    assert wisdom.imported(store, json.loads(json.dumps(wisdom.exported(store)))) == []


def test_a_store_that_was_lost_gets_this_machines_champions_back_as_candidates(store, elsewhere):
    made = publish(elsewhere, (1000,), unroll=8)
    wisdom.imported(store, json.loads(json.dumps(wisdom.exported(elsewhere))))
    assert start_of(wisdom.begun(store, request())) == dict(made)
    assert chosen((1000,)) == TRIAD.space.default


def test_of_each_problem_the_fastest_champion_travels(store):
    publish(store, (1000,), 2e-3, unroll=4)
    fast, other = publish(store, (1000,), 1e-3, unroll=8), publish(store, (2000,), unroll=2)
    assert [one["schedule"] for one in wisdom.exported(store)["champions"]] == [dict(fast), dict(other)]


def request(**changes):
    given = {"kernel": "triad", "size": (2000,), "dtype": "float64", "threads": 1, "seed": 1} | changes
    return Request(**given, budget=Budget.parse("9evals"), options={"flat": True})


def test_a_run_begins_at_the_nearest_candidate(store, elsewhere):
    publish(elsewhere, (100000,), machine="another", unroll=4)
    near = publish(elsewhere, (1000,), machine="another", unroll=8)
    assert wisdom.begun(store, request()) == request()
    wisdom.imported(store, wisdom.exported(elsewhere))
    begun = wisdom.begun(store, request())
    assert (start_of(begun), begun.options["flat"]) == (dict(near), True)
    for other in ({"threads": 2}, {"size": (7,)}):
        assert wisdom.begun(store, request(**other)) == request(**other)


def test_this_machines_own_champions_come_first_then_the_same_dtype_then_the_nearest_size(store, elsewhere):
    publish(elsewhere, (2000,), machine="another", unroll=1)
    wisdom.imported(store, wisdom.exported(elsewhere))
    publish(store, (1500,), machine="another profile", unroll=2)
    far = publish(store, (16000,), unroll=4)
    assert start_of(wisdom.begun(store, request())) == dict(far)
    near = publish(store, (1000,), unroll=8)
    begun = wisdom.begun(store, request())
    assert (start_of(begun), origin_of(begun.options)) == (dict(near), "triad 1000 float64")


def test_a_champion_of_the_other_dtype_keeps_the_width_of_its_vectors(store):
    publish(store, (1000,), variant="vector", lanes=8, unroll=4)
    wanted = TRIAD.space.schedule(variant="vector", lanes=16, unroll=4)
    assert start_of(wisdom.begun(store, request(dtype="float32"))) == dict(wanted)


def test_vectors_that_another_dtype_has_not_so_wide_stay_as_they_are(store):
    publish(store, (1000,), variant="vector", lanes=16, unroll=4)
    wanted = TRIAD.space.schedule(variant="vector", lanes=16, unroll=4)
    assert start_of(wisdom.begun(store, request(dtype="float32"))) == dict(wanted)


def test_a_run_says_where_it_begins_and_can_be_told_to_begin_cold(evolve, store, started):
    near = publish(store, (1000,), unroll=8)
    asked = ("run", "triad", "--size", "2000", "--no-report")
    code, _, told = evolve(*asked)
    assert (code, "begins at the champion of triad 1000 float64; --cold" in told) == (0, True)
    assert start_of(started.asked) == dict(near)
    code, _, told = evolve(*asked, "--cold")
    assert (code, "begins" in told, start_of(started.asked)) == (0, False, None)


def test_a_candidate_of_another_space_is_passed_over(store, elsewhere):
    publish(elsewhere, (1000,), machine="another", unroll=8)
    told = wisdom.exported(elsewhere)
    told["champions"][0]["schedule"]["no such gene"] = 1
    wisdom.imported(store, told)
    assert wisdom.begun(store, request()) == request()


@pytest.mark.parametrize(
    ("told", "words"),
    [
        ([], "no wisdom"),
        ({"schema": 1}, "no wisdom"),
        ({"schema": 99, "champions": []}, "schema 99"),
        ({"schema": 1, "champions": [{"kernel": "triad"}]}, "damaged"),
        ({"schema": 1, "champions": [7]}, "damaged"),
    ],
)
def test_what_is_no_wisdom_is_refused_and_leaves_nothing(store, told, words):
    with pytest.raises(UsageError, match=words):
        wisdom.imported(store, told)
    assert store.candidates() == []


def test_the_commands_carry_it_over(evolve, url, store, elsewhere, tmp_path):
    publish(elsewhere, (1000,), machine="another", unroll=8)
    file = tmp_path / "wisdom.json"
    code, _, told = evolve("wisdom", "export", str(file), "--store", elsewhere.url)
    assert (code, "1 champion\n" in told) == (0, True)
    code, _, told = evolve("wisdom", "import", str(file))
    assert (code, "1 new candidate\n" in told, "evolve run triad" in told) == (0, True, True)
    publish(store, (3000,), unroll=4)
    code, shown, _ = evolve("wisdom", "list")
    own, imported = shown.splitlines()[1:]
    assert (code, "3000" in own, "imported, a candidate" in imported) == (0, True, True)
    code, shown, _ = evolve("wisdom", "list", "--json")
    assert {name: len(value) for name, value in json.loads(shown).items() if name != "schema"} == {
        "champions": 1,
        "candidates": 1,
    }


def test_a_file_that_is_no_json_is_refused_in_a_line(evolve, tmp_path):
    file = tmp_path / "wisdom.json"
    file.write_text("{")
    code, _, told = evolve("wisdom", "import", str(file))
    assert (code, told.count("\n"), "is no wisdom" in told) == (2, 1, True)
