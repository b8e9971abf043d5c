"""``evolve replay`` and ``evolve record``: what they print, keep and refuse."""

from __future__ import annotations

import gzip
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from evolve.replay import shipped
from evolve.replay.recording import Recording, Subject, Timing
from kernels.language.space import Schedule, integer

ROOT = Path(__file__).parents[2]


def cache(points):
    entries = {str(k): {"a": a, "b": b, "time": time} for k, (a, b, time) in enumerate(points)}
    return {"tune_params_keys": ["a", "b"], "cache": entries}


SLOPE = cache((a, b, 99.0 - 5 * a - b) for a in range(9) for b in range(9))
HOLLOW = cache(
    (a, b, "failed" if (a + b) % 3 else 1.0 + (a - 4) ** 2 + (b - 4) ** 2) for a in range(9) for b in range(9)
)


@pytest.fixture
def slope(tmp_path):
    path = tmp_path / "slope.json.gz"
    path.write_bytes(gzip.compress(json.dumps(SLOPE).encode()))
    return str(path)


@pytest.fixture(autouse=True)
def _here_alone(monkeypatch):
    """Workers take a second to start; that searches may be shared is tested elsewhere."""
    monkeypatch.setattr("evolve.replay.games.cores", lambda: 1)


def strategy(folder, body):
    path = folder / "mine.py"
    path.write_text(
        "from evolve.search.protocol import Proposal\n"
        "class Mine:\n"
        "    def __init__(self, space, rng): self.space, self.rng = space, rng\n"
        f"    def ask(self, n): {body}\n"
        "    def tell(self, results): pass\n"
    )
    return f"{path}:Mine"


# ---- replay


def test_a_table_has_exact_luck_beside_each_strategy(evolve, slope):
    code, out, err = evolve("replay", slope, "--strategy", "genetic,random", "--seeds", "6", "--budget", "50")
    lines = out.splitlines()
    assert code == 0
    assert lines[0].split() == ["SPACE", "STRATEGY", "SCORE", "@25", "@50", "WITHIN", "5", "%", "A", "SEARCH"]
    assert [line.split()[1] for line in lines[1:4]] == ["random,", "genetic", "random"]
    assert "15% of them random draws" in out
    assert err.splitlines()[-1].startswith("next: evolve run")


def test_several_spaces_have_a_mean(evolve, slope, tmp_path):
    (tmp_path / "hollow.json").write_text(json.dumps(HOLLOW))
    files = (slope, str(tmp_path / "hollow.json"))
    code, out, _ = evolve("replay", *files, "--strategy", "local", "--seeds", "4", "--budget", "30", "--no-control")
    assert code == 0
    assert ["all", "2", "local"] in [line.split()[:3] for line in out.splitlines()]
    assert "no control arm" in out


def test_other_programs_get_what_they_may_rely_on(evolve, slope):
    asked = ("--strategy", "genetic,random", "--seeds", "5", "--budget", "60", "--json")
    code, out, _ = evolve("replay", slope, *asked)
    told = json.loads(out)
    assert code == 0
    assert (told["schema"], told["seeds"], told["budget"], told["control_share"]) == (1, 5, 60, 0.15)
    (space,) = told["spaces"]
    assert (space["space"], space["schedules"], space["failed"]) == ("slope", 81, 0)
    assert space["best_s"] == pytest.approx(51e-3)
    assert set(space["random"]["median_ratio"]) == {"25", "50"}
    for result in told["results"]:
        assert set(result["score"]) == {"estimate", "low", "high", "level"}
        assert result["score"]["low"] <= result["score"]["estimate"] <= result["score"]["high"] <= 1
        assert set(result["median_ratio"]) == {"25", "50"}
        assert 0 <= result["within_5_percent"] <= 1
        assert (result["evaluations"], result["seeds"]) == (60, 5)
        assert result["seconds_per_evaluation"] > 0
    genetic, random = (result["score"]["estimate"] for result in told["results"])
    assert genetic > random
    assert [mean["strategy"] for mean in told["means"]] == ["genetic", "random"]
    assert evolve("replay", slope, *asked)[1].count("estimate") == out.count("estimate")


