"""Our strategies and other packages' tuners on the same recorded spaces: who gets how far with how many evaluations.

``entrants`` says who takes part, ``rounds`` lets each play each space with each seed, on all cores, ``kept`` remembers
what was played, and ``standings`` makes scores of it. ``python -m benchmarks.suites.strategies`` is the command.
"""
