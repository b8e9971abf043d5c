"""A machine and its ceilings, made readable."""

from evolve.report.machine import ceiling_tables, machine_facts
from evolve.store import Machine


def test_ceilings_become_tables_with_units():
    tables = ceiling_tables(
        {
            "flop_per_s": {"float64": {"fma": {"1": 58.9e9}, "add": {"1": 29e9, "2": 58e9}}, "float32": {}},
            "bytes_per_s": {"L3": {"copy_stream": {"1": 2e9}}},
            "latency_s": {"L1": 1.1e-9, "DRAM": 9.5e-8},
            "clock_hz": 3.6e9,
            "measured_at": "2026",
            "by_isa": {"sse2": {"flop_per_s": {"float64": {"fma": {"1": 15e9}}, "float32": {"fma": {"1": 30e9}}}}},
            "capacity_bytes": {"L3": 20 << 20},
            "remarks": ["not bound"],
        }
    )
    assert [(t.title.rpartition(", ")[2], t.columns, t.rows) for t in tables] == [
        (
            "GFLOP/s",
            ("fma", "add"),
            (
                ("float64", ("58.9", "29.0")),
                ("float64, 2 cores", ("", "58.0")),
                ("float64, sse2", ("15.0", "")),
                ("float32, sse2", ("30.0", "")),
            ),
        ),
        ("GB/s as a program counts them", ("copy stream",), (("L3", ("2.00",)),)),
        ("ns", ("",), (("L1", ("1.10",)), ("DRAM", ("95.0",)))),
        ("MiB", ("",), (("L3", ("20.0",)),)),
        ("GHz", ("",), (("", ("3.60",)),)),
    ]


def test_machines_of_which_little_is_known_are_described():
    assert machine_facts(None) == []
    assert machine_facts(Machine("abc", {})) == [("machine", "abc")]
    restricted = {"profile": "avx2, 1 core", "caches": [], "caches_assumed": True}
    assert machine_facts(Machine("abc", restricted))[1] == ("restricted to", "avx2, 1 core")
