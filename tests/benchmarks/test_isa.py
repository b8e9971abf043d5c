from __future__ import annotations

import json
import os
import re
import subprocess
import sys

import pytest

from benchmarks import isa
from benchmarks.machine import fingerprint

needs = pytest.mark.skipif("avx2" not in fingerprint().features, reason="needs a CPU with AVX2")

PROGRAM = """
import json, re, sys
from benchmarks import isa
isa.restrict(sys.argv[1])
{then}
from benchmarks.machine import fingerprint
print(json.dumps(fingerprint().as_dict()))
"""


def fresh(program, *arguments, **environment):
    """Run a program in a new interpreter; its last line is JSON."""
    answer = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert answer.returncode == 0, answer.stderr
    return json.loads(answer.stdout.strip().splitlines()[-1])


ASSEMBLY = """
import json, sys
from pathlib import Path
from benchmarks import isa
isa.restrict(sys.argv[1])
from benchmarks import microkernels
from benchmarks.machine import fingerprint
from kernels.language import SourceFolder, specialise
lanes = fingerprint().native_lanes("float64")
values = {"fma_lanes": 2 * lanes, "add_lanes": lanes, "mul_lanes": 0, "unroll": 2}
folder = SourceFolder(Path(sys.argv[2]))
function = folder.load(folder.write(specialise(microkernels.arithmetic, values, "float64"))).function
import numba, numpy
@numba.njit("f8(f8[::1])", fastmath=True)
def total(a):
    s = 0.0
    for x in a:
        s += x
    return s
print(json.dumps([chr(10).join(f.inspect_asm().values()) for f in (function, total)]))
"""


@needs
@pytest.mark.parametrize(
    ("name", "register", "wider"), [("sse2", "%xmm", ("%ymm", "%zmm")), ("avx2", "%ymm", ("%zmm",))]
)
def test_code_uses_no_wider_registers(tmp_path, name, register, wider):
    simd, plain = fresh(ASSEMBLY, name, str(tmp_path))
    for assembly in (simd, plain):
        assert register in assembly
        assert not [other for other in wider if other in assembly]
        # a v in front is AVX' own encoding
        assert bool(re.search(r"\bv(add|fmadd|mov)\w*p[sd]", assembly)) == (name == "avx2")
    assert ("vfmadd" in simd) == (name == "avx2")
    assert "$fma" not in simd  # the C library's, a call for every lane


EXPONENTIAL = """
import sys
from pathlib import Path
from benchmarks import isa
isa.restrict("sse2")
import numpy as np
from benchmarks import microkernels
from kernels.language import SourceFolder, specialise
folder = SourceFolder(Path(sys.argv[1]))
source = specialise(microkernels.function, {"name": "exp", "degree": 11, "lanes": 2}, "float64")
x, out = np.linspace(-700, 700, 4096), np.zeros(4096)
folder.load(folder.write(source)).function(x, out, 4096, 1)
print(np.max(np.abs(out / np.exp(x) - 1)))
"""


@needs
def test_exp_is_right_without_fused_multiply_add(tmp_path):
    assert 0 < fresh(EXPONENTIAL, str(tmp_path)) < 5e-16


@needs
def test_a_restricted_machine_is_another_machine(tmp_path):
    whole = fresh(PROGRAM.format(then=""), isa.NATIVE)
    avx2, sse2 = (fresh(PROGRAM.format(then=""), name) for name in ("avx2", "sse2"))
    assert len({each["machine_id"] for each in (whole, avx2, sse2)}) == 3
    assert (avx2["vector_bytes"], avx2["profile"]) == (32, "avx2")
    assert avx2["features"] == ["sse2", "avx", "avx2", "fma"]
    assert (sse2["vector_bytes"], sse2["features"]) == (16, ["sse2"])
    assert sse2["profile"] == "sse2"
    assert whole == fingerprint().as_dict()
    assert avx2["cpu"] == whole["cpu"]


@needs
@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="needs two cores")
def test_fewer_cores_are_another_machine():
    found = fresh(PROGRAM.format(then="isa.limit_cores(1)"), "avx2")
    assert (found["logical_cores"], found["profile"]) == (1, "avx2, 1 core")


