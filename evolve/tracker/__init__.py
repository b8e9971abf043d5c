"""The tracker: what a run shows. It reads the store's records and nothing else, no clock and no kernel.

Of one run ``curve`` and ``checkpoints`` say how the champion rose, ``null`` what random draws would have found,
``luck`` and ``records`` how likely luck explains the difference, ``tail`` and ``asymptote`` where scores and champion
end, ``headroom`` and ``split`` how far the measured ceiling is and what lies between, ``gain`` and ``stopping`` what
more evaluations are worth, ``breakeven``, ``front`` and ``amdahl`` what all of it was good for. ``summary`` is that as
JSON. Of a loop's laps ``rule`` says whether they compound; ``turns`` is that as JSON.
"""

from evolve.tracker.curve import Improvement, best_so_far, champion, evaluations_since_improvement, improvements, paid
from evolve.tracker.headroom import Headroom, headroom
from evolve.tracker.luck import Surpassing, drought_probability, surpassing
from evolve.tracker.null import Null, NullPoint, lead
from evolve.tracker.summary import summary
from evolve.tracker.verdict import Verdict, run_verdict

__all__ = [
    "Headroom",
    "Improvement",
    "Null",
    "NullPoint",
    "Surpassing",
    "Verdict",
    "best_so_far",
    "champion",
    "drought_probability",
    "evaluations_since_improvement",
    "headroom",
    "improvements",
    "lead",
    "paid",
    "run_verdict",
    "summary",
    "surpassing",
]
