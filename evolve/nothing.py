"""An evolution in which there is nothing to gain: what it claims at its end is the whole loop's own fault."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.inference import Estimate
from benchmarks.trials.verdict import NULL, Setting, Verdict
from evolve.budget import Budget
from evolve.report.quantities import factor
from evolve.run import Admission, Request, start
from evolve.store import open_store
from evolve.tracker.summary import summary

if TYPE_CHECKING:
    from evolve.progress import Progress

GENERATIONS, BATCH = 20, 16
EQUAL = Estimate(1.0, 1.0, 1.0)


def null_evolution(setting: Setting, generations: int = GENERATIONS) -> Sequence[Verdict]:
    """Evolve a kernel all of whose schedules are the plain loop."""
    told = _evolved(setting, generations)
    shown, product = (told["champion"] or {}).get("speedup"), told["naive_product"]
    found = _estimate(shown) if shown else EQUAL
    claim = "published" if shown else "nothing was promoted, the plain loop stays"
    beside = "" if product is None else f"; the product of the search's own gains: {factor(product)}"
    return [
        Verdict(
            name="null_evolution",
            what=f"null evolution, {generations} generations: speedup",
            bar="interval contains 1",
            found=found,
            unit="factor",
            holds=found.low <= 1 <= found.high,
            trials=1,
            remark=f"{claim}{beside}",
            details={"is_published": shown is not None, "naive_product": product, "evaluations": told["evaluations"]},
        )
    ]


def _estimate(shown: dict[str, float | None]) -> Estimate:
    """An interval that summaries show; an open end is None there."""
    low, high = shown["low"], shown["high"]
    assert shown["estimate"] is not None
    return Estimate(shown["estimate"], low or 0.0, math.inf if high is None else high)


def _evolved(setting: Setting, generations: int) -> dict[str, Any]:
    request = Request(
        kernel=NULL.kernel,
        size=NULL.size,
        dtype=NULL.dtype,
        threads=1,
        budget=Budget.parse(f"{generations * BATCH}evals"),
        seed=int(setting.rng.integers(1 << 16)),
        batch_size=BATCH,
    )

    def observe(progress: Progress) -> None:
        setting.tell(min(generations - 1, int(generations * progress.fraction)), generations)

    with (
        tempfile.TemporaryDirectory(prefix="evolve-null-") as folder,
        open_store(str(Path(folder) / "runs.db")) as store,
    ):
        return summary(store, start(store, request, observe, Admission(wait=True, anyway=True)).id)
