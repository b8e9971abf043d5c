"""Whether what a child said can be an answer at all: candidate code may have said it.

Nothing but numbers that are finite, texts, lists and objects with texts for names gets past here, and of each kind of
request only an answer of its shape, so that whoever reads it on need not expect the worst.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from typing import Any

from benchmarks.contestant import Contestant
from benchmarks.outcome import Conditions
from benchmarks.race import Rules

MOST_BYTES = 8 << 20
"""A race of the longest kind says some 100 KiB; the assembly of a champion may be megabytes."""

_FAULTS = {"Wrong", "Crashed", "TimedOut", "OutOfMemory", "CompileFailed"}
"""What a child may call a failure: who could say ``Measured`` here would have a record."""
_MOST = 1e300

Answer = dict[str, Any]
_Check = Callable[[Any], bool]


class NoAnswerError(ValueError):
    """What a child said is no answer to what it was asked."""


def answer_of(said: bytes, request: Mapping[str, Any]) -> Answer:
    """What a child said, as the answer to a request.

    Raises:
        NoAnswerError: it is none.
    """
    try:
        answer: Answer = json.loads(said, parse_constant=_refused)
    except (ValueError, RecursionError) as error:
        raise NoAnswerError("what it answered is no answer") from error
    if not _is_object(answer) or answer.pop("token", None) != request.get("token"):
        raise NoAnswerError("what it answered is no answer to what it was asked")
    is_shaped = _is_failure if "failed" in answer else _SHAPES.get(request["do"], _is_object)
    if _is_plain(answer) and is_shaped(answer) and _matches(answer, request):
        return answer
    raise NoAnswerError(f"what it answered is no answer to {request['do']!r}")


def _refused(constant: str) -> Any:
    raise ValueError(f"{constant} is no measurement")


def _is_plain(value: Any) -> bool:
    if isinstance(value, dict):
        return all(map(_is_plain, value.values()))
    if isinstance(value, list):
        return all(map(_is_plain, value))
    return isinstance(value, str) or value is None or _is_finite(value)


def _is_finite(value: Any) -> bool:
    return isinstance(value, int | float) and abs(value) < _MOST


def _is_object(value: Any) -> bool:
    return isinstance(value, dict)


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_quantity(value: Any) -> bool:
    """A number of something, zero maybe."""
    return _is_finite(value) and not isinstance(value, bool) and value >= 0


def _is_time(value: Any) -> bool:
    return _is_quantity(value) and value > 0


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and _is_quantity(value)


def _list_of(check: _Check) -> _Check:
    return lambda value: isinstance(value, list) and all(map(check, value))


def _with(**checks: _Check) -> _Check:
    """An object with these names at least."""
    return lambda value: (
        _is_object(value) and all(name in value and check(value[name]) for name, check in checks.items())
    )


_is_failure = _with(failed=_is_text, reason=_is_text)


def _is_conditions(value: Any) -> bool:
    known = {one.name for one in fields(Conditions)}
    return _is_object(value) and value.keys() == known and _CONDITIONS(value)


_CONDITIONS = _with(
    contended=_is_count,
    retakes=_list_of(_with(reason=_is_text, seconds=_list_of(_is_time))),
    steal_share=_is_quantity,
    clock_hz=_list_of(_is_quantity),
    memory_bytes_per_s=_list_of(_is_quantity),
    flags=_list_of(_is_text),
)
_PROVEN = {"verify_s": _is_quantity, "max_error": _is_quantity}
_SHAPES: dict[str, _Check] = {
    "compile": _with(build_s=_is_quantity),
    "build": _with(build_s=_is_quantity, **_PROVEN),
    "try": _with(call_s=_is_time, **_PROVEN),
    "race": _with(
        seconds=_list_of(_list_of(_is_time)),
        loops=_is_count,
        floor_s=_is_quantity,
        conditions=_is_conditions,
        sampled_s=_is_quantity,
        measure_s=_is_quantity,
        **_PROVEN,
    ),
    "assembly": _with(texts=lambda value: _is_object(value) and all(map(_is_text, value.values()))),
    "arrays": _with(inputs=_list_of(_is_count), out=_is_count),
    "calls": _with(calls=_is_count),
}


def _matches(answer: Answer, request: Mapping[str, Any]) -> bool:
    """Whether it is about what was asked."""
    if "failed" in answer:
        named: Sequence[Contestant] = request.get("contestants", (request.get("candidate"),))
        is_missing = answer["failed"] == "Unavailable" and any(one and one.rival for one in named)
        return answer["failed"] in _FAULTS or is_missing
    if request["do"] == "race":
        return _is_race_of(answer["seconds"], len(request["contestants"]), request["rules"]) and answer["loops"] >= 1
    return True


def _is_race_of(seconds: Sequence[Sequence[float]], contestants: int, rules: Rules) -> bool:
    """As many contestants as were named, as many rounds for each, and no more than one block beyond the rules'."""
    rounds = {len(times) for times in seconds}
    return len(seconds) == contestants and len(rounds) == 1 and 1 <= max(rounds) <= rules.most_rounds + contestants
