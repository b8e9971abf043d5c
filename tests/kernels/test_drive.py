import numpy as np
import pytest

import kernels
from kernels.language import SourceFolder, driver_of, idle_of, specialise, template
from kernels.language.simd import address_of


@template("void(T[:, ::1], T[::1])", runtime=("by",))
def raised(p, a, count):
    count[0] += p.by + a[0, 1]


@template()
def inferred(_p, a):
    a[0] = 1


@pytest.fixture
def folder(tmp_path):
    return SourceFolder(tmp_path)


def test_a_driver_calls_as_often_as_it_is_told_with_all_arguments(folder):
    source = specialise(raised, {"by": 3}, "float64")
    compiled = folder.load(folder.write(source))
    drive = folder.load(folder.write(driver_of(source))).function
    a, count = np.array([[0.0, 0.5]]), np.zeros(1)
    drive(a, count, 3, address_of(compiled.function), 10)
    assert count[0] == 35.0


def test_an_idle_function_takes_the_same_and_does_nothing(folder):
    source = specialise(raised, {"by": 3}, "float32")
    idle = folder.load(folder.write(idle_of(source))).function
    a, count = np.zeros((1, 2), np.float32), np.zeros(1, np.float32)
    idle(a, count, 3)
    assert count[0] == 0
    assert idle.nopython_signatures == folder.load(folder.write(source)).function.nopython_signatures


def test_one_driver_serves_all_of_a_signature():
    sources = [specialise(raised, {"by": by}, "float64") for by in (1, 2)]
    assert driver_of(sources[0]) == driver_of(sources[1])
    assert driver_of(sources[0]) != driver_of(specialise(raised, {"by": 1}, "float32"))


def test_what_has_no_signature_has_no_driver():
    source = specialise(inferred, {}, "float64")
    assert driver_of(source) is None
    assert idle_of(source) is None


@pytest.mark.parametrize("name", kernels.names())
def test_every_baseline_can_be_driven(name):
    kernel = kernels.get(name)
    source = specialise(kernel.baseline, {}, kernel.dtypes[0])
    assert source.signature is not None
    assert driver_of(source).text.count("a0") >= 2
