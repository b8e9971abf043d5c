"""The runs behind ``benchmarks/RESULTS.md``: fixed problems, budgets and names, so that a table can be made again.

The same problems are what ``evolve run --all`` evolves, with a budget that they share.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

import kernels
from evolve.budget import Budget
from evolve.errors import UsageError
from evolve.run import POLITE, Request, resume, start
from evolve.tracker.status import status

if TYPE_CHECKING:
    from collections.abc import Collection

    from evolve.progress import Observer
    from evolve.run import Admission
    from evolve.store import Run, Store

SEED = 1
LEAST_SHARE_S = 20.0
"""Of a shared budget: less evaluates hardly more than the first generation."""


class Repeatable(Protocol):
    """A run with a name of its own, by which it is found again."""

    @property
    def name(self) -> str:
        """Of the run in the store."""

    @property
    def request(self) -> Request:
        """What starts it."""


@dataclass(frozen=True)
class Standard:
    """A run that anyone can repeat.

    Attributes:
        name: of the run in the store.
        kernel: the kernel's name.
        size: as a user writes it.
        dtype: as in ``"float64"``.
        budget: of the search, as a user writes it.
        threads: that share each call.
    """

    name: str
    kernel: str
    size: str
    dtype: str
    budget: str
    threads: int = 1

    @property
    def request(self) -> Request:
        """What starts it."""
        size = kernels.get(self.kernel).size(self.size)
        return Request(self.kernel, size, self.dtype, self.threads, Budget.parse(self.budget), SEED, name=self.name)


_SQUARES = {"256": "2m", "512": "3m", "1024": "5m", "2048": "10m"}
"""Time for matrices of these extents: plain loops of the large ones take seconds a call."""
_DEFAULT_SIZES = (
    ("matmul_batched", "float64", "2m"),
    ("matmul_batched", "float32", "2m"),
    ("matvec", "float64", "8m"),
    ("attention", "float32", "5m"),
    ("attention_causal", "float32", "4m"),
    ("conv2d", "float32", "5m"),
    ("layernorm", "float32", "3m"),
    ("rmsnorm", "float32", "2m"),
    ("jacobi2d", "float64", "4m"),
    ("nbody", "float32", "2m"),
    ("black_scholes", "float64", "3m"),
    ("spmv", "float64", "2m"),
    ("spmv_powerlaw", "float64", "2m"),
    ("spmv_mesh", "float64", "2m"),
    ("fft", "float64", "5m"),
    ("surrogate_predict", "float64", "3m"),
    ("dominance", "float64", "2m"),
    ("novelty", "float64", "3m"),
    ("bootstrap", "float64", "3m"),
)


def _of_default_size(kernel: str, dtype: str, budget: str) -> Standard:
    size = "x".join(map(str, kernels.get(kernel).default_size))
    return Standard(f"bench-{kernel}-{dtype}", kernel, size, dtype, budget)


STANDARD = (
    Standard("bench-triad-float64-64MiB", "triad", str(64 * 2**20 // 8), "float64", "2m"),
    Standard("bench-softmax-float32-1024", "softmax", "1024", "float32", "3m"),
    Standard("bench-transpose-float32-4096", "transpose", "4096", "float32", "3m"),
    *(
        Standard(f"bench-matmul-{dtype}-{size}", "matmul", size, dtype, budget)
        for dtype in ("float64", "float32")
        for size, budget in _SQUARES.items()
    ),
    *(_of_default_size(*one) for one in _DEFAULT_SIZES),
)


def shared(budget: Budget, prefix: str, threads: int = 1) -> tuple[Standard, ...]:
    """The same problems, under names of their own, with shares of a budget in proportion to their own budgets.

    Raises:
        UsageError: the budget counts evaluations, or leaves less than ``LEAST_SHARE_S`` for one of them.
    """
    if budget.seconds is None:
        raise UsageError(f"--all shares out time, and {budget.text} is none", "write 8h or 90m")
    standards = wanted((), threads)
    own_s = [one.request.budget.seconds or 0.0 for one in standards]
    scale = budget.seconds / sum(own_s)
    if scale * min(own_s) < LEAST_SHARE_S:
        least = math.ceil(LEAST_SHARE_S / min(own_s) * sum(own_s) / 60)
        shortest = f"{scale * min(own_s):.0f} s for some of {len(standards)} problems"
        raise UsageError(f"{budget.text} leave {shortest}", f"take {least}m or more")
    return tuple(
        replace(one, name=one.name.replace("bench", prefix, 1), budget=f"{scale * share_s:.0f}s")
        for one, share_s in zip(standards, own_s, strict=True)
    )


def wanted(names: Collection[str], threads: int = 1) -> tuple[Standard, ...]:
    """The standard runs of some kernels, or of all where none is named, with so many threads as can share them."""
    found = tuple(one for one in STANDARD if not names or one.kernel in names)
    return found if threads == 1 else tuple(_with(one, threads) for one in found if kernels.get(one.kernel).split)


def _with(standard: Standard, threads: int) -> Standard:
    return replace(standard, name=f"{standard.name}-{threads}threads", threads=threads)


def is_standard(run: Run) -> bool:
    """True for a run that bears the name of one of them."""
    return run.name in {one.name for one in wanted((), run.threads)}


def known(store: Store, standard: Repeatable, machine: str) -> Run | None:
    """The run of that name, as far as it has come.

    Raises:
        UsageError: the name belongs to a run of another problem, another policy or another machine.
    """
    run = next((run for run in store.runs() if run.name == standard.name), None)
    if run is None:
        return None
    asked = standard.request
    problem = (asked.kernel, asked.size, asked.dtype, asked.threads, asked.policy, machine)
    if (run.kernel, run.size, run.dtype, run.threads, run.policy, run.machine) != problem:
        raise UsageError(
            f"run {standard.name} in this store is of another problem or machine", "take another with --store"
        )
    return run


def complete(store: Store, standard: Standard, machine: str, observer: Observer, admission: Admission = POLITE) -> Run:
    """Start a standard run, go on with it where it was interrupted, or find it finished.

    Raises:
        UsageError: see ``known``.
        Interrupted: the user asked to stop; calling this again goes on.
    """
    run = known(store, standard, machine)
    if run is None:
        return start(store, standard.request, observer, admission)
    if status(store.events(run.id)) == "finished":
        return run
    return resume(store, run.id, observer, admission)
