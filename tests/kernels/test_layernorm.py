"""What the contract's random inputs do not show of layer normalisation."""

import numpy as np
import pytest

import kernels
from kernels.language import SourceFolder, specialise

LAYERNORM = kernels.get("layernorm")
VARIANTS = [
    {"variant": "twice", "stores": "streaming"},
    {"variant": "shifted", "pivot": "element", "claim": True},
    {"variant": "shifted", "pivot": "turn", "fetch": "last"},
    {"variant": "twice", "scaling": "folded", "fetch": "first"},
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return SourceFolder(tmp_path_factory.mktemp("sources"))


def layernorm(folder, x, gamma=None, beta=None, epsilon=1e-5, **genes):
    columns = x.shape[1]
    gamma = np.ones(columns, x.dtype) if gamma is None else gamma
    beta = np.zeros(columns, x.dtype) if beta is None else beta
    schedule = LAYERNORM.space.schedule(**genes)
    source = specialise(LAYERNORM.template(schedule), schedule, x.dtype.name)
    compiled = folder.load(folder.write(source))
    out = np.full_like(x, np.nan)
    runtime = (int(schedule[name]) for name in source.runtime)
    compiled.function(x, gamma, beta, x.dtype.type(epsilon), out, *runtime, *compiled.pointers)
    return out


def truth(x, epsilon=1e-5):
    return LAYERNORM.reference(x, np.ones(x.shape[1]), np.zeros(x.shape[1]), epsilon)


@pytest.mark.parametrize("genes", VARIANTS, ids=str)
def test_rows_far_from_zero_keep_their_variance(folder, genes):
    # the plain sum of squares would be 1e6 with a rounding error of 0.06, and the variance is 1
    x = (1000 + np.random.default_rng(0).standard_normal((5, 600))).astype(np.float32)
    np.testing.assert_allclose(layernorm(folder, x, **genes), truth(x), atol=2e-3)


@pytest.mark.parametrize("genes", VARIANTS, ids=str)
def test_level_rows_are_beta(folder, genes):
    gamma, beta = np.full(33, 2, np.float32), np.arange(33, dtype=np.float32)
    found = layernorm(folder, np.full((3, 33), 5, np.float32), gamma, beta, **genes)
    np.testing.assert_allclose(found, np.tile(beta, (3, 1)), atol=1e-3)


@pytest.mark.parametrize("genes", VARIANTS, ids=str)
def test_gamma_beta_and_epsilon_go_where_they_belong(folder, genes):
    x = np.tile(np.array([-1.0, 1.0]), (3, 20))  # mean 0, variance 1
    gamma, beta = np.arange(40.0), np.arange(40.0) ** 2
    expected = x / 2 * gamma + beta  # sqrt(1 + 3) = 2
    np.testing.assert_allclose(layernorm(folder, x, gamma, beta, 3.0, **genes), expected, rtol=1e-14)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("genes", VARIANTS, ids=str)
def test_what_is_no_number_stays_in_its_row(folder, genes, bad):
    x = np.random.default_rng(0).standard_normal((4, 50)).astype(np.float32)
    x[2, 17] = bad
    found = layernorm(folder, x, **genes)
    assert np.isnan(found[2]).all()
    kept = [0, 1, 3]
    np.testing.assert_allclose(found[kept], truth(x[kept]), atol=1e-5)


def test_rows_of_a_random_problem_deviate():
    for columns in (2, 3, 5, 40):
        x, *_ = LAYERNORM.problem((200, columns), "float32", np.random.default_rng(0))
        assert x.min() >= 0.5
        assert x.max() <= 2
        assert x.std(axis=1).min() > 0.2


@pytest.mark.parametrize(
    "shapes", [((4,), (4,), (4,)), ((2, 3), (2,), (3,)), ((2, 3), (3,), (2,)), ((2, 3), (3, 1), (3, 1))], ids=str
)
def test_inputs_that_do_not_fit_are_refused(shapes):
    with pytest.raises(ValueError, match="shapes"):
        LAYERNORM.size_of(*map(np.ones, shapes), 1e-5)
