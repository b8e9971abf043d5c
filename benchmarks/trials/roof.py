"""Ceilings measured again: what is found once is a ceiling only if it is found twice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from benchmarks import ceilings
from benchmarks.inference import Estimate
from benchmarks.trials.verdict import Setting, Verdict

REPEATS = 5
MOST_FMA, MOST_BANDWIDTH = 0.02, 0.10


def repeated(setting: Setting, repeats: int = REPEATS) -> Sequence[Verdict]:
    """Measure all ceilings several times over."""
    sweeps = []
    for done in range(repeats):
        setting.tell(done, repeats)
        sweeps.append(ceilings.measure(folder=setting.folder))
    spreads = ceilings.spreads(sweeps)
    arithmetic = {name: spread for name, spread in spreads.items() if {"flop_per_s", "fma"} <= {*name.split()}}
    traffic = {name: spread for name, spread in spreads.items() if "bytes_per_s" in name.split()}
    return [
        _agreement("FMA", arithmetic, MOST_FMA, repeats),
        _agreement("bandwidth", traffic, MOST_BANDWIDTH, repeats),
        _order(sweeps),
    ]


def _agreement(what: str, spreads: Mapping[str, float], most: float, repeats: int) -> Verdict:
    """The worst of the figures, between the best and the worst of them."""
    worst = max(spreads, key=lambda name: spreads[name])
    within = sum(spread <= most for spread in spreads.values())
    return Verdict(
        name=f"ceilings_{what.lower()}",
        what=f"ceilings: the worst {what} figure",
        bar=f"within {most:.0%}",
        found=Estimate(spreads[worst], min(spreads.values()), spreads[worst], 1.0),
        unit="share",
        holds=spreads[worst] <= most,
        trials=repeats,
        remark=f"{worst}; {within} of {len(spreads)} within it",
        details={"spreads": dict(spreads)},
    )


def _order(sweeps: Sequence[ceilings.Ceilings]) -> Verdict:
    faults = [fault for sweep in sweeps for fault in ceilings.disorder(sweep)]
    wrong = len(faults) / len(sweeps)
    return Verdict(
        name="ceilings_order",
        what="ceilings: levels out of order",
        bar="none",
        found=Estimate(wrong, wrong, wrong, 1.0),
        unit="share",
        holds=not faults,
        trials=len(sweeps),
        remark=", ".join(faults),
        details={"faults": faults},
    )
