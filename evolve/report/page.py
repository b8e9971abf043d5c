"""What all pages share: templates with our quantities as filters, and files that are replaced as a whole."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import jinja2

from evolve.errors import EvolveError
from evolve.report import quantities

if TYPE_CHECKING:
    from pathlib import Path

_FILTERS = ("capacity", "clock", "factor", "fraction", "number", "percent", "seconds", "speedup", "terms")


def template(name: str) -> jinja2.Template:
    """A template of ``templates/``."""
    folder = jinja2.PackageLoader("evolve.report")
    environment = jinja2.Environment(loader=folder, autoescape=True, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {name: getattr(quantities, name) for name in _FILTERS}
    environment.filters["moment"] = lambda text: text[:19].replace("T", " ") + " UTC"
    return environment.get_template(name)


def write_page(text: str, path: Path) -> Path:
    """Write a page, in a folder that exists; the file is replaced as a whole.

    Raises:
        EvolveError: it cannot be written.
    """
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        temporary.write_text(text, encoding="utf-8")
        return temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise EvolveError(
            f"the report cannot be written to {path} ({error.strerror})", "choose another place"
        ) from error
