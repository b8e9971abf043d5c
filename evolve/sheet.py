"""What one machine found, read from a file that ``evolve bench`` wrote, or from a run of the store."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NoReturn

from benchmarks.inference import Estimate
from benchmarks.isa import INSTRUCTION_SETS
from evolve.errors import CheckFailedError, UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from evolve.store import Publication, Run, Store

SCHEMA = 1
"""The newest that is understood; see ``benchmarks.suites.record``."""

PLAIN = "baseline"
_MOST_BYTES = 256 << 20

ProfileKey = tuple[str, str]
"""Id of a machine, and cache policy."""


@dataclass(frozen=True, order=True)
class Problem:
    """What was to be computed; the same on every machine."""

    kernel: str
    dtype: str
    size: tuple[int, ...]
    threads: int = 1


@dataclass(frozen=True)
class Profile:
    """A machine as it was allowed to work: instruction sets and cores are part of its id, the cache policy is not.

    Attributes:
        machine: its id.
        policy: what the caches held before each call.
        fingerprint: see ``benchmarks.machine``.
        ceilings: ``machine``, ``measured_at``, ``latest`` and ``best`` peaks; empty where they are not known.
    """

    machine: str
    policy: str
    fingerprint: Mapping[str, Any] = field(default_factory=dict)
    ceilings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> ProfileKey:
        """What tells it from others."""
        return self.machine, self.policy

    @property
    def processor(self) -> str:
        """Its model; the id where that is not known."""
        return str(self.fingerprint.get("cpu") or self.machine)

    @property
    def setting(self) -> str:
        """What tells it from others with that processor: instruction set, cores, policy."""
        known = self.fingerprint
        words = [str(known.get("profile") or _whole_machine(known))]
        if self.policy != "hot":
            words.append(f"{self.policy} caches")
        return ", ".join(word for word in words if word)

    @property
    def description(self) -> str:
        """Both."""
        return ", ".join(word for word in (self.processor, self.setting) if word)

    @property
    def options(self) -> str:
        """What ``evolve bench`` must be told to be this machine again, where it stands in for another."""
        words = str(self.fingerprint.get("profile", "")).split(", ")
        told = [f"--isa {word}" for word in words if word in INSTRUCTION_SETS]
        told += [f"--cores {word.partition(' ')[0]}" for word in words if word.endswith((" core", " cores"))]
        if self.policy != "hot":
            told.append(f"--policy {self.policy}")
        return "".join(f" {option}" for option in told)


def _whole_machine(fingerprint: Mapping[str, Any]) -> str:
    parts = []
    if "vector_bytes" in fingerprint:
        parts.append(f"{8 * fingerprint['vector_bytes']}-bit vectors")
    if "logical_cores" in fingerprint:
        cores = fingerprint["logical_cores"]
        parts.append(f"{cores} core" + "s" * (cores != 1))
    return ", ".join(parts)


@dataclass(frozen=True)
class Guest:
    """The champion of another machine, measured here beside this machine's own.

    Attributes:
        home: where it leads.
        schedule: its values.
        cost: t_guest / t_own: 1.2 is a fifth more time; None where it could not be measured.
        reason: why not.
    """

    home: ProfileKey
    schedule: Mapping[str, Any]
    cost: Estimate | None
    reason: str = ""


@dataclass(frozen=True)
class Leader:
    """The best known schedule of a problem on one machine.

    Attributes:
        contestant: ``champion``, or ``default`` where no run was published.
        schedule: its values.
        time_s: seconds a call; never to be held against another machine's.
        fraction: t_bound / t_leader by the machine's own ceilings; None where they are not known.
        limit: what binds.
        speedups: t_opponent / t_leader.
        guests: champions of other machines.
        flags: what was wrong while it was measured.
        run: the run that found it; "" where there is none.
    """

    contestant: str
    schedule: Mapping[str, Any]
    time_s: float
    fraction: Estimate | None
    limit: str
    speedups: Mapping[str, Estimate]
    guests: tuple[Guest, ...] = ()
    flags: tuple[str, ...] = ()
    run: str = ""


@dataclass(frozen=True)
class Sheet:
    """All that one machine found at one time.

    Attributes:
        source: path of the file, or id of the run.
        is_file: whether it is a file, which can be given to ``evolve bench --with``.
        measured_at: time of day, ISO 8601.
        profile: the machine.
        leaders: by problem.
        is_quick: too few samples to be quoted.
    """

    source: str
    is_file: bool
    measured_at: str
    profile: Profile
    leaders: Mapping[Problem, Leader]
    is_quick: bool = False


# ---- files


def read_sheet(path: Path) -> Sheet:
    """The sheet of a file.

    Raises:
        UsageError: it cannot be read, is damaged, is another tool's, or is newer than this version.
        CheckFailedError: it contradicts itself: its ceilings are another machine's.
    """
    data = read_json(path)
    try:
        return _sheet(path, data)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        what = f"lacks {error}" if isinstance(error, KeyError) else str(error)
        raise UsageError(f"{path} is damaged ({what})", "measure again with `evolve bench --save`") from error


def read_json(path: Path) -> dict[str, Any]:
    """What a file of ``evolve bench`` holds; for errors see ``read_sheet``."""
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise UsageError(f"{path} is too large for a file of `evolve bench`", "name another")
        data: dict[str, Any] = json.loads(path.read_bytes(), parse_constant=_no_number)
    except OSError as error:
        raise UsageError(f"{path} cannot be read ({error.strerror})", "name a file of `evolve bench`") from error
    except (ValueError, RecursionError) as error:
        said = f"line {error.lineno}" if isinstance(error, json.JSONDecodeError) else "no text"
        raise UsageError(f"{path} is damaged, or no JSON ({said})", "name a file of `evolve bench`") from error
    if tool := _foreign(data):
        raise UsageError(f"{path} is {tool}, not a file of `evolve bench`", "write one with `evolve bench --save FILE`")
    schema = data["evolve"].get("schema")
    if not isinstance(schema, int) or schema < 1:
        raise UsageError(f"{path} is damaged (its schema is {schema!r})", "measure again with `evolve bench --save`")
    if schema > SCHEMA:
        raise UsageError(f"{path} has schema {schema}, newer than {SCHEMA}, the newest known here", "update evolve")
    return data


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is no number")


_TELLING = (
    ({"evolve"}, ""),
    ({"benchmarks", "machine_info"}, "a file of pytest-benchmark alone"),
    ({"benchmarks", "context"}, "a file of google/benchmark"),
    ({"benchmarks", "metadata"}, "a file of pyperf"),
    ({"benchmarks", "schema"}, "the output of `evolve bench --json`"),
    ({"benchmarks"}, "a file of pyperf"),
    ({"results", "commit_hash"}, "a file of asv"),
    ({"run", "kernel"}, "the output of `evolve show --json`"),
    ({"results"}, "a file of hyperfine or asv"),
)
"""Keys by which a file is known, and whose it is."""


def _foreign(data: Any) -> str:
    """Whose file it is; empty for ours."""
    if not isinstance(data, dict):
        return "JSON of something else"
    tool = next((tool for keys, tool in _TELLING if keys <= set(data)), "JSON of something else")
    return tool or ("" if isinstance(data["evolve"], dict) else "JSON of something else")


def _sheet(path: Path, data: Mapping[str, Any]) -> Sheet:
    ours, info = data["evolve"], data["machine_info"]
    profile = Profile(info["fingerprint"]["machine_id"], ours["policy"], info["fingerprint"], info.get("ceilings", {}))
    _check_machine(path, info["node"], profile)
    told = [one["extra_info"] for one in data["benchmarks"] if "kernel" in one["extra_info"]]
    leaders = {_problem(one): _leader(one, told, ours["left_out"]) for one in told if "speedups" in one}
    return Sheet(str(path), True, data["datetime"], profile, leaders, bool(ours["is_quick"]))


def _check_machine(path: Path, node: str, profile: Profile) -> None:
    """Figures of one machine held against the ceilings of another would mean nothing."""
    named = {"its node": node}
    if profile.ceilings:
        named["its ceilings' machine"] = profile.ceilings["machine"]
        named["its best ceilings' machine"] = profile.ceilings["best"].get("machine_id") or profile.machine
    for what, machine in named.items():
        if machine != profile.machine:
            raise CheckFailedError(
                f"{path} contradicts itself: {what} is {machine}, its fingerprint {profile.machine}",
                "it was put together from several machines; measure again with `evolve bench --save`",
            )


def _problem(told: Mapping[str, Any]) -> Problem:
    size = tuple(int(extent) for extent in told["size"])
    return Problem(str(told["kernel"]), str(told["dtype"]), size, int(told["threads"]))


def _leader(told: Mapping[str, Any], others: list[Mapping[str, Any]], left_out: list[Mapping[str, Any]]) -> Leader:
    speedups = {name: estimate(value) for name, value in told["speedups"].items()}
    fraction = told.get("bound_fraction_interval")
    return Leader(
        contestant=told["contestant"],
        schedule=dict(told["schedule"]),
        time_s=_positive(told["time_s"]),
        fraction=estimate(fraction) if fraction else None,
        limit=(told.get("bound") or {}).get("limit", ""),
        speedups=speedups,
        guests=(*_guests(told, others, speedups), *_refused(told, left_out)),
        flags=tuple(sorted({flag for seen in told.get("conditions", {}).values() for flag in doubtful(seen)})),
        run=str(told.get("run", "")),
    )


def doubtful(conditions: Mapping[str, Any]) -> list[str]:
    """The flags of a race that cast doubt on it; others describe it."""
    from benchmarks.conditions import DISTURBANCES  # noqa: PLC0415 - imports numpy

    return [str(flag) for flag in conditions["flags"] if flag in DISTURBANCES]


def _guests(told: Mapping[str, Any], others: list[Mapping[str, Any]], speedups: Mapping[str, Estimate]) -> list[Guest]:
    return [
        Guest(_home(one["home"]), dict(one["schedule"]), speedups[one["contestant"]])
        for one in others
        if one.get("home") and _problem(one) == _problem(told) and one["contestant"] in speedups
    ]


def _refused(told: Mapping[str, Any], left_out: list[Mapping[str, Any]]) -> list[Guest]:
    return [
        Guest(_home(one["home"]), dict(one["schedule"]), None, f"{one['kind']}: {one['reason']}")
        for one in left_out
        if one["home"] and _problem(one) == _problem(told)
    ]


def _home(told: Mapping[str, Any]) -> ProfileKey:
    return str(told["machine"]), str(told["policy"])


def estimate(told: Mapping[str, Any]) -> Estimate:
    """The inverse of ``Estimate.as_dict`` for ratios: an end that is None is open.

    Raises:
        ValueError: it is no ratio with an interval.
    """
    low, high = told["low"], told["high"]
    ends = (0.0 if low is None else float(low), math.inf if high is None else float(high))
    found = Estimate(_positive(told["estimate"]), *ends, float(told["level"]))
    if not 0 <= found.low <= found.high:
        raise ValueError(f"an interval from {found.low} to {found.high}")
    return found


def _positive(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf:
        raise ValueError(f"{value!r} where a positive number belongs")
    return float(value)


# ---- runs


def sheet_of_run(store: Store, run: Run) -> Sheet:
    """The sheet of a published run.

    Raises:
        UsageError: it has no published champion: there is nothing that may be compared.
    """
    publication = store.publication(run.id)
    if publication is None or not publication.is_promoted:
        raise UsageError(f"run {run.id} has no published champion", f"see `evolve show {run.id}`")
    machine, best = store.machine(run.machine), store.best_ceilings(run.machine)
    latest = store.latest_ceilings(run.machine)
    ceilings = {"machine": run.machine, "measured_at": latest.measured_at, "best": best} if latest else {}
    profile = Profile(run.machine, run.policy, machine.fingerprint if machine else {}, ceilings)
    problem = Problem(run.kernel, run.dtype, tuple(run.size), run.threads)
    schedule = store.individuals(run.id)[publication.evaluation - 1].evaluation.schedule
    leader = Leader(
        contestant="champion",
        schedule=dict(schedule),
        time_s=publication.time_s,
        fraction=_published_fraction(publication),
        limit=publication.bound_limit,
        speedups={PLAIN: publication.speedup, **publication.rivals},
        flags=_published_flags(publication),
        run=run.id,
    )
    return Sheet(run.id, False, publication.measured_at, profile, {problem: leader})


def _published_flags(publication: Publication) -> tuple[str, ...]:
    seen = (launch.get("conditions", {"flags": ()}) for found in publication.samples.values() for launch in found)
    return tuple(sorted({flag for conditions in seen for flag in doubtful(conditions)}))


def _published_fraction(publication: Publication) -> Estimate:
    """With the interval that its raw samples give; an open one where they are not there."""
    import numpy as np  # noqa: PLC0415 - help needs no numpy

    from benchmarks.suites.comparison import bound_fraction  # noqa: PLC0415 - imports the harness

    own_s = {name: [launch["candidate_s"] for launch in launches] for name, launches in publication.samples.items()}
    if not own_s:
        return Estimate(publication.bound_fraction, 0.0, math.inf)
    return bound_fraction(own_s, publication.bound_time_s, np.random.default_rng(0))
