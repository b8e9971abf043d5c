"""Plain text that aligns: tables and labelled facts, the same on a terminal and in a pipe."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_WIDTH = 80
_GAP = "  "


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Columns under their headings; nothing is cut off, so that a pipe gets all of it."""
    lines = [header, *rows]
    widths = [max(len(cell) for cell in column) for column in zip(*lines, strict=True)]
    return "\n".join(
        _GAP.join(f"{cell:<{width}}" for cell, width in zip(cells, widths, strict=True)).rstrip() for cells in lines
    )


def markdown_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """The same as Markdown."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |" for cells in lines)


def facts(pairs: Iterable[tuple[str, str]]) -> str:
    """A label and what is to be said of it, wrapped behind the label; pairs with nothing to say are left out."""
    said = [(label, text) for label, text in pairs if text]
    width = max((len(label) for label, _ in said), default=0) + len(_GAP)
    return "\n".join(_wrapped(text, f"{label:<{width}}", " " * width) for label, text in said)


def paragraph(text: str) -> str:
    """Text wrapped to the width of a terminal."""
    return _wrapped(" ".join(text.split()), "", "")


def together(parts: Iterable[str]) -> str:
    """Parts with an empty line between them; those that say nothing are left out."""
    return "\n\n".join(part for part in parts if part)


def yes_or_no(holds: object) -> str:
    """Whether what was asked for holds; a NO catches the eye."""
    return "yes" if holds else "NO"


def omissions(lines: Iterable[str]) -> str:
    """What was left out, and why."""
    return "\n".join(paragraph(f"left out: {line}") for line in lines)


def _wrapped(text: str, first: str, later: str) -> str:
    # a path or a command that is broken in two cannot be copied
    return textwrap.fill(
        text,
        _WIDTH,
        initial_indent=first,
        subsequent_indent=later,
        break_long_words=False,
        break_on_hyphens=False,
    )
