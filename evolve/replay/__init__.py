"""Searches of spaces that were measured from end to end: no clock, no compiler, thousands of searches a minute.

``record`` measures a kernel's space into a file, ``recording`` is that file, ``read`` takes it and other projects'
files (``foreign``), and each gives a ``Landscape``. ``play`` lets a strategy search it, ``games`` lets many players do
so on all cores, ``score`` holds what was found against exact random search, and ``seeds`` puts all of that together.
"""
