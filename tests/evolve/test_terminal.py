from __future__ import annotations

import dataclasses
import io
import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from rich.live import Live

from benchmarks.inference import Estimate
from evolve.progress import Progress
from evolve.prospects import Prospect
from evolve.report import terminal
from evolve.tracker import NullPoint
from evolve.tracker.gain import Gain

START = Progress(
    run="matmul-3f9a",
    kernel="matmul",
    size_text="512x512x512",
    dtype="float64",
    threads=1,
    stage="search",
    doing="racing 3 of 8",
    fraction=0.57,
    elapsed_s=171.0,
    left_s=129.0,
    evaluations=312,
    evaluations_per_s=1.82,
    counts={"Measured": 300, "Wrong": 2, "CompileFailed": 3, "Crashed": 3, "TimedOut": 2, "OutOfMemory": 1, "Noisy": 1},
    phases_s={"build": 100.0, "verify": 10.0, "measure": 55.0, "search": 2.0, "other": 4.0},
    best=Estimate(24.31, 24.02, 24.6),
    best_time_s=0.00486,
    flop_per_s=55.2e9,
    bytes_per_s=1e9,
    bound_fraction=0.938,
    bound_limit="fma",
    cap=25.9,
    history=tuple(1 + 23.3 * k / 311 for k in range(312)),
)
FIRST = dataclasses.replace(
    START,
    stage="ceilings",
    doing="FMA float64",
    fraction=0.0,
    evaluations=0,
    counts={},
    phases_s={},
    best=None,
    best_time_s=None,
    flop_per_s=None,
    bytes_per_s=None,
    bound_fraction=None,
    cap=None,
    history=(),
)


class Clock:
    def __init__(self):
        self.now_s = 100.0

    def __call__(self):
        return self.now_s


class Screen(io.StringIO):
    def isatty(self):
        return True


def _drawn(progress, width=80):
    console = Console(file=io.StringIO(), width=width, force_terminal=False, legacy_windows=False)
    console.print(terminal.view(progress, console))
    return console.file.getvalue()


# ---- the view


@pytest.mark.parametrize("progress", [START, FIRST], ids=["full", "first"])
@pytest.mark.parametrize("width", [40, 80, 200])
def test_view_fits_the_width_and_a_small_terminal(progress, width):
    lines = _drawn(progress, width).splitlines()
    assert max(map(len, lines)) <= width
    assert len(lines) <= 14


def test_view_says_everything_at_80_columns():
    text = _drawn(START)
    for what in (
        "matmul 512x512x512",
        "float64, 1 thread",
        "matmul-3f9a",
        "57 %",
        "2m 51s so far",
        "2m 09s left",
        "racing 3 of 8",
        "24.3x [24.0, 24.6]",
        "4.86 ms",
        "94 % (fma, cap 25.9x)",
        "55.2 GFLOP/s",
        "312, 1.82 a second",
        "300 Measured",
        "build 58 %",
        "search 1 %",
        "25.9x cap",
    ):
        assert what in text


def test_view_says_how_the_run_stands_to_luck_and_what_is_to_come():
    luck = NullPoint(40, Estimate(math.log(20), math.log(16), math.log(25)), is_extrapolated=False)
    gain = Gain(312, None, Estimate(math.log(1.02), 0.0, math.log(1.05)), 0.3)
    text = _drawn(dataclasses.replace(START, prospect=Prospect(luck, math.log(21.5), gain)))
    assert "20.0x [16.0, 25.0] in 40 draws, the search then 21.5x" in text
    assert "2 % [0 %, 5 %] more from 312 evaluations more" in text
    assert max(map(len, text.splitlines())) <= 80
    early = _drawn(dataclasses.replace(START, prospect=Prospect()))
    assert not re.search("luck|to come", early)
    no_best = _drawn(dataclasses.replace(START, prospect=Prospect(luck)))
    assert "in 40 draws\n" in re.sub(" +\n", "\n", no_best)


def test_view_before_anything_is_known_has_no_empty_rows():
    text = _drawn(FIRST)
    assert "ceilings: FMA float64" in text
    assert not re.search("best so far|bound|outcomes|curve|left", text)


def test_time_left_is_told_of_the_search_alone():
    assert "left" not in _drawn(dataclasses.replace(START, stage="publish", left_s=0.0))
    assert "left" not in _drawn(dataclasses.replace(START, left_s=None))


def test_an_open_interval_is_said_to_be_open():
    few = dataclasses.replace(START, best=Estimate(24.31, 0.0, math.inf))
    assert "24.3x (interval open)" in _drawn(few)
    assert "inf" not in terminal.line(few)


