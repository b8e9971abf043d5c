"""The exported file: it stands on numba and numpy alone, takes what users have, and says so when it is wrong."""

import inspect
import re
import subprocess
import sys

import numpy as np
import pytest

import kernels
from benchmarks.inference import Estimate
from benchmarks.outcome import Measured, Samples, Wrong
from evolve.errors import EvolveError
from evolve.report.export import standalone
from evolve.report.listing import folded
from evolve.store import (
    Batch,
    Evaluation,
    Machine,
    OutcomeRecord,
    Publication,
    RunSpec,
    utc_now,
)

TOY = '''"""load: out <- s*a + b, rows of a vector's width."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from kernels.contract import Inputs, Kernel, Size, Work
from kernels.language import Space, choice, integer, power_of_two, static, template
from kernels.language.simd import add, load, mul, store

if TYPE_CHECKING:
    from kernels.language import Schedule

SPACE = Space(
    [
        choice("variant", ("vector", "plain"), "algorithm"),
        power_of_two("lanes", 2, 8, "elements of a vector", default=4),
        integer("copy", range(1, 65), "elements of a block", default=16),
    ]
)
PAD = 1


@template("void(intp, intp, T[:, ::1], T[:, ::1], T, T[:, ::1], T[::1])")
def turn(p, low, high, a, b, s, out, buffer):
    """One block, by way of the buffer."""
    for i in range(low, high):
        buffer[i - low] = a.flat[i]
    rest = low + (high - low) // p.lanes * p.lanes
    for i in range(low, rest, p.lanes):
        v = mul(load(buffer, i - low, p.lanes), s)
        store(out, i, add(v, load(b, i, p.lanes)))
    for i in range(rest, high):
        out.flat[i] = scaled(p, buffer[i - low], s) + b.flat[i]


@template()
def scaled(p, x, s):
    return x * s


@template("void(T[:, ::1], T[:, ::1], T, T[:, ::1], T[::1])", runtime=("copy",), pointers=("turn",))
def vector(p, a, b, s, out, buffer):
    """Block after block."""
    for low in range(0, out.size, p.copy):
        turn(p, low, min(out.size, low + p.copy), a, b, s, out, buffer)


@template("void(T[:, ::1], T[:, ::1], T, T[:, ::1], T[::1])")
def plain(p, a, b, s, out, buffer):
    for i in range(out.size):
        out.flat[i] = scaled(p, a.flat[i], s) + b.flat[i]


@template("void(T[:, ::1], T[:, ::1], T, T[:, ::1])")
def baseline(p, a, b, s, out):
    for i in range(out.size):
        out.flat[i] = a.flat[i] * s + b.flat[i]


def variant(schedule):
    return vector if schedule.variant == "vector" else plain


def problem(size: Size, dtype: str, rng: np.random.Generator) -> Inputs:
    a, b = (rng.uniform(0.5, 2, size).astype(dtype) for _ in range(2))
    return a, b, np.dtype(dtype).type(rng.uniform(0.5, 2))


def size_of(a: np.ndarray, b: np.ndarray, s: float) -> Size:
    if a.shape != b.shape:
        raise ValueError(f"a and b must have one shape, not {a.shape} and {b.shape}")
    return a.shape


def out_shape(size: Size) -> tuple[int, ...]:
    return size


def reference(a: np.ndarray, b: np.ndarray, s: float) -> np.ndarray:
    return np.asarray(a, np.float64) * float(s) + b


def workspace(schedule: Schedule, size: Size) -> tuple[int, ...]:
    return (schedule["copy"] + PAD,)


def work(size, dtype):
    return Work({}, 0, 0)


def tolerance(size: Size, dtype: str) -> float:
    return 4 * float(np.finfo(dtype).eps)


KERNEL = Kernel(
    name="load",
    doc=__doc__,
    dims=("m", "n"),
    dtypes=("float32", "float64"),
    space=SPACE,
    template=variant,
    problem=problem,
    reference=reference,
    size_of=size_of,
    out_shape=out_shape,
    work=work,
    workspace=workspace,
    baseline=baseline,
    default_size=(16, 16),
    verify_sizes=((1, 1), (3, 7), (16, 33)),
    tolerance=tolerance,
    split=("rows", "rows", "whole", "rows"),
)
'''
"""A kernel whose name is that of a vector operation that it uses, with a gene named like a method of dict."""


