"""How anything is measured and checked; no genetics in it.

In the order in which a schedule passes: ``builders`` compile it in worker processes, ``isolation`` runs it in a child
that can be killed, ``verify`` proves it right, ``race`` times it against the incumbent, ``inference`` says what the
samples show, ``bound`` what the machine allows, ``outcome`` what came of it. ``harness`` ties them together.
"""
