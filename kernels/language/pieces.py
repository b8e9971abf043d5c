"""Modules taken apart into what a bundle keeps or drops as a whole: their top-level statements (see ``bundle``)."""

from __future__ import annotations

import ast
import functools
import importlib.util
import itertools
import re
import symtable
import sys
import textwrap
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_LINT = re.compile(r"\s+# (?:noqa|type: ignore)\b.*")


class BundleError(Exception):
    """A program that cannot be cut out; the message names the module and what stands in the way."""


@dataclass(frozen=True)
class Imported:
    """What an import binds a name to: an attribute of a module, or where that is empty the module itself."""

    module: str
    attribute: str = ""

    @property
    def is_dotted(self) -> bool:
        """True for a submodule."""
        return "." in self.module and not self.attribute


@dataclass(frozen=True, eq=False)
class Piece:
    """A top-level statement that is kept or dropped as a whole, with the comment above and the docstring below it."""

    module: str
    node: ast.stmt
    first: int
    last: int

    @property
    def is_alias(self) -> bool:
        """True for an assignment."""
        return isinstance(self.node, (ast.Assign, ast.AnnAssign))

    @functools.cached_property
    def names(self) -> tuple[str, ...]:
        """The names that it binds."""
        if isinstance(self.node, (ast.FunctionDef, ast.ClassDef)):
            return (self.node.name,)
        targets = self.node.targets if isinstance(self.node, ast.Assign) else [getattr(self.node, "target", self.node)]
        return tuple(n.id for t in targets for n in ast.walk(t) if isinstance(n, ast.Name) and self.is_alias)

    @functools.cached_property
    def reads(self) -> frozenset[str]:
        """Global names that it reads when it is run or called."""
        bare = _WithoutAnnotations().visit(ast.parse(ast.unparse(self.node)))
        return frozenset(_global_names(symtable.symtable(ast.unparse(bare), self.module, "exec")))

    @functools.cached_property
    def annotated_with(self) -> frozenset[str]:
        """Names in its annotations."""
        found = (getattr(n, field, None) for n in ast.walk(self.node) for field in ("annotation", "returns"))
        return frozenset(n.id for a in found if a for n in ast.walk(a) if isinstance(n, ast.Name))

    @functools.cached_property
    def registers(self) -> frozenset[str]:
        """Names that it is a registration of, should they be definitions."""
        calls = [*getattr(self.node, "decorator_list", ()), getattr(self.node, "value", None)]
        if self.is_alias:
            return frozenset()
        arguments = (a for call in calls if isinstance(call, ast.Call) for a in call.args)
        return frozenset(a.id for a in arguments if isinstance(a, ast.Name))

    def imported_inside(self) -> Iterator[str]:
        """Modules that its functions import."""
        for node in ast.walk(self.node):
            if isinstance(node, ast.Import):
                yield from (alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                yield node.module or ""


class Module:
    """The top level of one module, what stands under ``if TYPE_CHECKING`` included.

    Attributes:
        pieces: in order.
        defined: pieces by the names that they bind.
        imported: what imports bind.
        loads: modules that it imports when it is run.
    """

    def __init__(self, name: str, text: str) -> None:
        self.name = name
        self.lines = text.splitlines()
        self.pieces: list[Piece] = []
        self.imported: dict[str, Imported] = {}
        self.loads: list[str] = []
        self._read(ast.parse(text).body)
        self.defined = {name: piece for piece in self.pieces for name in piece.names}

    def _read(self, body: Sequence[ast.stmt], *, is_run: bool = True) -> None:
        for node, behind in itertools.zip_longest(body, body[1:]):
            if isinstance(node, (ast.Import, ast.ImportFrom)):
                self._bind(node, is_run=is_run)
            elif isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
                self._read(node.body, is_run=False)
            elif isinstance(node, (ast.FunctionDef, ast.ClassDef)) or _is_call(node):
                self._add(node, node)
            elif isinstance(node, (ast.Assign, ast.AnnAssign)):
                self._add(node, behind if _is_text(behind) else node)

    def _bind(self, node: ast.Import | ast.ImportFrom, *, is_run: bool) -> None:
        for alias in node.names:
            module, attribute = (alias.name, "") if isinstance(node, ast.Import) else (self._absolute(node), alias.name)
            self.imported[alias.asname or alias.name.partition(".")[0]] = Imported(module, attribute)
            if is_run:
                self.loads.append(module)

    def _absolute(self, node: ast.ImportFrom) -> str:
        package = self.name if hasattr(sys.modules.get(self.name), "__path__") else self.name.rpartition(".")[0]
        return importlib.util.resolve_name("." * node.level + (node.module or ""), package)

    def _add(self, node: ast.stmt, last: ast.stmt) -> None:
        first = min([node.lineno, *(decorator.lineno for decorator in getattr(node, "decorator_list", ()))])
        while first > 1 and self.lines[first - 2].lstrip().startswith("#"):
            first -= 1
        self.pieces.append(Piece(self.name, node, first, last.end_lineno or node.lineno))

    def text(self, piece: Piece, renamed: Mapping[str, str]) -> str:
        """A piece's source with some global names replaced, without remarks to linters."""
        lines = [line.encode() for line in self.lines[piece.first - 1 : piece.last]]
        for row, column, old in sorted(_places(piece, renamed), reverse=True):
            line = lines[row - piece.first]
            lines[row - piece.first] = line[:column] + renamed[old].encode() + line[column + len(old.encode()) :]
        return textwrap.dedent("\n".join(_LINT.sub("", line.decode()) for line in lines))


class _WithoutAnnotations(ast.NodeTransformer):
    """Takes all annotations away."""

    def visit_arg(self, node: ast.arg) -> ast.arg:
        return ast.arg(node.arg)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        node.returns = None
        return self.generic_visit(node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        return ast.Assign([node.target], self.visit(node.value) if node.value else ast.Constant(None), lineno=0)


def _global_names(table: symtable.SymbolTable) -> Iterator[str]:
    is_module = table.get_type() == "module"
    for symbol in table.get_symbols():
        if symbol.is_referenced() and (is_module or symbol.is_global()):
            yield symbol.get_name()
    for inner in table.get_children():
        yield from _global_names(inner)


def _places(piece: Piece, renamed: Mapping[str, str]) -> Iterator[tuple[int, int, str]]:
    """Row, column in bytes, and name, wherever a piece has one of some global names."""
    if isinstance(piece.node, (ast.FunctionDef, ast.ClassDef)) and piece.node.name in renamed:
        word = "def " if isinstance(piece.node, ast.FunctionDef) else "class "
        yield piece.node.lineno, piece.node.col_offset + len(word), piece.node.name
    for node in ast.walk(piece.node):
        if isinstance(node, ast.Name) and node.id in renamed:
            if isinstance(node.ctx, ast.Store) and node.id not in piece.names:
                raise BundleError(f"{piece.module}: {node.id!r} is a global and a local name in one definition")
            yield node.lineno, node.col_offset, node.id
        elif isinstance(node, ast.arg) and node.arg in renamed:
            raise BundleError(f"{piece.module}: {node.arg!r} is a global name and a parameter in one definition")


def _is_text(node: ast.stmt | None) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def _is_call(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)
