"""Machine code kept in a file is the same function in another process, without Numba's front end."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from kernels.language import SourceFolder, parallel_of, specialise, template
from kernels.language.build import compiled_of
from kernels.language.image import Image, linked

ROOT = Path(__file__).parents[2]


@template("void(T[::1], T, T[::1])")
def scaled(_p, a, s, out):
    for i in range(out.size):
        out[i] = s * np.exp(a[i])


@template("void(T[::1], T, T[::1])", runtime=("by",), pointers=("scaled",))
def shifted(p, a, s, out):
    if out.size == 7:
        raise ValueError("seven")
    scaled(p, a, s, out)
    for i in range(out.size):
        out[i] += p.by


IN_ANOTHER_PROCESS = """
import json, sys
from pathlib import Path
import numpy as np
from numba.core.runtime import rtsys
from kernels.language import SourceFolder
from kernels.language.build import compiled_of
compiled = compiled_of(SourceFolder(Path(sys.argv[1])).image("x"))
a, out = np.arange(5.0), np.zeros(5)
compiled.entry(a, 2.0, out, 3, *compiled.pointers)
try:
    compiled.entry(np.ones(7), 2.0, np.ones(7), 3, *compiled.pointers)
    said = ""
except (RuntimeError, ValueError) as error:
    said = str(error)
loaded = [name for name in sys.modules if name.startswith("evolve_generated.")]
print(json.dumps([out.tolist(), said, loaded, rtsys._init]))
"""


def kept(folder, threads=1):
    source = parallel_of(specialise(shifted, {"by": 3}, "float64"), ("rows", "whole", "rows"), threads)
    handle = folder.write(source)
    folder.load(handle)
    folder.keep_image("x", {"runtime": list(source.runtime)}, handle)
    return folder.image("x")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = SourceFolder(tmp_path_factory.mktemp("sources"))
    kept(made)
    return made


@pytest.mark.parametrize("threads", [1, 2])
def test_another_process_calls_it_and_sets_no_numba_up(tmp_path, threads):
    kept(SourceFolder(tmp_path), threads)
    command = [sys.executable, "-c", IN_ANOTHER_PROCESS, str(tmp_path)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, env=environment, text=True)
    out, said, loaded, is_set_up = json.loads(done.stdout)
    np.testing.assert_allclose(out, 2 * np.exp(np.arange(5)) + 3)
    assert said == ("seven" if threads == 1 else "what a thread was given to do failed")
    assert (loaded, is_set_up) == ([], False)


def test_linked_beside_the_source_it_is_a_function_of_its_own(folder):
    image = folder.image("x")
    compiled = [compiled_of(image), compiled_of(image)]
    assert compiled[0].pointers != compiled[1].pointers
    for one in compiled:
        out = np.zeros(3)
        one.entry(np.zeros(3), 2.0, out, 3, *one.pointers)
        assert out.tolist() == [5, 5, 5]


def test_a_file_holds_all_of_an_image(folder):
    image = folder.image("x")
    assert [part.name for part in image.parts] == ["shifted", "scaled"]
    assert image.facts == {"runtime": ["by"], "threads": 1}
    assert Image.from_bytes(image.as_bytes()) == image


def test_a_torn_or_changed_file_is_no_image(folder):
    data = folder.image("x").as_bytes()
    for torn in (b"", data[:-1], data[:100], data[:-50] + b"\xff" + data[-49:]):
        assert Image.from_bytes(torn) is None
    assert folder.image("y") is None


def test_what_calls_something_that_is_not_there_is_not_linked(folder):
    first, *others = folder.image("x").parts
    assert linked([replace(first, calls=(*first.calls, "numba_no_such_helper")), *others]) is None
    assert any(name.startswith("NRT_") for name in first.calls)


def test_what_numba_did_not_keep_is_no_image(tmp_path):
    folder = SourceFolder(tmp_path)
    source = specialise(scaled, {"other": 1}, "float32")
    handle = folder.write(source)
    folder.load(handle)
    for file in tmp_path.rglob("*.nbc"):
        file.unlink()
    folder.keep_image("x", {}, handle)
    assert folder.image("x") is None


def test_images_are_trimmed_as_sources_are(tmp_path):
    folder = SourceFolder(tmp_path)
    kept(folder)
    folder.trim(0)
    assert folder.image("x") is not None  # wanted in this very hour
    folder.trim(0, in_use_s=-1)
    assert folder.image("x") is None
