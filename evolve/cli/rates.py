"""How often verdicts are wrong on a machine, as far as that was measured there."""

# ruff: noqa: PLC0415 - what takes long to import waits until the command runs: its help is instant

from __future__ import annotations

from typing import Any


def known_rates(machine: str) -> str:
    """How often verdicts are wrong on this machine, in words; "" where that was not measured."""
    from evolve.controls.kept import last_rates

    rates = last_rates(machine)
    return rates.sentence() if rates else ""


def kept_rates(machine: str) -> dict[str, Any] | None:
    """The same as plain values; None where that was not measured."""
    from evolve.controls.kept import last_rates

    rates = last_rates(machine)
    return rates.as_dict() if rates else None
