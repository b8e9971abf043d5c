"""The command line: what it prints where, its exit codes, its one-line errors. Runs are planted, nothing is measured."""

from __future__ import annotations

import dataclasses
import errno
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import click
import pytest

from benchmarks import quiet
from benchmarks.aa import SelfComparison
from benchmarks.inference import Estimate
from benchmarks.machine import fingerprint
from benchmarks.outcome import Measured, Samples, Wrong
from evolve.cli.main import SECTIONS, cli, execute, reported
from evolve.errors import CheckFailedError, EvolveError, Interrupted, NoisyMachineError, UsageError
from evolve.progress import Progress
from evolve.store import (
    Batch,
    Bound,
    Ceilings,
    Evaluation,
    Machine,
    OutcomeRecord,
    Publication,
    RunSpec,
    open_store,
    utc_now,
)

ROOT = Path(__file__).parents[2]
COMMANDS = [name for names in SECTIONS.values() for name in names]
SUBCOMMANDS = [["kernels", name] for name in ("list", "show", "check")]
TWICE = Estimate(2.0, 1.9, 2.1)


@pytest.fixture
def url(tmp_path, monkeypatch):
    """A store of one's own, known to the command line."""
    path = str(tmp_path / "runs.db")
    monkeypatch.setenv("EVOLVE_STORE", path)
    return path


@pytest.fixture
def evolve(capsys, url):
    """Runs a command line: exit code, stdout, stderr."""
    del url

    def run(*arguments):
        capsys.readouterr()
        code = execute(arguments)
        return (code, *capsys.readouterr())

    return run


def _measured(time_s):
    samples = Samples((time_s,) * 6, (0.1,) * 6, 1)
    return Measured(time_s=time_s, log_ratio=0.7, low=0.6, high=0.8, samples=samples)


def _plant(store, name=None, outcomes=None, *, is_published=True):
    """A finished run of matmul: by default a champion twice as fast as the plain loop, and a wrong schedule."""
    outcomes = [_measured(0.05), Wrong("beyond tolerance")] if outcomes is None else outcomes
    spec = RunSpec(
        kernel="matmul", size=(64, 64, 32), dtype="float64", threads=1, strategy="genetic", control_share=0.15, seed=7,
        budget="2evals", batch_size=8, machine="cafe", versions={"numba": "0.68"}, name=name,
    )  # fmt: skip
    store.add_machine(Machine("cafe", {"cpu": "a CPU"}))
    run = store.create_run(spec)
    store.add_event(run.id, "started")
    store.add_bound(Bound(run.id, utc_now(), "fma", 0.04, 0.1))
    evaluations = [Evaluation(run.id, n, 0, n - 1, "search", "mutate", {"mr": n}, source_key=f"s{n}") for n in (1, 2)]
    store.add_batch(Batch(run.id, 0, utc_now()), evaluations[: len(outcomes)])
    for number, outcome in enumerate(outcomes, 1):
        fitness = 0.7 if isinstance(outcome, Measured) else None
        store.add_outcome(OutcomeRecord(run.id, number, outcome, utc_now(), fitness=fitness))
    store.add_phases(run.id, 0, {"build": 6.0, "verify": 1.0, "measure": 2.0, "search": 0.5, "other": 0.5})
    if is_published:
        store.add_publication(
            Publication(run.id, 1, utc_now(), 5, 12, 0.05, TWICE, {"numpy": Estimate(0.9, 0.8, 1.0)}, "fma", 0.04, 0.8, "ab12", {})
        )  # fmt: skip
    store.add_event(run.id, "finished")
    return run


@pytest.fixture
def planted(url):
    with open_store(url) as store:
        return _plant(store)


# ---- help


def test_help_imports_nothing_heavy():
    """In one process each, for a module once imported stays."""
    script = (
        "import sys; from evolve.cli.main import execute\n"
        f"for words in {[['--help'], *([name, '--help'] for name in COMMANDS), *([*s, '--help'] for s in SUBCOMMANDS)]!r}:\n"
        "    assert execute(words) == 0, words\n"
        "heavy = {'numba', 'scipy', 'numpy', 'plotly', 'jinja2', 'deap', 'psutil'} & set(sys.modules)\n"
        "sys.exit(f'imported {heavy}' if heavy else 0)"
    )
    result = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (result.returncode, result.stderr) == (0, "")


