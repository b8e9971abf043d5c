"""What loops that reinvest earn, expect and forecast, by their laws: nothing is measured."""

import math

import numpy as np
import pytest
from planted_reinvestment import by_share, followed, frozen

from benchmarks.inference import Estimate
from evolve.loops import batching, reinvestment, replicators
from evolve.tracker.laps import series
from evolve.tracker.rule import decide

# ---- the law of reinvestment


def test_capital_doubles_while_throughput_is_in_proportion_to_it():
    laps = followed(frozen(20.0), float, 10)
    assert [lap.inputs for lap in laps] == pytest.approx([2.0**k for k in range(11)])


def test_capital_grows_by_as_much_as_before_where_throughput_has_ended():
    laps = followed(frozen(math.log(8)), lambda robots: min(robots, 8), 8)
    assert [lap.inputs for lap in laps][-3:] == pytest.approx([32, 40, 48])


def test_a_lap_that_is_measured_a_little_low_loses_no_machine():
    assert [reinvestment.units(capital) for capital in (0.2, 1.0, 3.97, 4.4, 7.5)] == [1, 1, 4, 4, 8]


def test_the_engine_is_the_throughput_that_buys_capital():
    [*_, last] = followed(frozen(20.0), float, 5, 0.01, np.random.default_rng(0))
    assert last.engine == last.gain


def test_a_ratio_of_rates_adds_their_errors():
    found = reinvestment.ratio_to(Estimate(800, 780, 820), Estimate(2, 1.9, 2.1))
    assert found.estimate == pytest.approx(math.log(400))
    assert found.high - found.estimate == pytest.approx(math.hypot(math.log(820 / 800), math.log(2 / 1.9)))
    assert found.estimate - found.low == pytest.approx(math.hypot(math.log(800 / 780), math.log(2.1 / 2)))


# ---- what is expected


def test_where_growth_ends_follows_from_the_law():
    # 1 2 4 8 16 32 and no more: lap 4 is the last that does not yet have all there is
    assert replicators.expected(math.log(32)) == {"last_compounding": 4, "first_capped": 5}
    assert replicators.expected(math.log(38)) == {"last_compounding": 4, "first_capped": 5}
    assert replicators.expected(math.log(42)) == {"last_compounding": 5, "first_capped": 6}
    assert replicators.expected(0.0) == {"last_compounding": 0, "first_capped": 1}
    assert replicators.expected(200.0) == {"last_compounding": None, "first_capped": None}


@pytest.mark.parametrize("calls_worth", [100, 1000, 4000])
def test_batching_ends_where_requests_cost_as_much_as_the_call(calls_worth):
    share = 1 / calls_worth
    found, laps = batching.expected([math.log(calls_worth)]), followed(frozen(5.0), by_share(share), 30)
    gains = [lap.gain.estimate for lap in laps]
    assert found["first_capped"] == next(lap for lap, gain in enumerate(gains) if gain >= math.log(calls_worth / 2))
    k = found["last_compounding"]
    before, at, after = np.diff(gains)[k - 2 : k + 1]
    assert at >= 0.95 * before - 0.02  # whole batches
    assert after < 0.95 * at + 0.02


def test_where_batching_ends_follows_the_machine_while_it_changes():
    slow_calls, fast_calls = math.log(700), math.log(100)
    assert batching.expected([slow_calls, fast_calls]) == batching.expected([fast_calls])
    assert batching.expected([*[slow_calls] * 12, fast_calls]) == batching.expected([slow_calls])


@pytest.mark.parametrize("seed", range(3))
def test_the_verdict_on_planted_loops_turns_where_the_law_says(seed):
    rng = np.random.default_rng(seed)
    doubling = lambda robots: min(robots, 32.0)  # noqa: E731
    for first, law, expected, laps in (
        (frozen(math.log(850)), by_share(1 / 850), batching.expected([math.log(850)]), 20),
        (frozen(math.log(32)), doubling, replicators.expected(math.log(32)), 10),
    ):
        made = followed(first, law, laps, 0.01, rng)
        words = [decide(series(made[: k + 1])).verdict for k in range(len(made))]
        compounding = [k for k, word in enumerate(words) if word == "COMPOUNDING"]
        assert abs(compounding[-1] - expected["last_compounding"]) <= 1
        assert abs(words.index("CAPPED") - expected["first_capped"]) <= 1
        assert words[-1] == "CAPPED"


# ---- forecasts


