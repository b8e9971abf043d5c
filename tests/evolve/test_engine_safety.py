"""No genome reaches what measures and proves: a loop that could would improve its figures, and not itself."""

from __future__ import annotations

import ast
import hashlib
from pathlib import Path

import numpy as np
import pytest

import benchmarks
from evolve import deployed
from evolve.engine import PARTS, STEERING, Engine, Manifest
from evolve.machines import known_machine
from evolve.store import open_store
from kernels.language import SourceFolder

JUDGES = [part.name for part in PARTS if not part.steers]
BENCHMARKS = Path(benchmarks.__file__).parent
MAY_IMPORT = ("numba", "numba.types", "numpy", "kernels.language.simd")


def imports(text):
    """What a module imports; its callees, which are sources like itself, stand beside it."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield "." if node.level else str(node.module)


def judges_text():
    """The text of all that measures and proves; suites stand above it, and nothing there is a judge."""
    files = sorted(file for file in BENCHMARKS.rglob("*.py") if "suites" not in file.parts)
    return {file: file.read_bytes() for file in files}


def digest(texts):
    whole = hashlib.sha256()
    for file, text in texts.items():
        whole.update(str(file).encode() + text)
    return whole.hexdigest()


@pytest.mark.parametrize("judge", JUDGES)
def test_a_manifest_that_names_a_judge_is_no_manifest(judge):
    default = next(part for part in PARTS if part.name == judge).definition.space.default
    with pytest.raises(ValueError, match=judge):
        Manifest({**Manifest.plain().schedules, judge: default})
    with pytest.raises(ValueError, match=judge):
        Manifest.plain().replaced(judge, default)
    told = Manifest.plain().as_dict()
    told["parts"][judge] = {"schedule": dict(default), "source": ""}
    with pytest.raises(ValueError, match=judge):
        Manifest.from_dict(told)
    with pytest.raises(KeyError):
        Engine(Manifest.plain()).part(judge)


@pytest.mark.parametrize("name", ["worst_error", "race", "verify", "__init__", "surrogate_predict.py"])
def test_a_manifest_that_names_anything_else_is_none_either(name):
    with pytest.raises(ValueError, match="does not fit"):
        Manifest({**Manifest.plain().schedules, name: None})


def test_nothing_that_judges_knows_the_engine_or_its_parts():
    """Imports point down: what measures cannot ask the engine for anything, and so cannot be told anything by it."""
    for file, text in judges_text().items():
        assert not any(module.partition(".")[0] == "evolve" for module in imports(text)), file
        assert not any(part.encode() in text for part in STEERING), file


@pytest.mark.parametrize("name", STEERING)
def test_what_a_genome_is_made_into_can_call_arithmetic_and_nothing_else(name):
    part, rng = STEERING[name], np.random.default_rng(3)
    schedules = [None, part.definition.space.default, *(part.definition.space.sample(rng) for _ in range(12))]
    for schedule in schedules:
        source = part.source(schedule)
        for needed in (source, *source.closure().values()):
            assert set(imports(needed.text)) <= {*MAY_IMPORT, "."}, schedule
            named = {node.id for node in ast.walk(ast.parse(needed.text)) if isinstance(node, ast.Name)}
            assert not named & {"eval", "exec", "open", "compile", "getattr", "setattr", "globals", "__import__"}


@pytest.mark.parametrize("name", STEERING)
def test_a_genome_says_values_of_its_space_and_nothing_else(name):
    """Text that a schedule smuggles in is no value of any gene."""
    space = STEERING[name].definition.space
    for gene in space.parameters:
        assert all(isinstance(value, int | str | bool) for value in gene.values)
        for value in ("__import__('os')", "benchmarks", 10**9, None):
            with pytest.raises(ValueError, match=name):
                Manifest.plain().replaced(name, {**space.default, gene.name: value})
    with pytest.raises((ValueError, KeyError)):
        Manifest.plain().replaced(name, {**space.default, "clock": 1})


def test_an_engine_at_work_holds_nothing_that_measures(tmp_path):
    engine = Engine(Manifest.usual(), SourceFolder(tmp_path / "sources"))
    engine.dominance(np.random.default_rng(1).random((9, 2)))
    held = [*vars(engine).values(), *vars(engine.part("dominance")).values()]
    assert held
    assert not any(type(one).__module__.startswith("benchmarks") for one in held)


def test_putting_an_engine_to_work_leaves_all_that_measures_as_it_was(tmp_path):
    before, loaded = digest(judges_text()), {name: id(value) for name, value in vars(benchmarks).items()}
    with open_store(str(tmp_path / "runs.db")) as store:
        machine = known_machine(store).id
        for manifest in (Manifest.usual(), Manifest.plain()):
            deployed.deploy(store, machine, manifest, "trial")
            at_work = deployed.manifest_of(store, deployed.deployment(store, machine).engine_id)
            Engine(at_work, SourceFolder(tmp_path / "sources")).dominance(np.ones((3, 2)))
    assert digest(judges_text()) == before
    assert {name: id(value) for name, value in vars(benchmarks).items() if name in loaded} == loaded
