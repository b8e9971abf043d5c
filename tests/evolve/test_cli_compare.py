"""``evolve compare`` as it is typed, and one machine standing in for two."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import sheets

from benchmarks import isa
from evolve import bench
from evolve.bench import Request


@pytest.fixture
def files(tmp_path):
    first, second = sheets.pair()
    return str(sheets.write(tmp_path, "a.json", first)), str(sheets.write(tmp_path, "b.json", second))


def test_the_command_prints_and_writes_a_page(evolve, files, tmp_path):
    path = tmp_path / "both.html"
    code, out, err = evolve("compare", *files, "--report", str(path))
    assert code == 0, err
    assert out.startswith("profile of aaaa")
    assert path.read_text().startswith("<!doctype html>")
    assert err.split() == ["report", str(path)]


def test_the_command_prints_json(evolve, files):
    code, out, _ = evolve("compare", *files, "--json")
    told = json.loads(out)
    assert code == 0
    assert Path(told["report"]).is_file()
    assert [one["machine"] for one in told["machines"]] == ["a" * 12, "b" * 12]


@pytest.mark.parametrize("word", ["gone.json", "./gone", "nothing-like-it"])
def test_what_is_neither_file_nor_run_is_told(evolve, files, word, planted):
    del planted
    code, out, err = evolve("compare", files[0], word)
    assert (code, out, len(err.splitlines())) == (2, "", 1)
    assert word.removeprefix("./") in err


def test_without_a_store_a_word_is_no_run(evolve, files):
    code, _, err = evolve("compare", files[0], "matmul-1a")
    assert code == 2
    assert "matmul-1a" in err


def test_a_folder_is_no_file(evolve, files, tmp_path):
    code, _, err = evolve("compare", files[0], str(tmp_path))
    assert (code, len(err.splitlines())) == (2, 1)


def test_a_page_that_cannot_be_written_is_told(evolve, files, tmp_path):
    code, _, err = evolve("compare", *files, "--report", str(tmp_path / "no" / "x.html"))
    assert code == 1
    assert "cannot be written" in err


# ---- one machine standing in for two


@pytest.fixture(scope="module")
def profiles(tmp_path_factory):
    """Files of the suites, run with SSE2 alone and with AVX2 alone, each with the other's champion as a guest."""
    folder = tmp_path_factory.mktemp("profiles")
    problem = {"kernel": "triad", "size": [4096], "dtype": "float32", "threads": 1}
    names = [name for name in ("sse2", "avx2") if not _missing(name)]
    if len(names) < 2:
        pytest.skip("this CPU has not both instruction sets")
    own = {"sse2": sheets.genome(unroll=1), "avx2": sheets.genome(unroll=4)}
    ids = {name: _machine_id(isa.environment(name)) for name in names}
    for name, other in (names, reversed(names)):
        guest = {**problem, "schedule": own[other], "home": {"machine": ids[other], "profile": other, "policy": "hot"}}
        champions = sheets.write(folder, f"champions-{name}.json", [{**problem, "schedule": own[name]}, guest])
        command = [
            *bench.pytest_command(Request(("triad",), is_quick=True)),
            *(f"--champions={champions}", f"--benchmark-json={folder / name}.json"),
        ]
        environment = {**os.environ, **isa.environment(name), "EVOLVE_CACHE": str(folder)}
        done = subprocess.run(
            command, check=False, capture_output=True, text=True, env=environment, cwd=bench.SUITES.parents[1]
        )
        assert done.returncode == 0, done.stdout
    return [folder / f"{name}.json" for name in names]


def _missing(name):
    try:
        return isa.environment(name) is None
    except isa.RestrictionError:
        return True


def _machine_id(environment):
    script = "from benchmarks.machine import fingerprint; print(fingerprint().machine_id)"
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, check=True, capture_output=True, text=True, env={**os.environ, **environment})
    return done.stdout.strip()


@pytest.mark.slow
def test_profiles_of_one_machine_are_compared_as_machines(profiles, evolve):
    code, out, err = evolve("compare", *map(str, profiles), "--json")
    assert code == 0, err
    told = json.loads(out)
    assert [one["label"] for one in told["machines"]] == ["sse2", "avx2"]
    [problem] = told["problems"]
    assert [cell["kind"] for cell in problem["cross"]] == ["own", "measured", "measured", "own"]
    assert all(cell["fraction"]["estimate"] > 0 for cell in problem["cross"])
    assert problem["portable"] is not None
    assert problem["is_settled"]


@pytest.mark.slow
def test_profiles_carry_their_instruction_set_and_no_host(profiles):
    widths = [json.loads(path.read_text())["machine_info"]["fingerprint"]["vector_bytes"] for path in profiles]
    assert widths == [16, 32]
    assert all(socket.gethostname() not in path.read_text().split('"') for path in profiles)