@pytest.fixture
def toy(tmp_path, monkeypatch):
    """The toy kernel, installed."""
    folder = tmp_path / "site"
    folder.mkdir()
    (folder / "toy_kernel.py").write_text(TOY)
    monkeypatch.syspath_prepend(folder)
    monkeypatch.setattr(kernels, "_places", lambda: {"load": "toy_kernel"})
    yield kernels.get("load")
    sys.modules.pop("toy_kernel")


def run_of(store, kernel, dtype="float64", *, threads=1, outcome=None, **schedule):
    """A finished run of one evaluation, which is the champion if it was measured."""
    size = kernel.verify_sizes[-1]
    store.add_machine(Machine("a1b2c3d4e5f6", {"cpu": 'The "CPU" \\ """', "llvm_cpu": "znver4", "logical_cores": 2}))
    spec = RunSpec(
        kernel=kernel.name,
        size=size,
        dtype=dtype,
        threads=threads,
        strategy="genetic",
        control_share=0.15,
        seed=1,
        budget="1evals",
        batch_size=1,
        machine="a1b2c3d4e5f6",
        versions={"numba": "0.68.1"},
    )
    run = store.create_run(spec)
    store.add_event(run.id, "started")
    chosen = {**kernel.space.default, **schedule}
    store.add_batch(Batch(run.id, 0, utc_now()), [Evaluation(run.id, 1, 0, 0, "search", "default", chosen)])
    samples = Samples((1e-3,) * 6, (2.7e-3,) * 6, 1)
    measured = Measured(time_s=1e-3, log_ratio=1.0, low=0.9, high=1.1, samples=samples)
    known = outcome or measured
    store.add_outcome(OutcomeRecord(run.id, 1, known, utc_now(), fitness=None if outcome else 1.0))
    return run


def publish(store, run, source_hash="f" * 64):
    store.add_publication(
        Publication(
            run=run.id,
            evaluation=1,
            measured_at="2026-01-02T03:04:05.000000+00:00",
            launches=5,
            rounds=12,
            time_s=1e-3,
            speedup=Estimate(2.7, 2.6, 2.8),
            rivals={"numpy": Estimate(1.02, 1.01, 1.03)},
            bound_limit="L1 triad",
            bound_time_s=9e-4,
            bound_fraction=0.9,
            source_hash=source_hash,
            samples={},
        )
    )


def python(code_or_file, cwd):
    """A Python that sees nothing of this repository and has an empty home."""
    home = cwd / "home"
    home.mkdir(exist_ok=True)
    environment = {"HOME": str(home), "PATH": "/usr/bin:/bin"}
    asked = [str(code_or_file)] if str(code_or_file).endswith(".py") else ["-c", code_or_file]
    # -P would keep the file's own folder off the path; -E and -s keep the caller's settings and packages off
    command = [sys.executable, "-E", "-s", *asked]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, env=environment, check=False)


USE = """
import sys
import numpy as np
from exported import {name} as call
assert not [name for name in sys.modules if name.partition(".")[0] in ("kernels", "benchmarks", "evolve", "toy_kernel")]
T = np.{dtype}
"""

