"""Loading ahead: a child at work takes in one contestant after the other, and owes nobody an answer afterwards."""

from __future__ import annotations

from types import SimpleNamespace

from benchmarks.ahead import Ahead
from benchmarks.contestant import Contestant
from kernels.language import Handle

ONE, TWO, THREE = (Contestant(Handle(name, name)) for name in ("one", "two", "three"))


class Scripted:
    """A child that has done with a request when it is told so."""

    def __init__(self, pid=1):
        self.pid, self.is_done, self.asked, self.owed = pid, False, [], 0
        self.place = SimpleNamespace(limits=SimpleNamespace(call_s=3.0))
        self.pipe = SimpleNamespace(poll=lambda _seconds: self.is_done)

    def ask(self, request, _limit_s):
        assert self.owed == 0
        assert request["do"] == "compile"
        self.asked.append(request["candidate"])
        self.owed, self.is_done = 1, False

    def answer(self):
        self.owed -= 1
        return {"failed": "CompileFailed", "reason": "it shows when it is proven"}


def test_contestants_are_loaded_in_turn_and_the_last_answer_is_waited_for():
    child = Scripted()
    with Ahead(child) as ahead:
        ahead.load(ONE)
        assert child.asked == [ONE]
        ahead.load(TWO)
        assert child.asked == [ONE]
        child.is_done = True
        ahead.load(THREE)
        assert child.asked == [ONE, TWO]
        assert child.owed == 1
    assert child.asked == [ONE, TWO]
    assert child.owed == 0


def test_a_child_that_has_not_begun_is_left_alone():
    child = Scripted(pid=None)
    with Ahead(child) as ahead:
        ahead.load(ONE)
    assert child.asked == []


def test_nothing_is_owed_where_building_ends_by_a_fault():
    child = Scripted()

    def build():
        with Ahead(child) as ahead:
            ahead.load(ONE)
            yield 1
            yield 2

    begun = build()
    next(begun)
    begun.close()
    assert child.owed == 0
