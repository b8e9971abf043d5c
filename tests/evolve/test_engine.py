"""The engine computes what its kernels' references say, and a manifest says which engine it is."""

import json

import numpy as np
import pytest

from benchmarks.inference import hierarchical_speedup, numpy_medians
from evolve.engine import PARTS, STEERING, USUAL, Engine, Manifest
from evolve.engine.judging import medians
from evolve.search import make
from evolve.search.genetic import Genetic
from evolve.search.settings import Settings
from evolve.search.testing import SYNTHETIC, TINY, search, synthetic_fitness
from kernels.language import SourceFolder

MANIFESTS = {"usual": Manifest.usual, "plain": Manifest.plain}


@pytest.mark.parametrize("name", STEERING)
@pytest.mark.parametrize("manifest", MANIFESTS)
def test_a_part_computes_what_its_reference_says(manifest, name):
    engine, part = Engine(MANIFESTS[manifest]()), STEERING[name]
    for seed, size in enumerate(part.definition.verify_sizes):
        inputs = part.definition.problem(size, part.dtype, np.random.default_rng(seed))
        truth = part.definition.reference(*inputs)
        found = getattr(engine, name)(*inputs)
        assert found.dtype == part.dtype
        assert found == pytest.approx(truth, rel=part.definition.tolerance(size, part.dtype), abs=0)


def test_nothing_is_compiled_that_is_not_called(tmp_path):
    engine = Engine(folder=SourceFolder(tmp_path))
    assert not [*tmp_path.iterdir()]
    assert engine.dominance(np.array([[1.0, 2.0], [2.0, 3.0]])).tolist() == [1, 2]
    assert set(engine._parts) == {"dominance"}


def test_what_does_not_fit_is_refused_at_the_door():
    with pytest.raises(TypeError, match="float32"):
        USUAL.novelty(np.zeros((2, 3)), np.zeros((2, 3)))
    with pytest.raises(ValueError, match="as many genes"):
        USUAL.novelty(np.zeros((2, 3), np.float32), np.zeros((2, 4), np.float32))


# ---- which engine it is


def test_engines_of_the_same_code_have_one_id_and_others_have_others():
    usual, plain = Manifest.usual(), Manifest.plain()
    novelty = STEERING["novelty"].definition.space
    schedules = [novelty.default, novelty.default.replace(rows=4), novelty.default.replace(block=64)]
    alike, *others = (usual.replaced("novelty", schedule) for schedule in schedules)
    assert "block" in STEERING["novelty"].source(novelty.default).runtime, "it changes no code"
    assert (alike, alike.id) == (usual, usual.id)
    assert len({usual.id, plain.id, plain.replaced("novelty", novelty.default).id, *(one.id for one in others)}) == 5
    assert plain.replaced("novelty", novelty.default).replaced("novelty", None).id == plain.id


@pytest.mark.parametrize("manifest", MANIFESTS)
def test_a_manifest_comes_back_from_json(manifest):
    made = MANIFESTS[manifest]()
    told = json.loads(json.dumps(made.as_dict()))
    again = Manifest.from_dict(told)
    assert (again, again.id) == (made, told["id"])
    assert {name: part["source"] for name, part in told["parts"].items()} == made.sources


def test_what_judges_is_no_part_of_a_manifest():
    judging = {part.name: part.definition.space.default for part in PARTS if not part.steers}
    assert set(judging) == {"bootstrap"}
    with pytest.raises(ValueError, match="bootstrap does not fit"):
        Manifest({**Manifest.usual().schedules, **judging})
    with pytest.raises(ValueError, match="bootstrap does not fit"):
        Manifest.usual().replaced("bootstrap", None)


def test_a_manifest_is_whole_and_legal():
    some = {name: schedule for name, schedule in Manifest.usual().schedules.items() if name != "novelty"}
    with pytest.raises(ValueError, match="novelty does not fit"):
        Manifest(some)
    illegal = STEERING["novelty"].definition.space.default.replace(rows=12, vectors=6)
    with pytest.raises(ValueError, match="novelty has no such schedule: the tile"):
        Manifest.usual().replaced("novelty", illegal)


# ---- what runs on it


def test_a_search_is_given_its_engine_where_it_takes_one():
    engine, rng = Engine(Manifest.plain()), np.random.default_rng
    assert make("genetic", TINY, rng(0), 0, engine=engine).engine is engine
    assert make("nsga2", TINY, rng(0), 0, engine=engine).engine is engine
    assert make("genetic", TINY, rng(0), 0, engine=None).engine is USUAL
    assert len(make("random", TINY, rng(0), 0, engine=engine).ask(2)) == 2


def test_a_search_does_not_depend_on_how_its_engine_rounds():
    settings = Settings(children=12_000, lessons=20)
    played, looked_at = [], set()
    for manifest in MANIFESTS.values():
        strategy = Genetic(SYNTHETIC, np.random.default_rng(1), settings, Engine(manifest()))
        played.append(search(strategy, synthetic_fitness, 40))
        looked_at.add(strategy.looked_at)
    assert played[0] == played[1]
    assert min(looked_at) > 3000, "so many are scored by the kernel"


# ---- what judges


@pytest.mark.parametrize("count", [1, 2, 7, 30, 101])
def test_medians_are_numpys_to_the_last_bit(count):
    rng = np.random.default_rng(count)
    values, draws = rng.normal(size=count), rng.integers(count, size=(500, count)).astype(np.int32)
    assert np.array_equal(medians(values, draws), numpy_medians(values, draws))


def test_published_intervals_do_not_depend_on_who_computes_medians():
    rng = np.random.default_rng(0)
    launches = [(rng.uniform(1, 2, rounds), rng.uniform(2, 4, rounds)) for rounds in (1, 2, 20, 30, 30)]
    found = [hierarchical_speedup(launches, np.random.default_rng(5), medians=by) for by in (numpy_medians, medians)]
    assert found[0] == found[1]
