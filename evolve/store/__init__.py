"""The run store: append-only facts behind a URL.

A *run* asks for *batches* of *evaluations*; each gets an *outcome*; now and then the champion is measured afresh, a
*checkpoint*, and at the end once more, the *publication*. Search-time figures and fresh ones never share a table.
A closed *loop* makes *laps*, each measured against lap 0 and *forecast* before it begins. The *engines* that laps made
are kept, and on which machine which of them is at work, its *deployment*.
"""

from evolve.store.base import Store
from evolve.store.enginerecords import Deployment, EngineRecord
from evolve.store.looprecords import Forecast, Lap, Loop, LoopEvent, LoopSpec
from evolve.store.records import (
    BUILDING,
    NOTES,
    PHASES,
    Arm,
    Batch,
    Bound,
    Ceilings,
    Champion,
    Checkpoint,
    Evaluation,
    EventKind,
    Individual,
    Machine,
    OutcomeRecord,
    Publication,
    Run,
    RunEvent,
    RunSpec,
    Turn,
    utc_now,
)
from evolve.store.sqlite import SqliteStore
from evolve.store.url import open_store

__all__ = [
    "BUILDING",
    "NOTES",
    "PHASES",
    "Arm",
    "Batch",
    "Bound",
    "Ceilings",
    "Champion",
    "Checkpoint",
    "Deployment",
    "EngineRecord",
    "Evaluation",
    "EventKind",
    "Forecast",
    "Individual",
    "Lap",
    "Loop",
    "LoopEvent",
    "LoopSpec",
    "Machine",
    "OutcomeRecord",
    "Publication",
    "Run",
    "RunEvent",
    "RunSpec",
    "SqliteStore",
    "Store",
    "Turn",
    "open_store",
    "utc_now",
]
