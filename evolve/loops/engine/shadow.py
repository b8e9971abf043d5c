"""The shadow run: a new part of the engine beside the old one, called as the engine calls it, before it may work there.

What was proven and raced alone may still crash on a shape that nobody raced, be wrong there, or be slower in its place:
inputs then come from NumPy's allocator and not from an arena, at sizes that change from call to call. So both parts get
the same fresh inputs of many shapes, in a child process that is confined like those that run candidates: a part that
takes the child with it does not take the loop.
"""

from __future__ import annotations

import contextlib
import json
import math
import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.answers import MOST_BYTES
from benchmarks.compare import worst_error
from benchmarks.confine import confine
from benchmarks.inference import Estimate, median_estimate
from benchmarks.isolation import start_process, start_server
from benchmarks.reaper import end
from evolve.engine import STEERING, Engine, Manifest
from kernels.language import SourceFolder
from kernels.language.build import SCRATCH

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

    from kernels import Kernel, Size

SHAPES = 32
"""Random shapes besides the kernel's awkward ones and the one at which the part takes most of its time."""
BEYOND = 2
"""Random shapes reach so far beyond the size that parts are evolved for: the widest space has 111 columns, not 64."""
ROUNDS = 20
SAMPLE_S, MOST_S = 2e-3, 10.0
"""Least time of a sample in place, and the time after which no further round begins."""
PATIENCE_S = 120.0
"""For all of it: plain loops take seconds a call on large inputs."""

Make = Callable[[Manifest, SourceFolder], Any]
"""Makes what has the parts of an engine as its methods."""


@dataclass(frozen=True)
class Call:
    """How the engine calls a part.

    Attributes:
        part: its name.
        size: at which it takes most of its time.
    """

    part: str
    size: Size

    def shapes(self, rng: np.random.Generator) -> list[Size]:
        """Awkward ones, random ones from 1 up to twice the size, alike often in each power of two, and the size."""
        tops = [math.log(BEYOND * extent + 1) for extent in self.size]
        drawn = [tuple(int(math.exp(rng.uniform(0, top))) for top in tops) for _ in range(SHAPES)]
        return [*map(tuple, STEERING[self.part].definition.verify_sizes), *drawn, self.size]


@dataclass(frozen=True)
class Shadow:
    """What a shadow run showed.

    Attributes:
        refused: why the new part may not work, "" where nothing speaks against it.
        gain: ln(t_old / t_new) in place; None where it did not come to that.
        shapes: that both parts were held against each other on.
    """

    refused: str
    gain: Estimate | None = None
    shapes: int = 0


def shadowed(old: Manifest, new: Manifest, call: Call, seed: int, folder: SourceFolder, make: Make = Engine) -> Shadow:
    """Let a new part run beside the old one.

    Args:
        old: of the engine at work.
        new: of the engine with the new part.
        call: which part, and how it is called.
        seed: of shapes and inputs.
        folder: of generated sources and compiled code.
        make: how an engine is made of its manifest.
    """
    for manifest in (old, new):
        folder.write(STEERING[call.part].source(manifest.schedules[call.part]))  # the child may not write there
    said = _said(folder, (make, old.as_dict(), new.as_dict(), call, seed))
    if "refused" in said:
        return Shadow(str(said["refused"]), shapes=int(said.get("shapes", 0)))
    return _judged(said)


def _judged(said: Mapping[str, Any]) -> Shadow:
    try:
        ratios = [float(ratio) for ratio in said["ratios"]]
        gain = median_estimate(ratios)
    except (KeyError, TypeError, ValueError):
        return Shadow("the child that ran it said nothing that makes sense")
    # an interval that few slow rounds leave open says nothing; the middle does
    if gain.estimate <= 0:
        slower = f"in place it takes {math.exp(-gain.estimate):.3g} times as long as the old one"
        return Shadow(slower, gain, int(said["shapes"]))
    return Shadow("", gain, int(said["shapes"]))


# ---- the parent's side


