"""What compiled code really does, read from its assembly: vector widths, fused multiply-adds, calls, spills.

A schedule claims so many lanes, and a kernel that its work is fused multiply-adds. Whether the compiler did that shows
in the hot loop alone: of the innermost loops the one that does most in one turn. Prologue, remainders and the wrappers
for Python are full of scalar code in the best of kernels.
"""

from __future__ import annotations

import re
import warnings
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from kernels.language import Handle, SourceFolder

if TYPE_CHECKING:
    from benchmarks.contestant import Contestant, Task
    from benchmarks.machine import Fingerprint

_REGISTER_BYTES = {"xmm": 16, "ymm": 32, "zmm": 64}
_FUNCTION = re.compile(r"^([\w$.]+):")
_LABEL = re.compile(r"^(\.LBB\w+):")
_JUMP = re.compile(r"^j\w+\s+(\.LBB\w+)")
_FUSED = re.compile(r"^vfn?m(?:add|sub|addsub|subadd)\d{3}([ps])[sd]\b")
_ARITHMETIC = re.compile(r"^v?(?:add|sub|mul|div|sqrt|max|min)([ps])[sd]\b")
_MOVE = re.compile(r"^v?(?:mov(?:[au]p|nt|dq)|unpck|shuf|perm|broadcast|blend|insert|extract)\w*")
_REGISTER = re.compile(r"%([xyz]mm)\d")
_ON_STACK = re.compile(r"\(%rsp[,)]")
_NOT_OURS = ("_ZN7cpython", "cfunc.", "NRT_")
_MOST_SPILLS = 0.25  # of the arithmetic; a constant or two that is kept on the stack costs nothing


def texts(folder: SourceFolder, handle: Handle | None) -> dict[str, str]:
    """The assembly of a function and of those that it takes by pointer, by name; runs in the child that compiled them.

    What was taken from Numba's cache is left out: there the assembly is not kept.
    """
    if handle is None:
        return {}
    found = {}
    for one in (handle, *handle.pointers):
        function: Any = folder.load(one).function
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            try:
                found[one.name] = "\n".join(function.inspect_asm().values())
            except Warning:  # code from the cache
                continue
    return found


@dataclass(frozen=True)
class Loop:
    """What one turn of a loop does.

    Attributes:
        function: whose it is.
        instructions: in all.
        packed: arithmetic on vectors, by the register's kind: ``xmm``, ``ymm``, ``zmm``.
        moves: of vectors, by the register's kind.
        scalar: arithmetic on single numbers.
        fused: fused multiply-adds among the arithmetic.
        spills: vectors to or from the stack.
        calls: of other functions.
    """

    function: str
    instructions: int = 0
    packed: Mapping[str, int] = field(default_factory=dict)
    moves: Mapping[str, int] = field(default_factory=dict)
    scalar: int = 0
    fused: int = 0
    spills: int = 0
    calls: int = 0

    @property
    def vector_bytes(self) -> int:
        """Of the widest register that it computes with, or moves where it computes nothing; 0 where all is scalar."""
        used = self.packed or ({} if self.scalar else self.moves)
        return max((_REGISTER_BYTES[kind] for kind, count in used.items() if count), default=0)

    @property
    def weight(self) -> tuple[int, int]:
        """How much it does in one turn: bytes computed, then bytes moved."""
        computed = sum(_REGISTER_BYTES[kind] * count for kind, count in self.packed.items()) + 8 * self.scalar
        return computed, sum(_REGISTER_BYTES[kind] * count for kind, count in self.moves.items())


def hot_loop(assemblies: Mapping[str, str]) -> Loop | None:
    """Of all innermost loops the one that does most in one turn; None where there is no loop."""
    found = [
        _counted(name, body)
        for name, text in assemblies.items()
        for lines in _functions(text)
        for body in _innermost(lines)
    ]
    return max(found, key=lambda loop: loop.weight, default=None)


