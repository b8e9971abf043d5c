"""Our strategies and other packages' tuners on the same recorded spaces: who gets how far with how many evaluations.

``entrants`` says who takes part, ``rounds`` lets each play each space with each seed, ``kept`` remembers
what was played, and ``standings`` makes scores of it. ``ablation`` lets the genetic search play against itself without
one part of it or another. ``python -m benchmarks.suites.strategies`` is the command.
"""
