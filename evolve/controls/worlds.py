"""The planted worlds: which they are, and what may be said of each."""

from __future__ import annotations

from functools import partial

from evolve.controls import laws, searches
from evolve.controls.planted import CAPPED, COMPOUNDING, Kind

ANY_END = (CAPPED, COMPOUNDING)

_LAWS = (
    *(
        Kind(
            f"capped_{ratio:g}",
            f"capped by the machine, rho {ratio:g}",
            partial(laws.capped_by_machine, ratio),
            (COMPOUNDING,),
            CAPPED,
        )
        for ratio in (0.3, 0.6, 0.8)
    ),
    Kind("capped_0.9", "capped by the machine, rho 0.9", partial(laws.capped_by_machine, 0.9), (COMPOUNDING,)),
    Kind("space_0.6", "capped by its space, rho 0.6", partial(laws.capped_by_space, 0.6), (COMPOUNDING,), CAPPED),
    Kind("past_bend", "batching past its bend", laws.past_bend, (COMPOUNDING,), CAPPED),
    Kind("before_bend", "batching before its bend", laws.before_bend, (CAPPED,), COMPOUNDING),
    Kind("exponential", "exponential, rho 1", partial(laws.growing, 1.0), (CAPPED,)),
    *(
        Kind(
            f"growing_{ratio:g}",
            f"super-exponential, rho {ratio:g}",
            partial(laws.growing, ratio),
            (CAPPED,),
            COMPOUNDING,
        )
        for ratio in (1.1, 1.2)
    ),
    Kind("hyperbolic", "hyperbolic", laws.blowing_up, (CAPPED,), COMPOUNDING),
    Kind("power", "power law, without an end", laws.slowing, ANY_END),
)

_SEARCHES = (
    Kind("search", "genetic search, bounded scores", searches.evolved, (COMPOUNDING,)),
    Kind(
        "iid",
        "i.i.d. draws, bounded scores",
        partial(searches.drawn, quantile=searches.triangular),
        (COMPOUNDING,),
    ),
    Kind(
        "iid_unbounded",
        "i.i.d. draws, unbounded scores",
        partial(searches.drawn, quantile=searches.endless),
        ANY_END,
    ),
    Kind("aa", "A/A: all schedules alike", searches.equals, (COMPOUNDING,)),
    Kind("placebo", "placebo: evolved, not deployed", partial(searches.evolved, deploys=False), (COMPOUNDING,)),
    Kind("shuffled", "shuffled fitness", partial(searches.evolved, shuffles=True), (COMPOUNDING,)),
    Kind("drift", "no selection", searches.drifting, (COMPOUNDING,)),
)

KINDS: tuple[Kind, ...] = (*_LAWS, *_SEARCHES)
