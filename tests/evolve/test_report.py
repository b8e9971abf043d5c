"""The page: everything in one file, figures that say what the store says, and what is missing said in words."""

import json
import math
import re
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import kernels
from benchmarks.inference import Estimate
from benchmarks.outcome import CompileFailed, Conditions, Impossible, Measured, Samples, Wrong
from evolve.errors import EvolveError, UsageError
from evolve.report import figures, html
from evolve.report.genes import genes
from evolve.report.quantities import factor
from evolve.store import (
    Batch,
    Bound,
    Ceilings,
    Checkpoint,
    Evaluation,
    Machine,
    OutcomeRecord,
    Publication,
    RunSpec,
    utc_now,
)
from evolve.tracker import Null, best_so_far, summary
from kernels import Work
from kernels.language import Space, choice, integer

SPACE = Space(
    [
        choice("variant", ("blocked", "naive"), "algorithm"),
        integer("mr", range(1, 9), "rows of the register tile", default=4, when={"variant": ("blocked",)}),
        integer("noise", range(1, 4), "nothing"),
    ]
)
TOY = SimpleNamespace(
    summary="toy: does what a toy does",
    dims=("m", "n"),
    space=SPACE,
    work=lambda size, dtype: Work({"fma": 10**6}, 8, 8),
)
CAP = 30.0


@pytest.fixture
def toy(monkeypatch):
    """The kernel of the runs here, installed."""
    monkeypatch.setattr(kernels, "get", lambda _name: TOY)


def run_in(store, *, seed=1, name=None, control_share=0.25, policy="hot"):
    known = {"cpu": "A <fast> CPU", "logical_cores": 2, "physical_cores": 1}
    store.add_machine(Machine("a1b2c3d4e5f6", known))
    return store.create_run(
        RunSpec(
            kernel="toy",
            size=(64, 32),
            dtype="float64",
            threads=1,
            strategy="genetic",
            control_share=control_share,
            seed=seed,
            budget="100evals",
            batch_size=8,
            machine="a1b2c3d4e5f6",
            versions={"numba": "0.68.1"},
            name=name,
            policy=policy,
        )
    )


def evaluate(store, run, evaluations, *, control=True, fails=0.1):
    """Synthetic outcomes: fitness rises with mr, every fourth is a random draw, some fail."""
    rng = np.random.default_rng(5)
    asked = []
    for number in range(1, evaluations + 1):
        arm = "control" if control and number % 4 == 0 else "search"
        asked.append(
            Evaluation(run.id, number, 0, number - 1, arm, "mutate", dict(SPACE.sample(rng)), (), f"k{number}")
        )
    store.add_batch(Batch(run.id, 0, utc_now()), asked)
    for evaluation in asked:
        is_fast = evaluation.schedule["variant"] == "blocked"
        fitness = (1 + 0.2 * evaluation.schedule["mr"] if is_fast else 0.1) + rng.normal(0, 0.01)
        time_s = math.exp(-fitness)
        outcome = Measured(time_s=time_s, samples=Samples((time_s,) * 6, (1.0,) * 6, 1))
        if rng.random() < fails:
            outcome, fitness = (Wrong("error <1> & more"), None)
        store.add_outcome(OutcomeRecord(run.id, evaluation.number, outcome, utc_now(), fitness=fitness))
    store.add_phases(run.id, 0, {"build": 10.0, "verify": 2.0, "measure": 7.9, "search": 0.1, "other": 0.0})


def champion_of(store, run):
    return max((i for i in store.individuals(run.id) if i.fitness is not None), key=lambda i: i.fitness)


def measure_afresh(store, run, *, rivals=None):
    """Bound, two checkpoints and the publication."""
    number = champion_of(store, run).evaluation.number
    store.add_bound(Bound(run.id, utc_now(), "arithmetic (fma)", 1 / CAP, 1.0))
    for known, value in ((8, 5.0), (20, 8.0)):
        estimate = Estimate(value, value - 0.5, value + 0.25)
        store.add_checkpoint(Checkpoint(run.id, number, known, 1.0, 1.0, estimate, {}, utc_now()))
    store.add_publication(
        Publication(
            run=run.id,
            evaluation=number,
            measured_at=utc_now(),
            launches=5,
            rounds=12,
            time_s=0.125,
            speedup=Estimate(8.0, 7.8, 8.3),
            rivals={"numpy.dot": Estimate(1.02, 0.99, 1.05)} if rivals is None else rivals,
            bound_limit="arithmetic (fma)",
            bound_time_s=1 / CAP,
            bound_fraction=8 / CAP,
            source_hash="ab" * 32,
            samples={},
        )
    )


