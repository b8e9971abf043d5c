"""Fresh launches and fresh builds, with real processes: few, for each takes seconds."""

from __future__ import annotations

import pytest

from benchmarks.contestant import Contestant
from benchmarks.exchange import ContestantFailedError
from benchmarks.fresh import SLOW_LAUNCHES, SLOW_S, Opponent, against
from benchmarks.harness import Harness
from benchmarks.launch import fresh_build
from benchmarks.promote import Finalist, Terms, promote
from benchmarks.race import Rules
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


def test_a_launch_races_what_its_own_process_compiled(harness):
    once, fifty = planned(harness), planned(harness, passes=50)
    with fresh_build(harness.folder, [once, fifty]) as folder, harness.launch(3, folder) as process:
        rounds = process.rounds([once, fifty], RULES)
        assert sum(rounds.seconds[1]) > 5 * sum(rounds.seconds[0])
        assert process.pair(once, Contestant(None, rival="missing"), RULES) is None
        assert process.pair(once, Contestant(None, rival="mistaken"), RULES) is None
        with pytest.raises(ContestantFailedError, match="relative error"):
            process.prove(planned(harness, deed="wrong", least=10_000))


def test_a_source_that_was_changed_is_refused(harness, tmp_path):
    folder = SourceFolder(tmp_path)
    harness.folder.copy(harness.baseline.handle, folder)
    file = folder.path / f"k{harness.baseline.handle.key}.py"
    file.write_text(file.read_text() + "\nimport os\n")
    with pytest.raises(ContestantFailedError, match="changed"), fresh_build(folder, [harness.baseline]):
        raise AssertionError


def test_a_compilation_that_takes_too_long_fails_in_a_launch_too(task, folder):
    from benchmarks.worker import Limits

    with Harness(task, folder, limits=Limits(build_s=1.0)) as made:
        endless = planned(made, deed="unrolled", least=0)
        with (
            fresh_build(made.folder, [endless]) as build,
            made.launch(1, build) as process,
            pytest.raises(ContestantFailedError, match="CompileFailed"),
        ):
            process.prove(endless)


def test_real_finalists_are_promoted_or_not(harness):
    once, ten = planned(harness), planned(harness, passes=2)
    found = promote(harness, [Finalist(once, ten), Finalist(ten, once)], Terms(builds=2, rings=2))
    assert found.decisions[1].verdict == "rejected"
    assert found.decisions[0].speedups["incumbent"].estimate > 1.2
    assert 2 <= found.launches <= 4


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


def test_a_slow_opponent_takes_part_in_fewer_launches():
    slow, fast = (Opponent(Contestant(None, rival="any"), RULES, call_s) for call_s in (SLOW_S, SLOW_S / 2))
    assert sum(slow.takes_part(launch) for launch in range(10)) == SLOW_LAUNCHES
    assert all(fast.takes_part(launch) for launch in range(10))
