"""What this machine can do at the very most: measured peaks of arithmetic, traffic and latency.

Every figure is the best of several variants of a loop and of many samples: a ceiling is a maximum, and a busy neighbour
can only lower it. One peak is not enough: on a Zen 4 fma and add together ran at 66 GFLOP/s against 59 for fma alone,
and memory gave 41 GB/s to an update against 20 to a read, so peaks are kept by mix and by pattern. Loops, passes and
threads are in ``benchmarks.peaks``; which figures there are is in ``benchmarks.points``.
"""

from __future__ import annotations

import math
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, nullcontext
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import UTC, datetime
from itertools import chain, pairwise
from pathlib import Path
from typing import Any

from benchmarks import isa, peaks
from benchmarks.arena import Arena
from benchmarks.clock import core_clock_hz
from benchmarks.machine import fingerprint
from benchmarks.narrow import NarrowProcesses
from benchmarks.points import Needed, needed
from benchmarks.team import bound_to_last_core
from kernels.language import SourceFolder

__all__ = ["Ceilings", "Needed", "disorder", "measure", "needed", "spreads"]

LEVEL_ENDS = 0.8
"""A cache is full where reads fall below this share of its rate: the Empirical Roofline Toolkit's 1.25 a level."""

Progress = Callable[[str], None]
Tree = Mapping[str, Any]


class DamagedCeilingsError(ValueError):
    """What was to be read is no set of ceilings, or that of another machine."""


@dataclass(frozen=True)
class Ceilings:
    """Measured peaks; plain numbers, by names that are the same on every machine.

    Attributes:
        flop_per_s: by dtype, mix (``fma add mul fma_add mul_add``) and threads (a decimal string, together).
        bytes_per_s: by level (``L1 L2 L3 DRAM``), pattern (``points.PATTERNS``) and threads.
        operations_per_s: by dtype, function (``exp div sqrt``) and threads.
        latency_s: of one dependent random load, by level; address translation with huge pages included.
        clock_hz: the core's clock during the sweep.
        measured_at: time of day, UTC, ISO 8601.
        chain_latency_s: of one dependent operation (``add mul fma div``) on a vector, by dtype.
        capacity_bytes: what a shared cache really holds for one core, by level: a guest may get less than sysfs says.
        by_isa: ``flop_per_s`` and ``operations_per_s`` of one thread in narrower instruction sets, by their names.
        machine_id: whose ceilings these are; "" where that was not kept yet.
        remarks: what was not as it should be while they were measured.
    """

    flop_per_s: Tree
    bytes_per_s: Tree
    operations_per_s: Tree
    latency_s: Mapping[str, float]
    clock_hz: float
    measured_at: str
    chain_latency_s: Tree = field(default_factory=dict)
    capacity_bytes: Mapping[str, int] = field(default_factory=dict)
    by_isa: Tree = field(default_factory=dict)
    machine_id: str = ""
    remarks: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], machine_id: str = "") -> Ceilings:
        """The ceilings that ``as_dict`` made plain.

        Args:
            values: them; what older versions did not measure may be missing, what newer ones add is left out.
            machine_id: the machine that they are to be used for; "" for any.

        Raises:
            DamagedCeilingsError: something is missing or no positive number, or they are another machine's.
        """
        _check(values)
        owner = values.get("machine_id") or machine_id
        if machine_id and owner != machine_id:
            raise DamagedCeilingsError(f"ceilings of machine {owner} say nothing of machine {machine_id}")
        known = {each.name: values[each.name] for each in fields(cls) if each.name in values}
        return cls(**{**known, "remarks": tuple(values.get("remarks", ()))})


def _check(values: Mapping[str, Any]) -> None:
    required = ("flop_per_s", "bytes_per_s", "operations_per_s", "latency_s", "clock_hz", "measured_at")
    if missing := [name for name in required if name not in values]:
        raise DamagedCeilingsError(f"these are no ceilings: {', '.join(missing)} missing")
    for name in required[:4]:
        if not isinstance(values[name], Mapping):
            raise DamagedCeilingsError(f"damaged ceilings: {name} is {values[name]!r}")
    measured = {name: values[name] for name in (*_TREES, "clock_hz") if name in values}
    for path, value in leaves(measured):
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf:
            raise DamagedCeilingsError(f"damaged ceilings: {' '.join(path)} is {value!r}")


_RATES = ("flop_per_s", "bytes_per_s", "operations_per_s", "capacity_bytes", "by_isa")
_LATENCIES = ("latency_s", "chain_latency_s")
_TREES = (*_RATES, *_LATENCIES)


