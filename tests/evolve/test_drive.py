"""The driver of closed loops: said before, kept after, and the same whether it was stopped or not."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import planted_loop
import pytest

from evolve.errors import EvolveError, Interrupted, UsageError
from evolve.loops import drive
from evolve.loops.protocol import Around
from evolve.machines import known_machine
from evolve.progress import StopRequest
from evolve.run import POLITE
from evolve.store import Machine, open_store
from evolve.tracker.status import status

LAPS = 6


@pytest.fixture(autouse=True)
def _planted(monkeypatch, tmp_path):
    monkeypatch.setitem(drive.LOOPS, "planted", "planted_loop")
    monkeypatch.setattr(drive, "gate", planted_loop.quiet)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))  # no other evolve of this machine holds this lock


class Watcher:
    """Writes down what it is told, in order."""

    def __init__(self, at_lap=None):
        self.told, self.at_lap = [], at_lap or (lambda _lap: None)

    def says(self, doing):
        self.told.append(("says", doing))

    def forecast(self, forecast):
        self.told.append(("forecast", forecast))

    def lap(self, lap, forecast):
        self.told.append(("lap", lap, forecast))
        self.at_lap(lap)


def asked(store, laps=LAPS, **options):
    return drive.spec(store, "planted", options, laps=laps, seed=5)


def gains(store, loop):
    return [lap.gain.estimate if lap.gain else None for lap in store.laps(loop.id)]


@pytest.fixture
def whole(tmp_path):
    """The gains of a loop that nothing disturbed."""
    with open_store(str(tmp_path / "whole.db")) as store:
        return gains(store, drive.start(store, asked(store), Watcher()))


# ---- a loop from end to end


def test_lap_0_is_the_frozen_start_and_all_laps_follow(store, whole):
    loop = drive.start(store, asked(store), watcher := Watcher())
    laps = store.laps(loop.id)
    assert [lap.lap for lap in laps] == [*range(LAPS + 1)]
    assert whole == gains(store, loop)
    assert whole[0] == 0
    assert np.diff(whole).min() > 0
    assert laps[0].ceiling.estimate == 3.0
    assert [lap.inputs for lap in laps] == [2.0**k for k in range(LAPS + 1)]
    assert all(lap.machine == known_machine(store).id and not lap.fault for lap in laps)
    assert ("says", "making lap 1") in watcher.told
    events = store.loop_events(loop.id)
    assert [(event.kind, event.detail) for event in events] == [
        ("started", "machine can be trusted"),
        ("finished", ""),
    ]


def test_each_lap_is_forecast_and_the_forecast_kept_before_it_begins(store):
    loop = drive.start(store, asked(store), watcher := Watcher())
    told = [entry for entry in watcher.told if entry[0] != "says"]
    assert [entry[0] for entry in told] == ["lap", *["forecast", "lap"] * LAPS]
    assert told[0][2] is None
    for (_, forecast), (_, lap, with_it) in zip(told[1::2], told[2::2], strict=True):
        assert forecast is with_it
        assert forecast.lap == lap.lap
        assert forecast.at <= lap.started_at <= lap.finished_at
    kept = store.forecasts(loop.id)
    assert kept == [entry[1] for entry in told if entry[0] == "forecast"]
    assert [forecast.gain.estimate for forecast in kept] == pytest.approx(np.array(gains(store, loop)[:-1]) + 0.5)
    assert {forecast.reason for forecast in kept} == {"half a unit a lap"}


def test_the_seed_decides_and_a_new_one_is_drawn_where_none_is_given(store, whole):
    seeds = {drive.spec(store, "planted", {}, laps=2).seed for _ in range(4)}
    assert len(seeds) == 4
    other = drive.start(store, replace(asked(store), seed=6), Watcher())
    assert gains(store, other)[1:] != whole[1:]


def test_the_loop_is_let_go_of(store, monkeypatch):
    made = []
    monkeypatch.setattr(planted_loop, "make", lambda at: made.append(planted_loop.Planted(at)) or made[-1])
    for options in ({}, {"fails_at": 1}, {"breaks_at": 1}):
        with pytest.raises((EvolveError, ZeroDivisionError)) if options else contextlib.nullcontext():
            drive.start(store, asked(store, 2, **options), Watcher())
    assert [closed.is_closed for closed in made] == [True] * 3


# ---- stopped and gone on with


def test_a_loop_that_was_stopped_ends_like_one_that_was_not(store, whole):
    """Ctrl-C while lap 2 is made: that lap is kept, and nothing begins."""
    watcher = Watcher(lambda lap: os.kill(os.getpid(), signal.SIGINT) if lap.lap == 2 else None)
    with pytest.raises(Interrupted, match="evolve loop resume planted-") as stopped:
        drive.start(store, asked(store), watcher)
    assert stopped.value.exit_code == 130
    (loop,) = store.loops()
    assert gains(store, loop) == whole[:3]
    assert status(store.loop_events(loop.id)) == "interrupted"
    drive.resume(store, "latest", Watcher())
    assert gains(store, loop) == whole
    assert [event.kind for event in store.loop_events(loop.id)] == ["started", "interrupted", "resumed", "finished"]


def test_a_run_that_is_interrupted_within_a_lap_interrupts_the_loop(store, monkeypatch, whole):
    def interrupted(*_arguments):
        raise Interrupted("matmul-3f9a")

    with monkeypatch.context() as patched:
        patched.setattr(planted_loop.Planted, "turn", interrupted)
        with pytest.raises(Interrupted, match="evolve loop resume planted-"):
            drive.start(store, asked(store), Watcher())
    (loop,) = store.loops()
    assert gains(store, loop) == [0]
    drive.resume(store, loop.id, Watcher())
    assert gains(store, loop) == whole


def test_ctrl_c_twice_stops_at_once(store, monkeypatch):
    def impatient(*_arguments):
        for _ in range(2):
            os.kill(os.getpid(), signal.SIGINT)
        time.sleep(60)

    monkeypatch.setattr(planted_loop.Planted, "turn", impatient)
    with pytest.raises(KeyboardInterrupt):
        drive.start(store, asked(store), Watcher())
    (loop,) = store.loops()
    assert status(store.loop_events(loop.id)) == "interrupted"
    assert gains(store, loop) == [0]


def test_what_breaks_a_lap_by_accident_is_made_again(store, whole):
    with pytest.raises(ZeroDivisionError):
        drive.start(store, asked(store, breaks_at=3), Watcher())
    (loop,) = store.loops()
    assert gains(store, loop) == whole[:3]
    failed = store.loop_events(loop.id)[-1]
    assert (failed.kind, failed.detail) == ("failed", "ZeroDivisionError: by accident")


def test_a_lap_that_comes_to_nothing_is_kept_as_that_and_ends_the_loop(store):
    with pytest.raises(EvolveError, match="lap 3: nothing was right"):
        drive.start(store, asked(store, fails_at=3), Watcher())
    (loop,) = store.loops()
    last = store.laps(loop.id)[-1]
    assert (last.lap, last.gain, last.fault, last.inputs) == (3, None, "nothing was right", 4.0)
    with pytest.raises(EvolveError, match="start a new loop"):
        drive.resume(store, loop.id, Watcher())
    assert store.laps(loop.id)[-1] == last


def test_a_finished_loop_goes_on_only_where_more_laps_are_asked_for(store):
    loop = drive.start(store, asked(store, 2), Watcher())
    with pytest.raises(UsageError, match=r"finished after 2 laps.*--laps"):
        drive.resume(store, loop.id, Watcher())
    drive.resume(store, loop.id, Watcher(), laps=4)
    longer = drive.start(store, asked(store, 4), Watcher())
    assert gains(store, loop) == gains(store, longer)


def test_a_loop_of_another_machine_is_refused(store):
    store.add_machine(Machine("elsewhere", {}))
    loop = store.create_loop(replace(asked(store), machine="elsewhere"))
    with pytest.raises(UsageError, match="measured on machine elsewhere"):
        drive.resume(store, loop.id, Watcher())
    assert store.laps(loop.id) == store.loop_events(loop.id) == []


def test_a_loop_that_other_versions_began_is_refused_with_what_changed(store):
    """Its lap 0 cannot be made any more, so that no further lap could be held against it."""
    old = asked(store)
    loop = store.create_loop(replace(old, versions={**old.versions, "numba": "0.1"}))
    with pytest.raises(UsageError, match=r"begun with numba 0\.1, now \d.*start a new loop"):
        drive.resume(store, loop.id, Watcher())
    assert store.laps(loop.id) == store.loop_events(loop.id) == []


def test_a_store_that_lacks_a_lap_in_the_middle_goes_no_further(store):
    loop = drive.start(store, asked(store, 1), Watcher())
    store.add_lap(replace(store.laps(loop.id)[1], lap=3))
    with pytest.raises(EvolveError, match="lap 3 follows where another is missing"):
        drive.resume(store, loop.id, Watcher(), laps=5)


def test_a_kind_that_this_version_lacks_is_a_usage_error(store):
    loop = store.create_loop(replace(asked(store), kind="perpetual"))
    with pytest.raises(UsageError, match="no loop 'perpetual'"):
        drive.make(Around(store, loop, print, StopRequest(), POLITE))


def test_one_measures_at_a_time_but_a_lap_may_measure_within_its_loop(store, monkeypatch):
    def nested(self, _laps, _rng):
        with self.at.admission.lock("run of a lap"):
            pass
        with POLITE.lock("another evolve"):
            pytest.fail("the loop did not hold the machine")

    monkeypatch.setattr(planted_loop.Planted, "turn", nested)
    with pytest.raises(EvolveError, match="another evolve is measuring"):
        drive.start(store, asked(store), Watcher())


# ---- killed

SCRIPT = """
import sys
sys.path.insert(0, {tests!r})
import planted_loop
from evolve.loops import drive
from evolve.report.lap_lines import telling
from evolve.store import open_store
planted_loop.plant()
with open_store({store!r}) as store, telling(store) as observer:
    if {key!r}:
        drive.resume(store, {key!r}, observer)
    else:
        drive.start(store, drive.spec(store, "planted", dict(lap_s=0.05), laps={laps}, seed=5), observer)
