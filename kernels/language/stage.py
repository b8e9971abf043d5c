"""The staged language: ordinary Python functions that become plain Numba source once the schedule is known.

A *template* takes the schedule as its first parameter ``p``. Specialising evaluates what the schedule decides and
leaves the rest as it stands:

    before, with mr=2 and the run-time parameter kc        after
    --------------------------------------------------     ----------------------------------
    @template("void(T[::1], T[::1])", runtime=("kc",))     @njit(void(float64[::1], float64[::1], intp), ...)
    def scale(p, a, out):                                  def scale(a, out, kc):
        for k in range(p.kc):                                  for k in range(kc):
            for i in static(p.mr):                                 out[k * 2 + 0] = a[k * 2 + 0]
                out[k * p.mr + i] = a[k * p.mr + i]                out[k * 2 + 1] = a[k * 2 + 1]

A call of another template specialises that one too, into a file of its own, so that schedules share what they have in
common. A callee named in ``pointers`` is passed in by its address instead: the caller is then compiled once for all of
them, at about 3 ns a call.
"""

from __future__ import annotations

import ast
import builtins
import dataclasses
import functools
import hashlib
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from kernels.language.evaluate import Evaluator, NotKnownError
from kernels.language.template import Template, TemplateError, static

DTYPES = ("float32", "float64")
_SIMD = "kernels.language.simd"
_HEADER = """\
# Specialised from the template {module}.{name}; vector operations {version}.
from numba import njit
from numba.types import FunctionType, float32, float64, int32, intp, void
"""


@dataclass(frozen=True)
class Source:
    """Plain Numba source of one function, and of the functions that it needs.

    Attributes:
        name: the function's name in ``text``.
        text: the whole module.
        key: SHA-256 of ``text``, which names callees by their own keys.
        runtime: schedule parameters to be passed behind the arrays, in order.
        pointers: sources of the functions to be passed behind those, in order.
        callees: sources that ``text`` imports.
        signature: of the compiled function, as Numba writes it; None where it is inferred.
        threads: that share a call; of a team of so many it takes the address, last.
    """

    name: str
    text: str
    key: str
    runtime: tuple[str, ...]
    pointers: tuple[Source, ...]
    callees: tuple[Source, ...]
    signature: str | None = None
    threads: int = 1

    @property
    def module(self) -> str:
        """Name of the generated module; with a letter in front, because a digest may start with a digit."""
        return f"k{self.key}"

    def closure(self) -> dict[str, Source]:
        """This source and everything it needs, by key, callees first."""
        found: dict[str, Source] = {}
        for needed in (*self.callees, *self.pointers):
            found |= needed.closure()
        return {**found, self.key: self}

    @functools.cached_property
    def identity(self) -> str:
        """SHA-256 over this source and its pointers: equal for schedules that compile to the same code."""
        keys = "".join((self.key, *(pointer.identity for pointer in self.pointers)))
        return hashlib.sha256(keys.encode()).hexdigest()


@functools.cache
def language_version() -> str:
    """Digest of the vector and tile operations: compiled code is bound to the ones it was compiled with."""
    files = sorted((Path(__file__).parent / "simd").glob("*.py"))
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:12]


def specialise(template: Template, values: Mapping[str, Any], dtype: str) -> Source:
    """Evaluate a template as far as a schedule decides it.

    Args:
        template: what to specialise.
        values: the schedule: every ``p.name`` that the template reads.
        dtype: ``"float32"`` or ``"float64"``; stands for ``T`` in signatures and for ``p.dtype``.

    Raises:
        TemplateError: something that must be known is not, or a name means nothing; file, line and expression given.
    """
    if dtype not in DTYPES:
        raise TemplateError(f"dtype {dtype!r} is not one of {', '.join(DTYPES)}")
    source = _without_pointers(template, values, dtype)
    pointers = tuple(specialise(template.globals[name], values, dtype) for name in template.pointers)
    return dataclasses.replace(source, pointers=pointers)


def _without_pointers(template: Template, values: Mapping[str, Any], dtype: str) -> Source:
    names = tuple(sorted(template.reads & values.keys()))
    return _specialised(template, dtype, names, *(values[name] for name in names))


# schedules share most of their templates with others; typed, because True equals 1 and does not read the same
@functools.lru_cache(maxsize=4096, typed=True)
def _specialised(template: Template, dtype: str, names: tuple[str, ...], *values: Any) -> Source:
    return _Rewriter(template, dict(zip(names, values, strict=True)), dtype).source()


