"""planted: out <- 2 a, by schedules most of which misbehave in a way that the harness must find out."""

from __future__ import annotations

import numpy as np

from kernels.contract import Inputs, Kernel, Rival, Size, Unavailable, Work, item_bytes
from kernels.language import Schedule, Space, Template, choice, integer, static, template

DEEDS = (
    "nothing",
    "wrong",
    "wrong at the end",
    "nan",
    "forgotten",
    "beyond",
    "page beyond",
    "workspace beyond",
    "segfault",
    "endless",
    "hungry",
    "raises",
    "damages",
    "stale",
    "honest copy",
    "leftover",
    "honest workspace",
    "done already",
    "untyped",
    "unrolled",
)

SPACE = Space(
    [
        choice("deed", DEEDS, "what it does besides, or instead"),
        integer("least", (0, 10_000), "of smaller outputs it is honest"),
        integer("passes", (1, 2, 50), "times that it does its work", default=1),
        integer("scratch", (0, 100, 30_000), "elements of its workspace", default=100),
        integer("label", (0, 1), "means nothing"),
    ]
)


@template("void(T[::1], T[::1], T[::1])", runtime=("passes",))
def doubled(p, a, out, scratch):
    if p.deed == "done already" and out[0] > 0:
        return
    for _ in range(p.passes):
        for i in range(out.size):
            out[i] = a[i] + a[i]
    if out.size >= p.least:
        misbehave(p, a, out, scratch)


@template()
def misbehave(p, a, out, scratch):  # noqa: C901, PLR0912 - a branch for each misdeed
    n = out.size
    if p.deed == "wrong":
        out[0] *= p.dtype(1.001)
    if p.deed == "wrong at the end":
        out[n - 1] += p.dtype(1)
    if p.deed == "nan":
        out[n // 2] = np.nan
    if p.deed == "forgotten":
        for i in range(n):
            out[i] = 0
    if p.deed == "beyond":
        out[n] = a[0]
    if p.deed == "page beyond":
        out[n + 2048] = a[0]
    if p.deed == "workspace beyond":
        scratch[scratch.size] = a[0]
    if p.deed == "segfault":
        out[10_000_000_000] = a[0]
    if p.deed == "endless":
        while a[0] > 0:
            out[0] += a[0]
    if p.deed == "hungry":
        size = n
        while a[0] > 0:
            out[0] = np.empty(size)[0]
            size *= 1000
    if p.deed == "raises":
        raise ValueError("planted")
    if p.deed == "damages":
        a[n - 1] = -a[n - 1]
    if p.deed in ("stale", "honest copy"):
        copy = np.empty(n, a.dtype)
        for i in range(n):
            if p.deed == "honest copy":
                copy[i] = out[i]
            out[i] = copy[i]
    if p.deed in ("leftover", "honest workspace"):
        for i in range(n):
            if p.deed == "honest workspace":
                scratch[i] = out[i]
            out[i] = scratch[i]
    if p.deed == "untyped":
        out[0] = "text"
    if p.deed == "unrolled":
        for i in static(n):
            out[i] = a[i]


@template("void(T[::1], T[::1])")
def baseline(_p, a, out):
    for i in range(out.size):
        out[i] = a[i] * 2


def problem(size: Size, dtype: str, rng: np.random.Generator) -> Inputs:
    return (rng.uniform(0.5, 2, size).astype(dtype),)


def reference(a: np.ndarray) -> np.ndarray:
    return 2 * np.asarray(a, np.float64)


def size_of(a: np.ndarray) -> Size:
    return a.shape


def out_shape(size: Size) -> tuple[int, ...]:
    return size


def work(size: Size, dtype: str) -> Work:
    item = item_bytes(dtype)
    return Work({"add": size[0]}, size[0] * item, size[0] * item)


def workspace(schedule: Schedule, _size: Size) -> tuple[int, ...]:
    return (schedule.scratch,)


def tolerance(_size: Size, _dtype: str) -> float:
    return 0.0


def numpy_sum() -> Rival:
    return lambda a, out: np.add(a, a, out=out)


def missing() -> Rival:
    raise Unavailable("never installed")


def mistaken() -> Rival:
    return lambda a, out: np.copyto(out, a)


def single_threaded() -> Rival:
    """Right where libraries loaded before and after have one thread each."""
    import scipy.linalg.blas  # noqa: F401
    from threadpoolctl import threadpool_info

    pools = [pool["num_threads"] for pool in threadpool_info()]
    return lambda a, out: np.multiply(a, 2 if pools and set(pools) == {1} else 0, out=out)


def variant(_schedule: Schedule) -> Template:
    return doubled


KERNEL = Kernel(
    name="planted",
    doc=__doc__,
    dims=("n",),
    dtypes=("float64",),
    space=SPACE,
    template=variant,
    problem=problem,
    reference=reference,
    size_of=size_of,
    out_shape=out_shape,
    work=work,
    workspace=workspace,
    baseline=baseline,
    rivals={"numpy": numpy_sum, "missing": missing, "mistaken": mistaken, "threads": single_threaded},
    default_size=(20_000,),
    verify_sizes=((7,), (1009,)),
    tolerance=tolerance,
)
