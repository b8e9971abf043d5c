"""Engines in a store: which one works, how it is restored, and that runs go on with their own."""

import json
from dataclasses import replace

import numpy as np
import pytest
from known import KnownHarness, limits

from evolve import deployed
from evolve.budget import Budget
from evolve.engine import STEERING, Manifest
from evolve.errors import UsageError
from evolve.machines import known_machine
from evolve.progress import StopRequest
from evolve.run import Request
from evolve.session import Session, Surroundings
from evolve.store import Deployment, EngineRecord, LoopSpec, open_store, utc_now
from evolve.store.testing import SPEC
from evolve.store.testing_loops import lap_of

BRED = Manifest.plain().replaced("dominance", {**STEERING["dominance"].definition.space.default, "lanes": 8})
REQUEST = Request("triad", (1000,), "float64", 1, Budget.parse("8evals"), seed=3)


@pytest.fixture
def machine(store):
    return known_machine(store).id


def around(store):
    return Surroundings(store, KnownHarness(), limits(0.1, 0.09).efficiency, lambda _: None, StopRequest())


# ---- putting engines to work


def test_the_last_one_that_was_put_to_work_works(store, machine):
    assert deployed.deployment(store, machine) is None
    for manifest in (BRED, Manifest.usual(), BRED):
        deployed.deploy(store, machine, manifest, f"for {manifest.id}")
        assert deployed.deployment(store, machine).engine_id == manifest.id
    assert [one.reason for one in store.deployments(machine)][-1] == f"for {BRED.id}"


def test_an_engine_that_is_at_work_is_not_put_to_work_again(store, machine):
    deployed.deploy(store, machine, BRED, "first")
    deployed.deploy(store, machine, BRED, "second")
    assert [one.reason for one in store.deployments(machine)] == ["first"]


def test_an_engine_is_restored_to_the_letter(store):
    deployed.keep(store, BRED)
    found = deployed.manifest_of(store, BRED.id)
    assert (found.schedules, found.sources, found.id) == (BRED.schedules, BRED.sources, BRED.id)
    assert deployed.manifest_of(store, BRED.id[:6]) == found
    assert deployed.manifest_of(store, "usual") == Manifest.usual()


def test_an_engine_whose_kernels_have_changed_is_refused(store):
    """The same schedules make other code now: that is another engine."""
    store.add_engine(EngineRecord("0123456789abcdef", BRED.as_dict(), utc_now()))
    with pytest.raises(UsageError, match="kernels that have changed since"):
        deployed.manifest_of(store, "0123")


@pytest.mark.parametrize("change", [{"lanes": 7}, {"lanes": 16, "vectors": 64}])
def test_an_engine_that_this_version_cannot_make_is_refused(store, change):
    told = json.loads(json.dumps(BRED.as_dict()))
    told["parts"]["dominance"]["schedule"] |= change
    store.add_engine(EngineRecord("0123456789abcdef", told, utc_now()))
    with pytest.raises(UsageError, match="cannot be made here"):
        deployed.manifest_of(store, "0123")


def test_an_engine_that_nobody_made_or_that_two_are_called_is_a_usage_error(store):
    for engine in ("aa01", "aa02"):
        store.add_engine(EngineRecord(engine, {}, utc_now()))
    with pytest.raises(UsageError, match="aa01, aa02"):
        deployed.manifest_of(store, "aa")
    for key in ("bb", ""):
        with pytest.raises(UsageError, match="no engine"):
            deployed.manifest_of(store, key)


# ---- runs


def test_a_run_works_with_what_is_at_work_or_with_what_was_asked_for(store, machine):
    assert deployed.equipped(store, REQUEST, None) is REQUEST
    deployed.deploy(store, machine, BRED, "evolved")
    for asked in (None, BRED.id[:8]):
        assert deployed.equipped(store, REQUEST, asked).options == {"engine": BRED.id}
    assert deployed.equipped(store, REQUEST, "usual") is REQUEST
    with pytest.raises(UsageError, match="no engine"):
        deployed.equipped(store, REQUEST, "zz")


def test_who_asks_for_no_engine_gets_the_usual_one_where_the_other_cannot_be_made(store, machine):
    store.add_engine(EngineRecord("0123456789abcdef", BRED.as_dict(), utc_now()))
    store.add_deployment(Deployment("0123456789abcdef", machine, utc_now(), "long ago"))
    assert deployed.equipped(store, REQUEST, None) is REQUEST
    with pytest.raises(UsageError, match="changed since"):
        deployed.equipped(store, REQUEST, "0123")