"""


def launched(path, key=""):
    script = SCRIPT.format(tests=str(Path(__file__).parent), store=str(path), key=key, laps=LAPS)
    environment = {**os.environ, "TMPDIR": str(path.parent)}
    return subprocess.Popen([sys.executable, "-c", script], stderr=subprocess.PIPE, env=environment)


def test_kill_9_loses_at_most_the_lap_under_way(tmp_path, whole):
    """Killed at random moments, it comes to the very same laps as a loop that nobody killed."""
    rng, path, known = np.random.default_rng(), tmp_path / "killed.db", []
    with open_store(str(path)) as store:
        process = launched(path)
        for least in (1, 4):
            while process.poll() is None and (not store.loops() or len(store.laps(store.loops()[0].id)) < least):
                time.sleep(0.005)
            time.sleep(rng.uniform(0, 0.1))
            process.kill()
            process.wait()
            (loop,) = store.loops()
            after = store.laps(loop.id)
            assert after[: len(known)] == known, "what was kept before is still there, unchanged"
            assert least <= len(after) <= LAPS
            assert len({forecast.lap for forecast in store.forecasts(loop.id)}) - (len(after) - 1) in (0, 1)
            assert status(store.loop_events(loop.id)) == "killed"
            known, process = after, launched(path, loop.id)
        _, said = process.communicate(timeout=60)
        assert process.returncode == 0, said.decode()
        assert gains(store, loop) == whole
        assert store.laps(loop.id)[: len(known)] == known
        assert status(store.loop_events(loop.id)) == "finished"
    assert f"lap {LAPS} is forecast to reach" in said.decode()
    assert f"lap {LAPS} reached" in said.decode()
    assert "so far" in said.decode()