TOY_USE = """
a, b = np.arange(12, dtype=T).reshape(3, 4), np.ones((3, 4), T)
expected = 2 * a + 1
np.testing.assert_array_equal(call(a, b, 2), expected)
out = np.zeros((3, 4), T)
assert call(a, b, 2, out=out) is out
np.testing.assert_array_equal(out, expected)
# not contiguous, overlapping, empty
np.testing.assert_array_equal(call(a.T, b.T, 2), expected.T)
again = a.copy()
np.testing.assert_array_equal(call(again, b, 2, out=again), expected)
assert call(a[:0], b[:0], 2).shape == (0, 4)
fixed = a.copy()
fixed.flags.writeable = False
np.testing.assert_array_equal(call(fixed, np.broadcast_to(b[0], (3, 4)), 2), expected)
for bad, error, word in [
    ((a.tolist(), b, 2), TypeError, "a must be a 2-dimensional"),
    ((a, b.astype("int32"), 2), TypeError, "int32"),
    ((a, b[0], 2), TypeError, "shape (4,)"),
    ((a, b, "2"), TypeError, "s must be a real number, not str"),
    ((a, b[:2], 2), ValueError, "one shape"),
    ((a, b, 2, b.T.copy()), ValueError, "(4, 3)"),
    ((a, b, 2, np.ones((4, 3), T).T), ValueError, "non-contiguous"),
    ((a, b, 2, fixed), ValueError, "read-only"),
]:
    try:
        call(*bad[:3], out=bad[3] if len(bad) > 3 else None)
    except error as raised:
        assert word in str(raised), raised
    else:
        raise SystemExit(f"{{bad}} was taken")
"""


@pytest.mark.parametrize(
    ("dtype", "variant", "threads"), [("float32", "vector", 1), ("float32", "vector", 2), ("float64", "plain", 1)]
)
def test_the_file_works_where_only_numba_and_numpy_are(store, toy, tmp_path, dtype, variant, threads):
    run = run_of(store, toy, dtype, threads=threads, variant=variant, copy=8)
    publish(store, run)
    file = tmp_path / "exported.py"
    file.write_text(standalone(store, run.id))
    used = python(USE.format(name="load", dtype=dtype) + TOY_USE.replace("{{", "{").replace("}}", "}"), tmp_path)
    assert used.returncode == 0, used.stderr
    checked = python(file, tmp_path)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert checked.stdout.count(" right") == len(toy.verify_sizes) + 1
    assert re.search(
        r"[\d.]+x the speed of the plain loop \(95 % interval [\d.]+ to [\d.]+, \d+ rounds\)", checked.stdout
    )
    assert "published on 2026-01-02: 2.70x" in checked.stdout


def test_the_check_fails_where_the_kernel_is_wrong(store, toy, tmp_path):
    text = standalone(store, run_of(store, toy).id)
    file = tmp_path / "exported.py"
    file.write_text(text.replace("return x * s", "return x * s * 1.001"))
    assert file.read_text() != text
    checked = python(file, tmp_path)
    assert checked.returncode == 1
    assert "WRONG" in checked.stdout


def test_the_docstring_says_what_was_measured_and_where(store, toy):
    run = run_of(store, toy)
    publish(store, run)
    space = {}
    exec(compile(standalone(store, run.id).split("from __future__")[0], "head", "exec"), space)
    doc = space["__doc__"]
    for fact in (
        "out = load(a, b, s)",
        "1.00 ms a call, 2.70x the speed of the plain Numba loop (95 % interval 2.60 to 2.80)",
        "1.02x the speed of numpy (95 % interval 1.01 to 1.03)",
        "90 % of what that machine allows (L1 triad)",
        'The "CPU" \\',
        "size 16x33, 1 thread",
        "variant=vector lanes=4 copy=16",
        "numba 0.68.1",
        "2026-01-02",
        "`python FILE`",
    ):
        assert fact in doc
    assert "other source" in doc or "another source" in doc, "the recorded hash is not this source's"


def test_a_champion_that_was_not_published_is_exported_without_figures(store, toy):
    doc = standalone(store, run_of(store, toy).id).split("from __future__")[0]
    assert "Not measured in fresh processes" in doc
    assert "the speed of" not in doc


