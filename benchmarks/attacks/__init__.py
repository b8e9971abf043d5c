"""The attack gallery's exhibits: cheating and broken kernels that a harness must find out, and honest ones.

Two kernels, ``scaled`` and ``totals``, have them as schedules (compiled cheats) and as rivals (Python callables, made
and called in the child, which may patch, fork and forge as they please). One file a family; each exhibit says what it
does and names its precedent. ``benchmarks.gallery`` runs them.
"""
