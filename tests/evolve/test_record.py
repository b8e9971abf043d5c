"""A space is measured: each schedule once, the best again, and nothing is lost where it is interrupted."""

import json
import math
from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from known import BASELINE_S, KnownHarness
from small_recording import subject

from benchmarks.exchange import ContestantFailedError
from benchmarks.harness import Built
from benchmarks.outcome import Conditions, Crashed, Impossible, Measured, Noisy, Samples
from evolve.errors import EvolveError, UsageError
from evolve.progress import StopRequest
from evolve.replay.journal import Journal, Line
from evolve.replay.record import BATCH, BEST, Around, RecordingInterrupted, listed, recorded
from evolve.replay.recording import Timing
from evolve.search.exhaustive import every
from kernels import get

SPACE = get("triad").space.restricted(
    {"variant": ("vector", "loop", "buffered"), "into": ("all",), "distance": (512,), "block": (2048,), "lanes": (4, 8)}
)
SCHEDULES = [*every(SPACE)]
KEYS = [*dict.fromkeys(KnownHarness().plan(schedule).key for schedule in SCHEDULES)]


class HonestHarness(KnownHarness):
    """Knows both sides of a race; ``odd`` is what it says the first ``times`` of some keys, ``slow`` takes two."""

    def __init__(self, stop=None, stop_after=None, odd=(), times=1, slow=None):
        super().__init__(stop, stop_after)
        self.odd, self.times, self.said, self.slow = dict(odd), times, Counter(), slow

    def seconds(self, contestant):
        if contestant.schedule is None:
            return BASELINE_S
        key = key_of(contestant.schedule)
        return 2 * BASELINE_S if key == self.slow else self.time_s({"key": key})

    def measure(self, built, incumbent):
        key = built.plan.key
        self.measured.append(key)
        if len(self.measured) == self.stop_after:
            self.stop.is_set = True
        self.said[key] += 1
        if key in self.odd and self.said[key] <= self.times:
            return self.odd[key]
        samples = self.pair(built.plan.contestant, incumbent.contestant, None)
        ratio = math.log(samples.incumbent_s[0] / samples.candidate_s[0])
        return Measured(time_s=samples.candidate_s[0], log_ratio=ratio, samples=samples)

    def pair(self, candidate, incumbent, _rules):
        return Samples((self.seconds(candidate),) * 6, (self.seconds(incumbent),) * 6, 1)


def key_of(schedule):
    return KnownHarness().plan(schedule).key


def carried_out(path, harness=None, stop=None, **changes):
    around = Around(harness or HonestHarness(), Journal.beside(path), lambda _line: None, stop or StopRequest())
    return recorded(subject(**changes), SPACE, SCHEDULES, around)


def test_each_schedule_has_its_time_whatever_it_was_raced_against(tmp_path):
    for anchor, slow in (("default", None), ("baseline", key_of(get("triad").space.default))):
        harness = HonestHarness(slow=slow)
        made = carried_out(tmp_path / f"{anchor}.json", harness)
        assert [*made.timings] == SCHEDULES
        for schedule, timing in made.timings.items():
            assert timing.time_s == pytest.approx(harness.seconds(harness.plan(schedule).contestant))
        assert made.baseline_s == BASELINE_S
        assert Journal.beside(tmp_path / f"{anchor}.json").heading.anchor == anchor


def test_a_busy_moment_makes_nobody_race_against_the_plain_loop(tmp_path):
    """Which may be a hundred times slower than the default schedule: minutes would become hours."""
    default = get("triad").space.default
    samples = Samples((HonestHarness().time_s({"key": key_of(default)}),) * 6, (BASELINE_S,) * 6, 1)
    harness = HonestHarness(odd={key_of(default): Noisy("hogs", samples=samples)})
    found = carried_out(tmp_path / "r.json", harness).timings
    assert Journal.beside(tmp_path / "r.json").heading.anchor == "default"
    assert [timing.time_s for timing in found.values()] == pytest.approx(
        [harness.seconds(harness.plan(schedule).contestant) for schedule in found]
    )


def test_what_runs_the_same_code_is_measured_once(tmp_path):
    harness = HonestHarness()
    made = carried_out(tmp_path / "r.json", harness)
    keys = {key_of(schedule) for schedule in SCHEDULES}
    assert len(keys) < len(SCHEDULES)
    assert len(harness.measured) == len(keys) + 1, "the default, as the anchor, once more"
    assert len({timing.time_s for timing in made.timings.values()}) <= len(keys)


def test_failures_have_their_class_and_noise_a_second_chance(tmp_path):
    crashed, noisy = KEYS[3], KEYS[40]
    hogged = Noisy("hogs", samples=Samples((7.0,) * 6, (1.0,) * 6, 1))
    for times, expected in ((1, "Measured"), (9, "Noisy")):
        harness = HonestHarness(odd={crashed: Crashed("SIGSEGV"), noisy: hogged}, times=times)
        found = carried_out(tmp_path / f"{times}.json", harness).timings
        outcomes = {key_of(schedule): timing.outcome for schedule, timing in found.items()}
        assert (outcomes[crashed], outcomes[noisy]) == ("Crashed", expected)
        assert [key for key in KEYS if outcomes[key] != "Measured"] == [crashed, noisy][: 1 + (times > 1)]
        assert all((timing.time_s is None) == (timing.outcome == "Crashed") for timing in found.values())


