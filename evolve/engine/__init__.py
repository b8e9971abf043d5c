"""The engine: the numeric code that the search runs on, which is made of kernels of this very library.

``parts`` says which, and which of them a loop may replace; a ``Manifest`` says by which schedule each is compiled; an
``Engine`` is what the search calls.
"""

from evolve.engine.engine import USUAL, Engine, Numerics
from evolve.engine.manifest import Manifest
from evolve.engine.parts import PARTS, STEERING, Part

__all__ = ["PARTS", "STEERING", "USUAL", "Engine", "Manifest", "Numerics", "Part"]
