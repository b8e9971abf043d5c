"""The part of a store's contract that is about engines, as tests; ``StoreTestCase`` inherits them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

import pytest

from evolve.errors import EvolveError
from evolve.store.enginerecords import Deployment, EngineRecord
from evolve.store.records import Machine, utc_now

if TYPE_CHECKING:
    from pathlib import Path

    from evolve.store.base import Store

PLAIN = EngineRecord("ab", {"parts": {"novelty": None}}, "2026-01-01T00:00:00.000000+00:00")
BRED = EngineRecord("cd", {"parts": {"novelty": {"rows": 4, "by_column": True}}}, "2026-01-01T00:00:01.000000+00:00")


class EngineStoreTestCase(ABC):
    """What any store must do with engines."""

    @abstractmethod
    def open(self, folder: Path) -> Store:
        """Open the store of a folder, the same one each time."""

    def test_engines_come_back_as_they_were_given(self, store: Store, tmp_path: Path) -> None:
        """In their order, also after the store is opened anew; what is known by an id stays."""
        for engine in (PLAIN, BRED, EngineRecord(PLAIN.id, {}, utc_now())):
            store.add_engine(engine)
        with self.open(tmp_path) as again:
            assert again.engines() == [PLAIN, BRED]

    def test_deployments_of_a_machine_come_back_in_order(self, store: Store, tmp_path: Path) -> None:
        """One engine may be put to work again; other machines have theirs."""
        for machine in ("m-1", "m-2"):
            store.add_machine(Machine(machine, {}))
        for engine in (PLAIN, BRED):
            store.add_engine(engine)
        given = [Deployment(engine, "m-1", utc_now(), f"for {engine}") for engine in ("cd", "ab", "cd")]
        for deployment in given:
            store.add_deployment(deployment)
        store.add_deployment(Deployment("ab", "m-2", utc_now(), "elsewhere"))
        with self.open(tmp_path) as again:
            assert again.deployments("m-1") == given
            assert [one.reason for one in again.deployments("m-2")] == ["elsewhere"]
            assert again.deployments("m-3") == []

    def test_an_engine_that_nobody_kept_is_not_put_to_work(self, store: Store) -> None:
        """Nor one on a machine that nobody knows: what is at work can be made again."""
        store.add_machine(Machine("m-1", {}))
        store.add_engine(PLAIN)
        for engine, machine in (("cd", "m-1"), ("ab", "m-2")):
            with pytest.raises(EvolveError):
                store.add_deployment(Deployment(engine, machine, utc_now(), ""))
            assert store.deployments(machine) == []