@pytest.mark.parametrize("words", [[], *([name] for name in COMMANDS), *SUBCOMMANDS], ids=" ".join)
def test_every_help_has_an_example_and_the_exit_codes(evolve, words):
    code, out, err = evolve(*words, "--help")
    text = " ".join(out.split())
    assert (code, err) == (0, "")
    assert "Example: evolve" in text
    for meaning in (
        "0 done",
        "1 failed",
        "2 usage",
        "3 a check did not hold",
        "4 machine too noisy",
        "130 interrupted",
    ):
        assert meaning in text
    assert "\x1b" not in out
    assert max(map(len, out.splitlines())) <= 80


@pytest.mark.parametrize("words", [[name] for name in COMMANDS if name != "kernels"] + SUBCOMMANDS, ids=" ".join)
def test_every_example_is_a_legal_command_line(evolve, words):
    _, out, _ = evolve(*words, "--help")
    example = re.search(r"Example: evolve (.+)", out)[1].split()
    command = cli
    with click.Context(command, info_name="evolve") as context:
        while isinstance(command, click.Group):
            command = command.get_command(context, example.pop(0))
        command.make_context(command.name, example)


def test_the_bare_command_shows_its_help_as_a_usage_error(evolve):
    code, out, err = evolve()
    assert (code, out) == (2, "")
    assert "Usage: evolve" in err


# ---- bad input


@pytest.mark.parametrize(
    ("line", "code", "said"),
    [
        ("runn", 2, "did you mean run?"),
        ("run", 2, "KERNEL"),
        ("run matmull", 2, "did you mean matmul?"),
        ("run matmul --sise 5", 2, "--size"),
        ("run matmul --budget 0s", 2, "leaves nothing to search with"),
        ("run matmul --budget 5", 2, "has no unit"),
        ("run matmul --size 0", 2, "positive whole numbers"),
        ("run matmul --size 3x4", 2, "matmul takes 1 or 3"),
        ("run matmul --size 99999", 2, "take a smaller --size"),
        ("run matmul --dtype float16", 2, "float32, float64"),
        ("run matmul --threads 2", 2, "single-threaded"),
        ("run matmul --threads 0", 2, "x>=1"),
        ("run matmul --control-share 1", 2, "0<=x<1"),
        ("run matmul --strategy genetc", 2, "did you mean genetic?"),
        ("run matmul --strategy nowhere.py:Mine", 2, "nowhere.py"),
        ("run matmul --store http://somewhere", 2, "names no store"),
        ("run matmul --store /proc/no/runs.db", 1, "choose another with --store"),
        ("runs --store /nowhere/runs.db", 1, "there is no store /nowhere/runs.db"),
        ("show nothing", 2, "no run"),
        ("report nothing", 2, "no run"),
        ("export nothing", 2, "no run"),
        ("resume nothing", 2, "no run"),
        ("kernels show matmull", 2, "did you mean matmul?"),
        ("kernels check matmull", 2, "did you mean matmul?"),
        ("kernels lst", 2, "list"),
        ("bench matmull", 2, "did you mean matmul?"),
        ("demo --budget nothing", 2, "write 90s, 5m"),
    ],
)
def test_bad_input_is_one_line_and_an_exit_code(evolve, monkeypatch, url, line, code, said):
    monkeypatch.setattr("evolve.cli.demo._here", lambda *_, **__: None)
    monkeypatch.setattr("evolve.cli.demo._limits", lambda _: "")
    open_store(url).close()
    found, out, err = evolve(*line.split())
    assert found == code
    assert said in err
    last = err.strip().splitlines()[-1]
    assert last.startswith("evolve: ")
    if not line.startswith("demo"):
        assert (out, err.count("\n")) == ("", 1)


def test_an_unreadable_store_is_reported_and_left_alone(evolve, url):
    Path(url).write_text("not a store of anything, and long enough to be looked at" * 50)
    before = Path(url).read_bytes()
    code, out, err = evolve("runs")
    assert (code, out) == (1, "")
    assert "is not a store of evolve" in err
    assert Path(url).read_bytes() == before