class _Rewriter(ast.NodeVisitor):
    """Partial evaluation of one template: new statements from old ones, in order; its tree stays as it is."""

    def __init__(self, template: Template, values: Mapping[str, Any], dtype: str) -> None:
        self.template, self.values, self.dtype = template, values, dtype
        self.stored = template.stores
        self.value_of = Evaluator(template, values, dtype)
        self.passed_in = {*template.pointers, *map(_address, template.pointers)}
        self.known_names = {*self.stored, *template.parameters, *self.passed_in}
        self.imports: set[str] = set()
        self.callees: dict[str, Source] = {}
        self.pointed: dict[str, Template] = {}

    def source(self) -> Source:
        template = self.template
        for name in {*template.runtime, *template.pointers} & {*self.stored, *template.parameters}:
            template.fail(template.tree, f"{name!r} is passed in when compiled; give the local variable another name")
        if template.calls_itself:
            template.fail(template.tree, "the template calls itself, so that specialising it would never end")
        body = self.block(template.tree.body)
        body = [*map(_function_at, self.pointed), *body]
        names = (*template.parameters[1:], *template.runtime, *map(_address, template.pointers))
        head = ast.arguments(posonlyargs=[], args=[*map(ast.arg, names)], kwonlyargs=[], kw_defaults=[], defaults=[])
        code = ast.unparse(ast.FunctionDef(template.name, head, body or [ast.Pass()], [], lineno=1))
        text = f"{self.header()}\n\n@njit({self.options()})\n{code}\n"
        key = hashlib.sha256(text.encode()).hexdigest()
        signature = template.numba_signature(self.dtype)
        return Source(template.name, text, key, template.runtime, (), tuple(self.callees.values()), signature)

    def header(self) -> str:
        module = self.template.function.__module__
        head = _HEADER.format(module=module, name=self.template.name, version=language_version())
        imports = self.imports | ({f"from {_SIMD} import function_at"} if self.pointed else set())
        callees = [f"from .{source.module} import {name}" for name, source in sorted(self.callees.items())]
        signatures = {name: callee.numba_signature(self.dtype) for name, callee in self.pointed.items()}
        kinds = [f"{_kind(name)} = FunctionType({signature})" for name, signature in signatures.items()]
        return head + "".join(f"{line}\n" for line in (*sorted(imports), *callees, *kinds))

    def options(self) -> str:
        signature = self.template.numba_signature(self.dtype)
        return ", ".join(filter(None, (signature, "cache=True", "error_model='numpy'")))

    # ---- statements

    def block(self, statements: Iterable[ast.stmt]) -> list[ast.stmt]:
        made: list[ast.stmt] = []
        for statement in statements:
            result = self.visit(statement)
            made += result if isinstance(result, list) else [result] if result is not None else []
        return made

    def visit_Expr(self, node: ast.Expr) -> Any:
        return None if isinstance(node.value, ast.Constant) else self.generic_visit(node)

    def visit_Assign(self, node: ast.Assign) -> Any:
        target = node.targets[0]
        if len(node.targets) > 1 or not isinstance(target, ast.Name) or self.stored[target.id] > 1:
            return self.generic_visit(node)
        try:
            value = self.value_of.local[target.id] = self.value_of(node.value)
        except NotKnownError:
            return self.generic_visit(node)
        return self.generic_visit(node) if _literal(value) is None else None

    def visit_For(self, node: ast.For) -> Any:
        if isinstance(node.iter, ast.Call) and self.outside(node.iter.func) is static:
            return self.unroll(node, node.iter)
        return self.generic_visit(node)

    def unroll(self, node: ast.For, call: ast.Call) -> list[ast.stmt]:
        if not isinstance(node.target, ast.Name) or not self.is_static_only(node.target.id):
            self.template.fail(node.target, "a static loop's variable is one name that nothing else assigns")
        try:
            values = static(*map(self.value_of, call.args))
        except NotKnownError:
            self.template.fail(call, "not known when the schedule is known, so the loop cannot be unrolled")
        made: list[ast.stmt] = []
        for value in values:
            self.value_of.local[node.target.id] = value
            made += self.block(node.body)
        self.value_of.local.pop(node.target.id, None)
        return made

    def is_static_only(self, name: str) -> bool:
        return self.stored[name] == self.template.loop_variables[name]

    def visit_If(self, node: ast.If) -> Any:
        try:
            return self.block(node.body if self.value_of(node.test) else node.orelse)
        except NotKnownError:
            return self.generic_visit(node)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        self.template.fail(node, "a template defines no functions; call another template")

    # ---- expressions

    def visit(self, node: ast.AST) -> Any:
        """Rewrite a node; an expression whose value is known becomes that value."""
        if isinstance(node, ast.expr) and isinstance(getattr(node, "ctx", ast.Load()), ast.Load):
            literal = self.literal(node)
            if literal is not None:
                return ast.copy_location(literal, node)
        return super().visit(node)

    def generic_visit(self, node: ast.AST) -> Any:
        """A new node of the same kind, its parts rewritten."""
        if not node._fields:
            return node
        parts = {name: self.part(value) for name, value in ast.iter_fields(node)}
        if parts.get("body") == []:
            parts["body"] = [ast.Pass()]
        return ast.copy_location(type(node)(**parts), node)

    def part(self, value: Any) -> Any:
        if isinstance(value, list):
            is_block = bool(value) and isinstance(value[0], ast.stmt)
            return self.block(value) if is_block else [self.part(element) for element in value]
        return self.visit(value) if isinstance(value, ast.AST) else value

    def literal(self, node: ast.expr) -> ast.expr | None:
        if isinstance(node, ast.Attribute) and node.attr == "dtype":
            return None  # a dtype is a word when compared, a Numba type when called: visit_Attribute
        try:
            return _literal(self.value_of(node))
        except NotKnownError:
            return None

    def visit_BoolOp(self, node: ast.BoolOp) -> ast.expr:
        """Drop the operands that leave the decision to the others."""
        neutral = isinstance(node.op, ast.And)
        operands = [self.visit(operand) for operand in node.values]
        kept = [o for o in operands if not (isinstance(o, ast.Constant) and bool(o.value) is neutral)]
        return kept[0] if len(kept) == 1 else ast.copy_location(ast.BoolOp(node.op, kept), node)

    def visit_IfExp(self, node: ast.IfExp) -> Any:
        try:
            return self.visit(node.body if self.value_of(node.test) else node.orelse)
        except NotKnownError:
            return self.generic_visit(node)

    def visit_Attribute(self, node: ast.Attribute) -> Any:
        if not self.value_of.is_schedule(node.value):
            return self.generic_visit(node)
        return ast.copy_location(ast.Name(self.dtype if node.attr == "dtype" else node.attr, ast.Load()), node)

    def visit_Name(self, node: ast.Name) -> ast.Name:
        if self.value_of.is_schedule(node):
            self.template.fail(node, "the schedule is read as p.name, or passed on to a template")
        if node.id not in self.known_names:
            self.bring(node)
        return node

    def visit_Call(self, node: ast.Call) -> Any:
        called = self.outside(node.func)
        if not isinstance(called, Template):
            return self.generic_visit(node)
        if not node.args or not self.value_of.is_schedule(node.args[0]):
            self.template.fail(node, f"the template {called.name!r} takes the schedule as its first argument")
        passed: list[ast.expr] = [ast.Attribute(node.args[0], name, ast.Load()) for name in called.runtime]
        passed += [ast.Name(name, ast.Load()) for name in self.handed_on(node, called)]
        self.callee(called)
        arguments = [self.visit(argument) for argument in (*node.args[1:], *passed)]
        return ast.copy_location(ast.Call(ast.Name(called.name, ast.Load()), arguments, []), node)

    # ---- names from outside

    def outside(self, node: ast.AST) -> Any:
        return self.template.globals.get(node.id) if isinstance(node, ast.Name) and node.id not in self.stored else None

    def handed_on(self, node: ast.Call, called: Template) -> tuple[str, ...]:
        for name in set(called.pointers) - set(self.template.pointers):
            self.template.fail(node, f"{called.name!r} takes the pointer {name!r}, which this template has not")
        return tuple(map(_address, called.pointers))

    def callee(self, called: Template) -> None:
        """Have a template at hand: by its address, or as a function that is imported."""
        if called.name in self.template.pointers:
            self.pointed[called.name] = called
        elif called.name not in self.callees:
            self.callees[called.name] = _without_pointers(called, self.values, self.dtype)

    def bring(self, node: ast.Name) -> None:
        """Import what a name of the template's module stands for, or fail."""
        value = self.template.globals.get(node.id)
        origin = str(getattr(value, "__module__", ""))
        if value is np or value is math:
            self.imports.add(f"import {value.__name__} as {node.id}")
        elif origin.startswith(_SIMD):
            self.imports.add(f"from {_SIMD} import {node.id}")
        elif origin.startswith("numba"):
            self.imports.add(f"from numba import {node.id}")
        elif value is not None or not hasattr(builtins, node.id):
            self.template.fail(node, f"{node.id!r} is no template, vector operation, number or builtin")


def _address(name: str) -> str:
    """The parameter by which a function is passed in."""
    return f"{name}_address"


def _kind(name: str) -> str:
    """The global that holds the type of a function that is passed in."""
    return f"{name.upper()}_TYPE"


def _function_at(name: str) -> ast.stmt:
    return ast.parse(f"{name} = function_at({_address(name)}, {_kind(name)})").body[0]


def _literal(value: Any) -> ast.expr | None:
    if isinstance(value, (bool, int, float, str)):
        return ast.Constant(value)
    if isinstance(value, tuple):
        elements = [_literal(element) for element in value]
        return ast.Tuple([element for element in elements if element], ast.Load()) if all(elements) else None
    return None
