"""What a champion consists of, and whether laps go round in circles."""

import math

import pytest

import kernels
from benchmarks.outcome import Crashed, Measured
from evolve.loops.engine.readable import remaining, returns
from evolve.store import Evaluation, Individual, OutcomeRecord

TRIAD = kernels.get("triad")


def individual(number, fitness, **genes):
    schedule = dict(TRIAD.space.canonical({**TRIAD.space.default, **genes}))
    evaluation = Evaluation("r", number, 0, number, "search", "mutate", schedule)
    outcome = Crashed("died") if fitness is None else Measured(time_s=1.0, log_ratio=0.0, low=0.0, high=0.0)
    return Individual(evaluation, OutcomeRecord("r", number, outcome, "now", fitness=fitness))


def other(name, count=1):
    """A value that is not the default."""
    parameter = TRIAD.space.by_name[name]
    return [value for value in parameter.values if value != parameter.default][count - 1]


def test_the_default_schedule_has_nothing_to_say():
    assert remaining(TRIAD, TRIAD.space.default, []) == []


def test_a_gene_is_worth_what_the_best_without_it_lacks():
    name = next(p.name for p in TRIAD.space.parameters if len(p.values) > 2 and not p.when)
    told = [
        individual(1, 0.2),
        individual(2, 0.9, **{name: other(name)}),
        individual(3, 0.5, **{name: other(name, 2)}),
        individual(4, None, **{name: other(name)}),
    ]
    champion = told[1].evaluation.schedule
    (gene,) = remaining(TRIAD, champion, told)
    assert (gene["gene"], gene["value"]) == (name, other(name))
    assert gene["default"] == TRIAD.space.default[name]
    assert gene["worth"] == pytest.approx(0.4)
    assert math.isclose(math.exp(gene["worth"]), math.exp(0.9) / math.exp(0.5))


def test_where_no_other_value_was_measured_a_genes_worth_is_not_known():
    name = next(p.name for p in TRIAD.space.parameters if len(p.values) > 1 and not p.when)
    told = [individual(1, 0.9, **{name: other(name)})]
    assert [gene["worth"] for gene in remaining(TRIAD, told[0].evaluation.schedule, told)] == [None]


def test_a_gene_that_goes_on_to_something_new_does_not_return():
    laps = [None, {"rows": 4, "lanes": 8}, {"rows": 6, "lanes": 8}, {"rows": 8, "lanes": 16}]
    assert returns(laps) == {"changes": 3, "returned": []}


def test_a_gene_that_goes_back_to_what_a_lap_had_changed_returns_each_time():
    laps = [{"rows": rows, "lanes": 8} for rows in (4, 6, 4, 4, 6)]
    assert returns(laps) == {"changes": 3, "returned": ["rows", "rows"]}


@pytest.mark.parametrize("laps", [[], [None], [None, None], [None, {"rows": 4}], [{"rows": 4}, {"rows": 4}]])
def test_without_a_change_there_is_no_circle(laps):
    assert returns(laps) == {"changes": 0, "returned": []}
