"""Cutting a program out of its modules: the definitions that some names need, nothing else, as the text of one file.

    before                                    after, asked for scale
    --------------------------------------    -------------------------------
    # ops.py                                  import numpy as np
    import numpy as np
    import scipy                              STEP = 2

    STEP = 2
                                              def double(x):
    def double(x):                                return np.multiply(STEP, x)
        return np.multiply(STEP, x)

    def smooth(x): ...                        def scale(x):
                                                  return double(x)
    # kernel.py
    from ops import double, smooth

    def scale(x):
        return double(x)

Definitions stand in the order in which Python would have run them: modules by their imports, each from top to bottom.
Names that clash are told apart by a trailing underscore. Annotations decide nothing, as the file is to begin with
``from __future__ import annotations``: aliases and imports are taken along for them, classes are not.
"""

from __future__ import annotations

import builtins
import functools
import importlib
import inspect
import itertools
import sys
import textwrap
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from kernels.language.pieces import BundleError, Imported, Module, Piece

Read = Callable[[str], "str | None"]
"""Source text of a module by its full name; None for a module that is to stay an import."""

Definition = tuple[str, str]
"""A module's full name, and the name of a top-level definition in it."""

_WIDTH = 120


@dataclass(frozen=True)
class Bundle:
    """A program cut out of its modules.

    Attributes:
        imports: import statements, one a line, the standard library's first.
        sections: by module the text of its definitions, in an order in which they can run.
        names: the name that each definition asked for has here.
        distributions: top-level modules that it imports and that are not the standard library's.
    """

    imports: str
    sections: Mapping[str, str]
    names: Mapping[Definition, str]
    distributions: frozenset[str]


def bundle(wanted: Sequence[Definition], read: Read, reserved: Iterable[str] = ()) -> Bundle:
    """Cut definitions out of their modules, with all that they need.

    A registration is taken along with what it registers: a definition whose decorator takes something needed as an
    argument, as in ``@register_model(Vector)``, or a call at top level that does.

    Args:
        wanted: what the program is to hold.
        read: gives the modules' sources, as ``reader`` does.
        reserved: names that nothing here may take.

    Raises:
        BundleError: something wanted is no top-level definition, or something that it needs cannot be cut out.
    """
    cutter = _Cutter(read)
    for module, name in wanted:
        cutter.want(module, name)
    cutter.take_registrations()
    return cutter.bundle(wanted, reserved)


def reader(packages: Iterable[str], texts: Mapping[str, str]) -> Read:
    """Reads the modules of some top-level packages, and those whose text is given by full name; others stay imports."""
    inside = frozenset(packages)

    def read(module: str) -> str | None:
        if module in texts:
            return texts[module]
        if module.partition(".")[0] not in inside:
            return None
        return inspect.getsource(importlib.import_module(module))

    return read


