"""One machine in the place of lesser ones: ``--isa`` and ``--cores``."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from evolve.store import open_store


@pytest.fixture
def stopped(url, plant):
    """A run of another machine that can go on."""
    with open_store(url) as store:
        run = plant(store, is_published=False)
        store.add_event(run.id, "interrupted")
    return run


def lesser(words, url, tmp_path):
    """A command line in a process of its own: Numba must not have been imported yet."""
    return subprocess.run(
        [sys.executable, "-m", "evolve", *words],
        cwd=Path(__file__).parents[2],
        env={**os.environ, "EVOLVE_STORE": url, "TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("words", "profile"),
    [
        (["--isa", "sse2"], r" \(sse2.*\)"),
        (["--isa", "avx2", "--cores", "1"], r" \(avx2.*\)"),
        (["--isa", "native"], ""),
    ],
)
def test_a_run_of_another_profile_is_not_gone_on_with(stopped, url, tmp_path, words, profile):
    done = lesser(["resume", stopped.id, *words], url, tmp_path)
    if "asked for on a CPU without" in done.stderr:
        pytest.skip("this CPU has no AVX2")
    assert (done.returncode, done.stdout) == (2, "")
    assert re.search(rf"machine cafe, this is machine \w{{12}}{profile}: times of two machines do not mix", done.stderr)


def test_the_machine_of_a_profile_is_another_one(stopped, url, tmp_path):
    done = [lesser(["resume", stopped.id, "--isa", isa], url, tmp_path).stderr for isa in ("sse2", "native")]
    found = [re.search(r"this is machine (\w+)", line)[1] for line in done]
    assert len(set(found)) == 2


@pytest.mark.parametrize(
    ("words", "said"),
    [("--cores 9999", "9999 cores asked for; this process may use 1 to"), ("--isa sse3", "'sse3' is not one of")],
)
@pytest.mark.parametrize("command", ["run matmul", "resume", "machine", "doctor", "demo", "bench"])
def test_a_profile_that_cannot_be_is_one_line(evolve, command, words, said):
    code, out, err = evolve(*command.split(), *words.split())
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert said in err
