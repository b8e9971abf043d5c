"""What the search takes at its largest: how long an ask, how much memory a run, how much of the disk an evaluation."""

from __future__ import annotations

import itertools
import math
import sqlite3
import tempfile
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

import kernels
from benchmarks.outcome import Measured, Samples
from evolve.budget import Budget
from evolve.report.quantities import clock
from evolve.search import make
from evolve.search.alphabet import Alphabet
from evolve.search.genetic import Genetic
from evolve.search.protocol import Result
from evolve.search.settings import Settings
from evolve.search.testing import search
from evolve.store import PHASES, Batch, Evaluation, Machine, OutcomeRecord, Store, open_store, utc_now
from kernels.language.space import Schedule, Space, choice, flag, integer, permutation, power_of_two

Say = Callable[[str], None]

RUN_BATCH = 64
"""Schedules asked for at once in a long run: whoever affords 10^5 evaluations has more than one machine."""
_ASKS = 12
_KNOWN = 300
"""Outcomes that the surrogate of a usual run has learned from."""
_ROUNDS = 30
_STORE_BATCH = 8
_MOST_STORED = 20_000
"""Evaluations that the store is filled with: what one takes does not change from the first thousand on."""
_TILES = tuple(f"tile{k}" for k in range(9))

WIDE = Space(
    [
        *(power_of_two(name, 1, 512, "of a loop") for name in _TILES),
        *(integer(f"step{k}", range(12), "a distance") for k in range(4)),
        choice("variant", ("plain", "tiled", "packed", "fused"), "algorithm"),
        choice("layout", ("rows", "columns", "blocks", "Morton"), "of the data"),
        permutation("order", "ijk", "of the loops"),
        flag("stream", "past the caches"),
    ],
    [
        (lambda tile0, tile1: tile0 * tile1 <= 2**9, "registers"),
        (lambda tile2, tile3, tile4: tile2 * tile3 * tile4 <= 2**14, "first cache"),
        (lambda tile5, tile6: tile5 * tile6 <= 2**12, "second cache"),
        (lambda variant, order: variant != "packed" or order[0] != "k", "packing needs i or j outside"),
    ],
)
"""About 10^15 schedules."""


def wide_fitness(schedule: Schedule) -> float | None:
    """A rugged surface over ``WIDE`` in which neighbouring tiles interact; one schedule in twenty fails."""
    jitter = zlib.crc32(str(schedule).encode()) / 2**32
    if jitter < 0.05:
        return None
    tiles = [math.log2(int(schedule[name])) for name in _TILES]
    apart = sum((a + b - 8) ** 2 for a, b in itertools.pairwise(tiles))
    far = sum((int(schedule[f"step{k}"]) - 3 * k) ** 2 for k in range(4))
    cases = 0.5 * (schedule.variant == "fused") + 0.3 * (schedule.layout == "blocks") + 0.2 * (schedule.order == "kij")
    return float(cases - 0.02 * apart - 0.01 * far + 0.2 * jitter)


@dataclass(frozen=True)
class Asks:
    """How long an ask takes that screens very many children.

    Attributes:
        bred: children of the last ask.
        screened: those among which it chose, at least: legal, new, and each once.
        known: outcomes that had been told.
        population: of survivors.
        seconds: processor time of each ask, the least first; with one thread that is how long it takes.
        tell_s: of a tell, the median.
    """

    bred: int
    screened: int
    known: int
    population: int
    seconds: tuple[float, ...]
    tell_s: float

    @property
    def median_s(self) -> float:
        """Of an ask."""
        return float(np.median(self.seconds))


def asks(children: int, known: int, population: int, count: int = _ASKS) -> Asks:
    """Time asks of eight schedules.

    Args:
        children: that each chooses among.
        known: outcomes told before.
        population: of survivors.
        count: of asks.
    """
    rng = np.random.default_rng(0)
    strategy = Genetic(WIDE, rng, Settings(population=population, children=children))
    strategy.tell([_result(schedule) for schedule in _drawn(rng, known)])
    _timed(strategy)
    timed = []
    for _ in range(count):
        # some children are illegal, known or twins, the more the smaller the population: so many more are bred
        bred = math.ceil(1.05 * children * strategy.settings.children / strategy.looked_at)
        strategy.settings = replace(strategy.settings, children=bred)
        timed.append(_timed(strategy))
    looked_at, ask_s, tell_s = zip(*timed, strict=True)
    bred = strategy.settings.children
    return Asks(bred, min(looked_at), known, population, tuple(sorted(ask_s)), float(np.median(tell_s)))


def _drawn(rng: np.random.Generator, count: int) -> list[Schedule]:
    """So many random schedules: a quarter of all combinations are legal."""
    alphabet = Alphabet(WIDE)
    return [alphabet.schedule(row) for row in alphabet.random(rng, 8 * count)[:count]]


def _timed(strategy: Genetic) -> tuple[int, float, float]:
    began_s = time.process_time()
    proposals = strategy.ask(8)
    asked_s = time.process_time()
    results = [_result(proposal.schedule) for proposal in proposals]
    known_s = time.process_time()
    strategy.tell(results)
    return strategy.looked_at, asked_s - began_s, time.process_time() - known_s


def _result(schedule: Schedule) -> Result:
    return Result(schedule, wide_fitness(schedule))


