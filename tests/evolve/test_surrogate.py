"""What the surrogate believes is what a Gaussian process believes, and it learns which genes matter."""

import math

import numpy as np
import pytest
import scipy.linalg.lapack  # noqa: F401 - has a BLAS of its own, which limits reach only once it is there
from threadpoolctl import threadpool_info, threadpool_limits

from evolve.engine import STEERING, USUAL
from evolve.search.alphabet import Alphabet
from evolve.search.blas import one_thread
from evolve.search.columns import Columns
from evolve.search.embedding import Embedding, positions
from evolve.search.screening import log_improvement, scores_of_ranks, screened
from evolve.search.surrogate import Surrogate
from evolve.search.testing import SYNTHETIC
from kernels.language.space import Space, choice, flag, integer, permutation, power_of_two

MIXED = Space(
    [
        integer("step", range(9), ""),
        power_of_two("tile", 1, 64, ""),
        choice("kind", ("a", "b", "c"), ""),
        flag("fast", ""),
        permutation("order", "ijk", ""),
    ]
)


def rows(space, count, seed=0):
    alphabet = Alphabet(space)
    drawn = alphabet.random(np.random.default_rng(seed), 20 * count)
    return np.unique(drawn, axis=0)[:count] if count > len(drawn) else drawn[:count]


def height(some):
    """Depends on tile and kind, and not on the others."""
    return -0.1 * (some[:, 1] - 4.0) ** 2 + np.array([0.0, 0.8, 0.3])[some[:, 2]]


def fitted(count=60, seed=0, **settings):
    known = rows(MIXED, count, seed)
    surrogate = Surrogate(Embedding(MIXED))
    surrogate.fit(known, height(known), **settings)
    return surrogate, known


def test_positions_are_by_ratios_where_numbers_span_some():
    assert positions(power_of_two("a", 1, 16, "")).tolist() == pytest.approx([0, 0.25, 0.5, 0.75, 1])
    assert positions(integer("a", (8, 9, 10), "")).tolist() == pytest.approx([0, 0.5, 1])
    assert positions(integer("a", (0, 1, 100), "")).tolist() == pytest.approx([0, 0.01, 1])


def test_every_trait_is_as_wide_as_every_other():
    embed = Embedding(MIXED)
    some = np.array([[k % len(p.values) for p in MIXED.parameters] for k in range(9 * 7 * 2)])
    places = embed(some)
    assert places.shape == (126, len(embed.traits))
    for trait in range(embed.count):
        columns = places[:, embed.traits == trait]
        apart = ((columns[:, None] - columns) ** 2).sum(axis=2)
        assert apart.mean() == pytest.approx(1.0)
    assert (places**2).sum(axis=1).mean() == pytest.approx(embed.norm)


def test_a_gene_with_one_value_has_no_trait():
    assert Embedding(Space([integer("a", (3,), ""), flag("f", "")])).count == 1
    assert Embedding(Space([integer("a", (3,), "")]))(np.zeros((2, 1), dtype=int)).shape == (2, 0)


def test_it_knows_what_it_was_told_and_is_sure_of_it():
    surrogate, known = fitted()
    there, elsewhere = surrogate.posterior(known), surrogate.posterior(rows(MIXED, 200, seed=5))
    assert np.abs(there.mean - height(known)).max() < 0.1
    assert there.deviation.max() < 0.5 * np.median(elsewhere.deviation) + 0.05


def test_it_predicts_what_it_was_not_told():
    surrogate, _ = fitted()
    others = rows(MIXED, 300, seed=5)
    error = surrogate.posterior(others).mean - height(others)
    assert np.sqrt(np.mean(error**2)) < 0.2 * height(others).std()


def test_it_learns_which_genes_matter():
    surrogate, _ = fitted(count=120)
    weights = np.exp(surrogate.scales[:-3])
    genes = [gene for gene, _ in surrogate.embed.tables]
    matter = max(w for w, gene in zip(weights, genes, strict=True) if gene in (1, 2))
    others = max(w for w, gene in zip(weights, genes, strict=True) if gene not in (1, 2))
    assert matter > 3 * others


