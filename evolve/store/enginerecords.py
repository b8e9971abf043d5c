"""The facts of engines that a store keeps, each a frozen value; times are as in ``records``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True)
class EngineRecord:
    """What an engine is made of.

    Attributes:
        id: digest of its manifest.
        manifest: plain values, from which the very same engine can be made again.
        kept_at: when it was kept first.
    """

    id: str
    manifest: Mapping[str, Any]
    kept_at: str


@dataclass(frozen=True)
class Deployment:
    """That an engine was put to work on a machine; the last one of a machine counts.

    Attributes:
        engine_id: which.
        machine: id of the machine.
        at: when.
        reason: who wanted it, and why, in words.
    """

    engine_id: str
    machine: str
    at: str
    reason: str
