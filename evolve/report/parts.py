"""Several commands write to one Markdown file: each replaces its own part, from its title to the next one."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from evolve.report.text import together

if TYPE_CHECKING:
    from collections.abc import Iterable


def part_of(title: str, origin: str, command: str, paragraphs: Iterable[str]) -> str:
    """A part of a file: what it is, how it was made, by which command, and what it says.

    Args:
        title: ``# ...``.
        origin: when, by which version, on what.
        command: that makes it anew, without its ``--results``.
        paragraphs: those that say nothing are left out.
    """
    first = f"{title}\n\n{origin}. `{command} --results` wrote this part and will overwrite it."
    return together([first, *paragraphs]) + "\n"


def put(path: Path, part: str) -> None:
    """Write a part into a file, in the place of the one of the same title, or at the end.

    Args:
        path: the file; made where it is not there.
        part: begins with its title, ``# …``.

    Raises:
        OSError: the file cannot be read or written.
    """
    before = path.read_text(encoding="utf-8") if path.exists() else ""
    path.write_text(with_part(before, part), encoding="utf-8")


def with_part(before: str, part: str) -> str:
    """A text with one of its parts replaced, or a new one behind the others."""
    parts = {_title(one): one.rstrip("\n") for one in re.split(r"^(?=# )", before, flags=re.MULTILINE) if one.strip()}
    parts[_title(part)] = part.rstrip("\n")
    return "\n\n".join(parts.values()) + "\n"


def _title(part: str) -> str:
    return part.partition("\n")[0]