def test_a_run_goes_on_with_its_own_engine_whatever_works_now(store, machine):
    deployed.keep(store, BRED)
    run = store.create_run(replace(SPEC, machine=machine, kernel="triad", options=deployed.working_with(BRED.id)))
    deployed.deploy(store, machine, Manifest.usual(), "by hand")
    assert Session(run, around(store)).strategy.strategy.engine.manifest == BRED
    usual = store.create_run(replace(SPEC, machine=machine, kernel="triad"))
    assert Session(usual, around(store)).strategy.strategy.engine.manifest == Manifest.usual()


def test_an_engine_steers_a_search_and_never_changes_what_it_asks(store, machine):
    """Bred and plain parts agree to what the search looks at: equal seeds ask for the same schedules."""
    asked = []
    for manifest in (Manifest.plain(), BRED, Manifest.usual()):
        deployed.keep(store, manifest)
        options = deployed.working_with(manifest.id)
        run = store.create_run(
            replace(SPEC, machine=machine, kernel="triad", seed=4, strategy="nsga2", options=options)
        )
        session = Session(run, around(store))
        for _ in range(6):
            evaluations = session.ask()
            session.evaluate(evaluations)
            session.tell(session.batch(evaluations))
        asked.append([dict(one.evaluation.schedule) for one in session.individuals])
    assert asked[0] == asked[1] == asked[2]
    assert len(asked[0]) >= 20


# ---- laps


def planted_loop(store, machine, kind="engine"):
    loop = store.create_loop(LoopSpec(kind=kind, laps=2, seed=1, machine=machine))
    for lap, manifest in enumerate((Manifest.plain(), BRED)):
        deployed.keep(store, manifest)
        details = {"engine": {"id": manifest.id, "manifest": manifest.as_dict()}}
        store.add_lap(lap_of(loop, lap, details=details))
    return loop


def test_any_laps_engine_is_found(store, machine):
    loop = planted_loop(store, machine)
    assert deployed.engine_of_lap(store, "latest", 0) == Manifest.plain().id
    assert deployed.engine_of_lap(store, loop.id, 1) == BRED.id
    with pytest.raises(UsageError, match="no lap 2"):
        deployed.engine_of_lap(store, loop.id, 2)
    other = planted_loop(store, machine, "search")
    with pytest.raises(UsageError, match="no engines"):
        deployed.engine_of_lap(store, other.id, 1)


def test_rollback_puts_a_laps_engine_to_work_exactly(evolve, url):
    with open_store(url) as store:
        machine = known_machine(store).id
        loop = planted_loop(store, machine)
        deployed.deploy(store, machine, Manifest.usual(), "evolved")
    code, out, err = evolve("loop", "rollback", loop.id, "--lap", "1")
    assert code == 0
    assert out.startswith(f"engine {BRED.id} is at work on this machine: rolled back by hand to lap 1 of loop")
    assert err.splitlines()[-1].startswith("next: evolve run")
    with open_store(url) as store:
        at_work = deployed.deployment(store, machine)
        assert deployed.manifest_of(store, at_work.engine_id) == BRED
    shown = json.loads(evolve("loop", "show", loop.id, "--json")[1])
    assert shown["at_work"]["engine"] == BRED.id
    assert evolve("loop", "rollback", loop.id, "--lap", "0")[0] == 0
    told = json.loads(evolve("loop", "rollback", "--to", "usual", "--json")[1])
    assert (told["schema"], told["engine"]) == (1, Manifest.usual().id)
    with open_store(url) as store:
        assert [one.engine_id for one in store.deployments(machine)] == [
            manifest.id for manifest in (Manifest.usual(), BRED, Manifest.plain(), Manifest.usual())
        ]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("loop rollback", "say which engine"),
        ("loop rollback --lap 1 --to usual", "say which engine"),
        ("loop rollback --lap 7", "no lap 7"),
        ("loop rollback --to nobody", "no engine"),
        ("loop rollback nothing --lap 1", "no loop"),
        ("run triad --engine nobody", "no engine"),
    ],
)
def test_bad_input_is_one_line_and_changes_nothing(evolve, url, line, said):
    with open_store(url) as store:
        machine = known_machine(store).id
        planted_loop(store, machine)
    code, out, err = evolve(*line.split())
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert said in err
    with open_store(url) as store:
        assert store.deployments(machine) == []


def test_evolve_run_takes_the_engine_that_is_at_work(evolve, url, started):
    with open_store(url) as store:
        deployed.deploy(store, known_machine(store).id, BRED, "evolved")
    assert evolve("run", "triad", "--budget", "8evals", "--no-report")[0] == 0
    assert started.asked.options["engine"] == BRED.id
    assert evolve("run", "triad", "--budget", "8evals", "--no-report", "--engine", "usual")[0] == 0
    assert "engine" not in started.asked.options


def test_ids_tell_engines_apart_by_their_code():
    rng = np.random.default_rng(1)
    space = STEERING["dominance"].definition.space
    ids = {Manifest.plain().replaced("dominance", space.sample(rng)).id for _ in range(8)}
    assert len(ids) == 8
