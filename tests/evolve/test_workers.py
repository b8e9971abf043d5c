"""Processes that are kept for all that a block spreads."""

import multiprocessing
import os
import time

import pytest

from evolve.errors import EvolveError
from evolve.workers import kept, spread


def who(_task):
    time.sleep(0.05)
    return os.getpid()


def exiting(code):
    os._exit(code)


def test_a_block_keeps_its_processes_and_ends_them():
    with kept(2):
        first, second = ({*spread(who, range(8), 2)} for _ in range(2))
    assert first | second <= first or first | second <= second
    assert os.getpid() not in first
    assert not multiprocessing.active_children()
    assert first.isdisjoint(spread(who, range(4), 2)), "behind it there are others"


def test_one_process_is_this_one_whatever_is_kept():
    with kept(2):
        assert {*spread(who, range(2), 1)} == {os.getpid()}


def test_what_fails_within_fails_here_and_leaves_nothing_behind():
    with pytest.raises(EvolveError, match="a worker process died"), kept(2):
        list(spread(exiting, [3], 2))
    assert not multiprocessing.active_children()
    assert len({*spread(who, range(4), 2)}) in (1, 2)


def leaving_a_trace(path):
    time.sleep(0.01)
    path.touch()


def test_who_stops_listening_stops_the_work(tmp_path):
    with kept(1):
        for _ in spread(leaving_a_trace, [tmp_path / str(at) for at in range(500)], 2):
            break
        assert [*spread(who, [0], 2)]
    assert len([*tmp_path.iterdir()]) < 250, "what was waiting was given up"
