"""The genetic search without each of its parts, held against the whole."""

import dataclasses
import json
import math

import pytest
from small_landscape import small_cache

from benchmarks.inference import Estimate
from evolve.cli import strategies
from evolve.replay.score import Score
from evolve.report import ablation as report
from evolve.rivalry.ablation import PARTS, field_of_parts, worths
from evolve.rivalry.standings import OnSpace, Standing, Standings
from evolve.search.settings import Settings

MADE = {"date": "2026-11-22", "machine": "a machine", "versions": ""}


def on_space(score, seeds):
    scores = tuple(score * (1.1 if seed % 2 else 0.9) for seed in range(seeds))
    return OnSpace(Score(scores, (), {}, 0.5, 20.0), None, 0, 0.01)


def standings(score_of, control_share=0.15, seeds=8):
    """Everybody on two spaces, by a function of name and space."""
    field = field_of_parts(control_share)
    played = [
        Standing(one.name, True, {space: on_space(score_of(one.name, space), seeds) for space in ("flat", "steep")})
        for one in field.entrants
    ]
    return Standings(tuple(played), (), {"flat": 20, "steep": 20}, seeds)


def told(name, space):
    """Without screening 0.3 is lost on the steep space, and another 0.1 where nothing is tried near the best."""
    lost = 0.3 * ("screened=False" in name) + 0.1 * ("exploit=0" in name)
    return 0.6 - lost * (space == "steep")


def test_the_whole_plays_first_and_every_part_once():
    names = [one.name for one in field_of_parts().entrants]
    assert names[0] == "genetic"
    searches = {part.without for part in PARTS} | {part.beside for part in PARTS}
    assert len(set(names)) == len(names) == len(searches | {None})


@pytest.mark.parametrize("part", PARTS, ids=lambda part: part.name)
def test_what_is_switched_off_is_a_setting_that_is_another(part):
    beside = part.beside or Settings()
    assert part.without != beside
    fields = [field.name for field in dataclasses.fields(Settings)]
    assert 1 <= sum(getattr(part.without, name) != getattr(beside, name) for name in fields) <= 2
    shares = part.without.mutants + part.without.crosses
    assert shares in (0.75, 1.0)


@pytest.mark.parametrize("control_share", [0.15, 0.0])
def test_a_parts_worth_is_what_is_lost_without_it(control_share):
    found = {one.part.name: one for one in worths(standings(told, control_share))}
    assert len(found) == len(PARTS)
    screening = found["screening by the surrogate"]
    assert screening.worth.estimate == pytest.approx(0.15)
    assert screening.worth.low < 0.15 < screening.worth.high
    assert screening.by_space == {"flat": pytest.approx(0), "steep": pytest.approx(0.3)}
    tournaments = found["tournaments"].worth
    assert tournaments.low == tournaments.high == 0, "seed by seed alike"


def test_what_acts_unscreened_only_is_held_against_the_unscreened():
    found = {one.part.name: one.worth.estimate for one in worths(standings(told))}
    assert found["a share near the best, unscreened"] == pytest.approx(0.05)


def test_a_part_that_was_not_played_to_the_end_is_left_out():
    whole = standings(told)
    kept = tuple(one for one in whole.standings if "screened" not in one.name)
    names = [one.part.name for one in worths(dataclasses.replace(whole, standings=kept))]
    assert len(names) == len(PARTS) - 2
    assert "screening by the surrogate" not in names


def test_the_table_has_intervals_and_the_spaces_at_its_ends():
    written = report.markdown(standings(told), MADE)
    assert written.startswith(report.TITLE)
    (row,) = (line for line in written.splitlines() if "screening by" in line)
    assert "0.15 [" in row
    assert "+0.00 (flat) to +0.30 (steep)" in row
    assert "children are drawn by chance" in report.text(standings(told))
    assert isinstance(next(worths(standings(told))).worth, Estimate)


def test_the_command_plays_and_writes_it(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("evolve.replay.games.cores", lambda: 1)
    monkeypatch.setenv("EVOLVE_CACHE", str(tmp_path / "cache"))
    space, results = small_cache(tmp_path / "made_up.json"), tmp_path / "RESULTS.md"
    asked = ["--ablation", "--seeds", "2", "--budget", "16", "--json", "-q", "--results", str(results)]
    monkeypatch.setattr("sys.argv", ["strategies", str(space), *asked])
    strategies.main()
    parts = json.loads(capsys.readouterr().out)["parts"]
    assert [one["part"] for one in parts] == [part.name for part in PARTS]
    assert all(math.isfinite(one["worth"]["estimate"]) for one in parts)
    assert results.read_text().startswith(report.TITLE)
    assert len([*(tmp_path / "cache" / "strategies").glob("*.jsonl")]) == len(field_of_parts().entrants)
