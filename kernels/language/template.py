"""Templates: ordinary Python functions of a schedule and of arrays, to be specialised (see ``stage``)."""

from __future__ import annotations

import ast
import functools
import inspect
import re
import textwrap
from collections import Counter
from collections.abc import Callable, Iterable
from functools import cached_property
from typing import Any, NoReturn


class TemplateError(Exception):
    """A template that cannot be specialised: names its file, line and the offending expression."""


def static(*arguments: Any) -> Iterable[Any]:
    """What a loop to be unrolled goes through: one known sequence, or what ``range`` makes of the arguments."""
    if len(arguments) == 1 and isinstance(arguments[0], (tuple, str, range)):
        return arguments[0]
    return range(*arguments)


class Template:
    """A function whose first parameter is the schedule. Made by ``template``; not called, but specialised.

    Attributes:
        signature: Numba signature with ``T`` for the dtype and without run-time parameters and pointers; None for a
            function that only templates call, whose types are then inferred.
        runtime: schedule parameters that stay arguments of the compiled function.
        pointers: names of callees that are passed in, by their addresses.
    """

    def __init__(
        self, function: Callable[..., Any], signature: str | None, runtime: tuple[str, ...], pointers: tuple[str, ...]
    ) -> None:
        functools.update_wrapper(self, function)
        self.function = function
        self.name = function.__name__
        self.globals = function.__globals__
        self.signature = signature
        self.runtime = runtime
        self.pointers = pointers

    def __call__(self, *_arguments: Any) -> NoReturn:
        """Refuse: there is nothing to run before the schedule is known."""
        raise TypeError(f"the template {self.name!r} is specialised with a schedule, not called")

    @cached_property
    def tree(self) -> ast.FunctionDef:
        """The function's syntax tree, with the line numbers of its file."""
        lines, first = inspect.getsourcelines(self.function)
        tree = ast.parse(textwrap.dedent("".join(lines))).body[0]
        assert isinstance(tree, ast.FunctionDef)
        return ast.increment_lineno(tree, first - 1)

    @cached_property
    def parameters(self) -> tuple[str, ...]:
        """Names of the function's parameters, the schedule first."""
        return tuple(argument.arg for argument in self.tree.args.args)

    @cached_property
    def stores(self) -> Counter[str]:
        """How often the function assigns each of its local names."""
        names = (node for node in ast.walk(self.tree) if isinstance(node, ast.Name))
        return Counter(node.id for node in names if isinstance(node.ctx, ast.Store))

    @cached_property
    def loop_variables(self) -> Counter[str]:
        """How often each local name is the variable of a loop."""
        targets = (node.target for node in ast.walk(self.tree) if isinstance(node, ast.For))
        return Counter(target.id for target in targets if isinstance(target, ast.Name))

    @cached_property
    def callees(self) -> frozenset[Template]:
        """Templates that the function names, or is passed."""
        names = {node.id for node in ast.walk(self.tree) if isinstance(node, ast.Name)} | {*self.pointers}
        found = (self.globals.get(name) for name in names)
        return frozenset(callee for callee in found if isinstance(callee, Template))

    @cached_property
    def imported(self) -> frozenset[Template]:
        """The callees that are compiled in."""
        return frozenset(callee for callee in self.callees if callee.name not in self.pointers)

    @cached_property
    def calls_itself(self) -> bool:
        """True where a chain of callees leads back to it."""
        return self in _reached(self.callees, lambda template: template.callees)

    @cached_property
    def reads(self) -> frozenset[str]:
        """Schedule parameters that decide what specialising leaves of the function, pointers aside."""
        together = {self, *_reached(self.imported, lambda template: template.imported)}
        return frozenset().union(*(template.own_reads for template in together))

    @cached_property
    def own_reads(self) -> frozenset[str]:
        """Schedule parameters that decide what specialising leaves of the function's own text."""
        attributes = ((node.attr, node.value) for node in ast.walk(self.tree) if isinstance(node, ast.Attribute))
        named = {name for name, owner in attributes if isinstance(owner, ast.Name) and owner.id == self.parameters[0]}
        return frozenset(named.union(*(callee.runtime for callee in self.callees)) - {*self.runtime})

    def numba_signature(self, dtype: str) -> str | None:
        """The signature with dtype, run-time parameters and pointers filled in, or None to infer."""
        if self.signature is None:
            return None
        head, arguments = self.signature.rstrip(")").split("(", 1)
        parts = [re.sub(r"\bT\b", dtype, arguments), *["intp"] * (len(self.runtime) + len(self.pointers))]
        return f"{head}({', '.join(part for part in parts if part)})"

    def fail(self, node: ast.AST, why: str) -> NoReturn:
        """Raise ``TemplateError`` for an expression of this template."""
        shown = f"def {node.name}" if isinstance(node, ast.FunctionDef) else ast.unparse(node)
        file = inspect.getsourcefile(self.function)
        raise TemplateError(f"{file}:{getattr(node, 'lineno', '?')}: in `{shown}`: {why}")


def _reached(first: Iterable[Template], further: Callable[[Template], Iterable[Template]]) -> set[Template]:
    found: set[Template] = set()
    todo = [*first]
    while todo:
        met = todo.pop()
        todo += () if met in found else further(met)
        found.add(met)
    return found


def template(
    signature: str | None = None, *, runtime: tuple[str, ...] = (), pointers: tuple[str, ...] = ()
) -> Callable[[Callable[..., Any]], Template]:
    """Make a template of a function whose first parameter is the schedule; ``Template`` explains the arguments."""
    return lambda function: Template(function, signature, runtime, pointers)