# ---- errors


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (EvolveError("it broke", "mend it"), 1, "evolve: it broke: mend it"),
        (UsageError("no such thing"), 2, "evolve: no such thing"),
        (CheckFailedError("wrong"), 3, "evolve: wrong"),
        (NoisyMachineError("noisy"), 4, "evolve: noisy"),
        (Interrupted("matmul-3f9a"), 130, "evolve: run matmul-3f9a is interrupted, nothing is lost: go on with `evolve resume matmul-3f9a`"),
        (KeyboardInterrupt(), 130, "evolve: stopped"),
        (click.Abort(), 130, "evolve: stopped"),
        (OSError(errno.ENOSPC, "No space left on device", "/a/b"), 1, "evolve: No space left on device (/a/b): free some space; nothing stored is lost, `evolve resume` goes on"),
        (OSError(errno.EROFS, "Read-only file system", "/a/b"), 1, "evolve: Read-only file system (/a/b): set EVOLVE_CACHE and EVOLVE_STORE to places that can be written"),
        (MemoryError(), 1, "evolve: out of memory: take a smaller --size"),
        (ValueError("one\ntwo"), 1, "evolve: unexpected ValueError: one two: a fault of evolve; EVOLVE_DEBUG=1 shows where"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else "",
)  # fmt: skip
def test_each_error_has_its_line_and_its_exit_code(capsys, error, code, line):
    assert reported(error) == code
    assert capsys.readouterr() == ("", line + "\n")


def test_a_traceback_is_for_those_who_ask(evolve, monkeypatch):
    def broken(*_arguments, **_options):
        raise ZeroDivisionError("deep inside")

    monkeypatch.setattr("evolve.cli.options.opened", broken)
    assert "Traceback" not in evolve("runs")[2]
    monkeypatch.setenv("EVOLVE_DEBUG", "1")
    code, _, err = evolve("runs")
    assert code == 1
    assert "Traceback" in err
    assert "in broken" in err


def test_a_closed_pipe_is_no_reason_to_complain(url, planted):
    del planted
    script = f"import sys; sys.path.insert(0, {str(ROOT)!r}); from evolve.cli.main import main; main()"
    reader, writer = os.pipe()
    os.close(reader)
    process = subprocess.run(
        [sys.executable, "-c", script, "runs", "-q"], stdout=writer, stderr=subprocess.PIPE, check=False, env={**os.environ, "EVOLVE_STORE": url}
    )  # fmt: skip
    os.close(writer)
    assert process.stderr == b""


def test_what_the_encoding_lacks_does_not_crash(url):
    with open_store(url) as store:
        _plant(store, name="größer")
    environment = {**os.environ, "EVOLVE_STORE": url, "PYTHONIOENCODING": "ascii"}
    result = subprocess.run(
        [sys.executable, "-m", "evolve", "runs"], cwd=ROOT, capture_output=True, text=True, check=False, env=environment
    )
    assert result.returncode == 0
    assert "gr??er" in result.stdout


# ---- reading


def test_runs_lists_them_and_names_the_next_command(evolve, url):
    with open_store(url) as store:
        first, second = _plant(store), _plant(store, name="mine", is_published=False)
    code, out, err = evolve("runs")
    assert code == 0
    header, *rows = out.splitlines()
    assert header.split()[:3] == ["RUN", "NAME", "SIZE"]
    assert rows[0].startswith(first.id)
    assert "2.00x [1.90, 2.10]" in rows[0]
    assert "mine" in rows[1]
    assert "x [" not in rows[1]  # what was not measured afresh is no speedup
    assert err.splitlines()[-1] == f"next: evolve show {second.id}"


def test_runs_fit_a_terminal_where_none_has_a_name(evolve, planted):
    del planted
    assert max(map(len, evolve("runs")[1].splitlines())) <= 100


def test_an_empty_store_has_no_runs(evolve, url):
    open_store(url).close()
    assert evolve("runs") == (0, "no runs yet\n", "next: evolve run matmul\n")
    assert json.loads(evolve("runs", "--json")[1]) == {"schema": 1, "runs": []}


def test_a_store_given_by_option_is_named_in_the_next_command(evolve, url, planted):
    err = evolve("runs", "--store", url)[2]
    assert err == f"next: evolve show {planted.id} --store {url}\n"


def test_show_prints_the_figures_with_their_intervals(evolve, planted):
    code, out, err = evolve("show", planted.id)
    text = " ".join(out.split())
    assert code == 0
    for what in (
        "matmul 64x64x32 float64, 1 thread", "finished after 2 evaluations", "2.00x [1.90, 2.10] the speed of the plain loop",
        "50.0 ms a call", "vs numpy 0.900x [0.800, 1.00]", "80 % of what this machine allows", "cap 2.50x", "mr=1", "UNDECIDED",
        "1 Measured, 1 Wrong", "build 60 %", "genetic, seed 7", "numba 0.68",
    ):  # fmt: skip
        assert what in text
    assert "\x1b" not in out
    assert err == f"next: evolve report {planted.id}  or  evolve export {planted.id}\n"


