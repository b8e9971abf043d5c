"""The commands of loops on recorded spaces: what is kept of their options, and what they refuse."""

import json
import os

import pytest
from planted_spaces import bowl

from evolve.errors import NoisyMachineError
from evolve.loops import drive
from evolve.store import open_store


@pytest.fixture(autouse=True)
def _too_noisy_to_measure(monkeypatch):
    """Which is all one to loops on recordings."""

    def refused(*_arguments, **_options):
        raise NoisyMachineError("equals differ by 20 %", "measure --anyway")

    monkeypatch.setattr(drive, "gate", refused)


@pytest.fixture
def planted(monkeypatch):
    """Loops that measure nothing."""
    for kind in ("search", "model"):
        monkeypatch.setitem(drive.LOOPS, kind, "planted_loop")


@pytest.fixture
def files(tmp_path):
    return bowl(tmp_path / "one.json"), bowl(tmp_path / "two.json", top=(5, 1, 2, 4))


def opened_loop():
    with open_store(os.environ["EVOLVE_STORE"]) as store:
        return store.loop("latest")


@pytest.mark.parametrize(
    ("line", "kept"),
    [
        ("search --start usual --budget 60 --candidates 8 --seeds 12", (60, 8, 12)),
        ("model --candidates 12 --seeds 3", (None, 12, 3)),
    ],
)
def test_options_are_kept_with_the_loop(evolve, planted, files, line, kept):
    given = ["--spaces", str(files[0]), "--held-out", str(files[1]), "--laps", "2", "--seed", "3", "--no-report"]
    code, _, err = evolve("loop", *line.split(), *given)
    assert code == 0, err
    loop = opened_loop()
    assert (loop.laps, loop.seed) == (2, 3)
    assert (loop.options["spaces"], loop.options["held_out"]) == (str(files[0]), str(files[1]))
    assert tuple(loop.options.get(name) for name in ("budget", "candidates", "seeds")) == kept
    assert loop.options.get("start", "usual") == "usual"


@pytest.mark.parametrize("kind", ["search", "model"])
def test_bad_spaces_are_one_line_and_no_loop(evolve, files, tmp_path, kind):
    one, other = map(str, files)
    (tmp_path / "torn.json").write_text('{"cache": ')
    for given, code, said in (
        (["--spaces", one], 2, "--held-out"),
        (["--spaces", one, "--held-out", one], 2, "two of the spaces are called one"),
        (["--spaces", one, "--held-out", "/nowhere/two.json"], 2, "cannot be read"),
        (["--spaces", one, "--held-out", str(tmp_path / "torn.json")], 1, "damaged"),
        (["--spaces", one, "--held-out", other, "--seeds", "1"], 2, "x>="),
    ):
        found, out, err = evolve("loop", kind, *given)
        assert (found, out, err.count("\n")) == (code, "", 1)
        assert said in err


def test_a_loop_runs_and_shows_its_hits(evolve, files, tmp_path):
    """The real one, for two laps."""
    given = ["--spaces", str(files[0]), "--held-out", str(files[1]), "--candidates", "12", "--seeds", "2"]
    page = tmp_path / "page.html"
    code, out, err = evolve("loop", "model", *given, "--laps", "2", "--seed", "1", "--report", str(page))
    assert code == 0, err
    assert "lap 1 is forecast to reach" in err
    assert "VERDICT" in out
    shown = evolve("loop", "show")[1]
    assert "OVER THE LAP BEFORE" in shown
    assert "calibration" in shown
    assert "over the lap before" in page.read_text()
    told = json.loads(evolve("loop", "show", "--json")[1])
    assert [len(lap["details"]["tried"]["two"]) for lap in told["laps"]] == [2, 2, 2]
    assert told["ceiling"]["estimate"] == pytest.approx(10)
