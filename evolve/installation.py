"""Are ``kernels`` and ``benchmarks`` ours? Other distributions install these import names too, without a word.

The best known is ``kernels`` of Hugging Face: installed after this one it overwrites our ``kernels/__init__.py``, and
uninstalled again it leaves ours without one.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

DISTRIBUTION = "evolve-kernels"

PACKAGES = {"kernels": "evolve.kernels", "benchmarks": ""}
"""Import name, and what our ``__init__.py`` holds and no other's does; that of ``benchmarks`` is a docstring alone, so
that nothing breaks where another takes its place."""


def require_own_packages() -> None:
    """Make sure that ``import kernels`` and ``import benchmarks`` find ours.

    Raises:
        ImportError: another's would be found; the message names it, its distribution and the remedy.
    """
    for name, sign in PACKAGES.items():
        if problem := clash(name, sign, beside=Path(__file__).parents[1]):
            raise ImportError(problem)


def clash(name: str, sign: str, *, beside: Path) -> str | None:
    """What is wrong with the package that an import name finds; None for ours. Imports nothing.

    Args:
        name: the import name.
        sign: a text that must stand in its ``__init__.py``.
        beside: the folder that it must lie in.
    """
    spec = importlib.util.find_spec(name)
    wanted = beside / name / "__init__.py"
    if spec is None:
        return f"the package {name!r} is missing, it belongs beside {beside / 'evolve'}: {_reinstall()}"
    if spec.origin is None:
        return f"the package {name!r} at {beside / name} has lost its __init__.py: {_reinstall()}"
    found = Path(spec.origin)
    if found.resolve() != wanted.resolve():
        return (
            f"{name!r} is found at {found.parent}{_owner(name)}, not beside evolve at {wanted.parent}: {_remedy(found)}"
        )
    if sign not in found.read_text(encoding="utf-8", errors="replace"):
        return f"{found} was overwritten{_owner(name)}: {_reinstall()}"
    return None


def claimants(name: str) -> list[str]:
    """Distributions other than ours that install this import name; reads the metadata of all, some 50 ms."""
    import importlib.metadata  # noqa: PLC0415 - the guard does without it as long as all is well

    owners = importlib.metadata.packages_distributions().get(name, [])
    return sorted({owner for owner in owners if owner != DISTRIBUTION})


def _owner(name: str) -> str:
    others = claimants(name)
    return f" (distribution {', '.join(others)})" if others else ""


def _remedy(found: Path) -> str:
    """A package in site-packages was installed; any other shadows ours from the working directory or PYTHONPATH."""
    if "site-packages" in found.parts or "dist-packages" in found.parts:
        return _reinstall()
    return f"start from another folder, or take {found.parents[1]} off PYTHONPATH"


def _reinstall() -> str:
    return (
        f"give {DISTRIBUTION} a virtual environment of its own, or there: pip install --force-reinstall {DISTRIBUTION}"
    )