@pytest.fixture
def finished(store, toy):
    """A run with everything in it."""
    run = run_in(store)
    store.add_ceilings(Ceilings("a1b2c3d4e5f6", utc_now(), {"flop_per_s": {"float64": {"fma": {"1": 58.9e9}}}}))
    store.add_event(run.id, "started")
    evaluate(store, run, 100)
    measure_afresh(store, run)
    store.add_event(run.id, "finished")
    return run


def drawn(page):
    """Figures by name."""
    found = re.findall(r'<script type="application/json" data-for="(\w+)">(.*?)</script>', page, re.DOTALL)
    return {name: json.loads(text) for name, text in found}


def words(page):
    """What a reader sees, without style and script."""
    text = re.sub(r"<(script|style)[^>]*>.*?</\1>", " ", page, flags=re.DOTALL)
    return " ".join(re.sub(r"<[^>]+>", " ", text).split())


def test_the_headline_gives_the_published_figures_with_their_intervals(store, finished):
    text = words(html.page(store, finished.id))
    assert "8.00x the speed of the plain loop 95 % interval 7.80 to 8.30, measured afresh in 5 new processes" in text
    assert "1.02x the speed of numpy.dot 95 % interval 0.990 to 1.05" in text
    assert "27 % of what this machine allows" in text
    assert "125 ms a call 16.0 MFLOP/s" in text
    assert "UNDECIDED" in text


def test_the_file_asks_no_network_and_holds_plotly_once(store, finished, tmp_path):
    path = html.write(store, finished.id, tmp_path / "report.html")
    page = path.read_text(encoding="utf-8")
    assert page.count(html.plotly.offline.get_plotlyjs()) == 1
    own = page.replace(html.plotly.offline.get_plotlyjs(), "")
    assert not re.findall(r"https?:|//cdn|url\(|@import|<script[^>]* src", own)
    assert "default-src 'none'" in own
    assert [p.name for p in tmp_path.iterdir() if p.suffix == ".tmp"] == []


def test_the_curve_shows_what_the_tracker_calculates(store, finished):
    individuals = store.individuals(finished.id)
    traces = drawn(html.page(store, finished.id))["curve"]["data"]
    (best,) = [t for t in traces if t.get("line", {}).get("shape") == "hv"]
    np.testing.assert_allclose(np.array(best["y"], float), np.exp(best_so_far(individuals)))
    null = [t for t in traces if "random draws" in (t.get("hovertemplate") or "")]
    expected = Null.of(individuals).curve(null[0]["x"])
    np.testing.assert_allclose(null[0]["y"], [math.exp(p.fitness.estimate) for p in expected])
    assert null[1]["line"]["dash"] == "dot"
    assert min(null[1]["x"]) >= max(null[0]["x"])
    (checked,) = [t for t in traces if "checkpoint" in (t.get("hovertemplate") or "")]
    assert (checked["x"], checked["y"]) == ([8, 20], [5.0, 8.0])
    assert checked["error_y"]["arrayminus"] == [0.5, 0.5]
    assert checked["error_y"]["array"] == [0.25, 0.25]
    control = [t for t in traces if t.get("mode") == "markers" and t["marker"].get("opacity") == 0.35][1]
    assert all(x % 4 == 0 for x in control["x"])


def test_the_cap_line_lies_where_the_bound_says_and_nothing_of_the_null_above_it(store, finished):
    figure = drawn(html.page(store, finished.id))["curve"]
    assert CAP in [shape["y0"] for shape in figure["layout"]["shapes"]]
    assert figure["layout"]["annotations"][0]["text"] == "cap 30.0x"
    assert figure["layout"]["annotations"][0]["y"] == pytest.approx(math.log10(CAP))
    for trace in figure["data"]:
        if "random draws" in (trace.get("hovertemplate") or "") or trace.get("fill"):
            assert max(trace["y"]) <= CAP * (1 + 1e-12)


def test_rivals_are_drawn_with_intervals_and_the_plain_loop_where_there_are_none(store, toy):
    run = run_in(store)
    evaluate(store, run, 12)
    measure_afresh(store, run)
    figure = drawn(html.page(store, run.id))["opponents"]["data"][0]
    assert (figure["y"], figure["x"]) == (["numpy.dot"], [1.02])
    assert figure["error_x"]["array"] == pytest.approx([0.03])
    other = run_in(store)
    evaluate(store, other, 12)
    measure_afresh(store, other, rivals={})
    assert drawn(html.page(store, other.id))["opponents"]["data"][0]["y"] == ["plain loop"]


