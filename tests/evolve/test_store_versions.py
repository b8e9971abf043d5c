"""Files of older versions of the schema are brought up to date, with all that they hold."""

import sqlite3

import pytest

from benchmarks.inference import Estimate
from benchmarks.outcome import Conditions, Impossible, Samples
from evolve.store import Batch, Deployment, EngineRecord, Forecast, SqliteStore, schema, utc_now
from evolve.store.testing import evaluation, measured, new_run
from evolve.store.testing_loops import lap_of, new_loop

FIRST_VERSION_FACTS = """
    INSERT INTO machine VALUES ('m-1', '{"cpu": "a CPU"}');
    INSERT INTO run (id, name, kernel, size, dtype, threads, strategy, control_share, seed, budget, batch_size, machine,
        versions, options, created_at)
        VALUES ('matmul-0001', 'old', 'matmul', '[64,64,64]', 'float64', 1, 'genetic', 0.15, 7, '2evals', 8, 'm-1',
        '{"numba": "0.68"}', '{}', '2026-01-01T00:00:00.000000+00:00');
    INSERT INTO batch VALUES ('matmul-0001', 0, '2026-01-01T00:00:01.000000+00:00');
    INSERT INTO evaluation (run, number, batch, position, arm, operator, parents, schedule, source_key)
        VALUES ('matmul-0001', 1, 0, 0, 'search', 'default', '[]', '{"mr": 4}', 's1'),
               ('matmul-0001', 2, 0, 1, 'control', 'control', '[]', '{"mr": 8}', 's2');
    INSERT INTO outcome (run, evaluation, kind, reason, time_s, fitness, log_ratio, low, high, max_error, build_s,
        verify_s, measure_s, launch, finished_at, samples)
        VALUES ('matmul-0001', 1, 'Measured', '', 0.001, 0.5, 0.5, 0.4, 0.6, 0.1, 0.2, 0.01, 0.3, 0,
        '2026-01-01T00:00:02.000000+00:00',
        '{"candidate_s":[0.001,0.0011],"incumbent_s":[0.002,0.0021],"loops":3}');
    INSERT INTO outcome (run, evaluation, kind, reason, build_s, verify_s, measure_s, launch, finished_at)
        VALUES ('matmul-0001', 2, 'Impossible', 'too fast', 0.2, 0.01, 0.3, 0, '2026-01-01T00:00:03.000000+00:00');
    INSERT INTO publication (run, evaluation, measured_at, launches, rounds, time_s, speedup, rivals, bound_limit,
        bound_time_s, bound_fraction, source_hash, samples)
        VALUES ('matmul-0001', 1, '2026-01-01T00:01:00.000000+00:00', 5, 12, 0.001,
        '{"estimate":2.0,"low":1.9,"high":2.1,"level":0.95}', '{}', 'fma', 0.0005, 0.5, 'ab', '{}');
"""


@pytest.fixture
def first_version(tmp_path):
    """A file as the first version of the schema had it, with facts in it."""
    path = tmp_path / "runs.db"
    with sqlite3.connect(path) as connection:
        for statement in schema.VERSIONS[0]:
            connection.execute(statement)
        connection.execute(f"PRAGMA application_id = {schema.APPLICATION_ID}")
        connection.execute("PRAGMA user_version = 1")
        connection.executescript(FIRST_VERSION_FACTS)
    connection.close()
    return path


def test_a_store_of_the_first_version_is_brought_up_to_date_with_all_that_it_holds(first_version):
    for _ in range(2):  # opened once more, there is nothing left to do
        with SqliteStore(first_version) as store:
            assert store._connection.execute("PRAGMA user_version").fetchone()[0] == len(schema.VERSIONS)
            run = store.run("old")
            assert (run.policy, run.size, run.versions) == ("hot", (64, 64, 64), {"numba": "0.68"})
            first, second = store.individuals(run.id)
            samples = first.record.outcome.samples
            assert samples == Samples((0.001, 0.0011), (0.002, 0.0021), 3)
            assert (samples.floor_s, samples.conditions) == (0.0, Conditions())
            assert second.record.outcome == Impossible("too fast", 0.01, 0.3)
            publication = store.publication(run.id)
            assert (publication.speedup.estimate, publication.details) == (2.0, {})


def test_an_updated_store_takes_what_the_first_version_did_not_know(first_version):
    with SqliteStore(first_version) as store:
        other = new_run(store, policy="flush")
        store.add_batch(Batch(other.id, 0, utc_now()), [evaluation(other, 1)])
        store.add_outcome(measured(other, 1))
    with SqliteStore(first_version) as store:
        assert [run.policy for run in store.runs()] == ["hot", "flush"]
        with pytest.raises(sqlite3.IntegrityError, match="a fact once written stays"):
            store._connection.execute("UPDATE run SET policy = 'hot'")


def test_an_old_store_has_no_loops_and_takes_some(first_version):
    with SqliteStore(first_version) as store:
        assert store.loops() == []
        loop = new_loop(store)
        store.add_lap(lap_of(loop, 0))
    with SqliteStore(first_version) as store:
        assert [lap.lap for lap in store.laps(loop.id)] == [0]
        assert store.run("old").name == "old"


@pytest.mark.parametrize("known", [1, 2, 3, 4])
def test_each_older_version_comes_to_the_same_schema(tmp_path, known):
    def layout(path):
        with sqlite3.connect(path) as connection:
            found = connection.execute("SELECT name, sql FROM sqlite_master ORDER BY name").fetchall()
        connection.close()
        return found

    paths = [tmp_path / "old.db", tmp_path / "new.db"]
    with sqlite3.connect(paths[0]) as connection:
        for statement in (line for version in schema.VERSIONS[:known] for line in version):
            connection.execute(statement)
        connection.execute(f"PRAGMA application_id = {schema.APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {known}")
    connection.close()
    for path in paths:
        SqliteStore(path).close()
    assert layout(paths[0]) == layout(paths[1])
    assert {"loop", "loop_event", "forecast", "lap", "engine", "deployment"} <= {name for name, _ in layout(paths[0])}


@pytest.mark.parametrize("table", ["loop", "loop_event", "forecast", "lap"])
def test_what_is_written_of_a_loop_stays(tmp_path, table):
    with SqliteStore(tmp_path / "runs.db") as store:
        loop = new_loop(store)
        store.add_loop_event(loop.id, "started")
        store.add_forecast(Forecast(loop.id, 1, utc_now(), Estimate(0.5, 0.4, 0.6), "as before"))
        store.add_lap(lap_of(loop, 0))
        for change in (f"UPDATE {table} SET rowid = 9", f"DELETE FROM {table}"):
            with pytest.raises(sqlite3.IntegrityError, match=f"{table}: a fact once written stays"):
                store._connection.execute(change)


@pytest.mark.parametrize("table", ["engine", "deployment"])
def test_what_is_written_of_an_engine_stays(tmp_path, table):
    with SqliteStore(tmp_path / "runs.db") as store:
        loop = new_loop(store)
        store.add_engine(EngineRecord("ab", {}, utc_now()))
        store.add_deployment(Deployment("ab", loop.machine, utc_now(), "by hand"))
        for change in (f"UPDATE {table} SET rowid = 9", f"DELETE FROM {table}"):
            with pytest.raises(sqlite3.IntegrityError, match=f"{table}: a fact once written stays"):
                store._connection.execute(change)
