from __future__ import annotations

import os
import threading

import pytest

from benchmarks.team import Team, bind_to, bound_to_last_core, common_rate


def test_rate_of_threads_is_that_of_the_time_in_which_all_work():
    # each does 9 chunks of 5 repeats in 9 s; they have 8 s in common
    first, second = [k * 10**9 for k in range(10)], [k * 10**9 for k in range(1, 11)]
    assert common_rate([first, first], 5) == pytest.approx(10)
    assert common_rate([first, second], 5) == pytest.approx(10)
    # the second is three times as slow while the first works
    assert common_rate([first, [k * 3 * 10**9 for k in range(4)]], 5) == pytest.approx(5 + 5 / 3)


def test_threads_that_hardly_meet_do_not_count_at_their_rates_alone():
    first, second = [0, 10**9, 2 * 10**9, 3 * 10**9], [2 * 10**9, 3 * 10**9, 4 * 10**9, 5 * 10**9]
    assert common_rate([first, second], 5) == pytest.approx(2 * 3 * 5 / 5)


def test_of_threads_that_never_work_together_all_the_time_counts():
    assert common_rate([[0, 10**9], [2 * 10**9, 4 * 10**9]], 6) == pytest.approx(2 * 6 / 4)


def test_a_team_runs_every_call_in_a_thread_of_its_own():
    seen, cpus = set(), sorted(os.sched_getaffinity(0))
    at_once = threading.Barrier(2, timeout=10)

    def call(repeats):
        at_once.wait()  # holds only if both run at the same time
        seen.add((threading.get_ident(), tuple(os.sched_getaffinity(0)), repeats))

    team = Team([cpus[0], cpus[-1]])
    assert team.run([call, call], 3) > 0
    team.close()
    assert len({ident for ident, _, _ in seen}) == 2
    assert {bound for _, bound, _ in seen} == {(cpus[0],), (cpus[-1],)}
    assert {repeats for _, _, repeats in seen} == {3}


def test_a_call_that_fails_fails_the_team():
    def call(_repeats):
        raise MemoryError("none left")

    team = Team([0])
    with pytest.raises(MemoryError, match="none left"):
        team.run([call], 1)
    team.close()


def test_binding_is_undone_and_a_refusal_is_told(monkeypatch):
    before = os.sched_getaffinity(0)
    with bound_to_last_core() as refused:
        assert refused is None
        assert os.sched_getaffinity(0) == {max(before)}
    assert os.sched_getaffinity(0) == before

    def no(_pid, _cpus):
        raise OSError(22, "Invalid argument")

    monkeypatch.setattr(os, "sched_setaffinity", no)
    assert bind_to({0}) == "not bound to cores: Invalid argument"
