"""What the contract's random schedules and sizes do not show of the Fourier transform."""

import numpy as np
import pytest

import kernels
from kernels import fft
from kernels.language import SourceFolder, specialise

FFT = kernels.get("fft")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return SourceFolder(tmp_path_factory.mktemp("sources"))


def transform(folder, z, **genes):
    schedule = FFT.space.schedule(**genes)
    x = np.ascontiguousarray(z).view(np.float64)
    size = len(z), z.shape[1]
    source = specialise(FFT.template(schedule), schedule, "float64")
    compiled = folder.load(folder.write(source))
    out = np.full_like(x, np.nan)
    scratch = (np.full(count, np.nan) for count in FFT.workspace(schedule, size))
    roots = fft.unit_roots(size[1], "float64")
    compiled.function(x, roots, out, *scratch, *(int(schedule[name]) for name in source.runtime), *compiled.pointers)
    return out.view(np.complex128)


def numbers(rows, n):
    rng = np.random.default_rng(n)
    return rng.uniform(-1, 1, (rows, n)) + 1j * rng.uniform(-1, 1, (rows, n))


# plans share compiled code: any number of them costs one build
PLANS = [(4, 2, 2, 2), (8, 8, 8, 8), (16, 8, 8, 8), (4, 8, 2, 4), (16, 2, 8, 4), (8, 4, 8, 2)]


@pytest.mark.parametrize("plan", PLANS, ids=str)
@pytest.mark.parametrize("between", ["out", "two"])
def test_any_plan_is_right_for_any_length(folder, plan, between):
    names = ("radix1", "radix2", "radix3", "radix4")
    genes = {**dict(zip(names, plan, strict=True)), "lanes": 4, "between": between}
    for n in (1 << level for level in range(15)):
        z = numbers(2, n)
        np.testing.assert_allclose(transform(folder, z, **genes), np.fft.fft(z), atol=4e-16 * 15 * n**0.5)


def test_roots_of_every_length_lie_where_passes_look_for_them():
    roots = fft.unit_roots(64, "float64")
    assert roots.shape == (256,)
    for length in (1, 2, 8, 64):
        found = roots[2 * length : 3 * length] + 1j * roots[3 * length : 4 * length]
        np.testing.assert_allclose(found, np.exp(-2j * np.pi * np.arange(length) / length), atol=1e-16)


def test_one_number_becomes_a_wave(folder):
    z = np.zeros((1, 4096), complex)
    z[0, 3] = 1
    truth = np.exp(-6j * np.pi * np.arange(4096) / 4096)
    np.testing.assert_allclose(transform(folder, z)[0], truth, atol=1e-15)


def test_nan_stays_in_its_row(folder):
    z = numbers(3, 256)
    z[1, 17] = np.nan
    got = transform(folder, z)
    assert np.isnan(got[1]).all()
    np.testing.assert_allclose(got[::2], np.fft.fft(z[::2]), atol=1e-13)


@pytest.mark.parametrize(
    ("x", "roots", "message"),
    [
        ((4,), 16, "rows of pairs"),
        ((2, 7), 16, "rows of pairs"),
        ((2, 24), 48, "power of two"),
        ((2, 16), 16, "unit_roots"),
    ],
)
def test_rows_that_do_not_fit_are_refused(x, roots, message):
    with pytest.raises(ValueError, match=message):
        FFT.size_of(np.ones(x), np.ones(roots))


def test_a_length_that_is_no_power_of_two_is_refused():
    with pytest.raises(ValueError, match="power of two"):
        FFT.problem((1, 12), "float64", np.random.default_rng(0))


def test_no_rows_have_a_transform():
    assert FFT.size_of(np.ones((0, 16)), np.ones(32)) == (0, 8)
    assert FFT.reference(np.ones((0, 16)), np.ones(32)).shape == (0, 16)
