"""Cutting a program out of its modules: what is taken, in which order, under which names, and what cannot be cut."""

import builtins
import subprocess
import symtable
import sys

import pytest

from kernels.language import simd
from kernels.language.bundle import bundle, reader
from kernels.language.pieces import BundleError

HEAD = "from __future__ import annotations\n\n"


def cut(modules, *wanted, reserved=()):
    return bundle(wanted, reader([], modules), reserved)


def text_of(made):
    return HEAD + made.imports + "\n\n\n" + "\n\n\n".join(made.sections.values()) + "\n"


def run(made):
    """The program's names, run in a module of its own."""
    space = {"__name__": "cut_out"}
    exec(compile(text_of(made), "cut_out.py", "exec"), space)
    return space


OPS = """
import numpy as np
import scipy

# how far one step goes
STEP = 2
\"\"\"Doubles.\"\"\"

UNUSED = scipy


def double(x):  # noqa: D103 - not shown to a reader
    return np.multiply(STEP, x)


def smooth(x):
    return scipy.ndimage.gaussian_filter(x)
"""


def test_only_what_is_needed_is_taken():
    modules = {"ops": OPS, "mine": "from ops import double, smooth\n\n\ndef scale(x):\n    return double(x)\n"}
    made = cut(modules, ("mine", "scale"))
    assert run(made)["scale"](21) == 42
    assert "scipy" not in text_of(made)
    assert made.distributions == {"numpy"}
    assert list(made.sections) == ["ops", "mine"]


def test_comments_above_and_docstrings_below_come_along_and_remarks_to_linters_do_not():
    text = text_of(cut({"ops": OPS}, ("ops", "double")))
    assert '# how far one step goes\nSTEP = 2\n"""Doubles."""' in text
    assert "noqa" not in text
    assert "def double(x):\n" in text


FIRST = """
LIMIT = 3


def twice(f):
    return lambda: 2 * f()
"""

SECOND = """
from first import LIMIT, twice

TABLE = tuple(range(LIMIT))


@twice
def total():
    return later()


def later():
    return sum(TABLE)
"""


def test_definitions_stand_in_an_order_in_which_they_run():
    made = cut({"first": FIRST, "second": SECOND}, ("second", "total"))
    assert run(made)["total"]() == 6


def test_a_registration_comes_with_what_it_registers():
    module = """
MODELS = {}


def register(kind):
    return lambda model: MODELS.setdefault(kind, model)


class Vector: ...


class Tile: ...


@register(Vector)
class VectorModel: ...


@register(Tile)
class TileModel: ...


def note(kind):
    MODELS[kind, "noted"] = True


note(Vector)
note(Tile)


def load():
    return Vector
"""
    space = run(cut({"types": module}, ("types", "load")))
    assert space["MODELS"] == {space["Vector"]: space["VectorModel"], (space["Vector"], "noted"): True}


def test_names_that_clash_are_told_apart():
    one = "import math as tools\n\n\ndef scale(x):\n    return tools.floor(x)\n"
    other = """
import operator as tools
from one import scale as rounded


def scale(x, factor):
    return tools.mul(rounded(x), factor)
"""
    made = cut({"one": one, "other": other}, ("one", "scale"), ("other", "scale"), reserved=["tools"])
    space = run(made)
    assert len(set(made.names.values())) == 2
    assert space[made.names["other", "scale"]](2.5, 10) == 20
    assert space[made.names["one", "scale"]](2.5) == 2
    assert "tools" not in space


def test_a_definition_that_hides_a_builtin_hides_it_in_its_own_module_only():
    one = "def sum(x):\n    return -x\n\n\ndef negative(x):\n    return sum(x)\n"
    other = "from one import negative\n\n\ndef both(x):\n    return negative(sum(x))\n"
    assert run(cut({"one": one, "other": other}, ("other", "both")))["both"]([1, 2]) == -3


def test_local_names_need_nothing_and_are_left_alone():
    module = "def size(): ...\n\n\ndef volume(size, shape):\n    return [size for size in shape]\n"
    made = cut({"m": module}, ("m", "volume"))
    assert "def size" not in text_of(made)