def test_a_holder_that_was_never_raced_against_the_plain_loop_has_a_figure_from_the_races_since():
    since = dataclasses.replace(START, best_now=25.2)
    assert "best 24.3x [24.0, 24.6], by now about 25.2x, 94 % of the bound" in terminal.line(since)
    assert "24.3x [24.0, 24.6], by now about 25.2x   4.86 ms a call" in _drawn(since)
    assert "by now" not in terminal.line(START)


def test_view_is_redrawn_at_most_five_times_a_second_but_for_a_new_stage():
    clock, screen = Clock(), Screen()
    with Live(console=Console(file=screen, width=80), auto_refresh=False) as live:
        show = terminal.View(live, clock)
        drawn = []
        for after_s, progress in ((0, FIRST), (0.1, FIRST), (0, START), (0.1, START), (0.11, START)):
            clock.now_s += after_s
            before = len(screen.getvalue())
            show(progress)
            drawn.append(len(screen.getvalue()) > before)
    assert drawn == [True, False, True, False, True]


def test_no_thread_draws_in_the_background():
    with terminal.watching(stream=Screen()) as show:
        assert isinstance(show, terminal.View)
        assert not show._live.auto_refresh


# ---- lines


def test_off_a_terminal_there_are_lines_without_escapes():
    stream = io.StringIO()
    with terminal.watching(stream=stream) as show:
        show(START)
    assert stream.getvalue().count("\n") == 1
    assert stream.getvalue().isascii()
    assert "\x1b" not in stream.getvalue()
    assert "312 evaluated, best 24.3x [24.0, 24.6], 94 % of the bound, racing 3 of 8" in stream.getvalue()


def test_a_dumb_terminal_gets_lines(monkeypatch):
    monkeypatch.setenv("TERM", "dumb")
    with terminal.watching(stream=Screen()) as show:
        assert isinstance(show, terminal.Lines)


def test_quiet_says_nothing():
    stream = io.StringIO()
    with terminal.watching(is_quiet=True, stream=stream) as show:
        show(START)
    with terminal.steps(is_quiet=True, stream=stream) as say:
        say("triad")
    assert stream.getvalue() == ""


def test_a_line_comes_with_an_improvement_a_stage_or_ten_seconds():
    clock, stream = Clock(), io.StringIO()
    show = terminal.Lines(stream, clock)
    better = dataclasses.replace(START, history=(*START.history, 30.0))
    said = []
    for after_s, progress in ((0, FIRST), (1, FIRST), (1, START), (1, START), (1, better), (9, better), (1, better)):
        clock.now_s += after_s
        before = stream.tell()
        show(progress)
        said.append(stream.tell() > before)
    assert said == [True, False, True, False, True, False, True]


def test_steps_are_lines_off_a_terminal_but_not_one_for_each_of_many():
    clock, stream = Clock(), io.StringIO()
    say = terminal._spaced(stream, clock)
    for after_s, step in ((0, "a"), (0.5, "b"), (0.6, "c")):
        clock.now_s += after_s
        say(step)
    assert stream.getvalue() == "a\nc\n"


# ---- the sparkline


@given(st.lists(st.floats(1, 100), min_size=1, max_size=300), st.integers(1, 60))
def test_sparkline_has_a_column_a_value_or_fills_its_width(values, width):
    drawn = terminal.sparkline(tuple(values), low=1.0, high=100.0, width=width)
    assert len(drawn) == min(width, len(values))
    assert drawn[-1] == terminal.sparkline((values[-1],), low=1.0, high=100.0, width=1)


@given(st.lists(st.floats(1, 100), min_size=2, max_size=50))
def test_sparkline_rises_with_its_values(values):
    drawn = terminal.sparkline(tuple(sorted(values)), low=1.0, high=100.0, width=50)
    assert list(drawn) == sorted(drawn)


def test_only_the_cap_itself_is_a_full_block():
    assert terminal.sparkline((1.0, 99.0, 100.0), low=1.0, high=100.0, width=3) == "▁▇█"


def test_values_without_a_height_are_blank():
    assert terminal.sparkline((math.nan, 1.0, math.inf), low=1.0, high=1.0, width=3) == " ▁ "


def test_curve_keeps_to_ascii_where_the_terminal_does():
    console = Console(file=io.TextIOWrapper(io.BytesIO(), encoding="ascii"), width=80)
    assert terminal._curve(START, console).isascii()
