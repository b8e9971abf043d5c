from __future__ import annotations

import json
import os
import socket

import pytest

from benchmarks.machine import Cache, caches, fingerprint, machine_id, native_lanes, vector_bytes


def _sysfs_cache(root, index, **entries):
    folder = root / f"cpu3/cache/index{index}"
    folder.mkdir(parents=True)
    for name, text in entries.items():
        (folder / name).write_text(f"{text}\n")


def test_caches_are_read_from_sysfs_without_instruction_caches(tmp_path):
    common = {"coherency_line_size": 128, "shared_cpu_list": "0-3,8"}
    _sysfs_cache(tmp_path, 0, level=2, type="Unified", size="2M", **common)
    _sysfs_cache(tmp_path, 1, level=1, type="Instruction", size="32K", **common)
    _sysfs_cache(tmp_path, 2, level=1, type="Data", size="48K", **common)
    assert caches(3, tmp_path) == (Cache("L1", 48 << 10, 128, 5), Cache("L2", 2 << 20, 128, 5))


def test_no_caches_are_invented_where_sysfs_is_silent(tmp_path):
    _sysfs_cache(tmp_path, 0, level=1, type="Data")
    assert caches(3, tmp_path) == ()
    assert caches(4, tmp_path) == ()


@pytest.mark.parametrize(
    ("features", "width"),
    [
        (("sse2", "avx", "avx2", "avx512f"), 64),
        (("sse2", "avx", "avx2"), 32),
        (("sse2",), 16),
        (("neon",), 16),
        ((), 16),
    ],
)
def test_vector_width_follows_the_widest_instruction_set(features, width):
    assert vector_bytes(features) == width


def test_fingerprint_is_of_this_machine_and_plain_json():
    found = fingerprint()
    assert found.logical_cores == len(os.sched_getaffinity(0)) >= found.physical_cores >= 1
    assert found.memory_bytes > 1 << 26
    sizes = [cache.bytes for cache in found.caches]
    assert sizes == sorted(sizes)
    assert json.loads(json.dumps(found.as_dict())) == found.as_dict()
    assert found.as_dict()["caches"][0]["level"] == "L1"


def test_fingerprint_does_not_tell_the_host_name():
    text = json.dumps(fingerprint().as_dict())
    assert len(socket.gethostname()) < 3 or socket.gethostname() not in text


def test_lanes_fill_a_register():
    assert native_lanes("float32") == 2 * native_lanes("float64") == fingerprint().vector_bytes // 4


def test_machine_id_depends_on_hardware_not_on_order():
    hardware = {"cpu": "x", "caches": (Cache("L1", 1, 64, 1),), "cores": 2}
    same = dict(reversed(list(hardware.items())))
    assert machine_id(hardware) == machine_id(same)
    assert len(machine_id(hardware)) == 12
    assert machine_id({**hardware, "caches": (Cache("L1", 2, 64, 1),)}) != machine_id(hardware)