def _said(folder: SourceFolder, asked: tuple[Any, ...]) -> dict[str, Any]:
    """What the child said, or of what it died."""
    start_server()
    scratch = Path(tempfile.mkdtemp(prefix=SCRATCH, dir=folder.path))
    process, pipe = start_process(serve, (folder.path, scratch, *asked))
    try:
        if not pipe.poll(PATIENCE_S):
            return {"refused": f"it did not come to an end in {PATIENCE_S:.0f} s"}
        said = json.loads(pipe.recv_bytes(MOST_BYTES))
    except (EOFError, OSError):
        process.join(1.0)
        return {"refused": f"it crashed in the engine: {_death(process.exitcode)}"}
    except ValueError:
        said = None
    finally:
        end(process.pid)
        process.kill()
        process.join()
        process.close()
        pipe.close()
        shutil.rmtree(scratch, ignore_errors=True)
    return said if isinstance(said, dict) else {"refused": "the child that ran it said nothing that makes sense"}


def _death(code: int | None) -> str:
    if code is None or code >= 0:
        return f"the child ended with exit code {code}"
    with contextlib.suppress(ValueError):
        return f"died of {signal.Signals(-code).name}"
    return f"died of signal {-code}"


# ---- the child's side


def serve(connection: Connection, path: Path, scratch: Path, *asked: Any) -> None:
    """The child's main: run both parts, say what came of it.

    Args:
        connection: to the parent.
        path: of the folder of generated sources, which it may read.
        scratch: the only folder that it may write to.
        asked: what ``shadowed`` was asked.
    """
    make, old, new, call, seed = asked
    manifests = [Manifest.from_dict(told) for told in (old, new)]  # imports the kernels, which needs more than is left
    confine((), 1, scratch)
    folder = SourceFolder(path, scratch)
    connection.send_bytes(json.dumps(_both(call, [make(one, folder) for one in manifests], seed)).encode())


def _both(call: Call, engines: Sequence[Any], seed: int) -> dict[str, Any]:
    rng, count = np.random.default_rng(seed), 0
    try:
        parts = [getattr(engine, call.part) for engine in engines]
        for shape in call.shapes(rng):
            if fault := _fault(call, shape, parts, rng):
                return {"refused": fault, "shapes": count}
            count += 1
        inputs = STEERING[call.part].definition.problem(call.size, STEERING[call.part].dtype, rng)
        return {"ratios": _ratios(parts, inputs), "shapes": count}
    except Exception as error:  # noqa: BLE001 - generated code may raise anything
        return {"refused": f"it failed in the engine: {type(error).__name__}: {error}"[:300], "shapes": count}


def _fault(call: Call, shape: Size, parts: Sequence[Callable[..., Any]], rng: np.random.Generator) -> str:
    """What is wrong with the new part's answer at a shape; "" where nothing is."""
    kernel, dtype = STEERING[call.part].definition, STEERING[call.part].dtype
    inputs = kernel.problem(shape, dtype, rng)
    given = [np.array(value) for value in inputs]
    old, new = (np.array(part(*inputs), np.float64) for part in parts)
    if not all(map(np.array_equal, given, inputs)):
        return f"it changes its inputs, of size {_text(shape)}"
    truth, tolerated = kernel.reference(*given), kernel.tolerance(shape, dtype)
    if _error(kernel, new, truth) > tolerated:
        return f"it is wrong at size {_text(shape)}"
    # each may miss the truth by as much, to either side
    if _error(kernel, new, old) > 2 * tolerated:
        return f"it differs from the old one at size {_text(shape)}"
    return ""


def _error(kernel: Kernel, got: np.ndarray, expected: np.ndarray) -> float:
    return float(worst_error(got.ravel(), expected.ravel(), kernel.scale(expected).ravel()))


def _text(shape: Size) -> str:
    return "x".join(map(str, shape))


def _ratios(parts: Sequence[Callable[..., Any]], inputs: Sequence[Any]) -> list[float]:
    """Round by round ln(t_old / t_new) of calls with the same arrays; who comes first takes turns."""
    loops = [max(1, math.ceil(SAMPLE_S / _sample_s(part, inputs, 1))) for part in parts]
    until_s, ratios = time.monotonic() + MOST_S, list[float]()
    while len(ratios) < 2 or (len(ratios) < ROUNDS and time.monotonic() < until_s):
        turn = (0, 1) if len(ratios) % 2 else (1, 0)
        taken_s = {side: _sample_s(parts[side], inputs, loops[side]) / loops[side] for side in turn}
        ratios.append(math.log(taken_s[0] / taken_s[1]))
    return ratios


def _sample_s(part: Callable[..., Any], inputs: Sequence[Any], loops: int) -> float:
    start_s = time.perf_counter()
    for _ in range(loops):
        part(*inputs)
    return max(time.perf_counter() - start_s, 1e-9)
