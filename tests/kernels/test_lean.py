"""Generated functions are compiled with less work, and to the same code; whatever else Numba compiles is left alone."""

from __future__ import annotations

import json
import os
import pickle
import re
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
from numba import njit
from numba.core.annotations.type_annotations import TypeAnnotation
from numba.core.codegen import JITCPUCodegen
from numba.core.cpu import CPUContext
from numba.core.registry import cpu_target
from numba.core.typing.context import Context

import kernels
from kernels.language import Handle, SourceFolder, build, specialise, template

ROOT = Path(__file__).parents[2]


@template()
def halved(p, a, i):
    if a[i] < 0:
        raise ValueError("negative")
    return a[i] * 0.5


@template("void(T[::1], T[::1])")
def summed(p, a, out):
    for i in range(out.size):
        out[i] = halved(p, a, i) + p.extra


def source(extra=1, dtype="float64"):
    return specialise(summed, {"extra": extra}, dtype)


def forget(monkeypatch):
    """As in a process that has loaded nothing yet."""
    for name in [name for name in sys.modules if name.startswith("evolve_generated.")]:
        monkeypatch.delitem(sys.modules, name)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    forget(monkeypatch)
    return SourceFolder(tmp_path / "sources")


def callee(folder, of):
    """The function that a source calls, as its module has it."""
    handle = folder.write(of)
    folder.load(handle)
    return getattr(sys.modules[f"evolve_generated.{of.module}"], of.callees[0].name)


def code(function):
    """LLVM's optimised code of a function, its names replaced by numbers: they differ between equals."""
    (result,) = function.overloads.values()
    shown, names = str(result.library.get_function(result.fndesc.llvm_func_name)), {}
    shown = re.sub(r"@[\w.$]+|[#!]\d+", "", shown)
    return re.sub(
        r"%?[A-Za-z._][\w.$-]*\d[\w.$-]*", lambda name: str(names.setdefault(name[0].lstrip("%"), len(names))), shown
    )


def definitions(function):
    (result,) = function.overloads.values()
    return [one.name for one in result.library.get_defined_functions()]


def chosen(name):
    """The sources of a kernel's default and of a few random schedules."""
    kernel, rng = kernels.get(name), np.random.default_rng(1)
    for schedule in (kernel.space.default, *(kernel.space.sample(rng) for _ in range(2))):
        yield specialise(kernel.template(schedule), schedule, kernel.dtypes[0])


@pytest.mark.parametrize("name", ["triad", "softmax", "black_scholes"])
def test_the_code_is_what_numba_makes_of_it(name, tmp_path, monkeypatch):
    made = {}
    for manner in ("lean", "plain"):
        forget(monkeypatch)
        if manner == "plain":
            monkeypatch.setattr(build, "lean", nullcontext)
        folder = SourceFolder(tmp_path / manner)
        made[manner] = [folder.load(folder.write(one)).function for one in chosen(name)]
    assert [code(one) for one in made["lean"]] == [code(one) for one in made["plain"]]
    lean, plain = (sum(len(definitions(one)) for one in made[manner]) for manner in ("lean", "plain"))
    assert lean < plain


def test_a_callee_runs_and_raises_in_its_caller(folder):
    for dtype in ("float64", "float32"):
        loaded = folder.load(folder.write(source(dtype=dtype)))
        out = np.zeros(3, dtype)
        loaded.function(np.arange(3, dtype=dtype), out)
        assert out.tolist() == [1, 1.5, 2]
        with pytest.raises(ValueError, match="negative"):
            loaded.function(-np.ones(3, dtype), out)


def test_what_only_others_call_refuses_python(folder):
    with pytest.raises(TypeError, match="not callable"):
        callee(folder, source())(np.ones(1), 0)


IN_ANOTHER_PROCESS = """
import json, pickle, sys
from pathlib import Path
import numpy as np
from kernels.language import SourceFolder
folder, out = SourceFolder(Path(sys.argv[1])), np.zeros(2)
hits = []
for handle in pickle.loads(bytes.fromhex(sys.argv[2])):
    function = folder.load(handle).function
    function(np.ones(2), out)
    called = sys.modules[f"evolve_generated.k{handle.key}"].halved
    hits.append([sum(one.stats.cache_hits.values()) for one in (function, called)] + out.tolist())
    try:
        function(-np.ones(2), out)
    except ValueError as error:
        hits[-1].append(str(error))
print(json.dumps(hits))
"""


def test_another_process_takes_callers_and_callees_from_disk(folder):
    known, new = folder.write(source(1)), folder.write(source(2))
    folder.load(known)
    command = [sys.executable, "-c", IN_ANOTHER_PROCESS, str(folder.path), pickle.dumps([known, new]).hex()]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(ROOT)})
    # of the known one all is in its own code; the new one is compiled with the callee that was kept
    assert json.loads(done.stdout) == [[1, 0, 1.5, 1.5, "negative"], [0, 1, 2.5, 2.5, "negative"]]


def test_numba_is_left_as_it_was(folder):
    def kinds():
        target = cpu_target.target_context
        return [type(one) for one in (target, target.codegen(), cpu_target.typing_context)]

    listing = TypeAnnotation.annotate
    folder.load(folder.write(source(3)))
    with pytest.raises(ImportError):
        folder.load(Handle.of(source(4)))
    assert kinds() == [CPUContext, JITCPUCodegen, Context]
    assert TypeAnnotation.annotate is listing
    one = njit("float64(float64)")(lambda x: 2 * x)
    assert one(1.5) == 3
    assert any(name.startswith("cfunc.") for name in definitions(one))