def test_show_takes_the_latest_by_default(evolve, url):
    with open_store(url) as store:
        _plant(store)
        latest = _plant(store)
    assert f"run {latest.id}" in evolve("show")[1]


def test_what_was_not_measured_afresh_is_called_an_estimate(evolve, url):
    with open_store(url) as store:
        run = _plant(store, is_published=False)
    out = evolve("show", run.id)[1]
    assert "not measured afresh yet; the search believes in 2.01x" in " ".join(out.split())


def test_a_run_without_a_champion_says_so(evolve, url):
    with open_store(url) as store:
        run = _plant(store, outcomes=[Wrong("no"), Wrong("no")], is_published=False)
    code, out, err = evolve("show", run.id)
    assert code == 0
    assert "none: nothing was right and faster than the plain loop" in out
    assert "export" not in err


def test_an_interrupted_run_is_to_be_resumed(evolve, url):
    with open_store(url) as store:
        run = _plant(store, is_published=False)
        store.add_event(run.id, "interrupted")
    assert evolve("show")[2] == f"next: evolve resume {run.id}\n"


def test_show_json_keeps_its_promise(evolve, planted):
    """The fields of ``run`` and ``show`` that other programs rely on; some may be added, none may go."""
    code, out, err = evolve("show", planted.id, "--json")
    told = json.loads(out)
    estimate = {"estimate", "low", "high", "level"}
    assert (code, err) == (0, "")
    assert told.keys() >= {
        "schema", "run", "kernel", "problem", "machine", "evaluations", "evaluations_per_s", "phases_s", "outcomes", "champion",
        "null", "verdict",
    }  # fmt: skip
    assert told["problem"] == {"size": [64, 64, 32], "dtype": "float64", "threads": 1}
    assert told["phases_s"].keys() == {"build", "verify", "measure", "search", "other"}
    assert told["outcomes"] == {"Measured": 1, "Wrong": 1}
    champion = told["champion"]
    assert champion.keys() >= {"schedule", "source_hash", "time_s", "speedup", "rivals", "bound_fraction", "bound"}
    assert champion["speedup"].keys() == champion["rivals"]["numpy"].keys() == estimate
    assert champion["bound"].keys() == {"limit", "time_s"}
    assert "best_of_n" in told["null"]
    assert told["verdict"].keys() >= {"verdict", "reasons"}


def test_quiet_prints_the_result_alone(evolve, planted):
    del planted
    code, out, err = evolve("show", "-q")
    assert (code, err) == (0, "")
    assert out


# ---- run and resume


class Started:
    """Stands for ``evolve.run.start`` and ``resume``: says something, plants a run."""

    def __init__(self):
        self.asked = None

    def __call__(self, store, asked, observer, *, wait, on_wait):
        del on_wait
        self.asked, self.waits = asked, wait
        run = _plant(store)
        observer(_progress(run.id))
        return run


def _progress(run_id):
    return Progress(
        run=run_id, kernel="matmul", size_text="64x64x32", dtype="float64", threads=1, stage="search", doing="racing 1 of 8",
        fraction=0.5, elapsed_s=1.0, left_s=1.0, evaluations=1, evaluations_per_s=1.0, counts={"Measured": 1}, phases_s={},
        best=TWICE, best_time_s=0.05, flop_per_s=None, bytes_per_s=None, bound_fraction=0.8, bound_limit="fma", cap=2.5,
        history=(2.0,),
    )  # fmt: skip


@pytest.fixture
def started(monkeypatch):
    fake = Started()
    monkeypatch.setattr("evolve.run.start", fake)
    monkeypatch.setattr("evolve.run.resume", fake)
    return fake


def test_run_hands_over_what_was_asked(evolve, started):
    line = "run matmul --size 64x64x32 --dtype float32 --budget 7evals --seed 3 --strategy random --control-share 0.2 --name n"
    assert evolve(*line.split(), "--wait", "--no-report")[0] == 0
    asked = dataclasses.asdict(started.asked)
    assert asked.pop("budget")["evaluations"] == 7
    assert asked == {
        "kernel": "matmul", "size": (64, 64, 32), "dtype": "float32", "threads": 1, "seed": 3, "strategy": "random",
        "control_share": 0.2, "batch_size": 8, "name": "n",
    }  # fmt: skip
    assert started.waits


