"""``evolve compare``: how machines are laid side by side, what of it is refused, and what is said."""

from __future__ import annotations

import json
import re

import pytest
import sheets

from evolve.compare import compare
from evolve.errors import UsageError
from evolve.report.compare import plain, text
from evolve.report.compare_page import page
from evolve.sheet import Problem, read_sheet

A, B = "a" * 12, "b" * 12
TRIAD = Problem("triad", "float32", (4096,))


@pytest.fixture
def compared(tmp_path):
    """Compares JSON as if it lay in files."""

    def over(*data):
        return compare([read_sheet(sheets.write(tmp_path, f"{k}.json", one)) for k, one in enumerate(data)])

    return over


@pytest.fixture
def met(compared):
    return compared(*sheets.pair())


def _cell(aligned, home, host):
    return next(cell for cell in aligned.cells if (cell.home[0], cell.host[0]) == (home, host))


# ---- side by side


def test_each_machine_is_held_against_itself(met):
    [one] = met.problems
    assert one.problem == TRIAD
    found = one.leaders[A, "hot"]
    assert (found.fraction.estimate, found.limit) == (0.8, "bandwidth (L1, triad)")
    assert found.speedups["baseline"].estimate == 20.0


def test_a_champion_abroad_is_a_fraction_of_the_hosts_own(met):
    cell = _cell(met.problems[0], A, B)
    assert cell.kind == "measured"
    assert cell.fraction.estimate == pytest.approx(1 / 1.25)
    assert cell.fraction.low == pytest.approx(1 / (1.25 * 1.05))
    assert cell.fraction.high == pytest.approx(1 / (1.25 * 0.95))
    assert _cell(met.problems[0], A, A).kind == "own"


def test_the_portable_schedule_costs_the_worst_off_machine_least(met):
    [one] = met.problems
    assert one.portable.home == (B, "hot")
    assert one.portable.worst == (A, "hot")
    assert one.portable.costs[A, "hot"].estimate == 1.1
    assert one.portable.costs[B, "hot"].estimate == 1.0
    assert one.is_settled


def test_genes_agree_or_differ_and_those_without_meaning_do_neither(met):
    genes = {gene.name: gene for gene in met.problems[0].genes}
    assert not genes["unroll"].agrees
    assert genes["lanes"].agreed == "8"
    assert set(genes["distance"].values.values()) == {None}
    assert (genes["distance"].agrees, genes["distance"].agreed) == (True, "")


def test_what_is_missing_comes_with_the_command_that_measures_it(compared):
    first, second = sheets.pair()
    second["benchmarks"] = [one for one in second["benchmarks"] if "home" not in one["extra_info"]]
    second["machine_info"]["fingerprint"]["profile"] = "avx2, 1 core"
    found = compared(first, second)
    cell = _cell(found.problems[0], A, B)
    assert (cell.kind, cell.fraction) == ("missing", None)
    assert re.fullmatch(r"on avx2, 1 core: evolve bench triad --isa avx2 --cores 1 --with \S+0\.json", cell.note)
    assert found.problems[0].portable.home == (B, "hot")
    assert not found.problems[0].is_settled


def test_what_is_missing_may_be_settled_by_what_is_known(compared):
    first, second = sheets.pair()
    third = sheets.sheet("c" * 12, sheets.leader(sheets.genome(unroll=2)), day=3)
    for name, schedule, cost in (("a" * 12, 1, 1.5), ("b" * 12, 4, 1.2)):
        info = sheets.guest(name, sheets.genome(unroll=schedule))
        third["benchmarks"].insert(0, {**third["benchmarks"][0], "extra_info": info})
        third["benchmarks"][-1]["extra_info"]["speedups"][f"champion of {name}"] = sheets.ratio(cost)
    assert not compared(first, second, third).problems[0].is_settled
    visit = {**second["benchmarks"][0], "extra_info": sheets.guest("c" * 12, sheets.genome(unroll=2))}
    second["benchmarks"].insert(0, visit)
    second["benchmarks"][-1]["extra_info"]["speedups"]["champion of " + "c" * 12] = sheets.ratio(1.3)
    [one] = compared(first, second, third).problems
    assert one.portable.home == (B, "hot")
    assert one.is_settled


def test_an_earlier_champion_says_nothing_of_the_present_one(compared):
    first, second = sheets.pair()
    first["benchmarks"][-1]["extra_info"]["schedule"]["unroll"] = 2
    assert _cell(compared(first, second).problems[0], A, B).kind == "missing"


def test_what_the_host_refuses_is_listed_and_not_portable(compared):
    first, second = sheets.pair()
    theirs = second["benchmarks"].pop(0)["extra_info"]
    theirs |= {"kind": "illegal", "reason": "lanes=8 is not one of 2, 4"}
    second["evolve"]["left_out"] = [theirs]
    [one] = compared(first, second).problems
    assert _cell(one, A, B).kind == "refused"
    assert "lanes=8 is not one of 2, 4" in _cell(one, A, B).note
    assert one.portable.home == (B, "hot")
    assert one.is_settled