def test_a_reexport_is_followed_to_its_source():
    modules = {
        "pack": "from pack.inner import load as fetch\n",
        "pack.inner": "def load(x):\n    return x + 1\n",
        "mine": "from pack import fetch as get\n\n\ndef twice(x):\n    return get(get(x))\n",
    }
    assert run(cut(modules, ("mine", "twice")))["twice"](1) == 3


def test_annotations_bring_aliases_and_imports_but_no_classes():
    module = """
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from heavy import Model

Size = tuple[int, ...]


def volume(size: Size, of: Callable[..., Any], model: Model | None = None) -> Any:
    first: Model = of(size)
    return first
"""
    made = cut({"m": module, "heavy": "class Model: ...\n"}, ("m", "volume"))
    text = text_of(made)
    assert "Size = tuple[int, ...]" in text
    assert "from collections.abc import Callable" in text
    assert "class Model" not in text
    assert run(made)["volume"]((1, 2), len) == 2


@pytest.mark.parametrize(
    ("modules", "why"),
    [
        ({"m": "def other(): ..."}, "no top-level definition 'f'"),
        ({"m": "import inner\ndef f():\n    return inner.g()", "inner": "def g(): ..."}, "import a definition instead"),
        ({"m": "def f():\n    from inner import g\n    return g()", "inner": "def g(): ..."}, "inside a function"),
        ({"m": "import os.path\ndef f():\n    return os.path.sep"}, "import os.path"),
        ({"m": "import other\ndef f(): ...", "other": "import m"}, "circle"),
        ({"m": "def g(): ...\ndef f(g=g):\n    return g"}, "parameter"),
    ],
)
def test_what_cannot_be_cut_is_refused(modules, why):
    with pytest.raises(BundleError, match=why):
        cut(modules, ("m", "f"), reserved=["g"])


def test_a_library_imported_inside_a_function_is_a_distribution_too():
    made = cut({"m": "def f():\n    import torch\n    return torch"}, ("m", "f"))
    assert made.distributions == {"torch"}


def undefined(text):
    """Global names that a program uses and does not define."""

    def used(table):
        for symbol in table.get_symbols():
            if symbol.is_referenced() and (table.get_type() == "module" or symbol.is_global()):
                yield symbol.get_name()
        for inner in table.get_children():
            yield from used(inner)

    top = symtable.symtable(text, "cut_out.py", "exec")
    defined = {s.get_name() for s in top.get_symbols() if s.is_assigned() or s.is_imported() or s.is_namespace()}
    return set(used(top)) - defined - set(dir(builtins)) - {"__name__", "__file__"}


@pytest.mark.parametrize("names", [simd.__all__, ["load"], ["exp"], ["rank1"], ["tile_transpose"]], ids=len)
def test_vector_operations_can_be_cut_out(names):
    made = bundle([("kernels.language.simd", name) for name in names], reader(["kernels"], {}))
    assert undefined(text_of(made)) == set()
    assert made.distributions <= {"numpy", "numba", "llvmlite"}


def test_vector_operations_that_are_cut_out_work_alone(tmp_path):
    program = """
from numba import njit
from kernels.language.simd import add_to, exp, load, rank1, store, tile_zeros


@njit
def run(a, b, out):
    tile = tile_zeros(a, 4, 1, 4)
    for k in range(3):
        tile = rank1(tile, a, k * 4, b, k * 4)
    add_to(tile, out, 0, 4)
    store(a, 0, exp(load(a, 0, 4), 11))
"""
    made = bundle([("mine.program", "run")], reader(["kernels"], {"mine.program": program}))
    check = """
a, b, out = np.arange(12.0), np.arange(12.0), np.ones((4, 4))
expected = 1 + a.reshape(3, 4).T @ b.reshape(3, 4)
run(a, b, out)
np.testing.assert_allclose(out, expected)
np.testing.assert_allclose(a[:4], np.exp(np.arange(4.0)), rtol=1e-15)
assert not {"kernels", "benchmarks", "evolve"} & set(sys.modules)
"""
    file = tmp_path / "program.py"
    file.write_text(text_of(made) + "\nimport sys\nimport numpy as np\n" + check)
    done = subprocess.run([sys.executable, str(file)], capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 0, done.stderr
