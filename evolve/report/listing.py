"""Specialised sources made readable: docstrings put back, long lines folded."""

from __future__ import annotations

import ast
import itertools
from typing import TYPE_CHECKING

from kernels.language import Template

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kernels.language import Source

WIDTH = 120

_OPENING, _CLOSING = "([{", ")]}"


def listings(source: Source, template: Template, package: str, *, is_lazy: bool = False) -> dict[str, str]:
    """Texts of the modules of a specialised source and of all that it needs.

    Args:
        source: what was specialised.
        template: what it was specialised from.
        package: package that the modules are to lie in.
        is_lazy: leave signatures out, so that functions are compiled when they are first called.

    Returns:
        Texts by the modules' full names.
    """
    made = {f"{package}.{source.module}": listing(source, template.__doc__ or "", is_lazy=is_lazy)}
    for needed in (*source.callees, *source.pointers):
        made |= listings(needed, _called(template, needed.name), package, is_lazy=is_lazy)
    return made


def _called(template: Template, name: str) -> Template:
    return next(value for value in template.globals.values() if isinstance(value, Template) and value.name == name)


def listing(source: Source, doc: str, *, is_lazy: bool = False) -> str:
    """The text of one source with its docstring."""
    tree = ast.parse(source.text)
    definition = tree.body[-1]
    assert isinstance(definition, ast.FunctionDef)
    decorator = definition.decorator_list[0]
    assert isinstance(decorator, ast.Call)
    if is_lazy:
        decorator.args = []
    if doc:
        definition.body.insert(0, ast.Expr(ast.Constant(doc)))
    return "\n".join(part for line in ast.unparse(tree).splitlines() for part in folded(line)) + "\n"


def folded(line: str) -> Iterator[str]:
    """A line of Python, broken behind the commas of its first bracket that has some if it is too long.

    before                   after
    ---------------------    -------------
    tile = f(a, b, g(c))     tile = f(
                                 a, b, g(c)
                             )
    """
    spans = _spans(line) if len(line) > WIDTH and not line.lstrip().startswith(("#", '"')) else None
    if spans is None:
        yield line
        return
    indent = " " * (len(line) - len(line.lstrip()))
    yield line[: spans[0]]
    part = ""
    for start, end in itertools.pairwise(spans):
        item = line[start:end].strip()
        if part and len(indent) + 4 + len(part) + 1 + len(item) > WIDTH:
            yield from folded(f"{indent}    {part}")
            part = ""
        part = f"{part} {item}".strip()
    yield from folded(f"{indent}    {part}")
    yield indent + line[spans[-1] :]


def _spans(line: str) -> list[int] | None:
    """Where that bracket's content starts, goes on behind each of its commas, and ends; None if no bracket has one."""
    opened: list[list[int]] = []
    closed: list[list[int]] = []
    is_text = False
    for at, char in enumerate(line):
        is_text ^= char == "'"
        if is_text:
            continue
        if char in _OPENING:
            opened.append([at + 1])
        elif char in _CLOSING:
            closed.append([*opened.pop(), at])
        elif char == "," and opened:
            opened[-1].append(at + 1)
    return min((spans for spans in closed if len(spans) > 2), default=None)