def test_run_has_defaults_and_draws_a_new_seed_each_time(evolve, started):
    evolve("run", "matmul", "--no-report")
    first = started.asked
    evolve("run", "matmul", "--no-report")
    assert (first.dtype, first.budget.seconds, first.strategy) == ("float64", 300, "genetic")
    assert first.seed != started.asked.seed


def test_run_prints_the_result_on_stdout_and_progress_on_stderr(evolve, started, url):
    del started
    code, out, err = evolve("run", "matmul", "--no-report")
    with open_store(url) as store:
        run = store.run("latest").id
    assert code == 0
    assert "2.00x [1.90, 2.10] the speed of the plain loop" in " ".join(out.split())
    assert "racing" not in out
    assert "racing 1 of 8" in err
    assert err.splitlines()[-1] == f"next: evolve show {run}  or  evolve export {run} > matmul.py"


def test_run_json_is_one_object_and_quiet_is_quiet(evolve, started):
    del started
    code, out, _ = evolve("run", "matmul", "--json", "--no-report")
    assert (code, json.loads(out)["schema"]) == (0, 1)
    code, out, err = evolve("run", "matmul", "--no-report", "-q")
    assert (code, err) == (0, "")
    assert out.startswith("matmul 64x64x32")


def test_the_report_is_written_where_asked_and_its_place_is_said(evolve, started, monkeypatch, tmp_path):
    del started
    written = []
    monkeypatch.setattr("evolve.report.html.write", lambda _store, _run, path: written.append(path) or path)
    err = evolve("run", "matmul", "--report", str(tmp_path / "new" / "mine.html"))[2]
    assert written == [tmp_path / "new" / "mine.html"]
    assert f"report  {tmp_path / 'new' / 'mine.html'}" in err


def test_a_report_that_cannot_be_written_does_not_take_the_result_with_it(evolve, started, monkeypatch):
    del started

    def full(*_arguments):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("evolve.report.html.write", full)
    code, out, err = evolve("run", "matmul")
    assert code == 1
    assert "2.00x" in out
    assert "free some space" in err


def test_an_interrupted_run_says_how_to_go_on(evolve, monkeypatch):
    def stopped(*_arguments, **_options):
        raise Interrupted("matmul-3f9a")

    monkeypatch.setattr("evolve.run.start", stopped)
    code, out, err = evolve("run", "matmul")
    assert (code, out) == (130, "")
    assert "evolve resume matmul-3f9a" in err


def test_resume_goes_on_with_the_run_named(evolve, started, planted):
    code, out, _ = evolve("resume", planted.id, "--no-report", "--json")
    assert (code, json.loads(out)["kernel"]) == (0, "matmul")
    assert started.asked == planted.id


# ---- report and export


def test_report_prints_the_path_alone_on_stdout(evolve, planted, monkeypatch):
    monkeypatch.setattr("evolve.report.html.write", lambda _store, _run, path: path)
    code, out, err = evolve("report")
    assert code == 0
    assert out == f"{Path(os.environ['EVOLVE_CACHE']) / 'reports' / planted.id}.html\n"
    assert err.startswith("next: ")


def test_export_writes_to_stdout_or_a_file(evolve, planted, monkeypatch, tmp_path):
    monkeypatch.setattr("evolve.report.export.standalone", lambda _store, run_id: f"# {run_id}\n")
    assert evolve("export", planted.id)[:2] == (0, f"# {planted.id}\n")
    target = tmp_path / "mine.py"
    code, out, err = evolve("export", planted.id, "-o", str(target))
    assert (code, out, target.read_text()) == (0, "", f"# {planted.id}\n")
    assert f"python {target}" in err


def test_no_champion_no_export(evolve, url):
    with open_store(url) as store:
        run = _plant(store, outcomes=[Wrong("no")], is_published=False)
    code, out, err = evolve("export", run.id)
    assert (code, out) == (1, "")
    assert "no champion" in err


def test_a_target_that_cannot_be_written_is_reported(evolve, planted, monkeypatch):
    monkeypatch.setattr("evolve.report.export.standalone", lambda _store, _run: "text")
    code, _, err = evolve("export", planted.id, "-o", "/proc/mine.py")
    assert code == 1
    assert err.startswith("evolve: ")
    assert err.count("\n") == 1


