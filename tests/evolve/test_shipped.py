"""Recorded spaces that are at hand: how they are named, and whether those that come with the package are whole."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from small_recording import small_recording

from evolve.errors import UsageError
from evolve.replay import shipped
from evolve.replay.play import play
from evolve.replay.read import read, recording
from evolve.replay.score import chance
from evolve.replay.shipped import HELD_OUT, RECORDED, TRAINING, called, named
from evolve.search import make

FILES = shipped.shipped()
MOST_BYTES = 2_000_000


# ---- how they are named


@pytest.fixture
def folders(tmp_path, monkeypatch):
    """An installation with two spaces, the user's folder with one, and one more file, where the user is."""
    for name in ("shipped/matmul", "shipped/softmax", "own/mine", "here/other"):
        path = tmp_path / f"{name}.json.gz"
        path.parent.mkdir(exist_ok=True)
        small_recording(path)
    monkeypatch.setattr(shipped, "FOLDER", tmp_path / "shipped")
    monkeypatch.setenv(RECORDED, str(tmp_path / "own"))
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path


def names(*given):
    return [called(file) for file in named([Path(word) for word in given])]


def test_a_bare_name_is_a_space_that_is_shipped(folders):
    assert named([Path("matmul")]) == [folders / "shipped" / "matmul.json.gz"]
    assert read(named([Path("softmax")])[0]).name == "softmax"


def test_files_folders_and_names_mix_and_none_is_taken_twice(folders):
    assert names("softmax", "other.json.gz", "../own", "../shipped/softmax.json.gz") == ["softmax", "other", "mine"]


def test_whoever_names_none_gets_all_that_is_at_hand(folders, monkeypatch):
    assert names() == ["matmul", "softmax", "mine"]
    monkeypatch.delenv(RECORDED)
    assert names() == ["matmul", "softmax"]


def test_a_users_own_space_takes_the_place_of_the_shipped_one_of_its_name(folders):
    small_recording(folders / "own" / "softmax.json.gz")
    stay = ("shipped/matmul.json.gz", "own/mine.json.gz", "own/softmax.json.gz")
    assert named([]) == [folders / path for path in stay]


def test_a_file_goes_before_a_space_of_its_name(folders):
    small_recording(folders / "here" / "matmul")
    assert named([Path("matmul")]) == [folders / "here" / "matmul"]


def test_a_file_that_is_not_there_is_left_to_whoever_reads_it(folders):
    assert names("gone.json.gz") == ["gone"]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["matmull"], "'matmull' comes with this installation: there are matmul, softmax; or name a file"),
        (["matmul", "copy"], "two recorded spaces are called matmul: rename a file"),
        (["empty"], "no recorded space in empty: name files or folders"),
    ],
)
def test_what_is_no_space_or_two_of_a_name_is_refused(given, said, folders):
    (folders / "here" / "empty").mkdir()
    (folders / "here" / "copy").mkdir()
    small_recording(folders / "here" / "copy" / "matmul.json.gz")
    with pytest.raises(UsageError, match=said):
        names(*given)


def test_an_installation_without_any_says_what_to_do(folders, monkeypatch):
    monkeypatch.setattr(shipped, "FOLDER", folders / "nowhere")
    with pytest.raises(UsageError, match="'matmul' comes with this installation: there is none; or name a file"):
        names("matmul")
    monkeypatch.delenv(RECORDED)
    with pytest.raises(UsageError, match=r"no recorded space is named: .*`evolve record` makes them"):
        names()


# ---- those that come with the package


def test_the_shipped_spaces_are_those_that_are_learned_from_and_those_that_judge():
    assert sorted(called(file) for file in FILES) == sorted([*TRAINING, *HELD_OUT])


def test_all_of_them_together_are_small():
    assert sum(file.stat().st_size for file in FILES) < MOST_BYTES


@pytest.mark.parametrize("file", FILES, ids=called)
def test_a_shipped_space_is_whole_and_worth_a_search(file):
    known, luck = read(file), chance(read(file), 200)
    assert 2_000 <= len(known.times_s) == known.space.size <= 20_000
    assert known.failed < 0.5 * len(known.times_s)
    assert known.median_s > 1.1 * known.best_s
    assert luck.near[-1] < 1, "else every 200 draws come near the optimum"


@pytest.mark.parametrize("file", FILES, ids=called)
def test_our_search_plays_a_shipped_space_to_the_end(file):
    searched = play(read(file), lambda space, rng: make("genetic", space, rng), 48, np.random.default_rng(0))
    assert len(searched.times_s) == 48


@pytest.mark.parametrize("file", FILES, ids=called)
def test_a_shipped_space_knows_where_it_comes_from_and_what_it_cost(file):
    made = recording(file)
    assert (made.subject.kernel, made.subject.space, made.subject.threads) == (called(file), "small", 1)
    assert made.recorded_at
    assert made.baseline_s > 0
    assert {"numba", "numpy", "evolve-kernels"} <= set(made.subject.versions)
    paid = {timing.code for timing in made.timings.values() if timing.build_s is not None}
    assert paid, "what builds cost is not in it"