def _functions(text: str) -> Iterator[list[str]]:
    """Lines of each of our functions, stripped, directives and comments left out."""
    current: list[str] = []
    is_ours = False
    for line in (raw.partition("#")[0].strip() for raw in text.splitlines()):
        if (named := _FUNCTION.match(line)) and not line.startswith(".L"):
            if is_ours:
                yield current
            current, is_ours = [], not named[1].startswith(_NOT_OURS)
        elif line and (not line.startswith(".") or _LABEL.match(line)):
            current.append(line)
    if is_ours:
        yield current


def _innermost(lines: Sequence[str]) -> list[Sequence[str]]:
    """Bodies of the loops that hold no other loop: from a label to the last jump back to it."""
    labels: dict[str, int] = {}
    ends: dict[int, int] = {}
    for at, line in enumerate(lines):
        if label := _LABEL.match(line):
            labels[label[1]] = at
        elif (jump := _JUMP.match(line)) and jump[1] in labels:
            ends[labels[jump[1]]] = at
    starts = sorted(ends)
    return [
        lines[start + 1 : ends[start] + 1]
        for start in starts
        if not any(start < other and ends[other] <= ends[start] for other in starts)
    ]


def _counted(function: str, body: Sequence[str]) -> Loop:
    counts: Counter[str] = Counter()
    packed: Counter[str] = Counter()
    moves: Counter[str] = Counter()
    for line in body:
        if line.endswith(":"):
            continue
        counts["instructions"] += 1
        kinds = _REGISTER.findall(line)
        widest = max(kinds, default="")
        fused, arithmetic = _FUSED.match(line), _ARITHMETIC.match(line)
        counts["fused"] += bool(fused)
        counts["calls"] += line.startswith("call")
        counts["spills"] += bool(kinds and _ON_STACK.search(line))
        if (found := fused or arithmetic) and found[1] == "s":
            counts["scalar"] += 1
        elif found:
            packed[widest] += 1
        elif widest and _MOVE.match(line):
            moves[widest] += 1
    return Loop(function, packed=dict(packed), moves=dict(moves), **counts)


@dataclass(frozen=True)
class Claim:
    """What a schedule and its kernel say of the compiled code.

    Attributes:
        vector_bytes: of a vector; 0 where nothing is said.
        is_fused: its work is fused multiply-adds, and this machine has them.
    """

    vector_bytes: int
    is_fused: bool

    def contradictions(self, loop: Loop) -> list[str]:
        """In words, what of it the hot loop does not do."""
        found = []
        if loop.vector_bytes < self.vector_bytes:
            shown = f"{loop.vector_bytes} bytes" if loop.vector_bytes else "single numbers"
            found.append(f"the schedule claims vectors of {self.vector_bytes} bytes, the hot loop works on {shown}")
        if self.is_fused and not loop.fused:
            found.append("the work is fused multiply-adds, the hot loop has none")
        if loop.spills > _MOST_SPILLS * sum(loop.packed.values()):
            found.append(f"the hot loop spills registers: {loop.spills} vector moves to or from the stack a turn")
        if loop.calls:
            found.append(f"the hot loop calls other functions: {loop.calls} calls a turn")
        return found


def claim_of(task: Task, contestant: Contestant, machine: Fingerprint) -> Claim:
    """What a contestant claims on a machine."""
    import numpy as np  # noqa: PLC0415 - the child that compiles has no use for it here

    schedule, space = contestant.schedule, task.definition.space
    gene = space.by_name.get("lanes")
    lanes = int(schedule["lanes"]) if schedule is not None and gene and gene.is_active(schedule) else 0
    operations = task.definition.work(task.size, task.dtype).operations
    return Claim(
        min(lanes * np.dtype(task.dtype).itemsize, machine.vector_bytes),
        bool(operations.get("fma")) and "fma" in machine.features,
    )


def checked(assemblies: Mapping[str, str], claim: Claim) -> dict[str, Any]:
    """The facts of a champion's compiled code, in plain values: is_checked, claim, hot_loop, findings."""
    loop = hot_loop(assemblies)
    if loop is None:
        return {"is_checked": False, "claim": asdict(claim), "hot_loop": None, "findings": []}
    facts = {**asdict(loop), "vector_bytes": loop.vector_bytes}
    return {"is_checked": True, "claim": asdict(claim), "hot_loop": facts, "findings": claim.contradictions(loop)}