# ---- kernels


def test_kernels_are_listed_with_and_without_the_word(evolve):
    code, out, err = evolve("kernels")
    assert code == 0
    assert re.search(r"^matmul +mxnxk +float32 float64 ", out, re.MULTILINE)
    assert err.startswith("next: evolve kernels show ")
    assert evolve("kernels", "list")[1] == out


def test_kernels_json_names_their_parameters(evolve):
    for words in (["kernels", "--json"], ["kernels", "list", "--json"]):
        told = json.loads(evolve(*words)[1])
        assert told["schema"] == 1
        assert "matmul" in {kernel["kernel"] for kernel in told["kernels"]}
    shown = json.loads(evolve("kernels", "show", "matmul", "--json")[1])
    assert shown["dims"] == ["m", "n", "k"]
    assert {"name", "kind", "values", "default", "doc"} == shown["parameters"][0].keys()


def test_kernels_show_prints_docstring_and_genes(evolve):
    out = evolve("kernels", "show", "matmul")[1]
    assert "matmul: " in out
    assert re.search(r"^mr +rows of the register tile: 1 2 3", out, re.MULTILINE)


def test_a_kernel_that_fails_its_check_is_exit_code_3(evolve, monkeypatch):
    failure = {"schedule": {"mr": 3}, "outcome": "Wrong", "reason": "relative error 1"}

    def checked(kernel, dtype, _sample, _say):
        return {"kernel": kernel.name, "dtype": dtype, "schedules": 7, "failures": [failure] * (dtype == "float32")}

    monkeypatch.setattr("evolve.cli.kernels._check", checked)
    code, out, err = evolve("kernels", "check", "matmul")
    assert code == 3
    assert "matmul float64: 7 schedules right" in out
    assert "Wrong: relative error 1\n    mr=3" in out
    assert err.strip().endswith("evolve: matmul failed: the failures stand above")
    assert json.loads(evolve("kernels", "check", "matmul", "--json")[1])["checked"][0]["failures"] == [failure]


@pytest.mark.slow
def test_the_kernels_of_the_house_are_right(evolve):
    code, out, _ = evolve("kernels", "check", "triad", "--schedules", "1")
    assert (code, out) == (0, "triad float32: 2 schedules right\ntriad float64: 2 schedules right\n")


# ---- machine and doctor

CEILINGS = {
    "flop_per_s": {"float32": {"fma": {"1": 118e9}}, "float64": {"fma": {"1": 59e9}}},
    "operations_per_s": {"float64": {"exp": {"1": 1e9}}},
    "bytes_per_s": {"L1": {"triad": {"1": 300e9}}, "DRAM": {"triad": {"1": 20e9}}},
    "latency_s": {"L1": 2e-9},
    "clock_hz": 3.6e9,
}


@pytest.fixture
def known_machine(url):
    here = fingerprint()
    with open_store(url) as store:
        store.add_machine(Machine(here.machine_id, here.as_dict()))
        store.add_ceilings(Ceilings(here.machine_id, utc_now(), CEILINGS))
    return here


def test_machine_shows_what_is_known_and_measures_nothing(evolve, known_machine, monkeypatch):
    monkeypatch.setattr("evolve.lock.MeasuringLock", None)
    code, out, err = evolve("machine")
    assert code == 0
    assert known_machine.machine_id in out
    assert re.search(r"^float64 +59\.0$", out, re.MULTILINE)
    assert re.search(r"^DRAM +20\.0$", out, re.MULTILINE)
    assert re.search(r"^L1 +2\.00 ns$", out, re.MULTILINE)
    assert err.startswith("next: ")


def test_machine_json_keeps_its_promise(evolve, known_machine):
    told = json.loads(evolve("machine", "--json")[1])
    assert told.keys() >= {"schema", "fingerprint", "cpu", "caches", "ceilings"}
    assert told["cpu"] == known_machine.cpu
    assert told["ceilings"]["flop_per_s"]["float64"]["fma"]["1"] == 59e9
    assert told["ceilings"].keys() >= {"flop_per_s", "bytes_per_s", "latency_s"}


def _comparison(false_positives=1, high=1.01):
    return SelfComparison(
        40, false_positives, Estimate(false_positives / 40, false_positives / 80, 1.0), Estimate(1, 0.99, high)
    )


