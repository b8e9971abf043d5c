"""What the suites measured, for a terminal and as ``benchmarks/RESULTS.md``; every figure is measured or stored."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import kernels
from evolve import __version__
from evolve.bench import began_at
from evolve.report import bench_background
from evolve.report.machine import machine_facts
from evolve.report.quantities import extents, fraction, percent, problem, rate, seconds, speedup
from evolve.report.text import facts, markdown_table, paragraph, table
from evolve.sheet import doubtful

if TYPE_CHECKING:
    from evolve.bench import Results
    from evolve.repeats import Repeats

Told = Mapping[str, Any]

SCHEMA = 1
PLAIN, DEFAULT = "baseline", "default"


def plain(results: Results) -> dict[str, Any]:
    """Plain values for JSON, without the samples."""
    return {
        "schema": SCHEMA,
        "machine": results.machine.id,
        "measured_at": results.suites["datetime"],
        "file": str(results.measured.file),
        "policy": results.suites["evolve"]["policy"],
        "benchmarks": [_without_samples(one) for one in results.suites["benchmarks"]],
        "left_out": results.suites["evolve"]["left_out"],
        "rivals": results.suites["rivals"],
        "runs": list(results.runs),
        "repeats": results.repeats.as_dict() if results.repeats else None,
    }


def _without_samples(benchmark: Told) -> dict[str, Any]:
    stats = {name: value for name, value in benchmark["stats"].items() if name != "data"}
    return {
        "name": benchmark["name"],
        "group": benchmark["group"],
        "extra_info": {name: value for name, value in benchmark["extra_info"].items() if name != "samples"},
        "stats": stats,
    }


def text(results: Results, before: Mapping[str, float]) -> str:
    """Each problem's champion against all others; and seconds beside earlier ones, by the benchmark's name."""
    parts = [f"{problem(one)}: {_origin(one)}\n{facts(_against(one))}" for one in _leaders(results)]
    medians = {one["name"]: one["stats"]["median"] for one in results.suites["benchmarks"]}
    rows = [_change(name, before[name], now_s) for name, now_s in medians.items() if name in before]
    if left_out := results.suites["evolve"]["left_out"]:
        parts.append("\n".join(map(_left_out, left_out)))
    if rows:
        parts.append(table(("seconds a call", "before", "now", "change"), rows))
    if results.repeats:
        parts.append(_repeated(results.repeats))
    return "\n\n".join(parts)


def _left_out(one: Told) -> str:
    return f"{problem(one)}: {one['contestant']} is not measured ({one['kind']}: {one['reason']})"


def _repeated(repeats: Repeats) -> str:
    agree, of = repeats.agreeing()
    plain_agree, plain_of = repeats.agreeing(over_plain_loop=True)
    rows = [
        (f"{one.problem} vs {_opponent(one.opponent)}", speedup(one.before.as_dict()), speedup(one.now.as_dict()))
        for one in repeats.speedups
        if not one.agrees
    ]
    said = (
        f"repeats: {agree} of {of} speedups ({percent(agree / of)}) lie within the interval of the other measurement "
        f"({_moment(repeats.before_at)}), {plain_agree} of {plain_of} over the plain loop"
    )
    told = paragraph(said)
    return f"{told}\n{table(('those that do not', 'before', 'now'), rows)}" if rows else told


def _moment(at: str) -> str:
    """A time of day as people write it."""
    return f"{at[:16].replace('T', ' ')} UTC"


def _change(name: str, before_s: float, now_s: float) -> tuple[str, ...]:
    return name.partition("[")[2][:-1], seconds(before_s), seconds(now_s), f"{100 * (now_s / before_s - 1):+.1f} %"


def _leaders(results: Results) -> list[Told]:
    """Whose speedups were measured: ``extra_info`` of champions, and of default schedules without one."""
    return [one["extra_info"] for one in results.suites["benchmarks"] if "speedups" in one["extra_info"]]


def _origin(one: Told) -> str:
    if "run" not in one:
        return "default schedule"
    return f"champion of {one['name'] or one['run']} ({one['budget']}, {one['evaluations']} evaluations)"


def _against(one: Told) -> Iterator[tuple[str, str]]:
    yield "  time", f"{seconds(one['time_s'])}, {_rate(one)}{_under(one)}"
    for name, estimate in one["speedups"].items():
        yield f"  vs {_opponent(name)}", speedup(estimate)
    if bound := one.get("bound"):
        yield "  bound", f"{percent(one['bound_fraction'])} of what this machine allows, by {bound['limit']}"
    if moment := one.get("moment_fraction"):
        yield "  then", f"{fraction(moment)} of what it allowed at the time"
    yield "  doubts", "; ".join(_doubts(one))


def _under(one: Told) -> str:
    """The cache policy, where it is not the usual one."""
    policy = one.get("policy", "hot")
    return "" if policy == "hot" else f", {policy} caches"


def _doubts(one: Told) -> Iterator[str]:
    """What was wrong with the machine while races went on, by opponent."""
    for name, seen in one.get("conditions", {}).items():
        if flags := doubtful(seen):
            yield f"{', '.join(flags)} against {_opponent(name)}"


def _opponent(name: str) -> str:
    return {PLAIN: "plain loop", DEFAULT: "default schedule"}.get(name, name)


def _rate(one: Told) -> str:
    """Of what binds: traffic where it does, else arithmetic."""
    bound = one.get("bound")
    is_traffic = bound["limit"].startswith("bandwidth") if bound else one["flop"] < one["moved_bytes"]
    amount, unit = (one["moved_bytes"], "B/s") if is_traffic else (one["flop"], "FLOP/s")
    return rate(amount / one["time_s"], unit)


# ---- the file


def markdown(results: Results) -> str:
    """The suites' part of ``benchmarks/RESULTS.md``: one for each machine and number of threads."""
    days = (began_at(results.suites)[:10], results.suites["datetime"][:10])
    date = " to ".join(dict.fromkeys(days))
    origin = f"Measured on {date} with evolve-kernels {__version__}."
    of_machine = results.threads == 1
    machine = f"{results.machine.fingerprint.get('llvm_cpu', 'machine')} {results.machine.id}"
    title, option = ("", "") if of_machine else (f" with {results.threads} threads", f" --threads {results.threads}")
    command = " ".join(("evolve bench", *results.names)) + option
    parts = [
        f"# Results on {machine}{title}\n\n{origin} `{command} --results` wrote this part and will overwrite it.",
        *(_machine(results) if of_machine else ()),
        *_champions(results),
        *_repeats(results),
        *_absolute(results),
        *bench_background.engine(results),
        *(bench_background.of_machine(results) if of_machine else ()),
    ]
    return "\n\n".join(parts) + "\n"


