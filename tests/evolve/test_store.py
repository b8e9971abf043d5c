"""The SQLite store: the contract, and what can happen to a file."""

import json
import math
import multiprocessing
import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.outcome import Conditions, Impossible, Measured, Noisy, Retake, Samples
from evolve.errors import EvolveError, UsageError
from evolve.store import Batch, Machine, OutcomeRecord, SqliteStore, open_store, rows, schema, utc_now
from evolve.store.testing import StoreTestCase, evaluation, measured, new_run

SPAWN = multiprocessing.get_context("spawn")


class TestSqliteStore(StoreTestCase):
    def open(self, folder):
        return SqliteStore(folder / "deep" / "runs.db")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "runs.db"


@pytest.fixture
def store(path):
    with SqliteStore(path) as store:
        yield store


def fill(store, run, first, count):
    for number in range(first, first + count):
        batch = Batch(run.id, number, utc_now())
        store.add_batch(batch, [evaluation(run, number, batch=number, position=0)])
        store.add_outcome(measured(run, number))


# -- what is written -----------------------------------------------------------------------------------------


@given(st.lists(st.floats(min_value=1e-9, max_value=1e3), min_size=1, max_size=40), st.floats(-5, 5))
def test_samples_come_back_to_the_bit(times, ratio):
    samples = Samples(tuple(times), tuple(reversed(times)), 3)
    record = OutcomeRecord("r", 1, Measured(time_s=times[0], log_ratio=ratio, samples=samples), "now", ratio)
    row = rows.outcome_row(record)
    assert rows.outcome_of(row) == record


TOLD = Conditions(
    contended=1,
    retakes=(Retake("preempted", (1e-3, 2.5e-3)), Retake("moved", (3e-3, 1e-3))),
    steal_share=0.01,
    clock_hz=(3.6e9, 3.5e9),
    memory_bytes_per_s=(2e10, 1.9e10),
    flags=("memory",),
)


@pytest.mark.parametrize("kind", [Measured, Impossible, Noisy])
def test_what_the_machine_did_meanwhile_comes_back(kind):
    outcome = kind("because", samples=Samples((1e-3,) * 6, (2e-3,) * 6, 3, floor_s=2.5e-9, conditions=TOLD))
    record = OutcomeRecord("r", 1, outcome, "now")
    assert rows.outcome_of(rows.outcome_row(record)) == record


def test_what_a_later_version_says_of_samples_is_left_out():
    row = rows.outcome_row(OutcomeRecord("r", 1, Measured(samples=Samples((1.0,), (2.0,), 3, conditions=TOLD)), "now"))
    said = json.loads(row["samples"])
    row["samples"] = json.dumps({**said, "moon": "full", "conditions": {**said["conditions"], "tide": [1]}})
    assert rows.outcome_of(row).outcome.samples.conditions == TOLD


def test_json_is_valid_whatever_it_holds():
    value = {"inf": math.inf, "nan": [np.float64("nan"), (1,)], "array": np.array([1.5, -np.inf]), "count": np.int64(3)}
    text = rows.json_text(value)
    assert json.loads(text, parse_constant=pytest.fail) == {
        "inf": None,
        "nan": [None, [1]],
        "array": [1.5, None],
        "count": 3,
    }


def test_an_evaluation_takes_under_2_kb_beside_its_raw_samples(store, path):
    run = new_run(store)
    schedule = {f"parameter_{k}": 1024 + k for k in range(20)}
    bare = Measured(time_s=1.2345678901234e-3, log_ratio=0.1234567890123, low=0.1, high=0.2, max_error=0.01)
    count = 500
    for number in range(1, count + 1):
        asked = evaluation(
            run, number, batch=number, schedule=schedule, source_key=f"{number:064x}", parents=(number, number + 1)
        )
        store.add_batch(Batch(run.id, number, utc_now()), [asked])
        store.add_outcome(OutcomeRecord(run.id, number, bare, utc_now(), 0.1234567890123))
    store.close()
    assert path.stat().st_size / count < 2048