@pytest.fixture
def quiet_machine(monkeypatch):
    monkeypatch.setattr("benchmarks.quiet.read", lambda: quiet.Readings(0.0, 0.0, 0.0, 0.0))
    monkeypatch.setattr("evolve.doctor._self_comparison", lambda _say: _comparison())
    monkeypatch.setattr("evolve.doctor.claimants", lambda _name: [])


def test_doctor_trusts_a_quiet_machine(evolve, quiet_machine):
    del quiet_machine
    code, out, err = evolve("doctor")
    assert code == 0
    assert "1 of 40 races of a function against itself found a winner" in " ".join(out.split())
    assert "Measurements" in out.splitlines()[-1]
    assert err.splitlines()[-1].startswith("next: ")


def test_doctor_json_keeps_its_promise(evolve, quiet_machine):
    del quiet_machine
    told = json.loads(evolve("doctor", "--json")[1])
    assert told["schema"] == 1
    assert told["aa"]["same"]["rate"].keys() == {"estimate", "low", "high", "level"}
    assert isinstance(told["findings"], list)


@pytest.mark.parametrize("comparison", [_comparison(false_positives=20), _comparison(high=1.08)])
def test_a_machine_that_contradicts_itself_is_exit_code_4(evolve, quiet_machine, monkeypatch, comparison):
    del quiet_machine
    monkeypatch.setattr("evolve.doctor._self_comparison", lambda _say: comparison)
    code, out, err = evolve("doctor")
    assert code == 4
    assert "Too noisy to judge anything now." in out
    assert "stop what else runs here" in err


def test_doctor_names_what_makes_measuring_impossible(evolve, quiet_machine, monkeypatch):
    del quiet_machine
    monkeypatch.setenv("NUMBA_DISABLE_JIT", "1")
    monkeypatch.setenv("EVOLVE_CACHE", "/proc/nowhere")
    code, out, err = evolve("doctor")
    assert code == 3
    assert "NUMBA_DISABLE_JIT=1: nothing is compiled; unset NUMBA_DISABLE_JIT" in " ".join(out.split())
    assert "cache folder /proc/nowhere cannot be written" in " ".join(out.split())
    assert "not made" in out
    assert "nothing can be measured here" in err


def test_doctor_reports_another_distribution_of_our_names_and_a_busy_machine(evolve, quiet_machine, monkeypatch):
    del quiet_machine
    monkeypatch.setattr("evolve.doctor.claimants", lambda name: ["kernels"] * (name == "kernels"))
    monkeypatch.setattr("benchmarks.quiet.read", lambda: quiet.Readings(2.0, 0.5, 0.0, 0.0))
    code, out, _ = evolve("doctor")
    text = " ".join(out.split())
    assert code == 0
    assert "kernels installs 'kernels' too" in text
    assert "50% of the cores' time is used by others" in text


def test_doctor_leaves_no_store_behind(evolve, quiet_machine, url):
    del quiet_machine
    evolve("doctor")
    assert not Path(url).exists()


# ---- bench and demo


@pytest.mark.parametrize(("theirs", "ours"), [(0, 0), (1, 1), (2, 130), (5, 2)])
def test_bench_maps_the_exit_codes_of_pytest(evolve, monkeypatch, theirs, ours):
    lines = []

    def finished(command, **_options):
        lines.append(command)
        return subprocess.CompletedProcess(command, theirs)

    monkeypatch.setattr("subprocess.run", finished)
    assert evolve("bench", "matmul", "triad")[0] == ours
    assert lines[0][lines[0].index("-k") + 1] == "matmul or triad"
    assert "--benchmark-only" in lines[0]


def test_demo_explains_each_step_and_ends_with_the_next(evolve, started, known_machine, monkeypatch):
    del known_machine
    monkeypatch.setattr("evolve.report.html.write", lambda _store, _run, path: path)
    code, out, err = evolve("demo", "--budget", "3s")
    assert code == 0
    assert [line[:2] for line in out.splitlines() if re.match(r"\d\. ", line)] == ["1.", "2.", "3.", "4.", "5."]
    for what in ("59.0 GFLOP/s", "evolves for 3s", "OpenBLAS", "vs numpy", "cap 2.50x", "reports/matmul-"):
        assert what in out
    assert started.asked.size == (512, 512, 512)
    assert err.splitlines()[-1].startswith("next: evolve show matmul-")
