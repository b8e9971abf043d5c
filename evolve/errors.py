"""What a user is told when something cannot be done: one line of what, one of what to do, and an exit code."""

from __future__ import annotations

from typing import ClassVar, Literal


class EvolveError(Exception):
    """Anything that a command reports without a traceback.

    Attributes:
        message: what is the matter, with the offending value.
        remedy: what to do about it; may be empty where the message says it.
        exit_code: 1 failed, 2 usage, 3 a check did not hold, 4 machine too noisy to judge, 130 interrupted.
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.message}: {self.remedy}" if self.remedy else self.message


class UsageError(EvolveError):
    """The command was asked for something that does not exist or has no meaning."""

    exit_code = 2


class CheckFailedError(EvolveError):
    """A check that the user asked for did not hold."""

    exit_code = 3


class NoisyMachineError(EvolveError):
    """The machine is too unquiet to judge anything."""

    exit_code = 4


class Interrupted(EvolveError):  # noqa: N818 - the user's own wish is no error
    """The user stopped a run or a loop; all that is known is stored.

    Args:
        name: id of what can go on.
        what: ``"run"`` or ``"loop"``.
    """

    exit_code = 130

    def __init__(self, name: str, what: Literal["run", "loop"] = "run") -> None:
        kept, resume = {"run": ("nothing is lost", "resume"), "loop": ("its laps are kept", "loop resume")}[what]
        super().__init__(f"{what} {name} is interrupted, {kept}", f"go on with `evolve {resume} {name}`")