def test_what_is_written_stays(store):
    run = new_run(store)
    fill(store, run, 1, 1)
    for change in (
        "UPDATE outcome SET fitness = 9",
        "DELETE FROM outcome",
        "DELETE FROM run",
        "UPDATE evaluation SET arm = 'x'",
    ):
        with pytest.raises(sqlite3.IntegrityError, match="a fact once written stays"):
            store._connection.execute(change)


def test_a_run_needs_its_machine(store):
    with pytest.raises(EvolveError, match="FOREIGN KEY"):
        new_run(store, machine="unheard of")


# -- where it is ---------------------------------------------------------------------------------------------


def test_urls_and_paths(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    wanted = tmp_path / "a b%20#.db"
    for url in (f"sqlite:///{wanted}", str(wanted), wanted.name, f"sqlite:///{wanted.name}", f"~/{wanted.name}"):
        with open_store(url) as store:
            assert store.path == wanted
            with open_store(store.url, create=False) as again:
                assert again.path == wanted
    assert {file.name.removesuffix("-wal").removesuffix("-shm") for file in tmp_path.iterdir()} == {wanted.name}


@pytest.mark.parametrize("url", ["postgresql://host/db", "journal:///folder", "", "sqlite:///", "sqlite://host/x"])
def test_an_unknown_kind_of_store_is_a_usage_error(url):
    with pytest.raises(UsageError, match="names no store"):
        open_store(url)


def test_a_store_that_is_not_there_is_not_made_by_looking(path):
    with pytest.raises(EvolveError, match="there is no store"):
        open_store(str(path), create=False)
    assert not path.exists()


def test_a_folder_is_no_store(tmp_path):
    with pytest.raises(EvolveError, match="is a folder"):
        SqliteStore(tmp_path)


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(EvolveError, match="cannot make the folder"):
        SqliteStore(tmp_path / "file" / "deep" / "runs.db")


# -- what may be wrong with it -------------------------------------------------------------------------------


def one_line(error):
    assert "\n" not in str(error.value)
    assert error.value.remedy
    return str(error.value)


def test_a_newer_schema_is_refused_and_left_alone(store, path):
    store._connection.execute("PRAGMA user_version = 9")
    store.close()
    before = path.read_bytes()
    with pytest.raises(EvolveError, match="has schema 9, this evolve knows up to 5") as error:
        SqliteStore(path)
    assert "upgrade" in one_line(error)
    assert path.read_bytes() == before


def test_another_programs_sqlite_file_is_refused_and_left_alone(path):
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE bookmarks (url)")
    connection.close()
    before = path.read_bytes()
    with pytest.raises(EvolveError, match="another program") as error:
        SqliteStore(path)
    assert "--store" in one_line(error)
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    "content", [b"import numpy as np\n" * 100, b"\0" * 4096, os.urandom(5000)], ids=["text", "zeros", "noise"]
)
def test_any_other_file_is_refused_and_left_alone(path, content):
    path.write_bytes(content)
    with pytest.raises(EvolveError, match="is not a store") as error:
        SqliteStore(path)
    one_line(error)
    assert path.read_bytes() == content


def test_an_empty_file_becomes_a_store(path):
    path.touch()
    with SqliteStore(path) as store:
        assert store.runs() == []


def test_a_damaged_store_is_named_so(store, path):
    run = new_run(store)
    fill(store, run, 1, 50)
    store.close()
    content = bytearray(path.read_bytes())
    content[4096:] = b"\xa5" * (len(content) - 4096)
    path.write_bytes(content)
    with pytest.raises(EvolveError, match="is damaged") as error, SqliteStore(path) as damaged:
        damaged.individuals(run.id)
    assert ".recover" in one_line(error)


def test_a_full_disk_loses_nothing_that_was_kept(store, path):
    run = new_run(store)
    fill(store, run, 1, 5)
    pages = store._connection.execute("PRAGMA page_count").fetchone()[0]
    store._connection.execute(f"PRAGMA max_page_count = {pages + 1}")
    with pytest.raises(EvolveError, match="disk is full") as error:
        fill(store, run, 6, 500)
    assert "evolve resume" in one_line(error)
    known = len(store.individuals(run.id))
    assert known >= 5
    store._connection.execute("PRAGMA max_page_count = 100000")
    left = [e.number for e in store.pending(run.id)]
    for number in left:
        store.add_outcome(measured(run, number))
    fill(store, run, known + 1, 20)
    store.close()
    with SqliteStore(path) as again:
        assert all(i.is_paid for i in again.individuals(run.id))
        assert len(again.individuals(run.id)) == known + 20