@dataclass(frozen=True)
class LongRun:
    """What a long run took.

    Attributes:
        evaluations: that it had.
        space: schedules of the space it searched, exactly.
        batch: schedules asked for at once.
        peak_bytes: the most memory that the process ever held.
        tenths_s: processor time of each tenth of the run.
    """

    evaluations: int
    space: int
    batch: int
    peak_bytes: int
    tenths_s: tuple[float, ...]


def long_run(evaluations: int, say: Say, batch: int = RUN_BATCH) -> LongRun:
    """Search ``WIDE`` as a run does, control arm and all, and keep every result.

    Args:
        evaluations: of the run.
        say: is told how far it is.
        batch: schedules asked for at once.
    """
    strategy = make("genetic", WIDE, np.random.default_rng(0))
    results: list[Result] = []
    tenths_s = []
    for tenth in range(10):
        began_s = time.process_time()
        results += search(strategy, wide_fitness, evaluations * (tenth + 1) // 10 - len(results), batch)
        tenths_s.append(time.process_time() - began_s)
        say(f"{len(results)} of {evaluations} evaluations in {clock(sum(tenths_s))}")
    return LongRun(len(results), WIDE.size or 0, batch, peak_bytes(), tuple(tenths_s))


def peak_bytes() -> int:
    """The most memory that this process ever held: by ``getrusage`` it would have its parent's."""
    lines = Path("/proc/self/status").read_text(encoding="ascii", errors="replace").splitlines()
    return next(int(line.split()[1]) << 10 for line in lines if line.startswith("VmHWM:"))


@dataclass(frozen=True)
class Stored:
    """What a run's store takes.

    Attributes:
        evaluations: that are in it, each with an outcome.
        file_bytes: of the file.
        raw_bytes: of raw samples in it, conditions included.
        write_s: processor time of keeping it all.
    """

    evaluations: int
    file_bytes: int
    raw_bytes: int
    write_s: float

    @property
    def beside_bytes(self) -> float:
        """An evaluation beside its raw samples."""
        return (self.file_bytes - self.raw_bytes) / self.evaluations


def stored(evaluations: int) -> Stored:
    """Fill a store with a run of matmul, whose schedules are the longest, as a session does: batch by batch."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "runs.db"
        began_s = time.process_time()
        with open_store(str(path)) as store:
            _fill(store, evaluations)
        write_s = time.process_time() - began_s
        with closing(sqlite3.connect(path)) as connection:
            (raw_bytes,) = connection.execute("SELECT sum(length(samples)) FROM outcome").fetchone()
        return Stored(evaluations, path.stat().st_size, raw_bytes, write_s)


def _fill(store: Store, evaluations: int) -> None:
    from evolve.run import Request, spec_of  # noqa: PLC0415 - after the long run, whose memory it would take

    store.add_machine(Machine("planted", {}))
    budget = Budget.parse(f"{evaluations}evals")
    asked = Request("matmul", (512, 512, 512), "float64", 1, budget, 0, batch_size=_STORE_BATCH)
    run = store.create_run(spec_of(asked, "planted"))
    space, rng = kernels.get("matmul").space, np.random.default_rng(0)
    for batch, first in enumerate(range(1, evaluations + 1, _STORE_BATCH)):
        numbers = range(first, min(first + _STORE_BATCH, evaluations + 1))
        store.add_batch(Batch(run.id, batch, utc_now()), [*_evaluations(run.id, batch, numbers, space.sample(rng))])
        for number in numbers:
            store.add_outcome(OutcomeRecord(run.id, number, _outcome(rng), utc_now(), 1.0 + rng.random(), 1, 0.5))
        store.add_phases(run.id, batch, dict.fromkeys(PHASES, 0.1))


def _evaluations(run: str, batch: int, numbers: range, schedule: Schedule) -> Iterator[Evaluation]:
    for position, number in enumerate(numbers):
        parents = tuple(parent for parent in (number - 3, number - 2) if parent > 0)
        yield Evaluation(
            run=run,
            number=number,
            batch=batch,
            position=position,
            arm="search",
            operator="crossover",
            schedule=dict(schedule),
            parents=parents,
            source_key=f"{zlib.crc32(b'%d' % number):064x}",
        )


def _outcome(rng: np.random.Generator) -> Measured:
    candidate_s, incumbent_s = (tuple(rng.random(_ROUNDS).tolist()) for _ in range(2))
    names = ("verify_s", "measure_s", "time_s", "log_ratio", "low", "high", "max_error")
    figures: dict[str, Any] = dict(zip(names, rng.random(len(names)).tolist(), strict=True))
    return Measured(samples=Samples(candidate_s, incumbent_s, 10, 1e-7), **figures)


@dataclass(frozen=True)
class Scale:
    """All of it.

    Attributes:
        usual: asks with as many outcomes known as a usual run has.
        large: with as many known, and as many survivors, as there are children.
        run: a long one.
        store: after some of its evaluations.
    """

    usual: Asks
    large: Asks
    run: LongRun
    store: Stored

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {"schema": 1, **asdict(self)}


def measured(children: int, evaluations: int, say: Say) -> Scale:
    """Measure all of it, in this process; the run comes first, for its memory is the process' own.

    Args:
        children: that an ask screens; outcomes and survivors in the large case.
        evaluations: of the long run.
        say: is told how far it is.
    """
    run = long_run(evaluations, say)
    say(f"timing asks of {children} children")
    usual, large = asks(children, _KNOWN, Settings().population), asks(children, children, children)
    say("filling a store")
    return Scale(usual, large, run, stored(min(evaluations, _MOST_STORED)))
