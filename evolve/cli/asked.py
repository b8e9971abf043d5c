"""What a user asks for in words, checked before anything is measured."""

from __future__ import annotations

import secrets
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import kernels
from evolve.accuracy import at_most
from evolve.budget import Budget
from evolve.cli.options import closest
from evolve.errors import UsageError
from evolve.search import STRATEGIES, make

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.contestant import Task
    from evolve.run import Request
    from kernels import Kernel
    from kernels.language import Space

T = TypeVar("T")

_SPACE_FACTOR = 5
"""Inputs are held twice, the truth in float64, and all of that for two sets of inputs."""


def request(kernel: str, asked: dict[str, Any]) -> Request:
    """The request that the options of ``evolve run`` make.

    Raises:
        UsageError: a kernel, size, budget or strategy that does not exist or has no meaning.
    """
    from evolve.early import stopping_early  # noqa: PLC0415 - imports numpy
    from evolve.run import Request  # noqa: PLC0415 - imports numba

    definition = known_kernel(kernel)
    size_text, dtype, seed = asked.pop("size"), asked.pop("dtype"), asked.pop("seed")
    size = _understood(definition.size, size_text) if size_text else definition.default_size
    budget = _understood(Budget.parse, asked.pop("budget"))
    may_stop, max_error = asked.pop("stop_when_flat", False), asked.pop("max_error", None)
    check_strategy(definition.space, asked["strategy"])
    made = Request(
        kernel=_lasting(kernel),
        size=size,
        dtype=dtype or _default_dtype(definition),
        budget=budget,
        seed=secrets.randbits(31) if seed is None else seed,
        options=stopping_early() if may_stop else {},
        **asked,
    )
    _check_memory(definition, made)
    if max_error is None:
        return made
    return replace(made, options={**made.options, **at_most(max_error, definition, made.size, made.dtype)})


def task(kernel: str, size: str | None, dtype: str | None, threads: int, policy: str) -> Task:
    """What is measured, as the options of ``evolve record`` say it.

    Raises:
        UsageError: a kernel, size, dtype or number of threads that does not exist or has no meaning.
    """
    from benchmarks.contestant import Task  # noqa: PLC0415 - imports numba
    from evolve.run import check_dtype, check_threads  # noqa: PLC0415 - imports numba

    definition = known_kernel(kernel)
    extents = _understood(definition.size, size) if size else definition.default_size
    made = Task(_lasting(kernel), extents, dtype or _default_dtype(definition), threads, policy=policy)
    check_dtype(definition, made.dtype)
    check_threads(definition, threads)
    _check_memory(definition, made)
    return made


def known_kernel(name: str) -> Kernel:
    """The kernel of that name, or of a file that is one.

    Raises:
        UsageError: there is none; the message offers what is close.
    """
    if name.endswith(".py"):
        return _understood(kernels.get, name)
    if name not in kernels.names():
        raise UsageError(f"no kernel {name!r}; there are {', '.join(kernels.names())}", closest(name, kernels.names()))
    return kernels.get(name)


def _understood(parse: Callable[[str], T], text: str) -> T:
    try:
        return parse(text)
    except (ValueError, KeyError) as error:
        raise UsageError(str(error.args[0])) from error


def _lasting(kernel: str) -> str:
    """A kernel's name; the path of a file wherever a later command is run."""
    return str(Path(kernel).absolute()) if kernel.endswith(".py") else kernel


def _default_dtype(kernel: Kernel) -> str:
    return "float64" if "float64" in kernel.dtypes else kernel.dtypes[0]


def check_strategy(space: Space, name: str) -> None:
    """Make the strategy once: one that cannot be made must fail before ceilings are measured for it.

    Raises:
        UsageError: it cannot; the message offers what is close.
    """
    import numpy as np  # noqa: PLC0415 - only a search needs it

    try:
        make(name, space, np.random.default_rng(0))
    except ValueError as error:
        raise UsageError(str(error), closest(name, STRATEGIES)) from error


def _check_memory(kernel: Kernel, asked: Request | Task) -> None:
    import psutil  # noqa: PLC0415 - only a run needs it

    from evolve.report.quantities import capacity, extents  # noqa: PLC0415 - only the message needs it

    if asked.dtype not in kernel.dtypes:
        return
    needed = _SPACE_FACTOR * kernel.work(asked.size, asked.dtype).moved_bytes
    limit = psutil.virtual_memory().available
    if needed > limit:
        raise UsageError(
            f"size {extents(asked.size)} needs some {capacity(needed)} of memory, {capacity(limit)} can be had",
            "take a smaller --size",
        )
