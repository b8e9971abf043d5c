"""Populations, runs and spaces beyond what is usual: no loop over genomes, no growth with what is known."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import evolve.search.alphabet
import evolve.search.genetic
from evolve.genome import genome_of
from evolve.report import scale as report
from evolve.scale import WIDE, asks, long_run, stored, wide_fitness
from evolve.search.alphabet import Alphabet
from evolve.search.genetic import Genetic
from evolve.search.lessons import greatest
from evolve.search.protocol import Result
from evolve.search.settings import Settings
from evolve.search.testing import SYNTHETIC, synthetic_fitness
from kernels.language.space import Space, integer

ROOT = Path(__file__).parents[2]


def told(strategy, space, fitness, count):
    alphabet = Alphabet(space)
    schedules = [alphabet.schedule(row) for row in alphabet.random(np.random.default_rng(3), 8 * count)[:count]]
    results = [Result(schedule, fitness(schedule)) for schedule in schedules]
    strategy.tell(results)
    return results


# ---- asking


def counting(parameters, names):
    """A space with a constraint that counts how often it is asked."""
    asked = []
    arguments = ", ".join(names)
    scope = {"asked": asked}
    exec(f"def predicate({arguments}):\n    asked.append(({arguments}))\n    return (a + b) % 3 != 1", scope)
    return Space(parameters, [(scope["predicate"], "")]), asked


def many(count, values):
    return [integer(name, range(values), "") for name in "abcdefghij"[:count]]


@pytest.mark.parametrize(
    ("parameters", "names"), [(many(3, 12), "ab"), (many(10, 12), "abcdefghij")], ids=["tabled", "remembered"]
)
def test_a_constraint_is_asked_once_for_what_it_reads(parameters, names):
    space, asked = counting(parameters, names)
    alphabet, rng = Alphabet(space), np.random.default_rng(0)
    rows = rng.integers(12, size=(3000, len(parameters)))
    asked.clear()
    first = alphabet.legal(rows)
    assert len(asked) == len(set(asked)) == len(np.unique(rows[:, : len(names)], axis=0))
    assert (alphabet.legal(rows[::-1]) == first[::-1]).all()
    assert len(asked) == len(set(asked)), "what it said is remembered"
    assert first.tolist() == [(a + b) % 3 != 1 for a, b in rows[:, :2].tolist()]


def test_a_constraint_that_reads_nothing_holds_for_all():
    space = Space(many(2, 4), [(lambda: True, "")])
    assert Alphabet(space).legal(np.zeros((5, 2), dtype=np.int64)).all()


def test_an_ask_looks_at_no_genome_alone_but_those_it_proposes(monkeypatch):
    strategy = Genetic(WIDE, np.random.default_rng(0), Settings(population=3000, children=6000))
    told(strategy, WIDE, wide_fitness, 3000)
    seen = []

    def counted(space, schedule):
        seen.append(schedule)
        return genome_of(space, schedule)

    monkeypatch.setattr(evolve.search.alphabet, "genome_of", counted)
    proposals = strategy.ask(8)
    strategy.tell([Result(proposal.schedule, wide_fitness(proposal.schedule)) for proposal in proposals])
    assert len(strategy.survivors) > 2500
    assert strategy.looked_at > 2000
    assert len(seen) <= 40


def test_very_many_children_are_bred_and_thinned_by_litters(monkeypatch):
    monkeypatch.setattr(evolve.search.genetic, "_LITTER", 5000)
    strategy = Genetic(SYNTHETIC, np.random.default_rng(0), Settings(children=15_000))
    told(strategy, SYNTHETIC, synthetic_fitness, 100)
    counts, chosen = [], []
    breed, screen = strategy._brood, evolve.search.genetic.screened
    monkeypatch.setattr(strategy, "_brood", lambda count: counts.append(count) or breed(count))
    monkeypatch.setattr(evolve.search.genetic, "screened", lambda *given: chosen.append(given[1]) or screen(*given))
    proposals = strategy.ask(8)
    assert counts == [5000] * 3
    assert len({proposal.schedule for proposal in proposals}) == 8
    assert len(np.unique(chosen[0], axis=0)) == len(chosen[0]), "no twins from two litters"
    assert 3000 < len(chosen[0]) <= min(9000, strategy.looked_at)


def test_a_large_population_is_the_best_of_all_that_was_told():
    strategy = Genetic(SYNTHETIC, np.random.default_rng(0), Settings(population=500))
    results = told(strategy, SYNTHETIC, lambda schedule: float(len(str(schedule)) % 7), 1200)
    expected = sorted({r.schedule: r for r in results}.values(), key=lambda r: -r.fitness)
    assert strategy.population == expected[:500], "of equal ones the first that were told"


@given(st.lists(st.integers(-3, 3), min_size=2, max_size=40), st.data())
def test_the_greatest_are_those_that_sorting_finds(values, data):
    count = data.draw(st.integers(1, len(values)))
    found = greatest(np.array(values, dtype=float), count)
    order = np.argsort(-np.array(values), kind="stable")[:count]
    assert np.flatnonzero(found).tolist() == sorted(order.tolist())


# ---- what is measured


def test_the_wide_space_has_some_1e15_schedules():
    assert 5e14 < WIDE.size < 2e15


def test_asks_screen_about_as_many_children_as_were_asked_for():
    found = asks(1500, known=80, population=40, count=2)
    assert found.screened > 1300
    assert (found.known, found.population, len(found.seconds)) == (80, 40, 2)
    assert 0 < found.seconds[0] <= found.median_s <= found.seconds[-1]


def test_a_long_run_keeps_its_budget():
    lines = []
    found = long_run(150, lines.append, batch=10)
    assert (found.evaluations, found.space, len(found.tenths_s), len(lines)) == (150, WIDE.size, 10, 10)
    assert 20e6 < found.peak_bytes < 4e9


def test_an_evaluation_takes_less_than_2_kb_beside_its_raw_samples():
    found = stored(1000)
    assert found.evaluations == 1000
    assert found.raw_bytes > 1000 * 30 * 2 * 8
    assert 200 < found.beside_bytes < 2000


def test_the_command_writes_its_part(tmp_path):
    results = tmp_path / "RESULTS.md"
    asked = ["--children", "300", "--evaluations", "120", "--json", "--results", str(results)]
    command = [sys.executable, "-m", "benchmarks.suites.scale", *asked]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    assert set(json.loads(ended.stdout)) == {"schema", "usual", "large", "run", "store"}
    written = results.read_text()
    assert written.startswith(report.TITLE)
    assert written.count("| yes |") + written.count("| NO |") == 4