def test_a_space_may_be_named_and_where_none_is_all_that_are_at_hand_are_searched(evolve, slope, tmp_path, monkeypatch):
    (tmp_path / "shipped").mkdir()
    (tmp_path / "shipped" / "hollow.json").write_text(json.dumps(HOLLOW))
    monkeypatch.setattr(shipped, "FOLDER", tmp_path / "shipped")
    monkeypatch.setenv(shipped.RECORDED, str(Path(slope).parent))
    asked = ("--strategy", "random", "--seeds", "2", "--budget", "20", "--json")
    found = [json.loads(evolve("replay", *words, *asked)[1])["spaces"] for words in (["hollow"], [])]
    assert [[space["space"] for space in spaces] for spaces in found] == [["hollow"], ["hollow", "slope"]]
    monkeypatch.delenv(shipped.RECORDED)
    monkeypatch.setattr(shipped, "FOLDER", tmp_path / "nowhere")
    code, out, err = evolve("replay", "-q")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert "no recorded space is named" in err


def test_the_control_arm_is_part_of_a_search_unless_it_is_left_out(evolve, slope, tmp_path):
    """A strategy that asks the optimum second has it with its second evaluation only where no draw comes between."""
    first = "return [Proposal(s, 'mine') for s in [self.space.default, max(self.space._listed, key=str)]]"
    asked = ("--strategy", strategy(tmp_path, first), "--seeds", "3", "--budget", "25", "--json")
    scores = [json.loads(evolve("replay", slope, *asked, *more)[1])["results"][0] for more in ((), ("--no-control",))]
    assert scores[0]["median_ratio"] == scores[1]["median_ratio"] == {"25": 1.0}
    assert scores[0]["score"]["estimate"] < scores[1]["score"]["estimate"] - 0.1


@pytest.mark.parametrize(
    ("body", "code", "said"),
    [
        ("return []", 0, "2 of 2 searches stalled"),
        ("return [Proposal(self.space.default, 'mine')] * n", 0, "2 of 2 searches stalled"),
        ("return [Proposal(self.space.default.replace(a=77), 'mine')]", 0, "schedules that are not legal"),
        ("return 1 / 0", 1, "ZeroDivisionError"),
        ("return ['no proposal']", 1, "AttributeError"),
    ],
)
def test_a_bad_strategy_is_told_and_nothing_spins(evolve, slope, tmp_path, body, code, said):
    mine = strategy(tmp_path, body)
    found, out, err = evolve("replay", slope, "--strategy", f"{mine},random", "--seeds", "2", "--no-control")
    assert found == code
    assert said in err
    assert "slope  random " in out, "the others have their scores all the same"
    assert "Traceback" not in err


def test_a_budget_larger_than_the_space_ends_with_it(evolve, slope):
    code, _, err = evolve("replay", slope, "--strategy", "random", "--seeds", "2", "--budget", "100000")
    assert code == 0
    assert "slope has 81 schedules only: a budget of 100000 ends there" in err


def test_failed_entries_cost_and_are_no_optimum(evolve, tmp_path):
    (tmp_path / "hollow.json").write_text(json.dumps(HOLLOW))
    code, out, _ = evolve("replay", str(tmp_path / "hollow.json"), "--seeds", "3", "--budget", "40", "--json")
    told = json.loads(out)
    assert code == 0
    assert told["spaces"][0]["failed"] == 54
    assert told["results"][0]["evaluations"] == 40


@pytest.mark.parametrize(
    ("text", "code", "said"),
    [
        (None, 2, "cannot be read (No such file or directory)"),
        ("", 1, "is damaged or not finished"),
        ('{"cache": {"1": ', 1, "is damaged or not finished"),
        ("{}", 2, "is no recorded space"),
        ('{"format": "evolve recording", "schema": 9}', 1, "has schema 9, this version reads 1"),
        (json.dumps(cache([(1, 1, 2.0), (1, 2, 2.0)])), 1, "is flat"),
    ],
)
def test_a_bad_file_is_one_line_and_an_exit_code(evolve, tmp_path, text, code, said):
    path = tmp_path / "bad.json"
    if text is not None:
        path.write_text(text)
    found, out, err = evolve("replay", str(path), "-q")
    assert (found, out, err.count("\n")) == (code, "", 1)
    assert said in err


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("genetc", "did you mean genetic?"),
        ("nowhere.py:Mine", "nowhere.py"),
        ("broken.py:Mine", "broken.py cannot be imported (ZeroDivisionError: division by zero)"),
        (",", "names none"),
    ],
)
def test_a_strategy_that_does_not_exist_is_refused(evolve, slope, name, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "broken.py").write_text("1 / 0")
    code, out, err = evolve("replay", slope, "--strategy", name, "-q")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert said in err