def test_the_page_says_how_far_it_can_still_go_and_what_it_cost(store, finished):
    text = words(page := html.page(store, finished.id, 0.053))
    for part in (
        "How far it can still go",
        "8 1s 1s 5.00x [4.50, 5.25] on the way",
        "A faster schedule was tried, and noise hid it.",
        "What it cost, and what it brings",
        "one that spends 5.3 % of its time in the plain loop becomes",
    ):
        assert part in text, part
    widths = [float(width) for width in re.findall(r'class="bar"><i style="width: ([\d.]+)%"></i>', page)]
    parts = len(summary(store, finished.id)["split"]["parts"])
    assert sum(widths[:parts]) == pytest.approx(100, abs=0.2)


def test_runs_of_one_problem_share_a_picture_of_cost_and_gap(store, finished, toy):
    assert "front" not in drawn(html.page(store, finished.id))
    other = run_in(store)
    evaluate(store, other, 40)
    measure_afresh(store, other)
    figure = drawn(html.page(store, other.id))["front"]
    assert len(figure["data"]) == 3
    assert "it walked along the front" in words(html.page(store, other.id))


def test_every_picture_has_a_caption_of_one_sentence_and_a_legend(store, finished):
    individuals, publication = store.individuals(finished.id), store.publication(finished.id)
    pictures = [
        figures.champion_curve(individuals, [], publication, store.bound(finished.id)),
        figures.opponents(publication),
    ]
    for picture in pictures:
        assert re.fullmatch(r"[A-Z][^.]*(\d\.\d[^.]*)*\.", picture.caption), picture.caption
        assert picture.legend


def test_a_run_without_anything_says_so(store, toy):
    run = run_in(store)
    store.add_event(run.id, "started")
    page = html.page(store, run.id)
    text = words(page)
    assert "The run is running: all that follows is what is known so far." in text
    assert "Nothing has been evaluated yet." in text
    assert "no champion" in text
    assert drawn(page) == {}
    assert len(page) < 100_000, "no plotly where there is nothing to draw"


def test_a_run_without_champion_says_so(store, toy):
    run = run_in(store)
    evaluate(store, run, 8, fails=1.0)
    text = words(html.page(store, run.id))
    assert "There is no champion: no schedule was right and could be timed." in text
    assert "Wrong 8" in text


def test_a_failed_run_gives_its_reason_escaped(store, toy):
    run = run_in(store, name="<script>alert(1)</script>")
    store.add_event(run.id, "started")
    evaluate(store, run, 20, fails=0.5)
    store.add_event(run.id, "failed", "RuntimeError: <b>no</b>")
    page = html.page(store, run.id)
    assert "The run failed: RuntimeError: &lt;b&gt;no&lt;/b&gt;." in page
    assert "<script>alert" not in page
    assert "<b>no" not in page
    assert "error &lt;1&gt; &amp; more" in page


def test_a_noisy_machine_disturbed_races_and_impossible_figures_are_said_at_the_top(store, toy):
    run = run_in(store, policy="flush")
    store.add_event(run.id, "started")
    store.add_event(run.id, "noisy", "machine too noisy to judge: equals differ by <20> %")
    store.add_event(run.id, "stalled", "it asked for <what> it knew")
    asked = [Evaluation(run.id, n, 0, n - 1, "search", "mutate", dict(SPACE.default), (), f"k{n}") for n in (1, 2)]
    store.add_batch(Batch(run.id, 0, utc_now()), asked)
    disturbed = Samples((0.1,) * 6, (1.0,) * 6, 1, conditions=Conditions(flags=("steal",)))
    store.add_outcome(OutcomeRecord(run.id, 1, Measured(time_s=0.1, samples=disturbed), utc_now(), fitness=0.7))
    store.add_outcome(OutcomeRecord(run.id, 2, Impossible("1e-09 s a call"), utc_now()))
    page = html.page(store, run.id)
    text = words(page)
    assert "Measured on a noisy machine, as was asked for: equals differ by &lt;20&gt; %." in text
    assert re.search(r"The search stopped early, with .* left: it asked for &lt;what&gt; it knew\.", text)
    assert "1 evaluation was faster than this machine can be and counts for nothing: 1e-09 s a call" in text
    assert "evaluation 2: 1e-09 s a call" in text
    assert "1 of 1 races disturbed; marks of races: steal 1." in text
    assert "1 thread, flush caches" in text
    assert "--policy flush" in text
    assert "Impossible 1" in text