WRITE_UNDER_A_LIMIT = """
import resource, sys
from pathlib import Path
from evolve.errors import EvolveError
from evolve.store import SqliteStore
sys.path.insert(0, {tests!r})
store = SqliteStore(Path({path!r}))
run = store.run("latest")
resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, 400_000))
from test_store import fill
try:
    fill(store, run, 1, 5000)
except EvolveError as error:
    print(len(store.individuals(run.id)), error)
"""


def test_a_write_that_the_system_refuses_is_one_line(store, path):
    run = new_run(store)
    script = WRITE_UNDER_A_LIMIT.format(path=str(path), tests=str(Path(__file__).parent))
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    known, message = done.stdout.strip().split(" ", 1)
    assert message.startswith(f"store {path} can")
    assert "evolve resume" in message
    assert len(store.individuals(run.id)) == int(known) > 0


def test_a_read_only_store_is_named_so(store):
    store._connection.execute("PRAGMA query_only = ON")
    with pytest.raises(EvolveError, match="is read-only") as error:
        new_run(store)
    one_line(error)


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is read-only to root")
def test_a_file_without_permissions_is_refused(store, path):
    store.close()
    path.chmod(0)
    with pytest.raises(EvolveError, match="cannot be opened"):
        SqliteStore(path)


def test_a_locked_store_is_named_so(store, path):
    store._connection.execute("PRAGMA busy_timeout = 50")
    with sqlite3.connect(path, isolation_level=None) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(EvolveError, match="locked by another program") as error:
            store.add_machine(Machine("m", {}))
    other.close()
    one_line(error)


# -- many processes ------------------------------------------------------------------------------------------


def write_a_run(path, start, count):
    start.wait()
    with SqliteStore(path) as store:
        fill(store, new_run(store), 1, count)


def test_processes_write_their_runs_into_one_new_store(path):
    """They also find no store and make it, all at once."""
    start = SPAWN.Barrier(3)
    processes = [SPAWN.Process(target=write_a_run, args=(path, start, 40)) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0, 0, 0]
    with SqliteStore(path) as store:
        assert len({run.id for run in store.runs()}) == 3
        for run in store.runs():
            assert [i.evaluation.number for i in store.individuals(run.id)] == list(range(1, 41))
            assert all(i.is_paid for i in store.individuals(run.id))


def write_until_killed(path, acknowledged):
    with SqliteStore(path) as store:
        run = new_run(store)
        for number in range(1, 1_000_000):
            fill(store, run, number, 1)
            acknowledged.value = number


@pytest.mark.parametrize("after_s", [0.0, 0.013, 0.051])
def test_kill_9_loses_nothing_that_was_acknowledged(path, after_s):
    acknowledged = SPAWN.Value("q", 0)
    process = SPAWN.Process(target=write_until_killed, args=(path, acknowledged))
    process.start()
    deadline = time.monotonic() + 60
    while acknowledged.value == 0 and time.monotonic() < deadline:
        time.sleep(0.001)
    time.sleep(after_s)
    os.kill(process.pid, signal.SIGKILL)
    process.join(60)
    with SqliteStore(path, create=False) as store:
        individuals = store.individuals(store.run("latest").id)
        finished = [i.evaluation.number for i in individuals if i.record is not None]
        assert finished == list(range(1, len(finished) + 1))
        assert len(finished) >= acknowledged.value > 0
        assert len(individuals) - len(finished) <= 1
        assert store._connection.execute("PRAGMA integrity_check").fetchone()[0] == "ok"


def test_the_journal_is_a_write_ahead_log(store):
    assert store._connection.execute("PRAGMA journal_mode").fetchone()[0] == "wal"
    assert schema.VERSIONS


def test_importing_the_store_and_tracker_leaves_numba_and_scipy_alone():
    script = "import sys, evolve.store, evolve.tracker, evolve.lock, evolve.paths"
    script += "; print({'numba', 'scipy'} & set(sys.modules))"
    assert (
        subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout == "set()\n"
    )
