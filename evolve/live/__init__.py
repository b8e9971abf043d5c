"""The search where it counts: real runs on this machine, under fixed names, and what the store knows of them.

``lineup`` says which runs stand behind which figures, ``make`` makes those that are not there yet, ``course`` reads how
one went, ``footprint`` what it takes in a store, ``figures`` puts them together, with ``intervals`` over seeds.
``python -m benchmarks.suites.search`` is the command.
"""

PARTS = ("throughput", "speed", "warm")
"""What is measured: evaluations a second, time to a good kernel against random search, and what a warm start gains."""