def leaves(tree: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """What stands at the ends of nested mappings, with the names that lead there."""
    if isinstance(tree, Mapping):
        for name, inner in tree.items():
            yield from leaves(inner, (*path, str(name)))
    else:
        yield path, tree


def measure(
    progress: Progress | None = None, folder: SourceFolder | None = None, *, only: Needed | None = None
) -> Ceilings:
    """Measure ceilings: all of them in some 10 s, or what bounds one problem in about 2 s.

    Compiling comes on top where the loops are not in the folder yet. Call it before this process is bound to fewer
    cores than it is going to report, and while nothing else of ours runs. Where the system does not let a process
    choose its cores it measures unbound, and a remark says so.

    Args:
        progress: is told in words what comes next.
        folder: keeps the compiled loops; a temporary one by default.
        only: which figures, by ``needed``; the others are then missing. All by default.
    """
    say = progress or (lambda _text: None)
    temporary = nullcontext("") if folder else tempfile.TemporaryDirectory(prefix="ceilings-")
    with temporary as place:
        return _measured(say, folder or SourceFolder(Path(place)), only or everything())


def everything() -> Needed:
    """All figures: one thread and all cores, and the instruction sets within this machine's."""
    machine = fingerprint()
    threads = tuple(dict.fromkeys(("1", str(len(os.sched_getaffinity(0))))))
    return Needed(threads=threads, instruction_sets=isa.narrower(machine.features, machine.llvm_cpu))


def _measured(say: Progress, folder: SourceFolder, wanted: Needed) -> Ceilings:
    say("ceilings: loading")
    with (
        closing(NarrowProcesses(wanted.instruction_sets, folder.path)) as narrow,
        Arena() as arena,
        closing(peaks.Peaks(fingerprint(), arena, folder, wanted)) as loops,
        bound_to_last_core() as refused,
    ):
        narrow.wait()
        for k in range(peaks.PASSES):
            for name in chain(loops.measure_pass(), narrow.measure_pass()):
                say(f"ceilings: {name}, pass {k + 1} of {peaks.PASSES}")
        remarks = [*([refused] if refused else []), *narrow.remarks]
        return replace(of_rates(loops.rates), by_isa=narrow.rates(), remarks=tuple(remarks))


def of_rates(rates: Mapping[tuple[str, ...], float]) -> Ceilings:
    """What the loops of ``peaks.Peaks`` reached, as ceilings of this machine."""
    return Ceilings(
        **_trees(rates),
        capacity_bytes=capacities(rates),
        clock_hz=core_clock_hz(),
        measured_at=datetime.now(UTC).isoformat(timespec="seconds"),
        machine_id=fingerprint().machine_id,
    )


def _trees(rates: Mapping[tuple[str, ...], float]) -> dict[str, Any]:
    """The fields of ``Ceilings`` from paths; a rate of latencies is turned round."""
    names = ("flop_per_s", "bytes_per_s", "operations_per_s", *_LATENCIES)
    values = {path: 1 / rate if path[0] in _LATENCIES else rate for path, rate in rates.items() if path[0] in names}
    return {**{name: {} for name in names}, **peaks.tree(values)}


def capacities(rates: Mapping[tuple[str, ...], float]) -> dict[str, int]:
    """Up to which working set a shared cache was read at its own rate, by level."""
    plateaus: dict[str, list[tuple[int, float]]] = {}
    for path, rate in rates.items():
        if path[0] == "plateau":
            plateaus.setdefault(path[1], []).append((int(path[2]), rate))
    return {level: plateau_end(sorted(sets)) for level, sets in plateaus.items()}


def plateau_end(sets: Sequence[tuple[int, float]]) -> int:
    """The largest of the working sets from the first on that are read at nearly the rate of the fastest.

    Args:
        sets: bytes and rate, smallest first.
    """
    top = max(rate for _, rate in sets)
    end = sets[0][0]
    for size, rate in sets:
        if rate < LEVEL_ENDS * top:
            break
        end = size
    return end


def spreads(sweeps: Sequence[Ceilings]) -> dict[str, float]:
    """How far apart repeated sweeps are: (max - min) / max of every figure that all of them have, by its names."""
    found = [dict(leaves({name: getattr(one, name) for name in _TREES})) for one in sweeps]
    common = [path for path in found[0] if all(path in one for one in found)]
    series = {" ".join(path): [one[path] for one in found] for path in common}
    return {name: (max(values) - min(values)) / max(values) for name, values in series.items()}


def disorder(found: Ceilings, pattern: str = "read") -> list[str]:
    """Neighbouring levels of which the outer one was the faster, as in ``"L3 > L2"``: there should be none."""
    rates = {level: by[pattern]["1"] for level, by in found.bytes_per_s.items()}
    levels = list(rates)
    return [f"{outer} > {inner}" for inner, outer in pairwise(levels) if rates[outer] >= rates[inner]]
