"""``evolve doctor`` with planted findings: what it says, in words, in JSON and by its exit code."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

from benchmarks import quiet
from benchmarks.aa import judged
from benchmarks.gallery import Gallery, Row
from benchmarks.inference import Estimate
from benchmarks.noise import POWERS, Detection, Noise, witnessed
from benchmarks.outcome import Conditions, Samples
from benchmarks.precision import Precision
from benchmarks.sandbox import Protection
from benchmarks.trials.verdict import Verdict


def _precision(*, offset=0.0, spread=0.0, flags=()):
    """What races of equals would say whose rounds have a noise of 1 %."""
    rng = np.random.default_rng(1)
    races = [
        Samples(
            tuple(np.exp(0.01 * rng.standard_normal(24) - gain)), (1.0,) * 24, 1, conditions=Conditions(flags=flags)
        )
        for gain in offset + spread * rng.standard_normal(40)
    ]
    detection = Detection.of(races, rng)
    return Precision(
        same=judged(races),
        rebuilt=judged(races),
        relaunched=judged(races[:6]),
        noise=Noise.of(races, races, races[:6]),
        smallest_gain=detection.smallest_gains(),
        rounds_for={gain: detection.rounds_for(gain) for gain in POWERS},
        conditions=witnessed(races),
        detection=detection,
    )


@pytest.fixture
def found(monkeypatch):
    """Plants what races of equals find; on a quiet machine in order."""

    def plant(*, lacking=(), **planted):
        held = [Protection(name, name not in lacking, "seccomp") for name in ("network", "programs")]
        monkeypatch.setattr("benchmarks.sandbox.active", lambda: tuple(held))
        monkeypatch.setattr("evolve.doctor._precision", lambda _extent, _say: _precision(**planted))

    monkeypatch.setattr("benchmarks.quiet.read", lambda: quiet.Readings(0.0, 0.0, 0.0, 0.0))
    monkeypatch.setattr("benchmarks.quiet.standing_disturbances", lambda *_args, **_named: [])
    monkeypatch.setattr("evolve.doctor.claimants", lambda _name: [])
    monkeypatch.setattr("benchmarks.sandbox.aslr_is_off", lambda: True)
    plant()
    return plant


def test_a_quiet_machine_is_trusted_down_to_a_difference(evolve, found):
    code, out, err = evolve("doctor")
    assert code == 0
    assert re.search(r"^one process +40 ", out, re.MULTILINE)
    assert re.search(r"smallest gain +that rounds find in four of five races: [\d.]+% in 8,", out)
    assert "network, programs (seccomp)" in out
    assert out.splitlines()[-1] == "Measurements of this machine can be trusted."
    assert err.splitlines()[-1].startswith("next: ")


def test_json_keeps_its_promise(evolve, found):
    told = json.loads(evolve("doctor", "--json")[1])
    assert told["schema"] == 1
    assert told["aa"].keys() == {"same", "rebuilt", "relaunched"}
    assert told["aa"]["same"].keys() >= {"trials", "false_positives", "rate", "ratio", "expected", "spread"}
    assert told["noise"]["round"] == pytest.approx(0.01, rel=0.2)
    gains = [told["smallest_gain"][rounds] for rounds in ("8", "15", "30", "60")]
    assert gains == sorted(gains, reverse=True)
    assert told["protections"][0] == {"name": "network", "is_active": True, "reason": "seccomp"}
    assert told["system"].keys() >= {"huge_pages", "is_bound", "is_layout_fixed", "logical_cores"}
    assert (told["attacks"], told["trials"], told["findings"]) == (None, [], [])


@pytest.mark.parametrize("planted", [{"offset": 0.02}, {"spread": 0.06}])
def test_a_machine_that_contradicts_itself_is_exit_code_4(evolve, found, planted):
    found(**planted)
    code, out, err = evolve("doctor")
    assert code == 4
    assert out.splitlines()[-1] == "Too noisy to judge anything now."
    assert "stop what else runs here" in err


def test_what_only_sentinels_see_is_a_finding(evolve, found):
    found(flags=("memory",))
    code, out, _ = evolve("doctor", "--json")
    (finding,) = json.loads(out)["findings"]
    assert (code, finding["name"], finding["detail"]) == (0, "contention", "memory: 40 of 40 races")


def test_a_protection_that_does_not_hold_is_a_finding(evolve, found):
    found(lacking=("network",))
    code, out, _ = evolve("doctor", "--json")
    (finding,) = json.loads(out)["findings"]
    assert (code, finding["name"], finding["detail"]) == (0, "protection", "network: seccomp")
    assert "network (NOT ACTIVE); programs (seccomp)" in evolve("doctor")[1]


def test_what_makes_measuring_impossible_is_named(evolve, found, monkeypatch):
    monkeypatch.setenv("NUMBA_DISABLE_JIT", "1")
    monkeypatch.setenv("EVOLVE_CACHE", "/proc/nowhere")
    code, out, err = evolve("doctor", "--attacks")
    assert code == 3
    assert "NUMBA_DISABLE_JIT=1: nothing is compiled; unset NUMBA_DISABLE_JIT" in " ".join(out.split())
    assert "cache folder /proc/nowhere cannot be written" in " ".join(out.split())
    assert "No A/A test was made." in out
    assert "nothing can be measured here" in err


def test_another_distribution_of_our_names_and_a_busy_machine_are_findings(evolve, found, monkeypatch):
    monkeypatch.setattr("evolve.doctor.claimants", lambda name: ["kernels"] * (name == "kernels"))
    monkeypatch.setattr("benchmarks.quiet.read", lambda: quiet.Readings(2.0, 0.5, 0.0, 0.0))
    code, out, _ = evolve("doctor")
    text = " ".join(out.split())
    assert code == 0
    assert "kernels installs 'kernels' too" in text
    assert "50% of the cores' time is used by others" in text


def test_a_store_that_cannot_be_is_found(evolve, found):
    for store in ("http://somewhere", "/proc/runs.db/in/a/file"):
        code, out, _ = evolve("doctor", "--store", store, "--json")
        fatal = [finding["name"] for finding in json.loads(out)["findings"] if finding["is_fatal"]]
        assert (code, fatal) == (3, ["store"])


def test_no_store_is_left_behind(evolve, found, url):
    evolve("doctor")
    assert not Path(url).exists()


# ---- attacks


def _row(name, *, is_right=True):
    return Row(name, "replay", "does", "seen", "Wrong", "the reason", is_right, 0.1)


@pytest.fixture
def gallery(monkeypatch):
    """Plants a gallery of one attack and one honest kernel."""

    def plant(*, is_caught=True, is_passed=True):
        rows = (_row("pointer memo", is_right=is_caught), _row("honest copy", is_right=is_passed))
        monkeypatch.setattr(Gallery, "attacks", property(lambda shown: shown.rows[:1]))
        monkeypatch.setattr("benchmarks.gallery.run", lambda _say: Gallery(rows))

    plant()
    return plant


def test_attacks_are_counted(evolve, found, gallery):
    code, out, _ = evolve("doctor", "--attacks")
    assert code == 0
    assert "1 of 1 attacks caught, 0 honest rejected" in out
    told = json.loads(evolve("doctor", "--attacks", "--json")[1])["attacks"]
    assert (told["caught"], told["total"], told["honest_rejected"], len(told["rows"])) == (1, 1, 0, 2)


@pytest.mark.parametrize("planted", [{"is_caught": False}, {"is_passed": False}])
def test_a_harness_that_is_fooled_or_too_strict_is_exit_code_3(evolve, found, gallery, planted):
    gallery(**planted)
    code, out, err = evolve("doctor", "--attacks")
    assert code == 3
    assert "the reason" in out
    assert "the harness was fooled" in err


# ---- all trials


@pytest.fixture
def tried(monkeypatch):
    """Plants the verdicts of all trials."""

    def plant(*holds):
        verdicts = [
            Verdict(f"trial_{k}", "what", "at most 5%", Estimate(0.01 * k, 0.0, 0.1), "share", hold, 40, "the remark")
            for k, hold in enumerate(holds)
        ]
        monkeypatch.setattr("evolve.trials.all_of", lambda _seen, _gallery, _say: verdicts)

    plant(True, True)
    return plant


def test_full_prints_the_table_and_keeps_the_figures(evolve, found, gallery, tried, tmp_path):
    target = tmp_path / "DOCTOR.md"
    code, out, err = evolve("doctor", "--full", "--results", str(target))
    assert code == 0
    assert re.search(r"^what +at most 5% +1\.0% +0\.0% to 10\.0% +40 +yes$", out, re.MULTILINE)
    assert re.search(r"^trial_1 +the remark$", out, re.MULTILINE)
    assert "results" in err
    assert "| what | at most 5% | 1.0% | 0.0% to 10.0% | 40 | yes | the remark |" in target.read_text()
    assert len(json.loads(evolve("doctor", "--full", "--json")[1])["trials"]) == 2


def test_runs_of_several_days_stand_side_by_side(evolve, found, gallery, tried, tmp_path):
    target = tmp_path / "DOCTOR.md"
    evolve("doctor", "--full", "--results", str(target))
    tried(True, False, True)
    assert evolve("doctor", "--full", "--results", str(target))[0] == 3
    lines = target.read_text().partition("## Runs")[2].strip().splitlines()
    assert lines[0].endswith("| trial_0 | trial_1 | trial_2 |")
    assert lines[2].endswith("| 2 of 3 | 0.0% | 1.0% (NO) | 2.0% |")
    assert lines[3].endswith("| 2 of 2 | 0.0% | 1.0% |  |")
    assert len(lines) == 4


def test_a_missed_bar_is_exit_code_3(evolve, found, gallery, tried):
    tried(True, False)
    code, out, err = evolve("doctor", "--full")
    assert code == 3
    assert "trial_1 missed the bar" in err
    assert " NO" in out


def test_results_without_full_or_without_a_place_are_refused_before_anything_is_measured(evolve, found, monkeypatch):
    monkeypatch.setattr("evolve.doctor.examine", None)
    assert evolve("doctor", "--results", "somewhere.md")[0] == 2
    assert evolve("doctor", "--full", "--results", "/proc/nowhere/file.md")[0] == 2
