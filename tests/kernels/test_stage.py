"""The staged language: what specialising leaves, what it shares, and how it complains."""

from pathlib import Path

import numpy as np
import pytest

from kernels.language import SourceFolder, TemplateError, specialise, static, template

WIDTH = 2
UNKNOWN = object()


@template("void(intp, T[::1], T[::1])", runtime=("kc",))
def micro(p, n, a, out):
    """Docstrings are dropped."""
    step = p.mr * WIDTH
    for k in range(n):
        for i in static(step):
            out[k * step + i] = a[k * step + i] * p.dtype(p.kc) if p.negative else -a[k * step + i]


@template("void(T[::1], T[::1])", runtime=("mr", "kc"), pointers=("micro",))
def nest(p, a, out):
    if p.variant == "pointer" and p.dtype == "float64":
        micro(p, a.size // (p.mr * WIDTH), a, out)


@template()
def twice(p, x):
    return x * p.factor


@template("void(T[::1], T[::1])")
def direct(p, a, out):
    for i in range(a.size):
        out[i] = twice(p, a[i])


VALUES = {"mr": 1, "kc": 7, "negative": True, "variant": "pointer", "factor": 3}
GOLDEN = Path(__file__).parent / "golden"


@pytest.mark.parametrize("made", [micro, nest, direct], ids=lambda t: t.name)
def test_the_specialised_source_is_the_golden_one(made, request):
    text = specialise(made, VALUES, "float64").text
    body = text[text.index("@njit") :]
    file = GOLDEN / f"stage_{made.name}.txt"
    if request.config.getoption("--update-golden"):
        file.write_text(body)
    assert body == file.read_text()


def test_a_caller_of_pointers_is_shared_by_schedules_that_differ_in_run_time_values_only():
    sources = [specialise(nest, {**VALUES, "mr": mr, "kc": kc}, "float64") for mr, kc in ((1, 7), (2, 7), (1, 8))]
    assert len({source.key for source in sources}) == 1
    assert len({source.identity for source in sources}) == 2, "kc is passed in; mr is compiled into the micro-kernel"


def test_what_a_schedule_does_not_decide_is_not_specialised_again():
    one, other = (specialise(direct, {**VALUES, "mr": mr}, "float64") for mr in (1, 2))
    assert one.callees[0] is other.callees[0]


def test_equal_values_that_read_differently_are_told_apart():
    texts = {specialise(direct, {"factor": factor}, "float64").callees[0].text for factor in (1, True, 1.0)}
    assert len(texts) == 3


@template("void(T[::1])")
def assigns_two_at_once(p, out):
    first = second = p.mr
    for i in range(first):
        out[i] = second
    else:  # noqa: PLW0120
        out[0] = p.kc


def test_statements_keep_all_their_parts():
    text = specialise(assigns_two_at_once, VALUES, "float64").text
    assert text.endswith(
        "first = second = 1\n    for i in range(first):\n        out[i] = second\n    else:\n        out[0] = 7\n"
    )


def test_a_callee_has_a_source_of_its_own_that_the_caller_imports():
    one, other = (specialise(direct, {**VALUES, "factor": f}, "float64") for f in (3, 4))
    assert one.callees[0].key != other.callees[0].key
    assert one.key != other.key, "the caller's text names its callee by hash"


def test_compiled_code_computes_what_the_template_says(tmp_path):
    folder = SourceFolder(tmp_path)
    compiled = folder.load(folder.write(specialise(nest, VALUES, "float64")))
    a, out = np.arange(6.0), np.zeros(6)
    compiled.function(a, out, 1, 7, *compiled.pointers)
    np.testing.assert_array_equal(out, 7 * a)


def test_the_dtype_reaches_signature_and_scalars():
    text = specialise(micro, VALUES, "float32").text
    assert "float32[::1]" in text
    assert "float32(kc)" in text


@template("void(T[::1])")
def unrolls_a_run_time_extent(p, out):
    for i in static(out.size):
        out[i] = p.mr


@template("void(T[::1])")
def reads_a_missing_gene(p, out):
    out[0] = p.no_such_gene


@template("void(T[::1])")
def uses_an_object(p, out):
    out[0] = UNKNOWN


@template("void(T[::1])")
def divides_by_zero(p, out):
    out[0] = p.mr // (p.mr - 1)


@template("void(T[::1])")
def forgets_the_schedule(p, out):
    out[0] = twice(out[0])


@template("void(T[::1])")
def assigns_a_static_variable(p, out):
    for i in static(p.mr):
        i = i + 1  # noqa: PLW2901
        out[i] = 0


@template()
def calls_its_caller(p, x):
    return goes_in_circles(p, x)


@template()
def goes_in_circles(p, x):
    return calls_its_caller(p, x)


@template("void(T[::1])", runtime=("kc",))
def hides_a_run_time_parameter(p, out):
    for kc in range(p.kc):
        out[kc] = 0


@pytest.mark.parametrize(
    ("made", "line", "expression", "why"),
    [
        (unrolls_a_run_time_extent, 2, "static(out.size)", "not known"),
        (reads_a_missing_gene, 2, "p.no_such_gene", "no parameter"),
        (uses_an_object, 2, "UNKNOWN", "no template"),
        (divides_by_zero, 2, "p.mr // (p.mr - 1)", "ZeroDivisionError"),
        (forgets_the_schedule, 2, "twice(out[0])", "first argument"),
        (goes_in_circles, 1, "def goes", "calls itself"),
        (hides_a_run_time_parameter, 1, "def hides", "another name"),
        (assigns_a_static_variable, 2, "`i`", "nothing else assigns"),
    ],
    ids=lambda value: getattr(value, "name", None),
)
def test_an_error_names_file_line_and_expression(made, line, expression, why):
    first = made.function.__code__.co_firstlineno
    with pytest.raises(TemplateError) as caught:
        specialise(made, VALUES, "float64")
    message = str(caught.value)
    assert f"{Path(__file__).name}:{first + line}:" in message
    assert expression in message
    assert why in message


def test_a_template_is_not_called():
    with pytest.raises(TypeError, match="specialised"):
        twice(None, 1)


def test_an_unknown_dtype_is_refused():
    with pytest.raises(TemplateError, match="float16"):
        specialise(twice, VALUES, "float16")
