"""How often the verdict is wrong: loops whose truth is planted, judged by the very code that judges real ones.

``noise`` records what this machine adds to a lap where nothing changed. ``laws`` plants loops that follow a formula,
``searches`` lets the project's own strategies search spaces whose every score is known, ``faults`` breaks what a store
holds. ``worlds`` lists them all with what may be said of each; ``rates`` counts what is said; ``kept`` remembers it.
"""
