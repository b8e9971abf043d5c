"""The closed loops, a file or a folder each, and what drives them.

A *lap* improves the thing with which the next lap is made. ``drive`` says beforehand what a lap will give, has it made,
keeps what was measured, and scores what it had said; a loop itself knows nothing of the store's tables.
"""