def test_the_best_are_measured_again_and_that_counts(tmp_path):
    """One that was lucky in its race, and one that fails when it matters."""
    lucky, failing = KEYS[11], KEYS[30]

    class Lucky(HonestHarness):
        def pair(self, candidate, incumbent, rules):
            key = key_of(candidate.schedule)
            if rules is None and key in (lucky, failing):
                return Samples((1e-3,) * 6, (1.0,) * 6, 1)
            if key == failing:
                raise ContestantFailedError("Crashed: SIGSEGV")
            return super().pair(candidate, incumbent, rules)

    made = carried_out(tmp_path / "r.json", Lucky())
    for schedule, timing in made.timings.items():
        if key_of(schedule) == failing:
            assert (timing.time_s, timing.outcome) == (None, "Crashed")
        else:
            assert timing.time_s == pytest.approx(HonestHarness().time_s({"key": key_of(schedule)}))
    assert sum(line.is_confirmed for line in Journal.beside(tmp_path / "r.json").lines.values()) >= BEST


class BusyHarness(HonestHarness):
    """Somebody slows down one side of the first ``times`` races of some keys, and the sentinels see it."""

    def __init__(self, keys, times=1, **changes):
        super().__init__(**changes)
        self.busy, self.busy_times, self.raced = keys, times, Counter()

    def pair(self, candidate, incumbent, rules):
        samples, key = super().pair(candidate, incumbent, rules), key_of(candidate.schedule)
        self.raced[key] += 1
        if key not in self.busy or self.raced[key] > self.busy_times:
            return samples
        slowed = tuple(30 * time_s for time_s in samples.incumbent_s)
        return replace(samples, incumbent_s=slowed, conditions=Conditions(flags=("memory",)))


def test_a_disturbed_race_is_run_again_and_the_best_as_often_as_it_takes(tmp_path):
    """Whoever is 30 times too fast in a disturbed race would be the optimum of the space."""
    for times in (1, 3):
        harness = BusyHarness(KEYS[5:7], times)
        made = carried_out(tmp_path / f"{times}.json", harness)
        for schedule, timing in made.timings.items():
            assert timing.time_s == pytest.approx(harness.seconds(harness.plan(schedule).contestant))


def test_a_machine_that_stays_disturbed_is_measured_all_the_same(tmp_path):
    harness = BusyHarness(KEYS, 10**6)
    made = carried_out(tmp_path / "r.json", harness)
    assert all(timing.time_s for timing in made.timings.values())
    again = len(harness.measured) - len(KEYS) - 1
    assert 0 < again <= BATCH // 4 * math.ceil(len(SCHEDULES) / BATCH)


def test_what_seems_impossible_is_believed_where_the_machine_turns_out_faster(tmp_path):
    fast = KEYS[7]
    for is_faster, expected in ((True, "Measured"), (False, "Impossible")):
        harness = HonestHarness(odd={fast: Impossible("faster than the hardware")})
        journal, asked = Journal.beside(tmp_path / f"{expected}.json"), []
        around = Around(
            harness,
            journal,
            lambda _line: None,
            StopRequest(),
            resurvey=lambda found=is_faster, asked=asked: asked.append(1) or found,
        )
        found = recorded(subject(), SPACE, SCHEDULES, around).timings
        assert {timing.outcome for schedule, timing in found.items() if key_of(schedule) == fast} == {expected}
        assert asked == [1]


def test_the_first_schedule_of_a_code_has_paid_for_its_build(tmp_path):
    """Here a code is what the first three genes say, and a key what the first four do."""

    class Building(HonestHarness):
        def plan(self, schedule):
            plan = super().plan(schedule)
            return replace(plan, source_hash=str([schedule[name] for name in list(schedule)[:3]]))

        def build(self, plans):
            return [Built(plan, build_s=0.5) for plan in reversed(plans)]

    stop = StopRequest()
    with pytest.raises(RecordingInterrupted):
        carried_out(tmp_path / "r.json", Building(stop, stop_after=20), stop)
    timings = carried_out(tmp_path / "r.json", Building()).timings.values()
    codes = {timing.code for timing in timings}
    assert 1 < len(codes) < len(KEYS)
    assert Counter(timing.code for timing in timings if timing.build_s == 0.5) == dict.fromkeys(codes, 1)


