"""Fresh launches and fresh builds, with real processes: few, for each takes seconds."""

from __future__ import annotations

import pytest

from benchmarks import fresh, launch
from benchmarks.audit import UnseenError
from benchmarks.contestant import Contestant
from benchmarks.exchange import ContestantFailedError
from benchmarks.fresh import LEAST_LAUNCHES, SLOW_LAUNCHES, SLOW_S, SLOWEST_S, Opponent, against
from benchmarks.harness import Harness
from benchmarks.launch import Launch, fresh_build
from benchmarks.outcome import Samples
from benchmarks.promote import Finalist, Terms, promote
from benchmarks.race import Rules
from benchmarks.worker import Limits
from kernels.language import SourceFolder

RULES = Rules(most_rounds=6, least_rounds=6, may_drop=False)


@pytest.fixture(scope="module")
def harness(task, folder):
    with Harness(task, folder) as made:
        yield made


def planned(harness, **genes):
    plan = harness.plan(harness.task.definition.space.default.replace(**genes))
    assert plan.contestant is not None
    return plan.contestant


@pytest.mark.measuring
def test_a_launch_races_what_its_own_process_compiled(harness):
    once, fifty, wrong = planned(harness), planned(harness, passes=50), planned(harness, deed="wrong")
    with fresh_build(harness.folder, [once, fifty, wrong]) as folder, harness.launch(3, folder) as process:
        rounds = process.rounds([once, fifty], RULES)
        assert sum(rounds.seconds[1]) > 5 * sum(rounds.seconds[0])
        assert process.pair(once, Contestant(None, rival="missing"), RULES) is None
        assert process.pair(once, Contestant(None, rival="mistaken"), RULES) is None
        with pytest.raises(ContestantFailedError, match="relative error"):
            process.prove(wrong)


def test_a_source_that_was_changed_is_refused(harness, tmp_path):
    folder = SourceFolder(tmp_path)
    harness.folder.copy(harness.baseline.handle, folder)
    file = folder.path / f"k{harness.baseline.handle.key}.py"
    file.write_text(file.read_text() + "\nimport os\n")
    with pytest.raises(ContestantFailedError, match="changed"), fresh_build(folder, [harness.baseline]):
        raise AssertionError


def test_a_compilation_that_takes_too_long_fails_in_a_launch_too(task, folder):
    with (
        Harness(task, folder, limits=Limits(build_s=0.02)) as made,
        fresh_build(made.folder, [made.baseline]) as build,
        made.launch(1, build) as process,
        pytest.raises(ContestantFailedError, match=r"CompileFailed: .* of processor time"),
    ):
        process.prove(made.baseline)


@pytest.mark.measuring
def test_real_finalists_are_promoted_or_not(harness):
    once, ten = planned(harness), planned(harness, passes=2)
    found = promote(harness, [Finalist(once, ten), Finalist(ten, once)], Terms(builds=2, rings=1))
    assert found.decisions[1].verdict == "rejected"
    assert found.decisions[0].speedups["incumbent"].estimate > 1.2
    assert found.launches == 2


@pytest.mark.measuring
def test_publication_leaves_out_who_is_not_to_be_had_and_keeps_the_assembly(harness):
    opponents = {
        "baseline": Opponent(harness.baseline, RULES, SLOW_S),
        "numpy": Opponent(Contestant(None, rival="numpy"), RULES),
        "missing": Opponent(Contestant(None, rival="missing"), RULES),
    }
    said = []
    found = against(harness, planned(harness), opponents, launches=2, say=said.append)
    assert set(found.samples) == {"baseline", "numpy"}
    assert [len(launches) for launches in found.samples.values()] == [2, 2]
    assert said == [1, 2]
    assert "doubled" in found.assembly


def test_a_rival_that_spoils_its_race_is_left_out_and_the_plain_loop_is_not(monkeypatch):
    def rounds(_child, _contestants, _rules):
        raise ContestantFailedError("Wrong: other threads worked for 0.3 s beside it")

    monkeypatch.setattr(launch, "rounds", rounds)
    monkeypatch.setattr(Launch, "prove", lambda *_arguments: None)
    process, ours = Launch(None), Contestant(None)
    assert process.pair(ours, Contestant(None, rival="busy"), RULES) is None
    with pytest.raises(ContestantFailedError, match="other threads"):
        process.pair(ours, Contestant(None), RULES)


@pytest.mark.parametrize(
    ("answers", "audited"), [([None], 2), (["too slow", None], 2), ([UnseenError("busy")], 0), (["a", "b"], None)]
)
def test_figures_that_fail_the_audit_twice_are_refused(harness, monkeypatch, answers, audited):
    told = []

    def audit(_child, _task, contestant, claimed_s, _rng):
        told.append((contestant, claimed_s))
        answer = answers[(len(told) - 1) % len(answers)]
        if isinstance(answer, UnseenError):
            raise answer
        return answer

    taken = {"baseline": Samples((1.0, 3.0), (4.0, 4.0), 1)}
    monkeypatch.setattr(fresh, "audit", audit)
    monkeypatch.setattr(fresh, "_one_launch", lambda *_arguments: taken)
    monkeypatch.setattr(Launch, "prove", lambda *_arguments: None)  # so that no process starts
    monkeypatch.setattr(Launch, "assembly", lambda *_arguments: {})
    if audited is None:
        with pytest.raises(ContestantFailedError, match="audit: b"):
            against(harness, harness.baseline, {}, launches=2)
    else:
        assert against(harness, harness.baseline, {}, launches=2).audited == audited
    assert set(told) == {(harness.baseline, 2.0)}


def test_a_slow_opponent_takes_part_in_fewer_launches():
    taken = [
        sum(Opponent(Contestant(None, rival="any"), RULES, call_s).takes_part(launch) for launch in range(10))
        for call_s in (SLOW_S / 2, SLOW_S, SLOWEST_S)
    ]
    assert taken == [10, SLOW_LAUNCHES, LEAST_LAUNCHES]