def test_an_unpublished_champion_is_called_an_estimate(store, toy):
    run = run_in(store, control_share=0.0)
    evaluate(store, run, 30, control=False)
    store.add_event(run.id, "interrupted")
    text = words(html.page(store, run.id))
    believed = factor(math.exp(champion_of(store, run).fitness))
    assert f"{believed}? the speed of the plain loop, the search believes" in text
    assert "not been measured in fresh processes" in text
    assert "there were no random draws" in text
    assert "there is no cap line" in text
    assert f"evolve resume {run.id}" in text


def test_one_evaluation_is_a_curve(store, toy):
    run = run_in(store)
    evaluate(store, run, 1, fails=0.0)
    figure = drawn(html.page(store, run.id))["curve"]
    assert [len(t["x"]) for t in figure["data"]] == [1, 1]
    assert figure["layout"]["yaxis"]["range"][0] < figure["layout"]["yaxis"]["range"][1]


def test_a_kernel_that_is_not_installed_does_without_its_description(store):
    run = run_in(store)
    evaluate(store, run, 30)
    measure_afresh(store, run)
    text = words(html.page(store, run.id))
    assert "8.00x the speed of the plain loop" in text
    assert "variant = blocked" in text


def test_genes_that_decide_come_first_and_are_counted_only_where_they_mean_something(store, toy):
    run = run_in(store)
    evaluate(store, run, 100, fails=0.0)
    individuals = store.individuals(run.id)
    best = champion_of(store, run).evaluation.schedule
    found = genes(individuals, best, TOY)
    assert [gene.name for gene in found][-1] == "noise"
    by_name = {gene.name: gene for gene in found}
    blocked = [i for i in individuals if i.evaluation.schedule["variant"] == "blocked"]
    assert sum(value.count for value in by_name["mr"].values) == len(blocked)
    assert [value.value for value in by_name["mr"].values] == [str(k) for k in range(1, 9)]
    (own,) = [value for value in by_name["mr"].values if value.is_champions]
    assert own.value == str(best["mr"]) == "8"
    assert own.best == pytest.approx(math.exp(max(i.fitness for i in blocked)))
    assert own.best_at == 100
    mine = [math.exp(i.fitness) for i in blocked if i.evaluation.schedule["mr"] == 3]
    assert by_name["mr"].values[2].median == pytest.approx(math.exp(np.median(np.log(mine))))
    assert by_name["variant"].weight > 0.5
    assert 0 <= by_name["noise"].weight < 0.1


def test_a_gene_that_means_nothing_for_the_champion_is_said_to(store, toy):
    run = run_in(store)
    evaluate(store, run, 40)
    (gene,) = [
        g for g in genes(store.individuals(run.id), {**SPACE.default, "variant": "naive"}, TOY) if g.name == "mr"
    ]
    assert gene.champions is None
    assert not any(value.is_champions for value in gene.values)


def test_an_unknown_run_and_an_unwritable_place_are_one_line(store, finished, tmp_path):
    with pytest.raises(UsageError, match="no run"):
        html.write(store, "nosuch", tmp_path / "report.html")
    with pytest.raises(EvolveError, match="cannot be written") as caught:
        html.write(store, finished.id, tmp_path / "missing" / "report.html")
    assert str(tmp_path / "missing") in str(caught.value)


def test_a_report_is_replaced_as_a_whole(store, finished, tmp_path, monkeypatch):
    path = tmp_path / "report.html"
    path.write_text("old")

    def fail(*_arguments, **_named):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(EvolveError, match="No space left"):
        html.write(store, finished.id, path)
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.glob("*.tmp")] == []


def test_failed_builds_are_counted_with_their_reason(store, toy):
    run = run_in(store)
    store.add_batch(
        Batch(run.id, 0, utc_now()), [Evaluation(run.id, 1, 0, 0, "search", "default", dict(SPACE.default))]
    )
    store.add_outcome(OutcomeRecord(run.id, 1, CompileFailed("building took over 30 s"), utc_now()))
    assert "CompileFailed 1 Numba or LLVM refused it" in words(html.page(store, run.id))
    assert "building took over 30 s" in html.page(store, run.id)
