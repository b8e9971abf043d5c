"""The command line: its help, what it says to bad input, and how it reports errors."""

from __future__ import annotations

import errno
import os
import re
import subprocess
import sys
from pathlib import Path

import click
import pytest

from evolve.cli.loops import COMMANDS as LOOPS
from evolve.cli.main import SECTIONS, cli, reported
from evolve.errors import CheckFailedError, EvolveError, Interrupted, NoisyMachineError, UsageError
from evolve.store import open_store

ROOT = Path(__file__).parents[2]
COMMANDS = [name for names in SECTIONS.values() for name in names]
GROUPS = {
    "kernels": ("list", "show", "check"),
    "loop": (*LOOPS, "resume", "show", "list"),
}
SUBCOMMANDS = [[group, name] for group, names in GROUPS.items() for name in names]


# ---- help


def test_help_imports_nothing_heavy():
    """In one process each, for a module once imported stays."""
    script = (
        "import sys; from evolve.cli.main import execute\n"
        f"for words in {[[], *([name] for name in COMMANDS), *SUBCOMMANDS]!r}:\n"
        "    assert execute([*words, '--help']) == 0, words\n"
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


@pytest.mark.parametrize("words", [[name] for name in COMMANDS if name not in GROUPS] + SUBCOMMANDS, ids=" ".join)
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
    assert (code, err) == (2, "")
    assert "Usage: evolve" in out


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
        ("run dominance --threads 2", 2, "single-threaded"),
        ("run matmul --threads 0", 2, "x>=1"),
        ("bench dominance --threads 2", 2, "single-threaded"),
        ("run matmul --threads 9999", 2, "9999 threads on "),
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
def test_bad_input_is_one_line_and_an_exit_code(evolve, url, line, code, said):
    open_store(url).close()
    found, out, err = evolve(*line.split())
    assert found == code
    assert said in err
    assert err.startswith("evolve: ")
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
        (Interrupted("matmul-3f9a"), 130, "is interrupted, nothing is lost: go on with `evolve resume matmul-3f9a`"),
        (
            Interrupted("batching-3f9a", "loop"),
            130,
            "is interrupted, its laps are kept: go on with `evolve loop resume batching-3f9a`",
        ),
        (KeyboardInterrupt(), 130, "evolve: stopped"),
        (click.Abort(), 130, "evolve: stopped"),
        (
            OSError(errno.ENOSPC, "No space left on device", "/a/b"),
            1,
            "No space left on device (/a/b): free some space",
        ),
        (
            OSError(errno.EROFS, "Read-only file system", "/a/b"),
            1,
            "Read-only file system (/a/b): set EVOLVE_CACHE and EVOLVE_STORE",
        ),
        (MemoryError(), 1, "evolve: out of memory: take a smaller --size"),
        (OSError("AF_UNIX path too long"), 1, "set TMPDIR to a shorter one"),
        (ValueError("one\ntwo"), 1, "unexpected ValueError: one two: a fault of evolve; EVOLVE_DEBUG=1 shows where"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else "",
)
def test_each_error_has_its_line_and_its_exit_code(capsys, error, code, line):
    assert reported(error) == code
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert err.startswith("evolve: ")
    assert line in err


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
        [sys.executable, "-c", script, "runs", "-q"],
        stdout=writer,
        stderr=subprocess.PIPE,
        check=False,
        env={**os.environ, "EVOLVE_STORE": url},
    )
    os.close(writer)
    assert process.stderr == b""


def test_what_the_encoding_lacks_does_not_crash(url, plant):
    with open_store(url) as store:
        plant(store, name="żółty")
    environment = {**os.environ, "EVOLVE_STORE": url, "PYTHONIOENCODING": "latin-1"}
    result = subprocess.run(
        [sys.executable, "-m", "evolve", "runs"], cwd=ROOT, capture_output=True, check=False, env=environment
    )
    assert (result.returncode, result.stderr.decode("latin-1").count("\n")) == (0, 1)
    assert "?ó?ty" in result.stdout.decode("latin-1")
