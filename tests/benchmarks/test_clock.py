from __future__ import annotations

import re

import pytest

from benchmarks import clock


@pytest.mark.measuring
def test_timer_resolves_less_than_a_millisecond():
    found = clock.timer()
    assert 0 < found.resolution_s <= found.step_s < 1e-3
    assert found.step_s >= found.overhead_s


@pytest.mark.measuring
def test_core_clock_is_that_of_a_processor():
    assert 2e8 < clock.core_clock_hz(repeats=3) < 1e10


def test_chain_is_xorshift64_and_keeps_its_shifts():
    chain = clock._compiled_chain()
    state, mask = 1, 2**64 - 1
    for _ in range(17):
        state ^= state << 13 & mask
        state ^= state >> 7
        state ^= state << 17 & mask
    assert chain(1, 17) == state
    assembly = "\n".join(chain.inspect_asm().values())
    assert len(re.findall(r"\b(shl|lsl|eor|shlx|rorx)\w*\b", assembly)) >= 2
