"""What other spaces taught: carried by name, else by kind, and better than nothing where little is known."""

import json
from dataclasses import asdict, replace

import numpy as np
import pytest

from evolve.search import make
from evolve.search.alphabet import Alphabet
from evolve.search.embedding import Embedding
from evolve.search.prior import Prior
from evolve.search.settings import Settings
from evolve.search.surrogate import Surrogate
from evolve.search.testing import SYNTHETIC, search, synthetic_fitness
from kernels.language.space import Space, flag, integer, power_of_two


def space(*further):
    genes = [power_of_two("tile", 1, 64, ""), integer("step", range(9), ""), integer("idle", range(9), "")]
    return Space([*genes, *further])


def height(rows, shift=0.0):
    """Tile and step decide together, and nothing else does."""
    return np.sin(0.8 * rows[:, 0] + 0.6 * rows[:, 1] + shift)


def rows_of(some, count, seed=0):
    return Alphabet(some).random(np.random.default_rng(seed), count)


def learned(some=None, count=120):
    some = some or space()
    surrogate = Surrogate(Embedding(some))
    rows = rows_of(some, count)
    for _ in range(3):
        surrogate.fit(rows, height(rows))
    return surrogate


def test_traits_have_names():
    embedding = Embedding(space(flag("on", "")))
    ordered = [f"{name}/{kind}" for name in ("tile", "step", "idle") for kind in ("scale", "cases")]
    assert embedding.names == [*ordered, "on/cases"]
    assert len(embedding.names) == embedding.count


def test_a_trait_is_believed_by_its_name_else_by_its_kind_else_like_all():
    prior = Prior((("tile/scale", 2.0), ("/scale", 1.0)), (0.1, 0.2, 0.3), 1)
    found = prior.believed(["tile/scale", "other/scale", "kind/cases", "x/order"])
    assert found == pytest.approx([2 - np.log(4), 1 - np.log(4), -np.log(4), -np.log(4), 0.1, 0.2, 0.3])


def test_without_a_prior_all_traits_matter_alike():
    alike = Surrogate(Embedding(space())).scales
    neutral = Prior((), tuple(alike[-3:].tolist()), 1)
    assert Surrogate(Embedding(space()), prior=neutral).scales == pytest.approx(alike)


def test_what_mattered_elsewhere_matters_from_the_start():
    names = (new := Embedding(space(flag("on", "")))).names
    scales = dict(zip(names, Surrogate(new, prior=Prior.learned([learned()])).scales, strict=False))
    assert min(scales["tile/scale"], scales["step/scale"]) > scales["idle/scale"] + 1


def test_with_few_lessons_it_predicts_better_than_without():
    prior, some = Prior.learned([learned()]), space(flag("on", ""), flag("off", ""))
    others, errors = rows_of(some, 300, seed=99), {None: [], prior: []}
    for seed in range(10):
        rows = rows_of(some, 40, seed)
        for belief, found in errors.items():
            surrogate = Surrogate(Embedding(some), prior=belief)
            surrogate.fit(rows, height(rows, 1.0), learning=False)
            found.append(float(np.mean((surrogate.posterior(others).mean - height(others, 1.0)) ** 2)))
    assert np.mean(errors[prior]) < 0.8 * np.mean(errors[None])


def test_it_is_plain_data():
    prior = Prior.learned([learned(), learned(space(flag("on", "")))])
    assert prior.spaces == 2
    assert Prior.from_dict(json.loads(json.dumps(prior.as_dict()))) == prior
    settings = Settings(prior=prior, tournament=5)
    assert hash(settings) == hash(replace(settings))
    assert Settings.from_dict(json.loads(json.dumps(asdict(settings)))) == settings
    assert Settings.from_dict(json.loads(json.dumps(asdict(Settings())))) == Settings()
    assert settings.changes == "tournament=5 prior=learned on 2 spaces"
    with pytest.raises(TypeError):
        Settings.from_dict({"perpetual": True})


def test_a_search_begins_with_it():
    prior = Prior.learned([learned()])
    found = [
        search(make("genetic", SYNTHETIC, np.random.default_rng(3), 0.0, settings=one), synthetic_fitness, 40)
        for one in (Settings(), Settings(prior=prior), Settings(prior=prior))
    ]
    assert found[1] == found[2] != found[0]


def test_mutations_and_leaps_are_settings_of_the_breeder():
    from evolve.search.breeding import Breeder

    alphabet = Alphabet(Space([integer(name, range(40), "") for name in "abcdef"]))
    middle, mothers = np.full((1, 6), 20), np.zeros(400, dtype=np.int64)

    def mutants(**settings):
        return Breeder(alphabet, np.random.default_rng(0), Settings(**settings)).mutants(middle, mothers).rows - 20

    few, many = ((mutants(mutations=count) != 0).sum(axis=1).mean() for count in (1.0, 4.0))
    assert few < 2
    assert many > 3
    near, far = (np.abs(mutants(leaps=share)).max(axis=1).mean() for share in (0.0, 1.0))
    assert near < 0.6 * far
