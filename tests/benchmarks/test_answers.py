"""What a child says is either an answer of the shape that was asked for, or none; it never harms who reads it."""

from __future__ import annotations

import json
from dataclasses import asdict

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from benchmarks.answers import NoAnswerError, answer_of
from benchmarks.contestant import Contestant
from benchmarks.outcome import Conditions
from benchmarks.race import Rules

RIVAL, OURS = Contestant(None, rival="numpy"), Contestant(None)
PROVEN = {"max_error": 0.5, "verify_s": 0.1}
TRIED = {**PROVEN, "call_s": 1e-3}
TRY = {"do": "try", "candidate": Contestant(None)}
RACE = {"do": "race", "contestants": (OURS, OURS), "rules": Rules(most_rounds=6), "token": "t"}
RACED = {
    "seconds": [[1e-3, 2e-3], [1e-3, 1e-3]],
    "loops": 3,
    "floor_s": 0.0,
    "conditions": asdict(Conditions()),
    "sampled_s": 0.1,
    "measure_s": 0.1,
    **PROVEN,
}


def told(answer, request, token="t"):
    return answer_of(json.dumps({**answer, "token": token}).encode(), {"token": "t", **request})


@pytest.mark.parametrize(
    ("answer", "request_"),
    [
        (RACED, RACE),
        (TRIED, TRY),
        ({"failed": "Wrong", "reason": "size 7"}, {"do": "try", "candidate": OURS}),
        ({"failed": "Unavailable", "reason": "no torch"}, {"do": "try", "candidate": RIVAL}),
        ({"failed": "Unavailable", "reason": "no torch"}, {**RACE, "contestants": (OURS, RIVAL)}),
        ({"inputs": [0, 4096], "out": 8192}, {"do": "arrays", "candidate": OURS}),
    ],
)
def test_an_answer_that_fits_is_passed_on_without_its_token(answer, request_):
    assert told(answer, request_) == json.loads(json.dumps(answer))


@pytest.mark.parametrize(
    "changed",
    [
        {"seconds": [[1e-3, 2e-3]]},
        {"seconds": [[1e-3], [1e-3, 2e-3]]},
        {"seconds": [[], []]},
        {"seconds": [[1e-3] * 9, [1e-3] * 9]},
        {"seconds": [[0.0, 1e-3], [1e-3, 1e-3]]},
        {"seconds": [[-1e-3, 1e-3], [1e-3, 1e-3]]},
        {"seconds": [["1e-3", 1e-3], [1e-3, 1e-3]]},
        {"seconds": [[True, True], [1e-3, 1e-3]]},
        {"seconds": [[float("nan"), 1e-3], [1e-3, 1e-3]]},
        {"seconds": [[float("inf"), 1e-3], [1e-3, 1e-3]]},
        {"seconds": {"0": [1e-3]}},
        {"loops": 0},
        {"loops": 2.5},
        {"loops": 10**400},
        {"floor_s": None},
        {"max_error": -1},
        {"conditions": {}},
        {"conditions": {**asdict(Conditions()), "more": 1}},
        {"conditions": {**asdict(Conditions()), "flags": [1]}},
        {"conditions": {**asdict(Conditions()), "retakes": [{"reason": "x", "seconds": [None]}]}},
    ],
)
def test_a_race_of_another_shape_is_no_answer(changed):
    with pytest.raises(NoAnswerError):
        told({**RACED, **changed}, RACE)


@pytest.mark.parametrize("call_s", [0.0, -1e-3, None, "1e-3", True])
def test_a_proof_whose_call_took_no_time_is_no_answer(call_s):
    with pytest.raises(NoAnswerError):
        told({**TRIED, "call_s": call_s}, TRY)
    with pytest.raises(NoAnswerError):
        told(PROVEN, TRY)


@pytest.mark.parametrize("kind", ["Measured", "Impossible", "Noisy", "IllegalSchedule", "Unavailable", "", 3, None, []])
def test_no_child_can_call_its_own_failure_a_success(kind):
    with pytest.raises(NoAnswerError):
        told({"failed": kind, "reason": "so it is"}, {"do": "try", "candidate": OURS})


@pytest.mark.parametrize("token", ["", "u", None, 1])
def test_an_answer_to_another_question_is_no_answer(token):
    with pytest.raises(NoAnswerError):
        told(TRIED, TRY, token)


@pytest.mark.parametrize("said", [b"", b"\xff", b"[]", b"null", b"3", b'{"a"', b"[" * 100_000, b'{"token": "t"}'])
def test_what_is_no_object_is_no_answer(said):
    with pytest.raises(NoAnswerError):
        answer_of(said, {"do": "try", "candidate": OURS, "token": "t"})


# the first example is slow to make on a busy machine
few = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from([*RACED, "failed", "reason", "x"]), inner),
)


@few
@given(st.dictionaries(st.sampled_from([*RACED, "failed", "reason", "x"]), JSON))
def test_whatever_is_said_is_an_answer_or_none(answer):
    try:
        found = told(answer, RACE)
    except NoAnswerError:
        return
    assert "failed" in found or all(seconds > 0 for times in found["seconds"] for seconds in times)


@few
@given(st.binary())
def test_noise_is_an_answer_or_none(said):
    with pytest.raises(NoAnswerError):
        answer_of(said, {"do": "try", "candidate": OURS, "token": "t"})
