"""Laps of the loops that reinvest, planted by a law of throughput."""

import json
import math

from benchmarks.inference import Estimate
from evolve.loops import batching, reinvestment
from evolve.store import Lap

EXACT = Estimate(0.0, 0.0, 0.0)


def kept(number, turned):
    """A lap as the store gives it back."""
    given = {name: getattr(turned, name) for name in ("gain", "engine", "inputs", "ceiling", "endpoint")}
    details = json.loads(json.dumps(turned.details))
    return Lap(loop="x", lap=number, started_at="", finished_at="", machine="m", details=details, **given)


def frozen(ceiling, **details):
    """Lap 0, with the ln of what the machine allows."""
    bounds = Estimate(ceiling, ceiling - 0.05, ceiling + 0.05)
    return kept(0, reinvestment.Turned(gain=EXACT, engine=EXACT, ceiling=bounds, endpoint=bounds, details=details))


def followed(first, law, laps, noise=0.0, rng=None):
    """Laps of a loop that follows a law of throughput, f(n) / f(1)."""
    made = [first]
    for number in range(1, laps + 1):
        capital = reinvestment.next_capital(made)
        gain = math.log(law(reinvestment.units(capital))) + (rng.normal(0, noise) if rng else 0.0)
        found = Estimate(gain, gain - 1.96 * noise, gain + 1.96 * noise)
        turned = reinvestment.Turned(gain=found, engine=found, inputs=capital)
        made.append(kept(number, turned))
    return made


def by_share(share):
    """The law of batches, where a request is that share of a call."""
    return lambda batch: math.exp(batching.gain_of(batch, share))
