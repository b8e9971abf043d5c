"""Other packages' tuners on a small space: what they may ask, a fake one, those that are installed, the command."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import tomllib
import types
from pathlib import Path

import numpy as np
import pytest
from small_landscape import small_cache, small_landscape

from benchmarks.suites import rivals_search
from benchmarks.suites.rivals_search import RIVALS, Objective, Rival, Spent
from benchmarks.suites.rivals_search.rival import MOST_IDLE, beginnings
from evolve.cli import strategies
from evolve.replay import shipped
from evolve.report import rivalry

ROOT = Path(__file__).parents[2]


@pytest.fixture
def space(tmp_path):
    return small_cache(tmp_path / "made_up.json")


# ---- what rivals ask


def test_a_new_legal_configuration_is_paid_for_once_and_all_else_is_free():
    landscape = small_landscape()
    objective = Objective(landscape, 10)
    default = {name: landscape.space.default[name] for name in objective.values}
    time_s = objective.ask(default)
    assert time_s == landscape.times_s[landscape.space.default]
    assert objective.ask(default) == time_s
    assert objective.ask({**default, "tile": 32, "unroll": 6}) is None
    assert objective.times_s == [time_s]


def test_what_has_no_meaning_may_say_anything():
    objective = Objective(small_landscape(), 10)
    plain = {"tile": 8, "unroll": 4, "variant": "plain"}
    assert objective.ask({**plain, "ahead": True}) == objective.ask({**plain, "ahead": False})
    assert len(objective.times_s) == 1


def test_a_parameter_without_a_choice_is_not_a_rivals_business():
    assert list(Objective(small_landscape(), 10).values) == ["tile", "unroll", "variant", "ahead"]


def test_a_failure_costs_as_much_as_a_success():
    landscape = small_landscape()
    objective = Objective(landscape, 10)
    failed = next(schedule for schedule, time_s in landscape.times_s.items() if time_s is None)
    assert objective.ask(failed) == float("inf")
    assert objective.times_s == [None]


@pytest.mark.parametrize(("budget", "asked"), [(7, 7), (10_000, 90)])
def test_a_budget_ends_the_search_and_so_does_the_end_of_the_space(budget, asked):
    landscape = small_landscape()
    objective = Objective(landscape, budget)

    def search():
        for schedule in landscape.times_s:
            objective.ask(schedule)

    with pytest.raises(Spent):
        search()
    assert len(objective.times_s) == asked == min(budget, len(landscape.times_s))


@pytest.mark.parametrize("asked", [{"tile": 8}, {"tile": 32, "unroll": 6}], ids=["known", "illegal"])
def test_who_asks_for_nothing_new_is_stopped(asked):
    objective = Objective(small_landscape(), 10)
    objective.ask({"tile": 8})

    def search():
        for _ in range(MOST_IDLE):
            objective.ask(asked)

    with pytest.raises(Spent):
        search()
    assert len(objective.times_s) == 1


def test_beginnings_are_those_of_legal_configurations_and_end_with_all_of_them():
    landscape = small_landscape()
    found = beginnings(Objective(landscape, 1))
    assert (8, 6) in found[1]
    assert (32, 6) not in found[1]
    assert len(found[-1]) == len(landscape.times_s)


# ---- rivals


@pytest.fixture
def fake(monkeypatch):
    """A rival that draws from the global generators, as packages do, and prints."""

    def search(objective, seed, setting):
        sys.stdout.write(f"searching {seed} {setting}\n")
        while True:
            objective.ask({name: random.choice(values) for name, values in objective.values.items()})

    module = types.ModuleType("fake")
    module.search = search
    monkeypatch.setitem(sys.modules, f"{rivals_search.__name__}.fake", module)
    return Rival("fake", "pytest", "fake", "quickly")


def test_a_rival_is_a_function_of_its_seed_and_leaves_global_generators_and_the_terminal_alone(fake, capsys):
    before = random.getstate(), str(np.random.get_state())  # noqa: NPY002 - the global one is what is watched
    first, again, other = (fake.run(small_landscape(), 30, seed) for seed in (1, 1, 2))
    assert first == again != other
    assert len(first) == 30
    assert before == (random.getstate(), str(np.random.get_state()))  # noqa: NPY002 - as above
    assert capsys.readouterr().out == ""


def test_a_rival_that_is_not_installed_says_so_in_a_line():
    missing = Rival("nobody:best", "evolve-no-such-package", "nobody").missing()
    assert missing.startswith("nobody:best: evolve-no-such-package is not installed")
    assert "rivals-search" in missing
    assert "\n" not in missing


def test_every_rival_is_in_the_extra_and_has_its_file():
    extra = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]["rivals-search"]
    pinned = {requirement.partition("==")[0] for requirement in extra}
    assert {rival.distribution for rival in RIVALS.values()} == pinned
    folder = Path(rivals_search.__file__).parent
    assert all((folder / f"{rival.module}.py").is_file() for rival in RIVALS.values())


@pytest.mark.parametrize("name", RIVALS)
def test_an_installed_rival_spends_its_budget_on_legal_schedules_and_finds_something(name, tmp_path, monkeypatch):
    rival, landscape = RIVALS[name], small_landscape()
    if missing := rival.missing():
        pytest.skip(missing)
    monkeypatch.chdir(tmp_path)
    found = rival.run(landscape, 30, seed=1)
    assert found == rival.run(landscape, 30, seed=1)
    assert 10 < len(found) <= 30
    assert set(found) <= set(landscape.times_s.values())
    assert min(time_s for time_s in found if time_s is not None) < landscape.median_s
    assert [*tmp_path.iterdir()] == []


# ---- the command


def _run(*arguments):
    command = [sys.executable, "-m", "benchmarks.suites.strategies", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_the_command_plays_and_writes_what_was_asked_for(space, tmp_path, monkeypatch):
    monkeypatch.setenv("EVOLVE_CACHE", str(tmp_path / "cache"))
    results, page = tmp_path / "RESULTS.md", tmp_path / "page.html"
    asked = [space, "--seeds", 2, "--budget", 12, "--ours", "random", "--rivals", "none", "--json"]
    ended = _run(*asked, "--results", results, "--picture", page)
    assert ended.returncode == 0, ended.stderr
    assert len(json.loads(ended.stdout)["standings"]) == 2
    assert rivalry.TITLE in results.read_text()
    assert "plotly" in page.read_text()
    assert len([*(tmp_path / "cache" / "strategies").glob("*.jsonl")]) == 2


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--ours", "magic", "SPACE"], "no strategy 'magic'"),
        (["--rivals", "magic", "SPACE"], "no rival 'magic'"),
        (["--ablation", "--rivals", "none", "SPACE"], "nobody plays but genetic"),
        (["--results", "/no/such/folder/RESULTS.md", "SPACE"], "cannot be written"),
        (["SPACE", "TWIN"], "two recorded spaces are called made_up"),
        (["EMPTY"], "no recorded space in"),
        ([], "no recorded space is named"),
        (["BROKEN"], "damaged"),
        (["matmul"], "no recorded space 'matmul' comes with this installation"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_line(arguments, said, space, tmp_path, monkeypatch, capsys):
    monkeypatch.delenv(shipped.RECORDED, raising=False)
    monkeypatch.setattr(shipped, "FOLDER", tmp_path / "nowhere")
    for name in ("empty", "twin"):
        (tmp_path / name).mkdir()
    (tmp_path / "broken.json").write_text("{")
    places = {
        "SPACE": space,
        "TWIN": small_cache(tmp_path / "twin" / space.name),
        "EMPTY": tmp_path / "empty",
        "BROKEN": tmp_path / "broken.json",
    }
    monkeypatch.setattr(sys, "argv", ["strategies", *(str(places.get(word, word)) for word in arguments)])
    with pytest.raises(SystemExit) as ended:
        strategies.main()
    assert ended.value.code in (1, 2)
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
