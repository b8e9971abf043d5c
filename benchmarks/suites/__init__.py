"""The pytest-benchmark suites: ``python -m pytest benchmarks/suites --benchmark-only``.

``bench_kernels`` times every kernel's plain loop, rivals, default schedule and champions; ``bench_startup`` how long a
user waits for the first word, ``bench_door`` what the check of a call costs. ``evolve bench`` runs them with the
champions that it finds in the store.
"""
