"""The space over random small spaces: what it samples, steps to, counts and refuses."""

import copy
import inspect
import itertools
import pickle
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernels.language.space import (
    Parameter,
    Schedule,
    Space,
    choice,
    flag,
    integer,
    near_values,
    permutation,
    power_of_two,
    swapped,
)

KINDS = {
    "choice": ("plain", "tiled", "packed"),
    "integer": (1, 2, 3, 5),
    "power_of_two": (4, 8, 16),
    "permutation": ("ijk", "ikj", "jik", "jki", "kij", "kji"),
    "flag": (False, True),
}
seeds = st.integers(0, 2**32 - 1)


@st.composite
def parameters(draw, name, switches):
    kind = draw(st.sampled_from(sorted(KINDS)))
    when = {}
    if switches and draw(st.booleans()):
        switch = draw(st.sampled_from(switches))
        when = {switch.name: tuple(draw(st.lists(st.sampled_from(switch.values), min_size=1, unique=True)))}
    return Parameter(name, kind, KINDS[kind], draw(st.sampled_from(KINDS[kind])), "", when)


@st.composite
def constraints(draw, genes):
    """Forbids some combinations of up to three genes, the defaults' never."""
    read = draw(st.lists(st.sampled_from(genes), min_size=1, max_size=3, unique_by=lambda p: p.name))
    points = list(itertools.product(*(p.values for p in read)))
    forbidden = set(draw(st.lists(st.sampled_from(points), max_size=len(points) // 2)))
    forbidden -= {tuple(p.default for p in read)}

    def predicate(*values):
        return values not in forbidden

    positional = inspect.Parameter.POSITIONAL_OR_KEYWORD
    predicate.__signature__ = inspect.Signature([inspect.Parameter(p.name, positional) for p in read])
    return predicate, f"forbidden: {sorted(map(str, forbidden))} of {[p.name for p in read]}"


@st.composite
def spaces(draw):
    genes = []
    for name in "abcde"[: draw(st.integers(1, 5))]:
        genes.append(draw(parameters(name, [p for p in genes if not p.when])))
    genes = draw(st.permutations(genes))
    return Space(genes, [draw(constraints(genes)) for _ in range(draw(st.integers(0, 3)))])


def drawn(space, seed):
    return space.sample(np.random.default_rng(seed))


def legal_schedules(space):
    points = itertools.product(*(p.values for p in space.parameters))
    every = {space.canonical(dict(zip(space.names, point, strict=True))) for point in points}
    return {schedule for schedule in every if space.is_legal(schedule) is None}


@given(spaces(), seeds)
def test_samples_are_legal_and_canonical(space, seed):
    schedule = drawn(space, seed)
    assert space.is_legal(schedule) is None
    assert space.canonical(schedule) == schedule
    assert tuple(schedule) == space.names


@given(spaces(), seeds)
def test_sampling_is_a_function_of_the_seed(space, seed):
    assert drawn(space, seed) == drawn(space, seed)


@given(spaces(), seeds, seeds)
def test_a_space_that_starts_elsewhere_is_the_same_space(space, seed, other):
    begun = space.starting_at(drawn(space, other))
    assert begun.default == drawn(space, other)
    assert begun.beginnings == tuple(dict.fromkeys((begun.default, space.default)))
    assert drawn(begun, seed) == drawn(space, seed)
    assert begun.neighbours(begun.default) == space.neighbours(begun.default)


def test_a_space_does_not_start_at_an_illegal_schedule():
    space = Space([integer("b", range(4), "")], [(lambda b: b != 2, "two is company")])
    with pytest.raises(ValueError, match="two is company"):
        space.starting_at({"b": 2})
    assert space.default == {"b": 0}


def test_sampling_reaches_every_legal_schedule():
    space = Space([flag("a", ""), integer("b", range(4), "", when={"a": (True,)})], [(lambda a, b: not a or b < 3, "")])
    rng = np.random.default_rng(0)
    assert {space.sample(rng) for _ in range(300)} == legal_schedules(space)


def test_every_legal_schedule_is_equally_likely():
    space = Space(
        [flag("a", ""), integer("b", range(8), "", when={"a": (True,)}), integer("c", range(3), "")],
        [(lambda a, b: not a or b != 5, "")],
    )
    rng = np.random.default_rng(0)
    counts = Counter(space.sample(rng) for _ in range(240 * 24))
    assert set(counts) == legal_schedules(space)
    assert len(counts) == 24
    chi_square = sum((count - 240) ** 2 / 240 for count in counts.values())
    assert chi_square < 60  # 23 degrees of freedom: beyond 60 once in 30,000


def test_sampling_does_not_need_to_count():
    tied = [integer(f"x{k}", range(50), "", when={"a": (True,)}) for k in range(4)]
    space = Space([flag("a", ""), *tied], [(lambda x0, x1, x2, x3: x0 + x1 + x2 + x3 < 100, "")])
    rng = np.random.default_rng(0)
    assert space.size is None
    assert 20 < sum(space.sample(rng).a for _ in range(80)) < 60


@given(spaces())
def test_size_is_what_enumeration_counts(space):
    assert space.size == len(legal_schedules(space))


def test_size_multiplies_what_nothing_ties():
    wide = [integer(f"x{k}", range(100), "") for k in range(10)]
    assert Space(wide).size == 100**10


def test_size_is_none_where_counting_takes_too_long():
    tied = [integer(f"x{k}", range(50), "") for k in range(4)]
    assert Space(tied, [(lambda x0, x1, x2, x3: x0 + x1 + x2 + x3 < 100, "")]).size is None


def test_size_bounds_the_counting_over_all_conditions_together():
    switches = [flag(f"s{k}", "") for k in range(12)]
    tied = [integer(n, range(30), "", when={f"s{k}": (False,) for k in range(12)}) for n in ("x", "y")]
    third = integer("z", range(1000), "")
    assert Space([*switches, *tied, third], [(lambda x, y, z: x + y + z >= 0, "never broken")]).size is None


@given(spaces(), seeds)
def test_neighbours_are_legal_distinct_and_canonical(space, seed):
    schedule = drawn(space, seed)
    near = space.neighbours(schedule)
    assert schedule not in near
    assert len(set(near)) == len(near)
    assert all(space.is_legal(s) is None and space.canonical(s) == s for s in near)


@given(spaces(), seeds)
def test_neighbours_that_differ_in_one_gene_are_mutual(space, seed):
    schedule = drawn(space, seed)
    for near in space.neighbours(schedule):
        if sum(schedule[name] != near[name] for name in space.names) == 1:
            assert schedule in space.neighbours(near)


@given(spaces(), seeds)
def test_neighbours_that_differ_in_more_moved_a_switch(space, seed):
    schedule = drawn(space, seed)
    switches = {name for p in space.parameters for name in p.when}
    for near in space.neighbours(schedule):
        moved = {name for name in space.names if schedule[name] != near[name]}
        assert len(moved) == 1 or moved & switches


def test_neighbours_by_kind():
    space = Space([permutation("order", "ijk", ""), integer("n", (1, 5, 9), "", default=5), choice("v", "xyz", "")])
    orders = [space.schedule(order=order) for order in ("jik", "kji", "ikj")]
    others = [space.schedule(n=1), space.schedule(n=9), space.schedule(v="y"), space.schedule(v="z")]
    assert space.neighbours(space.default) == orders + others


def test_inactive_parameters_have_no_neighbours():
    space = Space([flag("pack", ""), integer("block", (8, 16), "", when={"pack": (True,)})])
    assert space.neighbours(space.default) == [space.schedule(pack=True)]


@given(spaces(), seeds)
def test_an_illegal_schedule_gets_the_reason_of_a_broken_constraint(space, seed):
    rng = np.random.default_rng(seed)
    schedule = space.canonical({p.name: p.values[rng.integers(len(p.values))] for p in space.parameters})
    broken = [c.reason for c in space.constraints if not c.holds(schedule)]
    assert space.is_legal(schedule) == (broken[0] if broken else None)


def test_is_legal_says_what_is_wrong():
    space = Space(
        [integer("mr", (1, 2, 4), ""), flag("pack", ""), integer("block", (8, 16), "", when={"pack": (True,)})],
        [(lambda mr, pack: mr < 4 or not pack, "too many registers")],
    )
    assert space.is_legal(space.default) is None
    assert space.is_legal(space.default.replace(mr=4, pack=True)) == "too many registers"
    assert space.is_legal(space.default.replace(mr=3)) == "mr=3 is not one of 1, 2, 4"
    assert "block has no meaning here" in space.is_legal(space.default.replace(block=16))
    assert "unknown or missing" in space.is_legal(space.default.replace(nr=1))
    assert "unknown or missing" in space.is_legal({"mr": 1})


def test_schedule_raises_with_the_reason():
    space = Space([integer("mr", (1, 2), "")], [(lambda mr: mr < 2, "two are too many")])
    with pytest.raises(ValueError, match="two are too many"):
        space.schedule(mr=2)


def test_schedule_pins_what_does_not_apply():
    space = Space([flag("pack", ""), integer("block", (8, 16), "", when={"pack": (True,)})])
    assert space.schedule(block=16) == space.default
    assert space.schedule(pack=True, block=16).block == 16


def test_canonical_values_are_the_parameters_own():
    space = Space([flag("pack", ""), integer("block", (8, 16), "")])
    made = space.schedule(pack=1, block=np.int64(16))
    assert made.pack is True
    assert type(made.block) is int


@given(spaces(), st.lists(seeds, min_size=2, max_size=5))
def test_encoding_has_one_shape_and_lies_in_the_unit_cube(space, several):
    schedules = [drawn(space, seed) for seed in several]
    features = [space.encode(schedule) for schedule in schedules]
    assert {f.shape for f in features} == {space.encode(space.default).shape}
    assert all(((f >= 0) & (f <= 1)).all() and f.dtype == np.float64 for f in features)


@given(spaces())
def test_encoding_tells_schedules_apart(space):
    schedules = legal_schedules(space)
    assert len({space.encode(schedule).tobytes() for schedule in schedules}) == len(schedules)


@given(spaces(), seeds)
def test_schedules_survive_copying_and_pickling(space, seed):
    schedule = drawn(space, seed)
    for made in (pickle.loads(pickle.dumps(schedule)), copy.copy(schedule), copy.deepcopy(schedule)):
        assert made == schedule
        assert hash(made) == hash(schedule)
        assert str(made) == str(schedule)


def test_equal_schedules_have_equal_hashes_in_any_order():
    one, other = Schedule({"a": 1, "b": 2}), Schedule({"b": 2, "a": 1})
    assert one == other
    assert hash(one) == hash(other)
    assert one != Schedule({"a": 1, "b": 3})


def test_a_schedule_is_frozen():
    schedule = Schedule({"mr": 4})
    with pytest.raises(AttributeError, match="frozen"):
        schedule.mr = 8
    with pytest.raises(TypeError):
        schedule["mr"] = 8
    assert schedule.replace(mr=8).mr == 8
    assert schedule.mr == schedule["mr"] == 4


def test_a_schedule_names_what_it_has():
    with pytest.raises(AttributeError, match="no parameter 'nr'; it has mr"):
        _ = Schedule({"mr": 4}).nr


@given(spaces(), seeds)
def test_steps_of_a_parameter_are_other_values_of_it(space, seed):
    schedule = drawn(space, seed)
    for p in space.parameters:
        near = near_values(p, schedule[p.name])
        assert set(near) <= set(p.values) - {schedule[p.name]}
        assert len(set(near)) == len(near)


@pytest.mark.parametrize(
    ("kept", "near"),
    [(("ijk", "ikj", "kji", "jki"), ["kji", "ikj"]), (("ijk", "jki"), ["jki"]), (("ijk",), [])],
)
def test_of_a_restricted_permutation_only_what_is_left_is_near(kept, near):
    order = replace(permutation("order", "ijk", ""), values=kept)
    assert near_values(order, "ijk") == near


def test_swapped():
    assert swapped("ijk", 0, 2) == "kji"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: integer("n", (1, 1), ""), "distinct"),
        (lambda: choice("n", (), ""), "at least one"),
        (lambda: integer("n", (1, 2), "", default=3), "not among"),
        (lambda: power_of_two("n", 3, 8, ""), "powers of two"),
        (lambda: power_of_two("n", 8, 2, ""), "smaller first"),
        (lambda: power_of_two("n", 0, 2, ""), "powers of two"),
        (lambda: Space([flag("a", ""), flag("a", "")]), "share a name"),
        (lambda: Space([flag("items", "")]), "have such a method"),
        (lambda: Space([flag("a", "", when={"b": (True,)})]), "unconditional"),
        (lambda: Space([flag("a", "", when={"a": (True,)})]), "unconditional"),
        (lambda: Space([choice("a", ("x", "yz"), ""), flag("b", "", when={"a": "yz"})]), "tuple of its values"),
        (lambda: Space([flag("a", ""), flag("b", "", when={"a": ("on",)})]), "tuple of its values"),
        (lambda: Space([flag("a", "")], [(lambda b: b, "why")]), "reads 'b'"),
        (lambda: Space([flag("a", "")], [(lambda a: a, "a is needed")]), "default schedule is illegal: a is needed"),
    ],
)
def test_a_mistake_in_a_space_is_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_powers_of_two_include_both_ends():
    assert power_of_two("n", 4, 4, "").values == (4,)
    assert power_of_two("n", 1, 8, "").values == (1, 2, 4, 8)


def test_sampling_gives_up_where_next_to_nothing_is_legal():
    wide = [integer(f"x{k}", range(100), "") for k in range(5)]
    space = Space(wide, [(lambda x0, x1, x2, x3, x4: not any((x0, x1, x2, x3, x4)), "only zeros")])
    with pytest.raises(ValueError, match="next to nothing"):
        space.sample(np.random.default_rng(0))
