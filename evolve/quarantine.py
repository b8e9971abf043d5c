"""Where figures go that cannot be: a folder each, with all that it takes to find out how they came about.

``quarantine/RUN-EVALUATION/`` in the user's data folder holds ``finding.json`` (genome, raw samples, machine state),
``source/`` (every module that ran) and ``assembly/`` (of a new build).
"""

from __future__ import annotations

import os
import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from evolve.errors import EvolveError
from evolve.paths import data_folder

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from benchmarks.contestant import Contestant
    from evolve.session import Session
    from evolve.store import Evaluation, OutcomeRecord

SCHEMA = 1
MOST_BUILDS = 5
"""Of a session, findings whose code is built anew, which takes seconds each."""


def folder_of(run_id: str, evaluation: int) -> Path:
    """Where a finding lies, or would lie."""
    return data_folder() / "quarantine" / f"{run_id}-{evaluation}"


def quarantine(session: Session, evaluation: Evaluation, record: OutcomeRecord) -> Path:
    """Keep an evaluation that beat the hardware; an older folder of the same evaluation is replaced as a whole.

    Raises:
        EvolveError: the folder cannot be written.
    """
    from evolve.store.rows import json_text  # noqa: PLC0415 - whoever looks up a folder needs no store

    sources, assemblies, proof = _code(session, evaluation)
    finding = {
        "schema": SCHEMA,
        "run": evaluation.run,
        "evaluation": evaluation.number,
        "at": record.finished_at,
        "reason": record.outcome.reason,
        "task": session.task,
        "genome": evaluation,
        "incumbent": record.incumbent,
        "samples": getattr(record.outcome, "samples", None),
        "proof": proof,
        "assembly": sorted(assemblies) or "absent: no new build could be disassembled, see proof",
        "machine": _machine(session),
        "versions": session.run.versions,
    }
    target = folder_of(evaluation.run, evaluation.number)
    with _written_whole(target) as folder:
        _write(folder / "source", {f"{name}.py": text for name, text in sources.items()})
        _write(folder / "assembly", {f"{name}.s": text for name, text in assemblies.items()})
        _write(folder, {"finding.json": json_text(finding)})
    return target


def _code(session: Session, evaluation: Evaluation) -> tuple[dict[str, str], dict[str, str], str]:
    """Texts of its modules, assembly of its functions, and whether a new build is right on new inputs."""
    from benchmarks.contestant import source_of  # noqa: PLC0415 - imports numba
    from kernels.language import Schedule  # noqa: PLC0415 - imports numba

    schedule = Schedule(evaluation.schedule)
    source = source_of(session.task, schedule)
    texts = {needed.module: needed.text for needed in source.closure().values()}
    if session.counts["Impossible"] >= MOST_BUILDS:
        return texts, {}, f"not tried: only the first {MOST_BUILDS} of a session are built anew"
    plan = session.harness.plan(schedule)
    assert plan.contestant is not None
    return texts, *_built_anew(session, plan.contestant)


def _built_anew(session: Session, contestant: Contestant) -> tuple[dict[str, str], str]:
    from benchmarks.exchange import ContestantFailedError  # noqa: PLC0415 - imports numpy
    from benchmarks.launch import fresh_build  # noqa: PLC0415 - imports numba

    harness = session.harness
    try:
        with (
            fresh_build(harness.folder, [contestant]) as folder,
            harness.launch(session.task.seed + 1, folder) as launch,
        ):
            launch.prove(contestant)
            return launch.assembly(contestant), "right, in a new build on new inputs"
    except ContestantFailedError as error:
        return {}, f"not right in a new build on new inputs: {error}"


def _machine(session: Session) -> dict[str, Any]:
    """What this machine is, is known to do at most, and was busy with a moment ago."""
    from benchmarks import quiet  # noqa: PLC0415 - whoever looks up a folder reads no machine

    store, run = session.store, session.run
    here, latest = store.machine(run.machine), store.latest_ceilings(run.machine)
    survey = session.around.survey
    return {
        "id": run.machine,
        "fingerprint": here.fingerprint if here else None,
        "ceilings": latest.values if latest else None,
        "best_ceilings": store.best_ceilings(run.machine),
        "bounds": survey.bounds if survey else None,
        "readings": quiet.read(),
    }


@contextmanager
def _written_whole(target: Path) -> Iterator[Path]:
    """A folder to write into, which takes its name when it is complete."""
    temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        temporary.mkdir(parents=True)
        yield temporary
        shutil.rmtree(target, ignore_errors=True)
        temporary.rename(target)
    except OSError as error:
        remedy = "free some space, or set XDG_DATA_HOME to a folder that can be written; `evolve resume` goes on"
        raise EvolveError(f"quarantine folder {target} cannot be written ({error.strerror})", remedy) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _write(folder: Path, texts: dict[str, str]) -> None:
    folder.mkdir(exist_ok=True)
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")
