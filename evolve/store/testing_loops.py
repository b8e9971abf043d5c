"""The part of a store's contract that is about closed loops, as tests; ``StoreTestCase`` inherits them."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

import pytest

from benchmarks.inference import Estimate
from evolve.errors import EvolveError, UsageError
from evolve.store.looprecords import Forecast, Lap, Loop, LoopSpec
from evolve.store.records import Machine, RunSpec, utc_now

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from evolve.store.base import Store

LOOP_SPEC = LoopSpec(
    kind="batching",
    laps=8,
    seed=7,
    machine="m-1",
    versions={"numba": "0.68.1"},
    options={"slot_s": 0.25, "kernel": "horner", "blocks": 5},
)


def new_loop(store: Store, **changes: Any) -> Loop:
    """A loop on a machine that the store knows."""
    store.add_machine(Machine(LOOP_SPEC.machine, {"cpu": "a CPU"}))
    return store.create_loop(LoopSpec(**{**vars(LOOP_SPEC), **changes}))


def lap_of(loop: Loop, lap: int, gain: float = 0.5, **changes: Any) -> Lap:
    """A lap of the given gain, with all that a lap may have."""
    given: dict[str, Any] = {
        "gain": Estimate(gain, gain - 0.01, gain + 0.01),
        "engine": Estimate(gain, -math.inf, math.inf),
        "inputs": 0.1 + 0.2 * lap,
        "ceiling": Estimate(4.0, 3.9, 4.1),
        "endpoint": Estimate(3.0, 2.0, math.inf),
        "cpu_s": 1.5,
        "details": {"capital": 2.0**lap, "sizes": [1, 2], "spread": None},
    }
    return Lap(
        loop=loop.id, lap=lap, started_at=utc_now(), finished_at=utc_now(), machine=loop.machine, **(given | changes)
    )


def _run(name: str) -> RunSpec:
    return RunSpec(
        kernel="matmul",
        size=(8,),
        dtype="float64",
        threads=1,
        strategy="random",
        control_share=1.0,
        seed=1,
        budget="1s",
        batch_size=1,
        machine=LOOP_SPEC.machine,
        name=name,
    )


class LoopStoreTestCase(ABC):
    """What any store must do with loops."""

    @abstractmethod
    def open(self, folder: Path) -> Store:
        """Open the store of a folder, the same one each time."""

    @pytest.fixture
    def store(self, tmp_path: Path) -> Iterator[Store]:
        """An empty store."""
        with self.open(tmp_path) as store:
            yield store

    @pytest.fixture
    def loop(self, store: Store) -> Loop:
        """A loop in it without laps."""
        return new_loop(store)

    def test_a_loop_comes_back_as_it_was_given(self, store: Store, loop: Loop, tmp_path: Path) -> None:
        """Also after the store is opened anew; its id begins with its kind."""
        assert {name: value for name, value in vars(loop).items() if name in vars(LOOP_SPEC)} == vars(LOOP_SPEC)
        assert loop.id.startswith("batching-")
        assert store.loop(loop.id) == loop
        with self.open(tmp_path) as again:
            assert again.loops() == [loop]

    def test_a_loop_is_found_by_id_name_beginning_and_latest(self, store: Store) -> None:
        """As a run is."""
        with pytest.raises(UsageError, match="no loop in store"):
            store.loop("latest")
        first, second = new_loop(store, name="night"), new_loop(store, name="night-2", kind="kernels")
        assert store.loop("night") == store.loop("batching") == first
        assert store.loop("night-") == store.loop("latest") == store.loop(second.id[:-1]) == second
        with pytest.raises(UsageError, match="`evolve loop list` lists them"):
            store.loop("elsewhere")
        third = new_loop(store)
        with pytest.raises(UsageError, match=f"{first.id}, {third.id}"):
            store.loop("batching")

    def test_a_run_where_a_loop_is_asked_for_is_named_as_one(self, store: Store, loop: Loop) -> None:
        """And the other way round."""
        with pytest.raises(UsageError, match=f"{loop.id} is a loop: .*`evolve loop show {loop.id}`"):
            store.run(loop.id)
        run = store.create_run(_run("night"))
        for key in (run.id, "night"):
            with pytest.raises(UsageError, match=f"{key} is a run: .*`evolve show {key}`"):
                store.loop(key)

    @pytest.mark.parametrize("name", ["taken", "of-a-run", "latest", "", " "])
    def test_a_loops_name_is_unique_and_no_runs_name_either(self, store: Store, name: str) -> None:
        """Commands take either, so a word must mean one of them."""
        new_loop(store, name="taken")
        store.create_run(run := _run("of-a-run"))
        with pytest.raises(UsageError, match="--name"):
            new_loop(store, name=name)
        with pytest.raises(UsageError, match="--name"):
            store.create_run(RunSpec(**{**vars(run), "name": "taken"}))
        assert (len(store.loops()), len(store.runs())) == (1, 1)

    def test_a_loops_turns_come_back_in_order(self, store: Store, loop: Loop) -> None:
        """Each with the process that wrote it."""
        other = new_loop(store)
        store.add_loop_event(loop.id, "started", "can be trusted")
        store.add_loop_event(other.id, "started")
        store.add_loop_event(loop.id, "interrupted")
        events = store.loop_events(loop.id)
        assert [(event.kind, event.detail) for event in events] == [("started", "can be trusted"), ("interrupted", "")]
        assert all(event.pid and event.host and event.at for event in events)

    def test_laps_come_back_in_order_with_open_ends(self, store: Store, loop: Loop, tmp_path: Path) -> None:
        """What is not known stays so, and a lap may have come to nothing."""
        other = new_loop(store)
        broken = lap_of(loop, 2, gain=0.0, engine=None, ceiling=None, endpoint=None, details={})
        broken = Lap(**{**vars(broken), "gain": None, "fault": "nothing was right"})
        laps = [lap_of(loop, 0), lap_of(loop, 1, gain=1 / 3), broken]
        for lap in (laps[1], laps[0], lap_of(other, 0), laps[2]):
            store.add_lap(lap)
        assert store.laps(loop.id) == laps
        with self.open(tmp_path) as again:
            assert again.laps(loop.id) == laps

    def test_of_a_lap_that_is_there_already_nothing_is_kept(self, store: Store, loop: Loop, tmp_path: Path) -> None:
        """Another process goes on with the loop, or did."""
        first = lap_of(loop, 0)
        store.add_lap(first)
        with self.open(tmp_path) as other, pytest.raises(EvolveError, match=f"another process goes on with.*{loop.id}"):
            other.add_lap(lap_of(loop, 0, gain=9.0))
        assert store.laps(loop.id) == [first]

    def test_a_lap_may_be_forecast_again(self, store: Store, loop: Loop) -> None:
        """It was begun, killed and begun anew."""
        gains = (Estimate(0.5, 0.4, 0.6), Estimate(0.7, -math.inf, math.inf))
        told = [Forecast(loop.id, 1, utc_now(), gain, "as the one before") for gain in gains]
        for forecast in told:
            store.add_forecast(forecast)
        store.add_forecast(Forecast(new_loop(store).id, 1, utc_now(), gains[0], ""))
        assert store.forecasts(loop.id) == told

    def test_what_belongs_to_no_loop_or_machine_is_refused(self, store: Store, loop: Loop) -> None:
        """Nothing of it is kept."""
        with pytest.raises(EvolveError):
            store.add_lap(lap_of(Loop(**{**vars(loop), "id": "nowhere"}), 0))
        with pytest.raises(EvolveError):
            store.add_lap(lap_of(Loop(**{**vars(loop), "machine": "unheard-of"}), 0))
        with pytest.raises(EvolveError):
            store.add_loop_event("nowhere", "started")
        assert store.laps(loop.id) == []
