"""The champion as a file to take away: it needs numba and numpy, says what was measured, and can prove itself."""

from __future__ import annotations

import inspect
import textwrap
from typing import TYPE_CHECKING, Any

import jinja2

import kernels
from evolve.errors import EvolveError
from evolve.report.listing import listing, listings
from evolve.report.quantities import extents, number, percent, seconds, terms
from evolve.tracker import summary
from kernels.door import inputs_of
from kernels.language import Schedule, TemplateError, parallel_of, specialise
from kernels.language.bundle import bundle, reader
from kernels.language.pieces import BundleError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from evolve.store import Run, Store
    from kernels import Kernel
    from kernels.language import Source
    from kernels.language.bundle import Bundle, Definition

_TUNED, _PLAIN = "tuned", "plain"
"""Packages that the specialised sources of champion and baseline are given for the cut."""

_DOOR = {
    **dict.fromkeys(("checked_array", "checked_number", "checked_output", "apart", "scratch"), "kernels.door"),
    **dict.fromkeys(("check", "Subject"), "evolve.report.standalone"),
}
"""Functions of the file that are no kernel's, and where they come from."""
_TEAM = {"team": ("kernels.language.team", "team"), "slices": ("kernels.language.parallel", "slices")}
"""And where threads share a call."""
_FUNCTIONS = ("size_of", "out_shape", "workspace", "reference", "problem", "tolerance", "scale")
_ALLOWED = {"numpy", "numba", "llvmlite"}  # llvmlite comes with numba
_RESERVED = {"DTYPE", "SCHEDULE", "RUNTIME", "POINTERS", "Schedule", "out", "size", "arrays"}


def standalone(store: Store, run_id: str) -> str:
    """The text of a Python file that holds a run's champion.

    Its public function bears the kernel's name, takes the inputs in the order of the kernel's ``reference``, returns
    the output, and writes into ``out=`` where given. ``python FILE`` checks it.

    Raises:
        UsageError: there is no such run.
        EvolveError: the run has no champion, or the kernel that is installed cannot make it any more.
    """
    run = store.run(run_id)
    told = summary(store, run.id)
    if told["champion"] is None:
        raise EvolveError(
            f"run {run.id} has no champion: nothing in it was right and faster than the plain loop",
            f"`evolve show {run.id}` says what happened",
        )
    try:
        return _File(run, told, store).text()
    except (TemplateError, BundleError) as error:
        raise EvolveError(
            f"the champion of run {run.id} cannot be exported ({error})",
            "was it made with another version of the kernel? Run it again",
        ) from error


