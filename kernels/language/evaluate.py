"""What is known when the schedule is known: evaluation of a template's expressions, as far as they go."""

from __future__ import annotations

import ast
import builtins
import operator
import types
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from kernels.language.template import Template, static

_PURE = {
    getattr(builtins, name) for name in ("abs", "bool", "float", "int", "len", "max", "min", "range", "sum", "tuple")
}
_OPERATORS: dict[type[ast.AST], Callable[..., Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: operator.pow,
    ast.LShift: operator.lshift,
    ast.RShift: operator.rshift,
    ast.BitAnd: operator.and_,
    ast.BitOr: operator.or_,
    ast.BitXor: operator.xor,
    ast.USub: operator.neg,
    ast.UAdd: operator.pos,
    ast.Not: operator.not_,
    ast.Invert: operator.invert,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.In: lambda item, items: item in items,
    ast.NotIn: lambda item, items: item not in items,
}


class NotKnownError(Exception):
    """An expression depends on run-time values."""


class Evaluator:
    """Values of expressions that the schedule decides.

    Attributes:
        local: what local names stand for at this point of the template; the rewriter sets and removes them.
    """

    def __init__(self, template: Template, values: Mapping[str, Any], dtype: str) -> None:
        self.template, self.values, self.dtype = template, values, dtype
        self.dynamic = {*template.stores, *template.parameters}
        self.local: dict[str, Any] = {}

    def __call__(self, node: ast.AST) -> Any:
        """The value of an expression.

        Raises:
            NotKnownError: it depends on run-time values.
            TemplateError: it is known, but evaluating it fails.
        """
        method = self._methods.get(type(node))
        if method is None:
            raise NotKnownError
        return method(self, node)

    def is_schedule(self, node: ast.AST) -> bool:
        """True for the template's first parameter."""
        return isinstance(node, ast.Name) and node.id == self.template.parameters[0]

    def _apply(self, node: ast.AST, function: Callable[..., Any], *arguments: Any) -> Any:
        try:
            return function(*arguments)
        except (ArithmeticError, LookupError, TypeError, ValueError) as error:
            self.template.fail(node, f"{type(error).__name__}: {error}")

    def _constant(self, node: ast.Constant) -> Any:
        return node.value

    def _name(self, node: ast.Name) -> Any:
        if node.id in self.local:
            return self.local[node.id]
        if node.id in self.dynamic:
            raise NotKnownError
        value = self.template.globals.get(node.id, getattr(builtins, node.id, None))
        if isinstance(value, (int, float, str, tuple)) or _is_pure(value):
            return value
        raise NotKnownError

    def _attribute(self, node: ast.Attribute) -> Any:
        if not self.is_schedule(node.value) or node.attr in self.template.runtime:
            raise NotKnownError
        if node.attr == "dtype":
            return self.dtype
        if node.attr not in self.values:
            self.template.fail(node, f"the schedule has no parameter {node.attr!r}")
        return self.values[node.attr]

    def _call(self, node: ast.Call) -> Any:
        function = self(node.func)
        if node.keywords or not _is_pure(function):
            raise NotKnownError
        return self._apply(node, function, *map(self, node.args))

    def _binary(self, node: ast.BinOp) -> Any:
        return self._apply(node, _OPERATORS[type(node.op)], self(node.left), self(node.right))

    def _unary(self, node: ast.UnaryOp) -> Any:
        return self._apply(node, _OPERATORS[type(node.op)], self(node.operand))

    def _compare(self, node: ast.Compare) -> Any:
        operands = [self(operand) for operand in (node.left, *node.comparators)]
        pairs = zip(node.ops, operands, operands[1:], strict=False)
        return all(self._apply(node, _OPERATORS[type(op)], left, right) for op, left, right in pairs)

    def _subscript(self, node: ast.Subscript) -> Any:
        return self._apply(node, operator.getitem, self(node.value), self(node.slice))

    def _tuple(self, node: ast.Tuple) -> Any:
        return tuple(self(element) for element in node.elts)

    def _conditional(self, node: ast.IfExp) -> Any:
        return self(node.body if self(node.test) else node.orelse)

    def _logical(self, node: ast.BoolOp) -> Any:
        decisive = isinstance(node.op, ast.Or)
        value: Any = not decisive
        for operand in node.values:
            value = self(operand)
            if bool(value) is decisive:
                break
        return value

    _methods: ClassVar[dict[type[ast.AST], Callable[[Evaluator, Any], Any]]] = {
        ast.Constant: _constant,
        ast.Name: _name,
        ast.Attribute: _attribute,
        ast.Call: _call,
        ast.BinOp: _binary,
        ast.UnaryOp: _unary,
        ast.Compare: _compare,
        ast.Subscript: _subscript,
        ast.Tuple: _tuple,
        ast.IfExp: _conditional,
        ast.BoolOp: _logical,
    }


def _is_pure(value: Any) -> bool:
    """True for what may be called on known values: some builtins, and the template module's plain functions."""
    if isinstance(value, types.FunctionType):
        return value is not static
    return callable(value) and value in _PURE