def _listed(known: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {version}" for name, version in known.items())


def _machine(results: Results) -> Iterator[str]:
    versions = {**results.machine.fingerprint.get("versions", {}), **results.suites["rivals"]["versions"]}
    info = results.suites.get("machine_info", {})
    known = [*machine_facts(results.machine), ("with", _listed(versions)), *_self_comparison(info), *_protections(info)]
    yield "## Machine"
    yield markdown_table(("what", "value"), known)
    libraries = results.suites["rivals"]["libraries"]
    if libraries:
        yield "What the rivals call, as threadpoolctl and torch tell it:"
        yield markdown_table(("package", "library", "version", "kernels for"), [_library(one) for one in libraries])
    remarks = [remark for one in libraries if (remark := _remark(one, results.machine.fingerprint))]
    yield from ["\n".join(f"- {remark}" for remark in remarks)] if remarks else []


def _self_comparison(info: Told) -> Iterator[tuple[str, str]]:
    if aa := info.get("aa"):
        told = f"{percent(aa['spread'])} apart in 95 % of {aa['trials']} races of a function against itself"
        yield "equals seem", f"{told}, {aa['false_positives']} of them with a winner"


def _protections(info: Told) -> Iterator[tuple[str, str]]:
    if known := info.get("protections"):
        missing = [f"{one['name']} ({one['reason']})" for one in known if not one["is_active"]]
        active = ", ".join(one["name"] for one in known if one["is_active"])
        yield "contestants are confined in", f"{active}{'; not in ' if missing else ''}{', '.join(missing)}"


def _library(one: Told) -> tuple[str, ...]:
    return one["package"], one["name"], one["version"], one["target"]


def _remark(library: Told, fingerprint: Told) -> str:
    """A rival that leaves half of the vector unit idle is easier to beat; say so."""
    used, has = library["vector_bytes"], fingerprint.get("vector_bytes")
    if not used or not has or used >= has:
        return ""
    return (
        f"{library['name']} of {library['package']} runs its kernels for {library['target']}, which use "
        f"{8 * used}-bit vectors; this CPU ({fingerprint['llvm_cpu']}) has {8 * has}-bit ones."
    )


def _champions(results: Results) -> Iterator[str]:
    leaders = _leaders(results)
    yield "## Champions against their rivals"
    if not leaders:
        yield "None was measured."
        return
    yield _how(leaders, results.threads)
    met = dict.fromkeys(name for one in leaders for name in one["speedups"])
    names = sorted(met, key=lambda name: name == DEFAULT)  # libraries before our own
    header: tuple[str, ...] = (
        "kernel",
        "dtype",
        "size",
        "budget",
        "evaluations",
        "time",
        "rate",
        "of the bound",
        "limit",
        "of the moment's",
    )
    rows = [_champion(one) for one in leaders]
    policies = [one.get("policy", "hot") for one in leaders]
    if set(policies) != {"hot"}:
        header, rows = (*header, "caches"), [(*row, policy) for row, policy in zip(rows, policies, strict=True)]
    opponents = [tuple(speedup(one["speedups"][n]) if n in one["speedups"] else "" for n in names) for one in leaders]
    told = [(*row, *met) for row, met in zip(rows, opponents, strict=True)]
    yield markdown_table((*header, *(f"vs {_opponent(name)}" for name in names)), told)
    yield "\n".join(f"- {problem(one)}: {_values(one)}" for one in leaders)
    yield from _ahead(leaders)
    yield from _conditions(leaders)
    if left_out := results.suites["evolve"]["left_out"]:
        yield "\n".join(f"- {_left_out(one)}" for one in left_out)


def _ahead(leaders: Sequence[Told]) -> Iterator[str]:
    known = {name: kernels.get(name).left for name in dict.fromkeys(one["kernel"] for one in leaders)}
    if lines := [f"- {name}: {left}" for name, left in known.items() if left]:
        yield "What the next 10 % would take, as it was found on a Zen 5:"
        yield "\n".join(lines)


def _conditions(leaders: Sequence[Told]) -> Iterator[str]:
    """What the machine did during the races: one row each."""
    rows = [
        (
            *(problem(one), _opponent(name), str(sum(one["rounds"][name])), str(seen["retakes"])),
            *(str(seen["contended"]), percent(seen["steal_share"]), ", ".join(doubtful(seen))),
        )
        for one in leaders
        for name, seen in one.get("conditions", {}).items()
    ]
    if rows:
        yield (
            "The machine during these races: rounds kept, rounds taken again for a known cause, "
            "rounds that stayed disturbed, processor time that the hypervisor took, and what the sentinels object to."
        )
        yield markdown_table(("problem", "against", "rounds", "retakes", "disturbed", "steal", "objections"), rows)


def _repeats(results: Results) -> Iterator[str]:
    found = results.repeats
    if found is None:
        return
    agree, of = found.agreeing()
    plain_agree, plain_of = found.agreeing(over_plain_loop=True)
    yield "## Repeats"
    yield (
        f"The same champions measured at {_moment(found.before_at)} and at {_moment(found.now_at)}: {agree} of {of} "
        f"speedups ({percent(agree / of)}) lie within each other's intervals; of those over the plain loop, "
        f"{plain_agree} of {plain_of}."
    )
    rows = [
        (one.problem, _opponent(one.opponent), *(speedup(e.as_dict()) for e in (one.before, one.now)), _yes(one.agrees))
        for one in found.speedups
    ]
    yield markdown_table(("problem", "against", "before", "now", "within each other's interval"), rows)


def _yes(holds: object) -> str:
    return "yes" if holds else "no"


def _how(leaders: Sequence[Told], threads: int) -> str:
    launches = _span(one["launches"] for one in leaders)
    rounds = _span(count for one in leaders for counts in one["rounds"].values() for count in counts)
    return (
        f"Each champion and each opponent were timed together in {launches} fresh processes with new random inputs, "
        f"in {rounds} paired, interleaved rounds a process, {_cores(threads)} for every library. "
        "A figure is t_opponent / t_champion, the median with its 95 % interval over processes and rounds. "
        "The bound is what this machine's ceilings allow, the moment's what they allowed while they were measured in "
        "turns with the champion. All results were checked against a float64 reference, before timing and after."
    )


def _cores(threads: int) -> str:
    return "on one core and with one thread" if threads == 1 else f"on {threads} cores and with {threads} threads"


def _span(values: Iterable[int]) -> str:
    found = sorted(set(values))
    return str(found[0]) if len(found) == 1 else f"{found[0]} to {found[-1]}"


def _champion(one: Told) -> tuple[str, ...]:
    bound = one.get("bound")
    return (
        *(one["kernel"], one["dtype"], extents(one["size"])),
        *(one.get("budget", "none: default schedule"), str(one.get("evaluations", 0))),
        *(seconds(one["time_s"]), _rate(one)),
        *((percent(one["bound_fraction"]), bound["limit"]) if bound else ("", "")),
        fraction(one["moment_fraction"]) if "moment_fraction" in one else "",
    )


def _values(one: Told) -> str:
    values = " ".join(f"{name}={value}" for name, value in one["schedule"].items())
    published = one.get("published", {}).get("source_hash", one["source_hash"])
    changed = "" if published == one["source_hash"] else ", changed since its run"
    run = f"run {one['name'] or one['run']}, " if "run" in one else ""
    return f"{run}source {one['source_hash'][:12]}{changed}: `{values}`"


def _absolute(results: Results) -> Iterator[str]:
    measured = [one for one in results.suites["benchmarks"] if "contestant" in one["extra_info"]]
    yield "## Absolute times"
    yield (
        "By pytest-benchmark's fixture, one contestant after the other in one process: how long a call takes. "
        "Who is faster is said by the paired figures above."
    )
    header = ("kernel", "dtype", "size", "contestant", "median", "interquartile range", "least", "rounds")
    yield markdown_table(header, [_timed(one["extra_info"], one["stats"]) for one in measured])


def _timed(told: Told, stats: Told) -> tuple[str, ...]:
    times = (seconds(stats[name]) for name in ("median", "iqr", "min"))
    problem = (told["kernel"], told["dtype"], extents(told["size"]))
    return *problem, _opponent(told["contestant"]), *times, f"{stats['rounds']} x {stats['iterations']}"