class _File:
    """One exported file in the making."""

    def __init__(self, run: Run, told: Mapping[str, Any], store: Store) -> None:
        self.run, self.told, self.store = run, told, store
        self.best = told["champion"]
        self.kernel = _installed(run)
        self.schedule = Schedule(self.best["schedule"])
        if reason := self.kernel.space.is_legal(self.schedule):
            raise EvolveError(
                f"the champion of run {run.id} is no schedule of the {run.kernel} that is installed: {reason}",
                "install the version that the run was made with, or run it again",
            )
        self.alone = specialise(self.kernel.template(self.schedule), self.schedule, run.dtype)
        self.source = parallel_of(self.alone, self.kernel.split or (), run.threads)
        self.baseline = specialise(self.kernel.baseline, {}, run.dtype)

    def text(self) -> str:
        cut = self.cut()
        if missing := cut.distributions - _ALLOWED:
            raise BundleError(
                f"{self.kernel.name} needs {', '.join(sorted(missing))}, but numba and numpy are all there is"
            )
        folder = jinja2.PackageLoader("evolve.report")
        page = jinja2.Environment(loader=folder, autoescape=False, keep_trailing_newline=True).get_template(  # noqa: S701 - Python, not HTML
            "standalone.py.jinja"
        )
        return page.render(
            kernel=self.kernel,
            dtype=self.run.dtype,
            schedule=self.schedule,
            runtime=self.source.runtime,
            size=self.run.size,
            threads=self.run.threads,
            sizes=list(map(tuple, self.kernel.verify_sizes)),
            inputs=inputs_of(self.kernel, self.run.dtype),
            imports=cut.imports,
            sections=_titled(cut),
            names=self.names(cut),
            doc=_quotable("\n".join(self.docstring())),
            published=self.published(),
        )

    # ---- code

    def cut(self) -> Bundle:
        texts = listings(self.alone, self.kernel.template(self.schedule), _TUNED)
        texts |= {f"{_TUNED}.{one.module}": listing(one, doc) for one, doc in self.callers().items()}
        texts |= listings(self.baseline, self.kernel.baseline, _PLAIN, is_lazy=True)
        packages = {"kernels", "benchmarks", "evolve", self.kernel.reference.__module__.partition(".")[0]}
        taken = {*_RESERVED, self.kernel.name, *self.parameters()}
        return bundle(list(self.wanted().values()), reader(packages, texts), taken)

    def wanted(self) -> dict[str, Definition]:
        """What the file's own lines call, by the word that the template uses for it."""
        functions = ((name, getattr(self.kernel, name)) for name in _FUNCTIONS)
        return {
            **{f"pointer {k}": _definition(_TUNED, source) for k, source in enumerate(self.source.pointers)},
            "kernel": _definition(_TUNED, self.source),
            **({"address_of": ("kernels.language.simd", "address_of")} if self.source.pointers else {}),
            **(_TEAM if self.run.threads > 1 else {}),
            **{name: (function.__module__, function.__name__) for name, function in functions},
            "baseline": _definition(_PLAIN, self.baseline),
            **{name: (module, name) for name, module in _DOOR.items()},
        }

    def callers(self) -> dict[Source, str]:
        """What stands between a call and the kernel, with a docstring each."""
        if self.source is self.alone:
            return {}
        if self.run.threads == 1:
            return {self.source: "Call the kernel for all rows."}
        return {self.source: "Have all threads do their part.", self.source.pointers[-1]: "Call the kernel on a part."}

    def names(self, cut: Bundle) -> dict[str, Any]:
        """The names that all of that has in the file."""
        names: dict[str, Any] = {word: cut.names[definition] for word, definition in self.wanted().items()}
        return {**names, "pointers": [name for word, name in names.items() if word.startswith("pointer ")]}

    def parameters(self) -> list[str]:
        return list(inspect.signature(self.kernel.reference).parameters)

    # ---- words

    def docstring(self) -> Iterator[str]:
        yield self.kernel.summary
        yield ""
        yield f"For {self.run.dtype}. Found by evolve in {self.told['evaluations']} evaluations, run {self.run.id}."
        yield "It needs numba and numpy alone. The first import compiles it, later ones find it in Numba's cache."
        yield ""
        yield f"    out = {self.kernel.name}({', '.join(self.parameters())})"
        yield ""
        yield from self.measured()
        yield ""
        yield from _folded_facts("Schedule", " ".join(f"{name}={value}" for name, value in self.schedule.items()))
        yield f"Source: sha256 {self.source.identity}"
        versions = ", ".join(f"{name} {version}" for name, version in self.told["versions"].items())
        yield from _folded_facts("Made with", versions)
        yield ""
        yield "Check it: `python FILE` proves it against NumPy on awkward sizes, aligned and not, then times it against"
        yield f"the plain loop that stands below{', on one thread' * (self.run.threads > 1)}."
        yield "Exit code 0: right, 1: wrong."

    def measured(self) -> Iterator[str]:
        """What was measured, where and when."""
        if self.best["source"] != "published":
            yield "Not measured in fresh processes: the run was not finished, so there is no figure to quote. Check it."
            return
        when = self.best["measured_at"][:10]
        held = f"size {extents(self.run.size)}, {terms(self.run.threads, self.run.policy)}"
        yield f"Measured on {when} in fresh processes, {held}, on"
        yield f"{self.machine()}:"
        yield ""
        yield f"- {seconds(self.best['time_s'])} a call, {self.gain('the plain Numba loop')}"
        for name, rival in self.best["rivals"].items():
            yield f"- {_ratio(rival, name)}"
        yield f"- {percent(self.best['bound_fraction'])} of what that machine allows ({self.best['bound']['limit']})"
        if self.best["source_hash"] != self.source.identity:
            yield ""
            yield "These figures belong to another source of the same schedule: the templates have changed since."
            yield f"That source: sha256 {self.best['source_hash']}"

    def machine(self) -> str:
        known = self.store.machine(self.run.machine)
        fingerprint = known.fingerprint if known else {}
        cores = f", {fingerprint['logical_cores']} logical cores" if "logical_cores" in fingerprint else ""
        llvm = f" ({fingerprint['llvm_cpu']})" if "llvm_cpu" in fingerprint else ""
        return f"{fingerprint.get('cpu', 'machine')}{llvm}{cores}, machine {self.run.machine}"

    def published(self) -> str:
        """One line for the check, to hold its own figure against."""
        if self.best["source"] != "published":
            return "never published: the run was not finished"
        return f"published on {self.best['measured_at'][:10]}: {self.gain('the plain loop')}"

    def gain(self, loop: str) -> str:
        """What was published against the plain loop, which as many threads shared."""
        shared = f" on {self.run.threads} threads" if self.run.threads > 1 else ""
        return _ratio(self.best["speedup"], f"{loop}{shared}")


def _installed(run: Run) -> Kernel:
    try:
        return kernels.get(run.kernel)
    except KeyError as error:
        raise EvolveError(f"the kernel of run {run.id} is not installed ({error.args[0]})") from error


def _definition(package: str, source: Source) -> Definition:
    return f"{package}.{source.module}", source.name


_TITLES = {_TUNED: "the kernel, specialised for this schedule", _PLAIN: "the plain loop that it was measured against"}


def _titled(cut: Bundle) -> list[tuple[str, str]]:
    """Sections with a heading where the source changes, and none where it goes on."""
    titled: list[tuple[str, str]] = []
    before = ""
    for module, text in cut.sections.items():
        top = module.partition(".")[0]
        title = _TITLES.get(top, f"from {module.replace('.', '/')}.py")
        titled.append(("" if title == before else title, text))
        before = title
    return titled


def _ratio(estimate: Mapping[str, Any], opponent: str) -> str:
    shown = f"{number(estimate['estimate'])}x the speed of {opponent}"
    if not estimate["low"] or estimate["high"] is None:
        return f"{shown} (no interval)"
    interval = f"{percent(estimate['level'])} interval {number(estimate['low'])} to {number(estimate['high'])}"
    return f"{shown} ({interval})"


def _folded_facts(label: str, text: str) -> Sequence[str]:
    return textwrap.wrap(f"{label}: {text}", 116, subsequent_indent="    ")


def _quotable(text: str) -> str:
    r"""Text that may stand between triple quotes; names of CPUs and rivals are anybody's."""
    return text.replace("\\", "\\\\").replace('"""', "'''")