def test_a_run_without_champion_is_refused(store, toy):
    run = run_of(store, toy, outcome=Wrong("relative error 1"))
    with pytest.raises(EvolveError, match="no champion") as caught:
        standalone(store, run.id)
    assert f"evolve show {run.id}" in caught.value.remedy


def test_a_schedule_that_the_installed_kernel_does_not_know_is_refused(store, toy):
    run = run_of(store, toy, lanes=128)
    with pytest.raises(EvolveError, match="lanes=128 is not one of"):
        standalone(store, run.id)


def test_a_kernel_that_is_not_installed_is_named(store, toy, monkeypatch):
    run = run_of(store, toy)
    monkeypatch.setattr(kernels, "_places", dict)
    with pytest.raises(EvolveError, match="no kernel 'load'"):
        standalone(store, run.id)


def test_a_kernel_that_needs_more_than_numba_and_numpy_is_refused(store, toy, monkeypatch):
    run = run_of(store, toy)
    needy = TOY.replace("    return a.shape\n", "    import scipy\n\n    return a.shape\n")
    read = inspect.getsource
    monkeypatch.setattr(inspect, "getsource", lambda of: needy if of is sys.modules["toy_kernel"] else read(of))
    with pytest.raises(EvolveError, match="needs scipy"):
        standalone(store, run.id)


def test_long_lines_are_folded_and_mean_the_same():
    long = "    tile = f(a[1, 2], " + ", ".join(f"g({k}, 'x, y')" for k in range(30)) + ")"
    lines = list(folded(long))
    assert all(len(line) <= 120 for line in lines)
    names = {"a": {(1, 2): 5}, "g": lambda *x: x, "f": lambda *x: x}
    spaces = [dict(names), dict(names)]
    for text, space in zip([long, "\n".join(lines)], spaces, strict=True):
        exec("if True:\n" + text, space)
    assert spaces[0]["tile"] == spaces[1]["tile"]


@pytest.mark.parametrize("name", kernels.names())
def test_every_kernel_is_exported(store, name, tmp_path):
    kernel = kernels.get(name)
    run = run_of(store, kernel, kernel.dtypes[0])
    text = standalone(store, run.id)
    assert f"\ndef {name}(" in text
    compile(text, "exported.py", "exec")
    inputs = kernel.problem(kernel.verify_sizes[0], kernel.dtypes[0], np.random.default_rng(0))
    assert kernel.size_of(*inputs) == tuple(kernel.verify_sizes[0])


def test_an_exported_matmul_multiplies(store, tmp_path):
    run = run_of(store, kernels.get("matmul"), "float32")
    (tmp_path / "exported.py").write_text(standalone(store, run.id))
    use = """
a, b = np.random.default_rng(0).uniform(0.5, 2, (37, 21)).astype(T), np.ones((21, 53), T)
np.testing.assert_allclose(call(a, b), a @ b, rtol=1e-5)
np.testing.assert_array_equal(call(a[:, :0], b[:0]), np.zeros((37, 53), T))
"""
    used = python(USE.format(name="matmul", dtype="float32") + use, tmp_path)
    assert used.returncode == 0, used.stderr


@pytest.mark.parametrize("threads", [1, 2])
def test_an_exported_kernel_that_is_told_its_rows_is_right_and_so_is_its_plain_loop(store, tmp_path, threads):
    run = run_of(store, kernels.get("transpose"), "float32", threads=threads, variant="scalar")
    (tmp_path / "exported.py").write_text(standalone(store, run.id))
    use = """
a = np.random.default_rng(0).uniform(0.5, 2, (37, 210)).astype(T)
np.testing.assert_array_equal(call(a), a.T)
"""
    used = python(USE.format(name="transpose", dtype="float32") + use, tmp_path)
    assert used.returncode == 0, used.stderr
    checked = python(tmp_path / "exported.py", tmp_path)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert "x the speed of the plain loop" in checked.stdout