def test_scales_stay_where_they_are_unless_it_learns():
    surrogate, known = fitted(learning=False)
    before = surrogate.scales.copy()
    surrogate.fit(known, height(known), learning=False)
    assert np.array_equal(surrogate.scales, before)
    surrogate.fit(known, height(known))
    assert not np.array_equal(surrogate.scales, before)


def test_the_slope_is_that_of_the_evidence():
    from evolve.search.surrogate import _Lessons

    known = rows(MIXED, 30)
    surrogate = Surrogate(Embedding(MIXED))
    lessons = _Lessons(
        surrogate.embed, surrogate.embed(known), (height(known) - height(known).mean()) / height(known).std()
    )
    at = surrogate.scales + 0.3
    _, slope = lessons.evidence(at)
    for k, expected in enumerate(slope):
        step = np.eye(len(at))[k] * 1e-5
        found = (lessons.evidence(at + step)[0] - lessons.evidence(at - step)[0]) / 2e-5
        assert found == pytest.approx(expected, rel=1e-3, abs=1e-5)


def test_to_believe_is_as_good_as_to_be_told_what_was_expected():
    surrogate, known = fitted(learning=False)
    pool = rows(MIXED, 50, seed=9)
    believing = surrogate.posterior(pool)
    before = believing.deviation
    for place in (3, 17):
        believing.believe(place)
    lessons = np.concatenate([known, pool[[3, 17]]])
    noisy = [*height(known), *believing.mean[[3, 17]]]
    told = Surrogate(surrogate.embed)
    told.fit(lessons, np.array(noisy), learning=False)
    share = told.posterior(pool).deviation / (told.unit * math.sqrt(told.variance))
    assert believing.deviation / (surrogate.unit * math.sqrt(surrogate.variance)) == pytest.approx(share, rel=1e-6)
    assert (believing.deviation <= before + 1e-12).all()
    assert believing.deviation[3] < 0.5 * before[3]


def test_single_precision_means_are_the_same_means():
    surrogate, _ = fitted()
    pool = rows(MIXED, 500, seed=9)
    assert surrogate.mean(pool) == pytest.approx(surrogate.posterior(pool).mean, abs=1e-3)


def test_equal_outcomes_teach_nothing_and_break_nothing():
    surrogate = Surrogate(Embedding(MIXED))
    known = rows(MIXED, 20)
    surrogate.fit(known, np.ones(20))
    assert surrogate.posterior(rows(MIXED, 20, seed=3)).mean == pytest.approx(np.ones(20))


def test_improvement_is_that_of_a_normal_distribution():
    rng = np.random.default_rng(0)
    for mean, deviation, best in [(0.0, 1.0, 0.5), (2.0, 0.3, 1.0), (-1.0, 0.5, 0.0)]:
        drawn = np.maximum(rng.normal(mean, deviation, 400_000) - best, 0).mean()
        found = log_improvement(np.array([mean]), np.array([deviation]), best)[0]
        assert math.exp(found) == pytest.approx(drawn, rel=0.05)


def test_improvement_falls_without_a_break_where_it_underflows():
    means = -np.linspace(0, 60, 2000)
    found = log_improvement(means, np.ones(2000), 0.0)
    assert np.isfinite(found).all()
    assert (np.diff(found) < 0).all()
    assert np.abs(np.diff(found, 2)).max() < 0.1


def test_ranks_know_no_outlier_and_share_ties():
    found = scores_of_ranks(np.array([5.0, -1e9, 1.0, 1.0, 3.0]))
    assert np.argsort(found, kind="stable").tolist() == [1, 2, 3, 4, 0]
    assert found[2] == found[3]
    assert found[0] == pytest.approx(-found[1])


