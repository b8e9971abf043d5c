"""A closed self-improvement loop on an ordinary CPU.

A genetic search (``search``) proposes schedules of a kernel, the harness (package ``benchmarks``) proves and times
them, ``store`` keeps every outcome, ``tracker`` holds the gains against the machine's limit and against luck,
``report`` shows them. ``run`` is the loop, ``cli`` the command line; what is tuned lives in the package ``kernels``.
"""

from evolve.installation import require_own_packages

__version__ = "0.1.0"

require_own_packages()
