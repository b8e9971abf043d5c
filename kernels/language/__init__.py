"""The kernel language: what a kernel file is written in.

In processing order: a ``Space`` says which schedules exist; a ``template`` is a Python function of a schedule;
``specialise`` turns it into plain Numba source; a ``SourceFolder`` keeps sources and compiled code; ``simd`` holds the
vector and register-tile operations that templates use.
"""

from kernels.language.build import Compiled, Handle, SourceFolder
from kernels.language.drive import driver_of, idle_of
from kernels.language.parallel import parallel_of, slices
from kernels.language.space import (
    Parameter,
    Schedule,
    Space,
    Value,
    choice,
    flag,
    integer,
    permutation,
    power_of_two,
)
from kernels.language.stage import Source, specialise
from kernels.language.template import Template, TemplateError, static, template

__all__ = [
    "Compiled",
    "Handle",
    "Parameter",
    "Schedule",
    "Source",
    "SourceFolder",
    "Space",
    "Template",
    "TemplateError",
    "Value",
    "choice",
    "driver_of",
    "flag",
    "idle_of",
    "integer",
    "parallel_of",
    "permutation",
    "power_of_two",
    "slices",
    "specialise",
    "static",
    "template",
]