def test_screening_takes_the_promising_and_not_the_same_twice():
    surrogate, known = fitted()
    pool = rows(MIXED, 400, seed=9)
    chosen = screened(surrogate, pool, 8, float(height(known).max()), known[:0])
    assert len(set(chosen)) == 8
    assert np.median(height(pool[chosen])) > np.quantile(height(pool), 0.9)
    assert screened(surrogate, pool[:3], 8, 0.0, known[:0]) != []
    assert len(screened(surrogate, pool[:3], 8, 0.0, known[:0])) == 3


def test_screening_leaves_what_is_being_measured():
    surrogate, known = fitted(count=20)
    pool = np.unique(rows(MIXED, 400, seed=9), axis=0)
    best = float(height(known).max())
    first = screened(surrogate, pool, 1, best, known[:0])
    posterior = surrogate.posterior(pool)
    before = log_improvement(posterior.mean, posterior.deviation, best)[first[0]]
    posterior.believe(first[0])
    after = log_improvement(posterior.mean, posterior.deviation, best)[first[0]]
    assert after < before


def test_of_very_many_children_the_expected_best_are_looked_at():
    surrogate = Surrogate(Embedding(SYNTHETIC))
    known = rows(SYNTHETIC, 60)
    surrogate.fit(known, known[:, 2].astype(float))
    pool = Alphabet(SYNTHETIC).random(np.random.default_rng(2), 40_000)
    chosen = screened(surrogate, pool, 4, float(known[:, 2].max()), known[:0])
    assert len(pool) > 5000
    assert surrogate.mean(pool)[chosen].min() > np.quantile(surrogate.mean(pool), 0.7)


def test_columns_keep_distances_and_products_and_are_fewer():
    embed = Embedding(SYNTHETIC)
    known, some = rows(SYNTHETIC, 30), rows(SYNTHETIC, 200, seed=5)
    weights = np.linspace(0.5, 2, embed.count)
    near, flat = Columns(embed, weights), Columns(embed, np.ones(embed.count))
    apart = ((embed(some)[:, None] - embed(known)) ** 2 * weights[embed.traits]).sum(axis=2)
    assert ((near(some)[:, None] - near(known)) ** 2).sum(axis=2) == pytest.approx(apart, rel=1e-5, abs=1e-5)
    assert flat(some) @ flat(known).T == pytest.approx(embed(some) @ embed(known).T, rel=1e-5, abs=1e-5)
    assert near.count == sum(len(p.values) - 1 for p in SYNTHETIC.parameters) < len(embed.traits)


def test_traits_that_do_not_matter_take_no_columns():
    embed = Embedding(MIXED)
    weights = np.exp(np.where(np.arange(embed.count) == 0, 0.0, -40.0))
    assert Columns(embed, weights).count == 1
    empty = Columns(Embedding(Space([integer("a", (3,), "")])), np.ones(0))
    assert empty(np.zeros((4, 1), dtype=int)).shape == (4, 0)


class Counted:
    """The usual engine, which notes how many genomes it scores at a time."""

    def __init__(self):
        self.sizes = []

    def surrogate_predict(self, pool, known, weights):
        self.sizes.append((*pool.shape[:1], *known.shape))
        return USUAL.surrogate_predict(pool, known, weights)


def test_very_many_genomes_are_scored_a_part_at_a_time():
    engine = Counted()
    known = rows(MIXED, 60)
    surrogate = Surrogate(Embedding(MIXED), engine)
    surrogate.fit(known, height(known))
    some = np.concatenate([rows(MIXED, 1000, seed=k) for k in range(10)])
    expected = np.concatenate([surrogate.posterior(one).mean for one in np.array_split(some, 10)])
    assert surrogate.mean(some) == pytest.approx(expected, abs=1e-3)
    part = STEERING["surrogate_predict"].size[0]
    assert [size[:2] for size in engine.sizes] == [(part, 60)] * (len(some) // part) + [(len(some) % part, 60)]
    assert surrogate.mean(some[:0]).shape == (0,)


def test_numpy_and_scipy_sum_on_one_thread_and_then_on_as_many_as_before():
    with threadpool_limits(2, user_api="blas"):
        with one_thread():
            assert blas_threads() == {1}
        assert blas_threads() == {2}


def blas_threads():
    return {library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"}