def test_the_same_schedule_needs_no_measurement(compared):
    schedule = sheets.genome()
    [one] = compared(sheets.sheet(A, sheets.leader(schedule)), sheets.sheet(B, sheets.leader(schedule), day=2)).problems
    assert {cell.kind for cell in one.cells} == {"own", "same"}
    assert all(gene.agrees for gene in one.genes)


def test_two_policies_of_one_machine_are_two_machines(compared):
    schedule = sheets.genome()
    hot, rotate = (sheets.sheet(A, sheets.leader(schedule), policy=policy, profile="") for policy in ("hot", "rotate"))
    found = compared(hot, rotate)
    assert list(found.labels.values()) == ["256-bit vectors, 2 cores", "256-bit vectors, 2 cores, rotate caches"]


def test_machines_that_read_alike_are_told_apart_by_their_ids(compared):
    first, second = sheets.pair()
    for one in (first, second):
        one["machine_info"]["fingerprint"]["profile"] = "sse2"
    assert list(compared(first, second).labels.values()) == ["A CPU, sse2 (aaaaaa)", "A CPU, sse2 (bbbbbb)"]


def test_what_was_measured_last_counts_and_that_is_said(compared):
    first, second = sheets.pair()
    again = sheets.sheet(A, sheets.leader(sheets.genome(unroll=1), bound_fraction_interval=sheets.ratio(0.9)), day=9)
    found = compared(again, first, second)
    assert found.problems[0].leaders[A, "hot"].fraction.estimate == 0.9
    assert any("is superseded by" in remark for remark in found.remarks)


def test_what_throws_doubt_on_a_figure_is_remarked(compared):
    first, second = sheets.pair()
    info = first["benchmarks"][-1]["extra_info"]
    info |= {"conditions": {"numpy": {**sheets.CALM, "flags": ["steal"]}}, "bound_fraction_interval": sheets.ratio(1.4)}
    second["evolve"]["is_quick"] = True
    del second["machine_info"]["ceilings"]
    said = "\n".join(compared(first, second).remarks)
    assert "steal while it was measured" in said
    assert "beyond its bound" in said
    assert "--quick" in said
    assert "its ceilings are not known" in said


def test_problems_of_one_machine_are_named(compared):
    first, second = sheets.pair()
    alone = sheets.leader(sheets.genome(), size=[8])
    first["benchmarks"].append({**first["benchmarks"][-1], "extra_info": alone})
    found = compared(first, second)
    assert [(problem.size, key[0]) for problem, key in found.alone] == [((8,), A)]


# ---- what is refused


def test_one_machine_is_no_comparison(compared):
    first, _ = sheets.pair()
    with pytest.raises(UsageError, match=f"only one machine.*{A}"):
        compared(first)


def test_the_same_measurement_twice_is_refused(compared):
    first, second = sheets.pair()
    with pytest.raises(UsageError, match=r"2\.json is given as .*0\.json too"):
        compared(first, second, first)


def test_machines_with_nothing_in_common_are_told_what_each_has(compared):
    first, second = sheets.pair()
    second["benchmarks"] = [
        {**second["benchmarks"][-1], "extra_info": sheets.leader({}, kernel="matmul", size=[8, 8, 8])}
    ]
    with pytest.raises(UsageError, match=f"no problem in common .*{A}: triad; {B}: matmul"):
        compared(first, second)


# ---- what is said


def test_the_terminal_shows_all_of_it(met):
    shown = [" ".join(line.split()) for line in text(met).splitlines()]
    assert "profile of aaaa 80 % [76, 84] bandwidth (L1, triad) 20.0x [19.0, 21.0] champion of triad-1a" in shown
    assert "profile of aaaa 100 %, its own 80 % [76, 84]" in shown
    assert "differ unroll 1 / 4 (in order of profile of aaaa / profile of bbbb)" in shown
    assert "portable champion of profile of bbbb, at more time than with its own: profile" in shown


def test_plain_values_are_json_without_seconds(met):
    told = plain(met)
    assert json.loads(json.dumps(told, allow_nan=False)) == told
    assert "time_s" not in json.dumps({**told, "machines": []})
    [one] = told["problems"]
    assert one["portable"]["champion_of"] == "profile of bbbb"
    assert [cell["kind"] for cell in one["cross"]] == ["own", "measured", "measured", "own"]


def test_the_page_holds_everything_itself(met):
    shown = page(met)
    own = re.sub(r"<script>.*?</script>", "", shown, flags=re.DOTALL)
    assert not re.findall(r"https?:|//cdn|url\(|@import|<script[^>]* src", own)
    assert 'data-for="fractions"' in shown
    assert "<b>80 %</b><small>76 to 84</small>" in shown
    assert shown.count("<h2>triad float32 4096</h2>") == 1


def test_a_page_without_bounds_has_no_picture(compared):
    first, second = sheets.pair()
    for one in (first, second):
        one["benchmarks"][-1]["extra_info"]["bound_fraction_interval"] = None
    shown = page(compared(first, second))
    assert "data-for" not in shown
    assert "not known" in shown


def test_names_cannot_break_the_page(compared):
    first, second = sheets.pair()
    first["machine_info"]["fingerprint"]["profile"] = "</script><b>x"
    shown = page(compared(first, second))
    assert "<b>x" not in shown
