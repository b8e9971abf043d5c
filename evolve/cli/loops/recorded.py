"""The options of loops that run on recorded spaces."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click

_SPACE = click.Path(path_type=Path)


def recorded_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """``--spaces`` and ``--held-out``, each as often as there are spaces."""
    spaces = click.option(
        "--spaces",
        type=_SPACE,
        multiple=True,
        metavar="SPACE",
        help="A recorded space to learn from: a file, or one that comes with the package. [default: matmul, softmax]",
    )
    held_out = click.option(
        "--held-out", type=_SPACE, multiple=True, metavar="SPACE", help="One to be judged on. [default: conv2d, spmv]"
    )
    return spaces(held_out(command))


def split_of(spaces: Sequence[Path], held_out: Sequence[Path]) -> dict[str, str]:
    """Both as options that are kept with the loop, once they can be read.

    Raises:
        UsageError: only one of both is given, or a file is none.
        EvolveError: a file is damaged.
    """
    from evolve.loops.spaces import Split, joined  # noqa: PLC0415 - help reads nothing
    from evolve.replay.shipped import named  # noqa: PLC0415 - as above

    asked = {"spaces": spaces, "held_out": held_out}
    told = {name: joined(named(some)) if some else "" for name, some in asked.items()}
    Split.of(told)
    return told