def test_an_interrupted_recording_goes_on_to_the_same_end(tmp_path):
    whole = carried_out(tmp_path / "whole.json")
    target = tmp_path / "parts.json"
    for stop_after in (1, 5, 20):
        stop = StopRequest()
        with pytest.raises(RecordingInterrupted, match=r"parts\.json is interrupted, what it measured is kept: go on"):
            carried_out(target, HonestHarness(stop, stop_after), stop)
    assert 20 <= len(Journal.beside(target).lines) < len(SCHEDULES)
    assert carried_out(target).timings == whole.timings


@given(st.floats(0, 1))
@settings(max_examples=12, deadline=None)
def test_a_recording_killed_at_any_byte_goes_on_to_the_same_end(tmp_path_factory, share):
    folder = tmp_path_factory.mktemp("killed")
    whole = carried_out(folder / "r.json")
    journal = folder / "r.json.journal"
    raw = journal.read_bytes()
    journal.write_bytes(raw[: int(share * len(raw))])
    assert carried_out(folder / "r.json").timings == whole.timings


@pytest.mark.parametrize("changes", [{"dtype": "float32"}, {"size": (9,)}, {"machine": "beef"}, {"versions": {}}])
def test_a_journal_of_something_else_is_refused(changes, tmp_path):
    carried_out(tmp_path / "r.json")
    with pytest.raises(UsageError, match=r"was begun with .* times of two do not mix"):
        carried_out(tmp_path / "r.json", **changes)


def test_a_kernel_that_has_changed_is_refused(tmp_path):
    class Changed(HonestHarness):
        def plan(self, schedule):
            return replace(super().plan(schedule), key=f"new {key_of(schedule)}")

    carried_out(tmp_path / "r.json")
    with pytest.raises(UsageError, match="another version of the kernel: times of two do not mix"):
        carried_out(tmp_path / "r.json", Changed())


def test_a_kernel_whose_other_variants_have_changed_is_refused_and_nothing_spins(tmp_path):
    """The default schedule runs what it ran, but the best one, which is to be measured again, does not."""
    stop = StopRequest()
    with pytest.raises(RecordingInterrupted):
        carried_out(tmp_path / "r.json", HonestHarness(stop, stop_after=len(KEYS) + 1), stop)
    default = key_of(get("triad").space.default)

    class Changed(HonestHarness):
        def plan(self, schedule):
            plan = super().plan(schedule)
            return plan if plan.key == default else replace(plan, key=f"new {plan.key}")

    with pytest.raises(UsageError, match="another version of the kernel: times of two do not mix"):
        carried_out(tmp_path / "r.json", Changed())


def test_a_journal_of_before_builds_were_kept_goes_on(tmp_path):
    whole = carried_out(tmp_path / "r.json")
    journal = tmp_path / "r.json.journal"
    lines = [json.loads(line) for line in journal.read_text().splitlines()]
    for line in lines[1:]:
        del line["build_s"], line["code"]
    journal.write_text("".join(json.dumps(line) + "\n" for line in lines[:40]))
    assert {s: t.time_s for s, t in carried_out(tmp_path / "r.json").timings.items()} == {
        s: t.time_s for s, t in whole.timings.items()
    }


def test_a_damaged_journal_says_where(tmp_path):
    carried_out(tmp_path / "r.json")
    journal = tmp_path / "r.json.journal"
    lines = journal.read_text().splitlines()
    journal.write_text("\n".join([*lines[:4], "not a line", *lines[5:]]) + "\n")
    with pytest.raises(EvolveError, match=r"line 5 of .*journal is damaged"):
        Journal(journal)


def test_a_later_line_replaces_an_earlier_one(tmp_path):
    carried_out(tmp_path / "r.json")
    journal = Journal.beside(tmp_path / "r.json")
    journal.add(Line(3, "k", Timing(9.0, 0.5), is_confirmed=True))
    assert Journal.beside(tmp_path / "r.json").lines == journal.lines
    assert journal.lines[3].timing.time_s == 9.0


def test_the_anchors_code_cost_what_it_took_first_and_not_what_loading_it_takes(tmp_path):
    class Cached(HonestHarness):
        """The first time that a code is built takes longer."""

        def __init__(self):
            super().__init__()
            self.built = set()

        def build(self, plans):
            took_s = {plan.key: 0.01 if plan.key in self.built else 0.5 for plan in plans}
            self.built |= took_s.keys()
            return [Built(plan, build_s=took_s[plan.key]) for plan in plans]

    found = carried_out(tmp_path / "r.json", Cached()).timings
    assert {timing.build_s for timing in found.values()} <= {None, 0.5}


# ---- which schedules


def test_a_small_space_is_the_kernels_own_with_fewer_values():
    space, schedules = listed(get("softmax"), "small")
    assert len(set(schedules)) == len(schedules) == space.size
    assert all(get("softmax").space.is_legal(schedule) is None for schedule in schedules)


@pytest.mark.parametrize(
    ("kernel", "part", "said"), [("triad", "small", "no small space"), ("matmul", "all", "no day")]
)
def test_a_space_that_cannot_be_recorded_is_refused(kernel, part, said):
    with pytest.raises(UsageError, match=said):
        listed(get(kernel), part)
