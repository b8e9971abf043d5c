"""Searches of spaces that were measured from end to end: no clock, no compiler, thousands of searches a minute.

``record`` measures a kernel's space into a file, ``recording`` is that file, ``read`` takes it and other projects'
files (``foreign``), and each gives a ``Landscape``. ``play`` lets a strategy search it, ``score`` holds what it found
against exact random search, and ``seeds`` does so for many strategies, spaces and seeds on all cores.
"""