def test_forecasts_of_batching_hold_in_as_many_laps_as_they_promise():
    held = []
    for seed in range(20):
        laps = followed(frozen(math.log(800)), by_share(1 / 800), 14, 0.01, np.random.default_rng(seed))
        said = [batching.forecast(laps[:k]).gain for k in range(1, len(laps))]
        held += [one.low <= lap.gain.estimate <= one.high for one, lap in zip(said, laps[1:], strict=True)]
    assert 0.92 <= np.mean(held) < 1  # where the law holds the next lap misses by its own noise only


def test_work_that_passes_behind_a_call_is_forecast_once_a_lap_has_shown_it():
    """As on a Zen 4: the first requests cost nothing beside the call that they wait for."""
    share, hidden, held = 1 / 286, 0.2, []
    law = lambda batch: math.exp(batching.gain_of(batch, share, hidden))  # noqa: E731
    for seed in range(20):
        laps = followed(frozen(math.log(286)), law, 14, 0.01, np.random.default_rng(seed))
        said = [batching.forecast(laps[:k]).gain for k in range(1, len(laps))]
        held += [one.low <= lap.gain.estimate <= one.high for one, lap in zip(said, laps[1:], strict=True)]
        likeliest = [one.estimate - lap.gain.estimate for one, lap in zip(said, laps[1:], strict=True)]
        assert abs(np.median(likeliest[6:])) < 0.03
    assert 0.92 <= np.mean(held) < 1


def test_a_server_whose_requests_are_dearer_than_the_ceiling_allows_is_forecast_by_its_own_laps():
    share = 1 / 300
    laps = followed(frozen(math.log(900)), by_share(share), 12, 0.01, np.random.default_rng(0))
    found = batching.forecast(laps)
    batch = reinvestment.units(reinvestment.next_capital(laps))
    assert "lap 12" in found.reason
    assert found.gain.estimate == pytest.approx(batching.gain_of(batch, share), abs=0.05)
    assert math.exp(found.gain.high) < 450


def test_laps_that_beat_a_ceiling_measured_low_are_forecast_by_themselves():
    laps = followed(frozen(math.log(600)), by_share(1 / 900), 12, 0.01, np.random.default_rng(0))
    found = batching.forecast(laps).gain
    batch = reinvestment.units(reinvestment.next_capital(laps))
    assert found.low < batching.gain_of(batch, 1 / 900) < found.high
    assert found.low > batching.gain_of(batch, 1 / 650)


def test_forecasts_of_robots_lie_between_the_queue_and_the_bound():
    law = lambda robots: min(robots, 32.0)  # noqa: E731
    laps = followed(frozen(math.log(32), cores=2), law, 9, 0.005, np.random.default_rng(1))
    for k in range(1, len(laps)):
        said = replicators.forecast(laps[:k])
        assert said.gain.low <= laps[k].gain.estimate <= said.gain.high
    assert "more than the cores keep at work" in said.reason


def test_robots_that_stay_behind_the_bound_are_forecast_to_stay_there():
    laps = followed(frozen(math.log(32), cores=2), lambda robots: 0.8 * min(robots, 32.0), 9, 0.005)
    assert replicators.forecast(laps).gain.estimate == pytest.approx(math.log(0.8 * 32), abs=0.01)


def test_lap_0_against_itself_says_how_well_lap_1_can_be_foretold():
    plain, noisy = (frozen(5.0, cores=2, itself={"low": -half, "high": half}) for half in (0.01, 0.2))
    widths = [found.gain.high - found.gain.low for found in map(replicators.forecast, ([plain], [noisy]))]
    assert widths[1] - widths[0] == pytest.approx(2 * (0.2 - 0.01))


def test_the_queue_of_two_robots_is_the_closed_form():
    # M/M/1//2 with load a: the core is idle with probability 1 / (1 + 2a + 2a^2)
    most, load = 4.0, 1 / 3
    idle = 1 / (1 + 2 * load + 2 * load**2)
    assert replicators.queue(2, 1, most) == pytest.approx((1 - idle) * most)


@pytest.mark.parametrize("cores", [1, 2, 8])
def test_the_queue_begins_as_one_robot_and_ends_at_the_cores(cores):
    most = 16.0 * cores
    found = [replicators.queue(robots, cores, most) for robots in (1, cores, 16 * cores, 2000)]
    assert found[0] == pytest.approx(1)
    assert found[1] == pytest.approx(cores)
    assert 0.7 * most < found[2] < 0.95 * most
    assert found[3] == pytest.approx(most)


def test_robots_that_never_rest_need_a_core_each():
    assert [replicators.queue(robots, 2, 2.0) for robots in (1, 2, 5)] == [1, 2, 2]
