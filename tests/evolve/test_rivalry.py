"""Who plays recorded spaces, what is kept of it, and what it comes to."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest
from small_landscape import small_cache, small_landscape

from benchmarks.suites.rivals_search import RIVALS, Rival
from evolve.errors import EvolveError, UsageError
from evolve.replay.play import Trace
from evolve.replay.read import read
from evolve.report import rivalry, rivalry_page
from evolve.report.parts import put
from evolve.rivalry.entrants import Field, Ours, field_of
from evolve.rivalry.kept import Played, Record
from evolve.rivalry.rounds import Pairing, Terms, play_all
from evolve.rivalry.standings import standings_of
from evolve.search.settings import Settings

# ---- who takes part


def test_each_of_ours_plays_with_its_control_arm_and_without():
    field = field_of(["genetic", "random", "genetic"], [])
    assert [one.name for one in field.entrants] == [
        "genetic", "genetic, no control arm", "random", "random, no control arm",
    ]  # fmt: skip


def test_without_a_control_arm_from_the_start_it_plays_once():
    assert [one.name for one in field_of(["genetic"], [], control_share=0.0).entrants] == ["genetic, no control arm"]


def test_rivals_that_are_missing_are_named(monkeypatch):
    monkeypatch.setitem(RIVALS, "nobody", Rival("nobody", "evolve-no-such-package", "nobody"))
    field = field_of(["random"], ["nobody"])
    assert len(field.entrants) == 2
    assert [line.partition(":")[0] for line in field.missing] == ["nobody"]


@pytest.mark.parametrize(
    ("ours", "rivals"), [(["magic"], []), (["genetic"], ["magic"]), ([], []), (["no/such.py:Mine"], [])]
)
def test_who_does_not_exist_cannot_play(ours, rivals):
    with pytest.raises(UsageError):
        field_of(ours, rivals)


def test_a_strategy_of_ones_own_plays(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text("from evolve.search.random import Random\n\n\nclass Mine(Random):\n    pass\n")
    entrant = field_of([f"{path}:Mine"], []).entrants[1]
    assert entrant.name == "mine.py:Mine, no control arm"
    assert len(entrant.run(small_landscape(), 20, 0).times_s) == 20
    before = entrant.made_of
    path.write_text(path.read_text() + "\n\n# better\n")
    assert entrant.made_of != before


def test_our_strategy_with_a_control_arm_is_another_search():
    landscape = small_landscape()
    with_arm, without = (Ours("local", share).run(landscape, 40, 5).times_s for share in (0.15, 0.0))
    assert len(with_arm) == len(without) == 40
    assert with_arm != without


def test_other_terms_or_settings_are_another_entrant():
    usual, more, other = Ours("genetic"), Ours("genetic", 0.3), Ours("genetic", settings=Settings(crosses=0.0))
    assert len({one.made_of for one in (usual, more, other)}) == 3
    assert usual.made_of == Ours("genetic").made_of
    assert other.name == "genetic, crosses=0.0"


# ---- what is kept


def test_what_was_played_comes_back(tmp_path):
    record = Record.of(tmp_path / "made", "somebody: on / a space", ["one"])
    assert record.read() == {}
    first, second = Played(0, (1.5, None), 0.25), Played(1, (), 0.5)
    record.add(first)
    record.add(second)
    assert record.read() == {0: first, 1: second}
    assert record.path.parent == tmp_path / "made"


def test_a_line_that_was_torn_off_is_played_again_and_harms_no_other(tmp_path):
    record = Record.of(tmp_path, "somebody", ["one"])
    record.add(Played(0, (1.5,), 0.25))
    record.path.write_text(record.path.read_text() + '{"seed": 1, "times')
    record.add(Played(2, (2.5,), 0.25))
    assert sorted(record.read()) == [0, 2]


def test_other_terms_are_another_file(tmp_path):
    files = {Record.of(tmp_path, "somebody", made_of).path for made_of in (["a", "bc"], ["ab", "c"], ["a", "b"])}
    assert len(files) == 3


def test_times_that_are_not_finite_are_kept_as_failures():
    assert Played.of(0, (1.0, float("inf"), None), 0.0).times_s == (1.0, None, None)


# ---- everybody plays


@dataclass(frozen=True)
class Lucky:
    """Asks for the best schedules first, but for the optimum with every other seed; counts its games."""

    name: str = "lucky"
    is_ours: bool = False
    made_of: str = "luck"
    games: ClassVar[list[int]] = []

    def run(self, landscape, budget, seed):
        self.games.append(seed)
        ordered = sorted(landscape.times_s.values(), key=lambda time_s: time_s or float("inf"))
        return Trace(tuple(ordered[seed % 2 :][:budget]), "budget")


@dataclass(frozen=True)
class Faulty(Lucky):
    """Raises with its second seed."""

    name: str = "faulty"

    def run(self, landscape, budget, seed):
        if seed == 1:
            raise ValueError("no\nway")
        return super().run(landscape, budget, seed)


@dataclass(frozen=True)
class Lazy(Lucky):
    """Stalls after three."""

    name: str = "lazy"

    def run(self, landscape, budget, seed):
        return Trace(super().run(landscape, 48, seed).times_s[20:23], "stalled")


@dataclass(frozen=True)
class Hopeless(Lucky):
    """Always raises."""

    name: str = "hopeless"

    def run(self, landscape, budget, seed):
        self.games.append(seed)
        raise ValueError("never")


@pytest.fixture
def space(tmp_path):
    return small_cache(tmp_path / "made_up.json")


def _played(entrants, space, terms, folder, missing=()):
    pairings = [Pairing.of(entrant, space, terms.budget, folder) for entrant in entrants]
    courses = play_all(pairings, terms, processes=1)
    return standings_of(Field(tuple(entrants), tuple(missing)), {space: read(space)}, courses, terms)


def test_what_was_played_is_not_played_again(space, tmp_path):
    Lucky.games.clear()
    first = _played([Lucky()], space, Terms(3, 10), tmp_path)
    assert Lucky.games == [0, 1, 2]
    more = _played([Lucky()], space, Terms(5, 10), tmp_path)
    assert Lucky.games == [0, 1, 2, 3, 4]
    assert first.standings[0].spaces["made_up"].score.scores == more.standings[0].spaces["made_up"].score.scores[:3]


def test_another_budget_another_space_or_other_code_is_played_anew(space, tmp_path):
    Lucky.games.clear()
    _played([Lucky()], space, Terms(1, 10), tmp_path)
    _played([Lucky()], space, Terms(1, 12), tmp_path)
    _played([Lucky(made_of="more luck")], space, Terms(1, 10), tmp_path)
    assert len(Lucky.games) == 3


def test_an_interrupted_comparison_goes_on(space, tmp_path):
    Lucky.games.clear()

    @dataclass(frozen=True)
    class Interrupted(Lucky):
        def run(self, landscape, budget, seed):
            if seed == 2 and len(self.games) == 2:
                raise KeyboardInterrupt
            return super().run(landscape, budget, seed)

    with pytest.raises(KeyboardInterrupt):
        _played([Interrupted()], space, Terms(4, 10), tmp_path)
    found = _played([Lucky()], space, Terms(4, 10), tmp_path)
    assert Lucky.games == [0, 1, 2, 3]
    assert found.seeds == 4


def test_who_raises_is_left_out_with_its_own_words_and_stops_nobody(space, tmp_path):
    found = _played([Lucky(), Faulty()], space, Terms(3, 10), tmp_path)
    assert [one.name for one in found.standings] == ["lucky"]
    assert found.left_out == ("faulty: raised on made_up, seed 1: ValueError: no way",)


def test_who_raises_with_the_first_seed_plays_no_more_there(space, tmp_path):
    Lucky.games.clear()
    found = _played([Hopeless(), Ours("random", 0.0)], space, Terms(3, 10), tmp_path)
    assert Lucky.games == [0]
    assert found.left_out == ("hopeless: raised on made_up, seed 0: ValueError: never",)


def test_a_hole_in_a_space_is_nobodys_fault_and_ends_it(space, tmp_path):
    @dataclass(frozen=True)
    class Digging(Lucky):
        def run(self, landscape, budget, seed):
            raise EvolveError("made_up is incomplete")

    with pytest.raises(EvolveError, match="incomplete"):
        _played([Lucky(), Digging("digging")], space, Terms(2, 10), tmp_path)


def test_where_nobody_plays_to_the_end_there_is_nothing_to_tell(space, tmp_path):
    with pytest.raises(EvolveError, match="no way"):
        _played([Faulty()], space, Terms(2, 10), tmp_path)


def test_processes_and_their_number_change_nothing(space, tmp_path):
    entrant = Ours("random", 0.0)
    alone, shared = (
        play_all([Pairing.of(entrant, space, 20, tmp_path / str(count))], Terms(4, 20), processes=count)
        for count in (1, 2)
    )
    times_s = [[played.times_s for played in courses[entrant.name, space].played] for courses in (alone, shared)]
    assert times_s[0] == times_s[1]
    assert len({*times_s[0]}) == 4


# ---- standings


def test_who_knows_the_optimum_is_above_who_does_not(space, tmp_path):
    entrants = [Ours("random", 0.0), Lazy(), Lucky()]
    found = _played(entrants, space, Terms(8, 20), tmp_path)
    assert [one.name for one in found.standings] == ["random, no control arm", "lucky", "lazy"]
    random_, lucky, lazy = found.standings
    assert lucky.score.estimate > 0.8 > random_.score.estimate
    assert lucky.behind.high < 0 < lazy.behind.low
    assert lucky.within > lazy.within
    assert found.best_rival is lucky
    assert (lazy.stalls, lucky.stalls) == (8, 0)
    assert random_.behind is None


def test_a_score_is_the_mean_of_its_course(space, tmp_path):
    found = _played([Ours("random", 0.0), Lucky()], space, Terms(2, 20), tmp_path)
    for one in found.standings:
        assert one.course.mean() == pytest.approx(one.score.estimate)
    assert _played([Lucky()], space, Terms(1, 20), tmp_path).standings[0].course == pytest.approx(np.ones(20))


def test_standings_are_plain_values_that_json_holds(space, tmp_path):
    told = json.loads(json.dumps(_played([Lucky(), Lazy()], space, Terms(3, 60), tmp_path).as_dict(), allow_nan=False))
    assert told["schema"] == 1
    assert told["budgets"] == {"made_up": 48}
    lucky = told["standings"][0]
    assert {"score", "behind", "within_5_percent", "worst", "early_score", "spaces"} <= set(lucky)
    assert {"score", "median_ratio", "within_5_percent", "evaluations", "seconds_per_evaluation"} <= set(
        lucky["spaces"]["made_up"]
    )


# ---- what is shown


@pytest.fixture
def shown(space, tmp_path):
    return _played([Ours("random", 0.0), Lucky(), Lazy()], space, Terms(4, 20), tmp_path, ["nobody: is not installed"])


MADE = {"date": "2026-11-22", "machine": "a <fast> one", "versions": "python 3.11"}


def test_the_part_of_the_results_is_replaced_as_a_whole(shown, tmp_path):
    results = tmp_path / "RESULTS.md"
    results.write_text("# Results\n\nothers\n")
    for _ in range(2):
        put(results, rivalry.markdown(shown, MADE))
    written = results.read_text()
    assert written.count(rivalry.TITLE) == 1
    assert written.startswith("# Results\n\nothers\n")
    for line in ("| lucky |", "| lazy |", "left out: nobody: is not installed", "best rival: lucky", "stalled"):
        assert line in written


def test_a_space_that_no_parameter_was_chosen_on_is_marked():
    assert rivalry.starred("convolution_W6600").endswith("*")
    assert rivalry.starred("convolution_W7800") == "convolution_W7800"


def test_the_page_holds_all_and_asks_no_network(shown, tmp_path):
    page = rivalry_page.write(shown, MADE, tmp_path / "page.html").read_text()
    for name in ("random, no control arm", "lucky", "lazy", "made_up", "nobody: is not installed"):
        assert name in page
    assert "a &lt;fast&gt; one" in page
    assert 'data-for="scores"' in page
    assert 'data-for="courses"' in page
    assert "src=" not in page.partition("<script>")[0]
