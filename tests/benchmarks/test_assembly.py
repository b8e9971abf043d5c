"""What assembly says of compiled code: written by hand for what is known, and of a real build."""

from __future__ import annotations

import dataclasses

import pytest

import kernels
from benchmarks.assembly import Claim, Loop, checked, claim_of, hot_loop, texts
from benchmarks.contestant import Task, of_baseline, of_schedule, source_of
from benchmarks.harness import Harness
from benchmarks.launch import fresh_build
from benchmarks.machine import fingerprint
from kernels.language import SourceFolder

VECTORISED = """
	.text
kernel:
	.cfi_startproc
	pushq	%rbp
	vxorps	%xmm0, %xmm0, %xmm0
.LBB0_1:
	movq	8(%rsp), %rax
.LBB0_2:
	vmovups	(%rdi,%rax), %zmm1
	vmovups	(%rsi,%rax), %zmm2
	vfmadd213pd	(%rdx,%rax), %zmm1, %zmm2
	vmovups	%zmm2, (%rdx,%rax)
	addq	$64, %rax
	cmpq	%rax, %rcx
	jne	.LBB0_2
	decq	%r8
	jne	.LBB0_1
.LBB0_3:
	vmulsd	(%rdi), %xmm1, %xmm1
	vaddsd	%xmm1, %xmm2, %xmm2
	decq	%r9
	jne	.LBB0_3
	retq
_ZN7cpythonwrapper:
.LBB1_1:
	vaddpd	%zmm1, %zmm2, %zmm3
	vaddpd	%zmm1, %zmm2, %zmm3
	jne	.LBB1_1
"""

SPILT = """
kernel:
.LBB0_1:
	vmovapd	64(%rsp), %ymm3
	vmulpd	%ymm3, %ymm1, %ymm1
	vaddpd	(%rbp,%rax), %ymm1, %ymm2
	vmovapd	%ymm2, (%rsp)
	callq	*%rbx
	jne	.LBB0_1
"""

SCALAR = """
kernel:
.LBB0_1:
	mulsd	(%rdi,%rax,8), %xmm1
	addsd	(%rsi,%rax,8), %xmm1
	movsd	%xmm1, (%rdx,%rax,8)
	jne	.LBB0_1
"""

MOVING = """
kernel:
.LBB0_1:
	vmovups	(%rdi), %ymm0
	vunpcklps	%ymm1, %ymm0, %ymm2
	vmovntps	%ymm2, (%rdi)
	jb	.LBB0_1
"""


def test_of_the_innermost_loops_the_one_that_does_most_is_hot():
    assert hot_loop({"kernel": VECTORISED}) == Loop(
        "kernel", instructions=7, packed={"zmm": 1}, moves={"zmm": 3}, fused=1
    )


def test_a_function_passed_by_pointer_may_hold_the_hot_loop():
    assert hot_loop({"driver": SCALAR, "micro": VECTORISED}).function == "micro"
    assert hot_loop({"micro": VECTORISED, "driver": SCALAR}).function == "micro"


def test_spills_calls_and_scalars_are_counted():
    spilt, scalar, moving = (hot_loop({"kernel": text}) for text in (SPILT, SCALAR, MOVING))
    assert (spilt.packed, spilt.spills, spilt.calls, spilt.vector_bytes) == ({"ymm": 2}, 2, 1, 32)
    assert (scalar.scalar, scalar.packed, scalar.vector_bytes) == (2, {}, 0)
    assert (moving.moves, moving.vector_bytes) == ({"ymm": 3}, 32)


def test_a_broken_claim_is_a_finding_and_a_kept_one_is_none():
    fine, spilt, scalar = (hot_loop({"kernel": text}) for text in (VECTORISED, SPILT, SCALAR))
    assert Claim(64, is_fused=True).contradictions(fine) == []
    assert Claim(16, is_fused=False).contradictions(fine) == []
    narrow, unfused, spills, calls = Claim(64, is_fused=True).contradictions(spilt)
    assert "64 bytes, the hot loop works on 32 bytes" in narrow
    assert "fused" in unfused
    assert "spills" in spills
    assert "calls" in calls
    assert "single numbers" in Claim(32, is_fused=False).contradictions(scalar)[0]


def test_without_assembly_nothing_is_checked():
    assert checked({}, Claim(64, is_fused=True))["is_checked"] is False
    assert checked({"kernel": "kernel:\n\tretq\n"}, Claim(64, is_fused=True))["findings"] == []


def _triad(folder, **genes):
    task = Task("triad", (4096,), "float64")
    schedule = kernels.get("triad").space.schedule(**genes)
    return task, of_schedule(folder, source_of(task, schedule), schedule)


def test_claims_are_those_of_active_genes_and_of_this_machine(tmp_path):
    folder = SourceFolder(tmp_path)
    machine = dataclasses.replace(fingerprint(), vector_bytes=32, features=("sse2", "avx2", "fma"))
    assert claim_of(*_triad(folder, variant="vector", lanes=2), machine) == Claim(16, is_fused=True)
    assert claim_of(*_triad(folder, variant="vector", lanes=16), machine) == Claim(32, is_fused=True)
    assert claim_of(*_triad(folder, variant="loop"), machine) == Claim(0, is_fused=True)
    task, _ = _triad(folder, variant="loop")
    old = dataclasses.replace(machine, features=("sse2",), vector_bytes=16)
    assert claim_of(task, of_baseline(folder, task), old) == Claim(0, is_fused=False)


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """Facts and assembly of a fresh build, what it left behind, and what a second process says of it."""
    task = Task("triad", (4096,), "float64")
    with Harness(task, SourceFolder(tmp_path_factory.mktemp("sources"))) as harness:
        space = task.definition.space
        plan = harness.plan(space.schedule(variant="vector", lanes=fingerprint().vector_bytes // 8))
        with fresh_build(harness.folder, [plan.contestant]) as folder:
            before = sorted(file.suffix for file in folder.path.rglob("*") if file.is_file())
            with harness.launch(1, folder) as process:
                process.prove(plan.contestant)
                found = process.assembly(plan.contestant)
        shared = list(harness.folder.path.rglob("*.nbc"))
        return before, found, checked(found, claim_of(task, plan.contestant, fingerprint())), shared, folder.path


def test_a_fresh_build_compiles_anew_and_leaves_nothing(built):
    before, _, _, shared, path = built
    assert set(before) == {".py"}
    assert shared == []
    assert not path.exists()


def test_the_default_triad_does_what_it_claims(built):
    _, found, facts, *_ = built
    assert "tiled" in found
    assert facts["is_checked"]
    assert facts["findings"] == []
    assert facts["hot_loop"]["vector_bytes"] == fingerprint().vector_bytes


def test_what_came_from_the_cache_has_no_assembly(tmp_path):
    # a child of its own: this process would compile into the folder and keep it loaded
    task = Task("triad", (4096,), "float64")
    with Harness(task, SourceFolder(tmp_path)) as harness:
        plan = harness.plan(task.definition.space.schedule(variant="loop"))
        (one,) = harness.build([plan])
        assert one.failure is None
        with harness.launch(1) as process:
            process.prove(plan.contestant)
            assert process.assembly(plan.contestant) == {}
    assert texts(SourceFolder(tmp_path), None) == {}