def test_ctrl_c_ends_all_workers(slope, tmp_path):
    """The workers hold the pipe's other end: it is at its end once they are gone."""
    slow = strategy(tmp_path, "print('began', flush=True); __import__('time').sleep(3600)")
    script = (
        # a shell's background jobs are deaf to Ctrl-C, and so would be what they start
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "import evolve.replay.games as games; games.cores = lambda: 2\n"
        "from evolve.cli.main import main\n"
        "if __name__ == '__main__': main()\n"
    )
    (tmp_path / "started.py").write_text(script)
    process = subprocess.Popen(
        [sys.executable, str(tmp_path / "started.py"), "replay", slope, "--strategy", slow, "-q"],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "began\n"
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert err.strip() == "evolve: stopped"
    assert out in ("", "began\n")


# ---- record


def made(target):
    genes = [integer("x", range(3), "")]
    about = {"size": (64, 64), "dtype": "float64", "threads": 1, "policy": "hot", "space": "small"}
    subject = Subject(kernel="softmax", **about, machine="cafe", cpu="a CPU", versions={})
    timings = {Schedule({"x": 0}): Timing(2.0), Schedule({"x": 1}): Timing(None, outcome="Wrong")}
    recording = Recording(subject, "2026-01-01", 3.0, tuple(genes), {**timings, Schedule({"x": 2}): Timing(1.0)})
    recording.write(target)
    return recording


@pytest.fixture
def recorded(monkeypatch):
    """Stands for the hours of measuring; what it was asked for."""
    asked = {}

    def record(store, task, part, target, say, admission):
        asked.update(task=task, part=part, target=target, admission=admission)
        return made(target)

    monkeypatch.setattr("evolve.replay.record.record", record)
    return asked


def test_a_recording_is_asked_for_and_told(evolve, recorded, tmp_path):
    target = tmp_path / "s.json.gz"
    code, out, err = evolve("record", "softmax", "--size", "64x32", "--dtype", "float32", "--out", str(target))
    task = recorded["task"]
    assert code == 0
    assert (task.kernel, task.size, task.dtype, task.threads, task.policy) == ("softmax", (64, 32), "float32", 1, "hot")
    assert recorded["part"] == "small"
    assert "3, of which 1 failed (1 Wrong)" in out
    assert f"next: evolve replay {target}" in err
    assert evolve("replay", str(target), "--strategy", "random", "--seeds", "2", "-q")[0] == 0


def test_a_recording_lies_with_your_data_unless_told_otherwise(evolve, recorded, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    code, out, _ = evolve("record", "softmax", "--size", "64", "--json")
    told = json.loads(out)
    assert code == 0
    assert Path(told["file"]).name == "softmax-64x64-float64-small.json.gz"
    assert Path(told["file"]).is_relative_to(tmp_path)
    assert (told["schedules"], told["failed"], told["best_s"], told["baseline_s"]) == (3, 1, 1.0, 3.0)
    assert told["failures"] == {"Wrong": 1}
    code, _, err = evolve("record", "softmax", "--size", "64")
    assert code == 2
    assert "is there already" in err


@pytest.mark.parametrize(
    ("line", "code", "said"),
    [
        ("record softmaxx", 2, "did you mean softmax?"),
        ("record softmax --dtype float16", 2, "float32, float64"),
        ("record softmax --size 3x4x5", 2, "softmax takes 1 or 2"),
        ("record softmax --threads 9999", 2, "9999 threads on "),
        ("record softmax --out /nowhere/at/all.json", 2, "cannot be written"),
        ("record triad --out t.json", 2, "triad has no small space"),
        ("record matmul --space all --out m.json", 2, "take --space small"),
    ],
)
def test_what_cannot_be_recorded_is_one_line_and_leaves_nothing(evolve, tmp_path, monkeypatch, line, code, said):
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.iterdir())
    found, out, err = evolve(*line.split(), "-q")
    assert (found, out, err.count("\n")) == (code, "", 1)
    assert said in err
    assert [path for path in sorted(tmp_path.iterdir()) if path.name != "runs.db"] == before
