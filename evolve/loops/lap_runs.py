"""Runs of the store that are parts of a lap: each is begun, gone on with, or found finished, by its name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evolve.run import resume, start
from evolve.tracker.status import status

if TYPE_CHECKING:
    from evolve.loops.protocol import Around
    from evolve.progress import Observer, Progress
    from evolve.run import Ending, Request
    from evolve.session import Session
    from evolve.store import Run


class LapRuns:
    """See the module.

    Args:
        around: of the loop.
    """

    def __init__(self, around: Around) -> None:
        self.around = around

    def carried(self, request: Request, ending: Ending, doing: str) -> Run:
        """The run of that name, carried to its end: it may stand in the store already, whole or in part.

        Args:
            request: what it is where it is new; ``name`` is how it is found again.
            ending: what is done when its search is over.
            doing: what it is for, in words.

        Raises:
            Interrupted: the user asked to stop; the run goes on where it stopped.
        """
        store, admission, observer = self.around.store, self.around.admission, self._observer(doing)
        run = next((run for run in store.runs() if request.name and run.name == request.name), None)
        if run is None:
            return start(store, request, observer, admission, ending)
        if status(store.events(run.id)) == "finished":
            return run
        return resume(store, run.id, observer, admission, ending)

    def say(self, doing: str) -> None:
        """Tell what is being done, unless the user asked to stop while no run was there to hear it.

        Raises:
            Interrupted: the user did.
        """
        self.around.look()
        self.around.say(doing)

    def _observer(self, doing: str) -> Observer:
        def observe(progress: Progress) -> None:
            share = f", {progress.fraction:.0%} of its search" if progress.stage == "search" else ""
            self.say(f"{doing}{share}: {progress.doing}")

        return observe


def unpublished(_session: Session) -> None:
    """End a run that is there for its times: nobody is to take its champion for one."""