@needs
def test_the_restriction_reaches_children_and_rivals():
    program = """
import json, subprocess, sys
from benchmarks import isa
isa.restrict("sse2")
code = "import numpy, json, threadpoolctl, numba.core.registry as r; numpy.ones((9, 9)) @ numpy.ones((9, 9));" \
    "from numpy._core._multiarray_umath import __cpu_features__ as f, __cpu_dispatch__ as d;" \
    "c = r.cpu_target.target_context.codegen();" \
    "print(json.dumps([[n for n in d if f[n]], [i.get('architecture') for i in threadpoolctl.threadpool_info()], " \
    "c._tm_features]))"
print(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout)
"""
    dispatched, targets, features = fresh(program)
    assert not dispatched
    assert not {"Haswell", "SkylakeX", "Zen"} & {*targets}
    assert "+sse2" in features
    assert "avx" not in features


def test_importing_it_imports_neither_numba_nor_numpy():
    program = "import json, sys; import benchmarks.isa; print(json.dumps(sorted({'numba', 'numpy'} & {*sys.modules})))"
    assert fresh(program) == []


def test_it_comes_too_late_once_numba_is_there():
    import numba  # noqa: F401

    if "avx2" in fingerprint().features:
        with pytest.raises(RuntimeError, match="before numba is imported"):
            isa.restrict("sse2")
    isa.restrict(isa.NATIVE)


@pytest.mark.parametrize("name", ["sse2", "avx2"])
def test_a_set_that_the_cpu_lacks_is_refused(monkeypatch, name):
    monkeypatch.setattr(isa, "_host_features", lambda: {"sse2": True, "avx": False})
    if name == "sse2":
        assert isa.environment(name)["NUMBA_CPU_NAME"] == "x86-64"
    else:
        with pytest.raises(isa.RestrictionError, match="avx2 asked for on a CPU without AVX, AVX2, FMA"):
            isa.environment(name)


def test_other_architectures_and_unknown_sets_are_refused(monkeypatch):
    with pytest.raises(isa.RestrictionError, match="no instruction set 'avx3'; there are sse2, avx2, native"):
        isa.restrict("avx3")
    monkeypatch.setattr(isa.platform, "machine", lambda: "aarch64")
    with pytest.raises(isa.RestrictionError, match="x86-64; this CPU is aarch64"):
        isa.restrict("sse2")


def test_cores_that_are_not_there_are_refused(monkeypatch):
    cores = len(os.sched_getaffinity(0))
    for count in (0, cores + 1):
        with pytest.raises(isa.RestrictionError, match=f"{count} cores? asked for; this process may use 1 to {cores}"):
            isa.limit_cores(count)

    def no(_pid, _cpus):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "sched_setaffinity", no)
    with pytest.raises(isa.RestrictionError, match=r"does not let a process choose its cores \(Operation not"):
        isa.limit_cores(1)


def test_the_last_cores_are_taken(monkeypatch):
    bound = []
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: {0, 3, 5, 4})
    monkeypatch.setattr(os, "sched_setaffinity", lambda _pid, cpus: bound.append(set(cpus)))
    isa.limit_cores(2)
    assert bound == [{4, 5}]


def test_profiles_in_words(monkeypatch):
    monkeypatch.setattr(os, "cpu_count", lambda: 4)
    monkeypatch.delenv("NUMBA_CPU_NAME", raising=False)
    assert isa.profile(4) == ""
    assert isa.profile(1) == "1 core"
    monkeypatch.setenv("NUMBA_CPU_NAME", "x86-64-v3")
    assert isa.profile(4) == "avx2"
    assert isa.profile(2) == "avx2, 2 cores"
    monkeypatch.setenv("NUMBA_CPU_NAME", "haswell")
    assert isa.profile(4) == "haswell"


@pytest.mark.parametrize(
    ("features", "cpu", "names"),
    [
        (("sse2", "avx", "avx2", "fma", "avx512f"), "znver5", ("sse2", "avx2")),
        (("sse2", "avx", "avx2", "fma"), "haswell", ("sse2", "avx2")),
        (("sse2", "avx", "avx2", "fma"), "x86-64-v3", ("sse2",)),
        (("sse2", "avx"), "sandybridge", ("sse2",)),
        (("sse2",), "x86-64", ()),
        (("neon",), "apple-m1", ()),
    ],
)
def test_narrower_sets_are_those_below_what_code_is_generated_for(features, cpu, names):
    assert isa.narrower(features, cpu) == names