class _Cutter:
    """One cut: the modules met, in the order in which they run, and what of them is taken."""

    def __init__(self, read: Read) -> None:
        self.read = functools.cache(read)
        self.modules: dict[str, Module] = {}
        self.met: set[str] = set()
        self.taken: set[Piece] = set()
        self.kept: dict[Imported, str] = {}

    def module(self, name: str) -> Module:
        """The module of that name, read together with all that it imports, those first."""
        if name not in self.met:
            self.met.add(name)
            read = Module(name, self.read(name) or "")
            for imported in read.loads:
                if self.read(imported) is not None:
                    self.module(imported)
            self.modules[name] = read
        if name not in self.modules:
            raise BundleError(f"the modules around {name} import each other in a circle")
        return self.modules[name]

    def find(self, module: Module, name: str) -> Definition | Imported | None:
        """What a global name of a module stands for; None for a builtin."""
        if name in module.defined:
            return module.name, name
        imported = module.imported.get(name)
        if imported is None or self.read(imported.module) is None:
            return imported
        found = self.find(self.module(imported.module), imported.attribute)
        if found is None:
            raise BundleError(f"{module.name} uses the module or computed name {name!r}: import a definition instead")
        return found

    def want(self, module: str, name: str) -> None:
        """Take a definition by its name."""
        found = self.find(self.module(module), name)
        if not isinstance(found, tuple):
            raise BundleError(f"{module} has no top-level definition {name!r}")
        self.take(self.piece(found))

    def piece(self, definition: Definition) -> Piece:
        """The statement that makes a definition."""
        module, name = definition
        return self.modules[module].defined[name]

    def take(self, piece: Piece) -> None:
        """Take a piece and all that it needs."""
        if piece in self.taken:
            return
        self.taken.add(piece)
        module = self.modules[piece.module]
        for name in sorted(piece.reads | piece.annotated_with):
            found = self.find(module, name)
            if isinstance(found, Imported):
                self.keep(module, found, name)
            elif found and (name in piece.reads or self.piece(found).is_alias):
                self.take(self.piece(found))
        for inner in piece.imported_inside():
            if self.read(inner) is not None:
                raise BundleError(f"{piece.module}: {piece.names[0]!r} imports {inner} inside a function")

    def keep(self, module: Module, imported: Imported, name: str) -> None:
        """Keep an import as it is."""
        if imported.is_dotted and imported.module.startswith(f"{name}."):
            raise BundleError(f"{module.name} says `import {imported.module}`: write `from ... import` instead")
        self.kept.setdefault(imported, name)

    def take_registrations(self) -> None:
        """Take what registers something with what is taken, until nothing new turns up."""
        before = -1
        while before != len(self.taken):
            before = len(self.taken)
            pieces = [piece for module in self.modules.values() for piece in module.pieces]
            for piece in pieces:
                found = (self.find(self.modules[piece.module], name) for name in piece.registers)
                if any(isinstance(thing, tuple) and self.piece(thing) in self.taken for thing in found):
                    self.take(piece)

    # ---- the text

    def bundle(self, wanted: Sequence[Definition], reserved: Iterable[str]) -> Bundle:
        """All that is taken."""
        emitted = self.emitted(set(reserved) | set(dir(builtins)))
        sections = {}
        for module in self.modules.values():
            if pieces := [piece for piece in module.pieces if piece in self.taken]:
                sections[module.name] = self.section(module, pieces, emitted)
        names = {(module, name): self.emitted_name(self.modules[module], name, emitted) for module, name in wanted}
        inside = (name for piece in self.taken for name in piece.imported_inside())
        tops = {name.partition(".")[0] for name in (*inside, *(imported.module for imported in self.kept))}
        return Bundle(self.imports(emitted), sections, names, frozenset(tops - sys.stdlib_module_names))

    def emitted(self, used: set[str]) -> dict[Definition | Imported, str]:
        """A name of its own for every import that is kept and every definition that is taken."""
        pieces = (p for module in self.modules.values() for p in module.pieces if p in self.taken)
        wishes: list[tuple[Definition | Imported, str]] = [*self.kept.items()]
        wishes += [((piece.module, name), name) for piece in pieces for name in piece.names]
        emitted = {}
        for thing, wish in wishes:
            name = wish
            while name in used:
                name += "_"
            used.add(name)
            emitted[thing] = name
        return emitted

    def emitted_name(self, module: Module, name: str, emitted: Mapping[Definition | Imported, str]) -> str:
        """The name in the file of what is ``name`` in a module."""
        found = self.find(module, name)
        return emitted.get(found, name) if found else name

    def section(self, module: Module, pieces: Sequence[Piece], emitted: Mapping[Definition | Imported, str]) -> str:
        """The text of some pieces of a module."""
        text = ""
        for before, piece in zip([None, *pieces], pieces, strict=False):
            names = {name: self.emitted_name(module, name, emitted) for name in piece.reads | {*piece.names}}
            if before:
                is_list = before.is_alias and piece.is_alias and before.first == before.last
                text += "\n" if is_list else "\n\n\n"
            text += module.text(piece, {old: new for old, new in names.items() if old != new})
        return text

    def imports(self, emitted: Mapping[Definition | Imported, str]) -> str:
        """The import statements that are kept."""
        lines: dict[bool, list[str]] = {False: [], True: []}
        ordered = sorted(self.kept, key=lambda i: (bool(i.attribute), i.module, i.attribute))
        for (is_from, module), group in itertools.groupby(ordered, key=lambda i: (bool(i.attribute), i.module)):
            names = [(i.attribute or i.module, emitted[i]) for i in group]
            shown = ", ".join(name if name == own else f"{name} as {own}" for name, own in names)
            is_foreign = module.partition(".")[0] not in sys.stdlib_module_names
            lines[is_foreign].append(_wrapped(f"from {module} import {shown}") if is_from else f"import {shown}")
        return "\n\n".join("\n".join(group) for group in lines.values() if group)


def _wrapped(statement: str) -> str:
    """An import statement, in parentheses where it is too long."""
    head, names = statement.split(" import ")
    lines = textwrap.wrap(names + ",", _WIDTH - 4)
    return (
        statement
        if len(statement) <= _WIDTH
        else f"{head} import (\n" + textwrap.indent("\n".join(lines), "    ") + "\n)"
    )
