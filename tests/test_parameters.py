"""What a parameter cell defines and which values fit, as far as that needs no server.

The tests that use hypothesis ask one thing: does a hostile name, value or cell ever become code?
"""

from __future__ import annotations

import ast
import dataclasses
import json
import keyword
import math
import sys
import threading
import unicodedata
import warnings

import nbformat
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from IPython.core.inputtransformer2 import TransformerManager
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_raw_cell

from nbexec.errors import DefinitionError, InvalidArgumentError
from nbexec.parameters import (
    NOWHERE,
    RESERVED,
    TYPES,
    Parameter,
    inject,
    injected_source,
    parameter_cells,
    parse_values,
    read_parameters,
)

fast = settings(max_examples=200, deadline=None)
any_character = st.characters(exclude_categories=[])  # lone surrogates and NUL too
any_text = st.text(any_character)
pieces_of_code = st.lists(st.sampled_from([
    "# nbexec: params", "{", "}", "dict(", ")", "'a'", ":", ",", "type", "=", "int", "str", "'type'", "**", "x",
    "1", "-",
    "\n", " ", "%", "!", "%%", "?", "[", "]", "(", "f'{", "'", '"""', "\\", "\0", "\ud800", "lambda", "for", ";",
    "'desc'",
    "'examples'", "\t", "\r", "\x0c", "\ufeff", "1e999", "await", "0777", "'\\d'", "1if", "é", "ﬁ",
])).map("".join)
identifiers = st.from_regex(r"\A[A-Za-z_]\w{0,8}\Z").filter(str.isidentifier)
ascii_names = st.from_regex(r"\A[A-Za-z_][A-Za-z_0-9]{0,8}\Z").filter(lambda name: not keyword.iskeyword(name))
plain_values = st.one_of(st.booleans(), st.integers(), st.floats(), any_text)
json_values = st.recursive(st.one_of(st.none(), plain_values), lambda items: st.one_of(
    st.lists(items, max_size=4), st.dictionaries(any_text, items, max_size=4)), max_leaves=20)


def code(source, *tags):
    return new_code_cell(source, metadata={"tags": list(tags)} if tags else {})


def read(source, *above):
    return read_parameters([*map(code, above), code(source, "parameters")])


def only(source, *above):
    [parameter] = read(source, *above).values()
    return parameter


def defaults(source, *above):
    return {name: parameter.default for name, parameter in read(source, *above).items()}


def types(source):
    return {name: parameter.type for name, parameter in read(source).items()}


def short(value):
    """A test id for a value which has no good one; pytest counts the tests up."""
    return type(value).__name__


def of_type(kind):
    return {"x": Parameter("x", kind, None, "", [])}


def refusal(source):
    with pytest.raises(DefinitionError) as caught:
        read(source)
    return str(caught.value)


def same(left, right):
    """Equal and of one type, nan being equal to nan."""
    if type(left) is not type(right):
        return False
    if isinstance(left, float):
        return left == right and math.copysign(1, left) == math.copysign(1, right) or left != left and right != right
    if isinstance(left, list):
        return len(left) == len(right) and all(map(same, left, right))
    if isinstance(left, dict):
        return same(list(left), list(right)) and same(list(left.values()), list(right.values()))
    return left == right


def executed(source):
    namespace = {}
    exec(source, {}, namespace)
    return namespace


# ------------------------------------------------------------------------------------ the parameter cell


@pytest.mark.parametrize("source", [
    "# nbexec: params", "# nbexec: params\nx = 1", "#nbexec:params", "\n \n#  nbexec :  params  \nx = 1",
    "# nbexec: params more words", "  # nbexec: params\r\nx = 1", "#\tnbexec\t:\tparams",
])
def test_parameter_cell_is_the_one_that_starts_with_the_comment(source):
    assert parameter_cells([code("y = 1"), code(source)]) == [1]


@pytest.mark.parametrize("source", [
    "# nbexec: paramsfoo", "# nbexec: params_", "x = 1\n# nbexec: params", "nbexec: params", "'# nbexec: params'",
    "# nbexec params", "#\nnbexec: params", "# nbexec:\nparams", "## nbexec: params", "# nbexec: parameters", "",
])
def test_other_comments_make_no_parameter_cells(source):
    assert parameter_cells([code(source)]) == []


@pytest.mark.parametrize("tag", ["params", "parameters"])
def test_parameter_cell_is_the_one_with_the_tag(tag):
    assert parameter_cells([code("y = 1", "other"), code("x = 1", "first", tag)]) == [1]


def test_there_may_be_several_parameter_cells():
    assert parameter_cells([code("a = 1"), code("# nbexec: params"), code("b = 1"), code("x = 1", "params")]) == [1, 3]
    assert parameter_cells([code("x = 1", "parameters"), code("# nbexec: params")]) == [0, 1]


def test_only_a_code_cell_is_a_parameter_cells():
    tagged = {"tags": ["parameters"]}
    cells = [new_markdown_cell("# nbexec: params", metadata=tagged), new_raw_cell("# nbexec: params", metadata=tagged)]
    assert parameter_cells(cells) == []
    assert parameter_cells([]) == []


@pytest.mark.parametrize("metadata", [
    {}, None, [], {"tags": None}, {"tags": "parameters"}, {"tags": {"params": 1}}, {"tags": [["params"], 1, {}]},
    {"tags": 5},
])
def test_odd_metadata_makes_no_parameter_cells(metadata):
    assert parameter_cells([{"cell_type": "code", "source": "x = 1", "metadata": metadata}]) == []


def test_cells_that_lack_keys_make_no_parameter_cells():
    assert parameter_cells([{}, {"cell_type": "code"}, {"cell_type": "code", "source": None}]) == []


def test_a_notebook_without_parameter_cell_has_no_parameters():
    assert read_parameters([code("x = 1")]) is None
    assert read_parameters([]) is None


# ----------------------------------------------------------------------------------- dict definitions


def test_a_dict_display_is_the_definition():
    source = """x = 3
{'x': {'type': int, 'desc': 'how many', 'examples': ['1', '2']}, 'y': {'type': str}}"""
    assert list(read(source).values()) == [Parameter("x", "int", 3, "how many", ["1", "2"]),
                                           Parameter("y", "str", None, "", [], origin=NOWHERE)]


def test_a_dict_call_is_the_definition():
    source = "x = 3\ndict(x=dict(type=int, desc='how many', examples=['1', '2']), y={'type': str})"
    assert list(read(source).values()) == [Parameter("x", "int", 3, "how many", ["1", "2"]),
                                           Parameter("y", "str", None, "", [], origin=NOWHERE)]


@pytest.mark.parametrize("kind", TYPES)
def test_type_is_the_name_of_a_builtin_plain_or_as_a_str(kind):
    assert only(f"{{'x': {{'type': {kind}}}}}").type == kind
    assert only(f"dict(x=dict(type='{kind}'))").type == kind


def test_only_the_last_statement_can_be_the_definition():
    assert types("{'x': {'type': int}}\ny = 1.0") == {"y": "float"}
    assert types("y = 1.0\n{'x': {'type': int}};  # shows nothing\n# the end") == {"x": "int"}


@pytest.mark.parametrize("last", [
    "{1, 2}", "{n: {'type': int} for n in 'ab'}", "dicts(x=1)", "m.dict(x=1)", "x", "f()",
])
def test_other_expressions_are_no_definition(last):
    assert types(f"y = 1\n{last}") == {"y": "int"}


@pytest.mark.parametrize("source", ["{}", "dict()", "x = 1\n{}"])
def test_an_empty_definition_defines_no_parameters(source):
    assert read(source) == {}


def test_definition_keeps_its_order():
    assert list(read("dict(q=dict(type=str), a=dict(type=int), z=dict(type=str))")) == ["q", "a", "z"]


@pytest.mark.parametrize("entry, problem", [
    ("{}", "'type' is missing"),
    ("{'desc': 'only'}", "'type' is missing"),
    ("{'type': tuple}", "'type' is not bool"),
    ("{'type': 'date'}", "'type' is not bool"),
    ("{'type': list[int]}", "'type' is not bool"),
    ("{'type': builtins.int}", "'type' is not bool"),
    ("{'type': type(1)}", "'type' is not bool"),
    ("{'type': None}", "'type' is not bool"),
    ("{'type': int, 'desc': 5}", "'desc'"),
    ("{'type': int, 'desc': None}", "'desc'"),
    ("{'type': int, 'desc': b'x'}", "'desc'"),
    ("{'type': int, 'desc': f'{x}'}", "'desc'"),
    ("{'type': int, 'desc': name}", "'desc'"),
    ("{'type': int, 'examples': 'abc'}", "'examples'"),
    ("{'type': int, 'examples': [name]}", "'examples'"),
    ("{'type': int, 'examples': f()}", "'examples'"),
    ("{'type': int, 'default': 5}", "unknown key 'default'"),
    ("{'type': int, 'type': str}", "'type' twice"),
    ("dict(type=int, colour='red')", "unknown key 'colour'"),
    ("{'type': int, key: 1}", "not a string literal"),
    ("{'type': int, 1: 1}", "not a string literal"),
    ("{'type': int, **more}", "not a string literal"),
    ("dict(type=int, **more)", "not a string literal"),
    ("dict([('type', int)])", "positional"),
    ("int", "not described by a dict"),
    ("5", "not described by a dict"),
    ("['type', int]", "not described by a dict"),
    ("{k: v for k, v in ()}", "not described by a dict"),
])
def test_a_wrong_entry_names_the_parameter_and_what_is_accepted(entry, problem):
    message = refusal(f"{{'alpha': {{'type': int}}, 'omega': {entry}}}")
    assert "'omega'" in message and problem in message
    assert "bool, int, float, str, list or dict" in message and "alpha" not in message


@pytest.mark.parametrize("source, problem", [
    ("{'x': {'type': int}, 'x': {'type': int}}", "'x' twice"),
    ("dict(x={'type': int}, **more)", "**"),
    ("{**more}", "**"),
    ("{x: {'type': int}}", "not a string literal"),
    ("{1: {'type': int}}", "not a string literal"),
    ("{b'x': {'type': int}}", "not a string literal"),
    ("{f'x': {'type': int}}", "not a string literal"),
    ("dict({'x': {'type': int}})", "positional"),
    ("dict(*more)", "positional"),
])
def test_a_wrong_definition_says_what_is_accepted(source, problem):
    message = refusal(source)
    assert problem in message and "expected {'name': {'type'" in message


@pytest.mark.parametrize("name", sorted(RESERVED))
def test_reserved_names_are_not_usable_as_parameter_names(name):
    assert repr(name) in refusal(f"{{'{name}': {{'type': str}}}}")
    assert read(f"{name} = 'a'\nx = 1").keys() == {"x"}


def test_reserved_names_are_those_of_the_api():
    assert sorted(RESERVED) == sorted("notebook token output_path overwrite jupyter_kernel cell_timeout".split())


@pytest.mark.parametrize("name", [
    "", "a b", "1a", "a-b", "class", "None", "a\nb", "__debug__", "ｉｆ", "ﬁ", "x = 1; y",
])
def test_a_name_that_cannot_be_assigned_to_is_no_parameter_name(name):
    assert "identifier" in refusal(f"{{{name!r}: {{'type': str}}}}")


def test_examples_that_are_no_str_are_shown_as_text():
    assert only("{'x': {'type': int, 'examples': ['a', 1, -0.5, True, None, [1], b'z']}}").examples == [
        "a", "1", "-0.5", "True", "None", "[1]", "b'z'"]


# ----------------------------------------------------------------------------------- assignment form


@pytest.mark.parametrize("literal, kind, default", [
    ("1", "int", 1), ("-1", "int", -1), ("0x10", "int", 16), ("True", "bool", True), ("1.5", "float", 1.5),
    ("-1e3", "float", -1000.0), ("'a'", "str", "a"), ("'a' 'b'", "str", "ab"), ("[1, 'a']", "list", [1, "a"]),
    ("[]", "list", []), ("{'a': 1}", "dict", {"a": 1}), ("{}", "dict", {}), ("[(1, 2)]", "list", [(1, 2)]),
    ("(1, 2)", "str", (1, 2)), ("{1}", "str", {1}),
    ("b'a'", "str", b"a"), ("1+2j", "str", 1 + 2j), ("...", "str", ...),
])
def test_an_assignment_defines_a_parameter_with_the_type_of_its_literal(literal, kind, default):
    assert only(f"x = {literal}") == Parameter("x", kind, default, "", [])


def test_none_is_the_default_of_a_text_that_may_be_none():
    parameter = only("x = None")
    assert (parameter.type, parameter.default) == ("str", None)
    assert [parameter.parse(text) for text in ("a", "5", "", "null", "None")] == ["a", "5", "", None, None]


@pytest.mark.parametrize("annotation, kind", [
    ("int", "int"), ("float", "float"), ("bool", "bool"), ("str", "str"), ("'float'", "float"), ("'bool'", "bool"),
    ("list", "list"), ("'dict'", "dict"), ("List", "list"), ("typing.Mapping", "dict"), ("Sequence", "list"),
])
def test_the_annotation_comes_before_the_literal(annotation, kind):
    assert only(f"x: {annotation} = 1") == Parameter("x", kind, 1, "", [])


@pytest.mark.parametrize("annotation", ["Any", "'Config'", "TypedDict('C', {})", "List[Config]", "list[1:2]"])
def test_a_list_stays_one_if_its_annotation_is_not_understood(annotation):
    assert only(f"x: {annotation} = ['a']").type == "list"
    assert only(f"x: {annotation} = ['a']").parse('[{"any": null}]') == [{"any": None}]
    assert only(f"x: Optional[{annotation}] = ['a']").parse("null") is None


@pytest.mark.parametrize("annotation, kind", [
    ("typing.Optional[int]", "int"), ("int | None", "int"), ("None | float", "float"), ("'int | None'", "int"),
    ("Optional['int']", "int"), ("'typing.Optional[\"int\"]'", "int"), ("Union[None, float]", "float"),
    ("Annotated[int, 'how many']", "int"), ("Annotated[Optional[bool], Field(gt=0), 5]", "bool"),
    ("Final[int]", "int"), ("ClassVar[float]", "float"), ("Final", "int"), ("t.Final", "int"), ("ClassVar", "int"),
    ("builtins.float", "float"),
    ("typing.Any", "str"), ("Optional[int]", "int"), ("None", "str"), ("numpy.list", "str"), ("Tuple[int]", "str"),
    ("numpy.int", "str"), ("numpy.float64", "str"), ("Optional[List[int]]", "list"), ("Dict[str, int]", "dict"),
    ("list[int] | None", "list"), ("date", "str"), ("Optional[datetime.date]", "str"), ("int | list", "list"),
    ("Optional[str]", "str"), ("f()", "str"), ("Optional[f()]", "str"), ("'('", "str"), ("int[1]", "str"),
    ("Union[int, str]", "str"), ("int | bytes", "str"), ("typing_extensions.Annotated['Optional[float]', 1]", "float"),
])
def test_annotations_are_read_as_type_checkers_do(annotation, kind):
    assert only(f"x: {annotation} = 1").type == kind


@pytest.mark.parametrize("source, kind", [
    ("x = None  # type: Optional[int]", "int"), ("x = 1  # type: float  how much", "float"),
    ("x = 1  # type: ignore", "int"), ("x = 1  # type: (", "int"), ("f()  # type: int\nx = 1", "int"),
    ("x: Optional[float]\nx = None", "float"), ("x: float = 1\nx = 2", "float"), ("x: float = 1\nx = 'a'", "str"),
    ("x: Literal['a', 'b'] = 'a'\nx = 'b'", "str"),
])
def test_a_declaration_in_a_comment_or_elsewhere_in_the_cell_counts(source, kind):
    assert only(source).type == kind


@pytest.mark.parametrize("annotation, given, values", [
    ("Literal[1, 2]", ["1", "0x2"], [1, 2]), ("Literal['a', 'b c']", ["a", "b c"], ["a", "b c"]),
    ("typing.Literal[True]", ["true"], [True]), ("Literal[-1, 'auto', None]", ["-1", "auto"], [-1, "auto"]),
    ("Optional[Literal[Literal[1], 2]]", ["2"], [2]), ("Literal['auto'] | int", ["auto", "5"], ["auto", 5]),
    ("int | float", ["5", "0.5"], [5, 0.5]), ("Union[bool, int]", ["true", "1", "0"], [True, 1, 0]),
    ("Union[int, bool, None]", ["False"], [False]), ("int | str", ["5", "a"], [5, "a"]),
    ("int | None", ["None", "null", "1"], [None, None, 1]), ("Optional[str]", ["null", "a"], [None, "a"]),
    ("Optional[Literal['a']]", ["None"], [None]), ("int | list[int]", ["5", "[5]"], [5, [5]]),
    ("Union[List[str], str]", ["[\"a\"]", "a", "[1]"], [["a"], "a", "[1]"]),
])
def test_each_member_of_a_union_and_of_a_literal_is_accepted(annotation, given, values):
    parameter = only(f"x: {annotation} = None")
    parsed = [parse_values({"x": parameter}, {"x": text})["x"] for text in given]
    assert [(type(value), value) for value in parsed] == [(type(value), value) for value in values]


@pytest.mark.parametrize("annotation, text, expected", [
    ("Literal[1, 2]", "3", "expected one of 1, 2, got"), ("Literal['a', 'b']", "A", "expected one of a, b, got"),
    ("Literal['auto'] | int", "none", "expected one of auto, or an int"), ("int", "None", "an int"),
    ("int | float", "a", "a float"), ("int | None", "none", "1_000 or 0x2a, or None or null"),
])
def test_what_is_no_member_is_refused_with_what_is(annotation, text, expected):
    with pytest.raises(InvalidArgumentError) as caught:
        parse_values({"x": only(f"x: {annotation} = None")}, {"x": text})
    assert expected in str(caught.value)


def test_the_values_of_a_literal_are_in_the_model():
    assert only("x: Literal['a', 'b'] = 'a'").model() == {
        "name": "x", "type": "str", "default": "a", "desc": "", "examples": [], "choices": ["a", "b"]}
    assert only("x: Literal[1, 1e999] = 1").model()["choices"] == [1, "inf"]
    assert "choices" not in only("x: Literal['a'] | int = 1").model()


@pytest.mark.usefixtures("no_collection")
@pytest.mark.parametrize("annotation", [
    "Optional[" * 90 + "int" + "]" * 90, "Literal[" * 90 + "1" + "]" * 90, "|".join(["int"] * 900),
    repr("int|" * 5000),
], ids=short)
def test_a_deep_annotation_is_text(annotation):
    assert only(f"x: {annotation} = 1").type == "str"


def test_a_chain_of_assignments_defines_each_name():
    assert defaults("a = b = 1") == {"a": 1, "b": 1}


@pytest.mark.parametrize("source", [
    "x, y = 1, 2", "[x] = [1]", "*x, = [1]", "x += 1", "x: int", "x.a = 1", "x[0] = 1", "x.a: int = 1",
    "if True:\n    x = 1",
    "def x(a=1): b = 2", "import x", "x = f()", "x = y", "x = 1 if y else 2", "x = 1 + 1", "x = f'{y}'", "x = [y]",
    "x = {**{'a': 1}}", "x = {[]: 1}", "x = {{}}", "(x := 1)", "for x in 1, 2: pass", "", "# only a comment", "'text'",
])
def test_anything_else_defines_no_parameter(source):
    assert read(source) == {}


def test_the_last_assignment_wins_and_the_first_keeps_the_place():
    assert list(read("a: int = 1\nb = 2\na = 'x'").values()) == [Parameter("a", "str", "x", "", []),
                                                                 Parameter("b", "int", 2, "", [])]


def test_names_that_cannot_be_assigned_to_define_nothing():
    assert read("ｉｆ = 1\nﬁ = 3").keys() == {"fi"}


# ------------------------------------------------------------------------------------------ defaults


def test_default_is_the_literal_last_assigned_in_the_cell_or_above():
    definition = "{'x': {'type': int}}"
    assert defaults(definition) == {"x": None}
    assert defaults(f"x = 1\nx = 2\n{definition}", "x = 3") == {"x": 2}
    assert defaults(definition, "x = 1", "x = 2\ny = 5") == {"x": 2}
    assert defaults(definition, "x = 1", "y = 5") == {"x": 1}
    assert defaults("{'x': {'type': int}, 'y': {'type': str}}", "x = 1\ny = 2", "y: str = 'q'") == {"x": 1, "y": "q"}


@pytest.mark.parametrize("last", [
    "x = f()", "x += 1", "x, y = 1, 2", "(x, [y]) = 1, [2]", "x: int = f()", "x = !ls", "x = %pwd",
])
def test_default_is_none_if_the_last_value_is_no_literal(last):
    assert defaults(f"x = 1\n{last}") == {"x": None}
    assert defaults("{'x': {'type': int}}", "x = 1", last) == {"x": None}


@pytest.mark.parametrize("last", [
    "x: int", "x.y = f()", "x[0] = f()", "def f():\n    x = 2", "if a:\n    x = 2", "x == 2",
])
def test_only_assignments_at_top_level_count(last):
    assert defaults(f"x = 1\n{last}") == {"x": 1}


def test_cells_below_and_cells_that_are_no_code_have_no_say():
    cells = [code("x = 1"), new_markdown_cell("x = 2"), code("{'x': {'type': int}}", "params"), code("x = 3")]
    assert read_parameters(cells)["x"].default == 1


@pytest.mark.usefixtures("no_collection")
@pytest.mark.parametrize("odd", [
    "x = = 2", "x = 2\0", "%%bash\nx=2", "(" * 500, "x = 2\n  y", "-" * 50_000, "%a\n" * 600,
], ids=short)
def test_a_cell_above_that_cannot_be_read_is_passed_over(odd):
    assert defaults("{'x': {'type': int}}", "x = 1", odd) == {"x": 1}


# ------------------------------------------------------------------------------- IPython, odd text


@pytest.mark.parametrize("magic", [
    "%matplotlib inline", "!ls {x}", "y = !ls", "y = %pwd", "?print", "print?", "%%time", "/f x",
])
def test_ipython_syntax_is_read_around(magic):
    assert defaults("{'x': {'type': int}}", f"x = 1\n{magic}\n") == {"x": 1}
    if magic != "%%time":
        assert defaults(f"x = 1\n{magic}\nz = 2") == {"x": 1, "z": 2}


def test_a_cell_magic_hides_what_it_holds():
    for magic in ("bash", "html", "writefile x.py", "sh --out x", "python3"):
        assert read(f"%%{magic}\nx=1") == {}


@pytest.mark.parametrize("magic", ["%%time", "%%capture out", "\n  \n%%time ", "%%memit -r 1", "%%my_own"])
def test_a_cell_magic_that_runs_what_it_holds_is_passed_over(magic):
    assert defaults(f"{magic}\n%matplotlib inline\nx = 1\n!ls\n?print\ny = 'a'") == {"x": 1, "y": "a"}
    assert read(f"{magic}\nx = 1\n{{'x': {{'type': float}}}}") == {"x": Parameter("x", "float", 1)}
    assert defaults("{'x': {'type': int}}", f"{magic}\nx = 1") == {"x": 1}
    assert refusal(f"{magic}\nx = = 1").count(f"line {magic.count(chr(10)) + 2}") == 1


@pytest.mark.parametrize("magic", ["%%time\n", "%matplotlib inline\n%load_ext x\n\n", "!pip install x\n"])
def test_the_comment_may_stand_below_magics(magic):
    assert parameter_cells([code(f"{magic}# nbexec: params\nx = 1")]) == [0]
    assert parameter_cells([code(f"{magic}y = 1\n# nbexec: params\nx = 1")]) == []


def test_an_unreadable_parameter_cell_says_at_which_line():
    assert "line 2" in refusal("x = 1\ny = = 2")
    assert "line 4" in refusal("\n\n%matplotlib inline\ny = = 2")
    assert "line 3" in refusal("x = 1\n\ny = '\0'")
    assert "line 2" in refusal("x = 1\ny = '\ud800'")
    assert "cell 2" in refusal_of_cells([code("1"), code("x = (", "params")])


def refusal_of_cells(cells):
    with pytest.raises(DefinitionError) as caught:
        read_parameters(cells)
    return str(caught.value)


@pytest.mark.usefixtures("no_collection")
@pytest.mark.parametrize("source", [
    "x = " + "[" * 5_000 + "]" * 5_000, "x = " + "-" * 50_000 + "1", "a" + ".b" * 45_000, "a" + "()" * 45_000,
    "+".join("1" * 45_000), "if a:0\n" + "elif a:0\n" * 10_000, "x = " + "not " * 20_000 + "1", "a = " * 20_000 + "1",
    "x = " + "9" * 50_000, "x = [" + "9" * 50_000 + "]", "x = 0x" + "f" * 50_000, "a.b" * 1_000_000, "\0", "x\0",
    "%a \ud800", "\ud800",
    "x = '" + "a" * 500_000 + "'", "# coding: nonsense\nx = 1", "\ufeffx = 1", "%a\n" * 600,
], ids=short)
def test_hostile_text_ends_in_an_answer_or_a_definition_error(source):
    assert_read_or_refused(source)


def assert_read_or_refused(source):
    for cells in ([code(source, "params")], [code(source), code("{'x': {'type': int}}", "params")]):
        try:
            parameters = read_parameters(cells)
        except DefinitionError as error:
            assert "\n" not in str(error)
        else:
            json.dumps([parameter.model() for parameter in parameters.values()], allow_nan=False)


@pytest.mark.usefixtures("no_collection")
def test_hostile_text_does_not_crash_a_thread_with_its_small_stack():
    read_in_thread = threading.Thread(target=assert_read_or_refused, args=("a" + ".b" * 49_000,))
    read_in_thread.start()
    read_in_thread.join()


def test_a_cell_that_would_take_ipython_minutes_is_refused():
    assert "line 1" in refusal("%a\n" * 400 + "x = 1\n" * 10_000)
    assert "line 1" in refusal("%a\nx = 'a" + "a.b" * 30_000 + "'")


def test_parsing_warns_of_nothing():
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert defaults("x = '\\d'\nif 1is 1: 0if 1else 2\n") == {"x": "\\d"}
    assert not caught


@fast
@given(st.one_of(any_text, pieces_of_code, st.binary().map(lambda raw: raw.decode("latin-1"))))
def test_any_text_is_read_or_refused(source):
    assert_read_or_refused(source)


@fast
@given(st.binary())
def test_any_bytes_as_text_are_read_or_refused(raw):
    assert_read_or_refused(raw.decode("utf-8", "surrogateescape"))


@fast
@given(pieces_of_code)
def test_any_entry_is_read_or_refused(entry):
    assert_read_or_refused(f"x = {entry}\n{{'x': {entry}}}")
    assert_read_or_refused(f"x: {entry} = 1\ndict(x=dict(type=int, {entry}))")


@pytest.mark.parametrize("source", [
    "{{'x': {call}}}", "{{{call}: {{'type': int}}}}", "{{'x': {{'type': {call}}}}}",
    "{{'x': {{'type': int, 'desc': {call}}}}}",
    "{{'x': {{'type': int, 'examples': [{call}]}}}}", "dict(x=dict(type=int, examples={call}))", "{{**{call}}}",
    "dict({call})",
    "x = {call}", "x: {call} = 1", "x: int = {call}", "x = [{call}]", "x = 1\n{call}", "def f(a={call}): pass",
    "x = f'{{{call}}}'",
    "@{call}\nclass A: y = {call}", "!touch {path}", "x = !touch {path}", "%system touch {path}",
    "%%bash\ntouch {path}",
    "%time {call}", "%%time\n{call}", "%run {path}",
])
def test_no_code_of_the_notebook_runs(source, tmp_path):
    trace = tmp_path / "ran"
    for call in (f"__import__('os').system('touch {trace}')", f"open({str(trace)!r}, 'w').write('ran')"):
        assert_read_or_refused(source.format(call=call, path=trace))
        assert not trace.exists()


# ------------------------------------------------------------------------------------------- models


def test_model_has_the_five_keys():
    assert Parameter("x", "int", 3, "how many", ["1"]).model() == {
        "name": "x", "type": "int", "default": 3, "desc": "how many", "examples": ["1"]}
    assert Parameter("x", "str", None, None, []).model()["desc"] == ""


def test_parameter_is_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        Parameter("x", "int", 3, "", []).name = "y"


@pytest.mark.parametrize("default", [
    None, True, 0, 10**1000, -0.5, "a", "\ud800", "\ud83d\ude00", [], [1, [None, "a"]], {"a": {"b": [1.5]}},
], ids=short)
def test_model_shows_json_defaults_as_they_are(default):
    shown = Parameter("x", "str", default, "", []).model()["default"]
    assert shown == default and type(shown) is type(default)


@pytest.mark.parametrize("default", [
    math.inf, -math.inf, math.nan, b"a", {1}, 1 + 2j, (1, 2), {1: 2}, [math.nan], {"a": (1,)}, {"a": {None: 1}}, ...,
])
def test_model_shows_other_defaults_as_repr(default):
    assert Parameter("x", "str", default, "", []).model()["default"] == repr(default)


@pytest.mark.parametrize("default", [1 << 100_000, -(1 << 100_000), [1 << 100_000], {1 << 100_000}], ids=short)
def test_model_of_a_huge_int_can_be_sent(default):
    text = json.dumps(Parameter("x", "int", default, "", []).model(), allow_nan=False)
    assert json.loads(text)["name"] == "x"


# ------------------------------------------------------------------------------------------- values


@pytest.mark.parametrize("text, value", [
    ("True", True), ("true", True), ("1", True), ("False", False), ("false", False), ("0", False)])
def test_bool_takes_its_six_spellings(text, value):
    assert parse_values(of_type("bool"), {"x": text})["x"] is value


@pytest.mark.parametrize("text", ["TRUE", "yes", "", " true", "2", "1.0", "on", "None"])
def test_bool_takes_nothing_else(text):
    with pytest.raises(InvalidArgumentError, match="True, False, true, false, 1, 0") as caught:
        parse_values(of_type("bool"), {"x": text})
    assert (caught.value.field, caught.value.value) == ("x", text)


@pytest.mark.parametrize("text", [
    "0", "-7", "+7", " 42\n", "1_000", "0x2A", "0b11", "0o17", "٤٢", "9" * 4000,
], ids=short)
def test_int_takes_what_python_takes(text):
    assert same(parse_values(of_type("int"), {"x": text})["x"], int(text, 0))


@pytest.mark.parametrize("text", ["", "1.0", "abc", "010", "1__0", "0x", "1\0", "\ud800", "1e3", "True", "inf"])
def test_int_takes_nothing_else(text):
    with pytest.raises(InvalidArgumentError, match=r"int\(value, 0\)") as caught:
        parse_values(of_type("int"), {"x": text})
    assert (caught.value.field, caught.value.value) == ("x", text)


@pytest.mark.skipif(not hasattr(sys, "get_int_max_str_digits"), reason="this Python has no limit on digits")
def test_int_of_too_many_digits_is_refused():
    with pytest.raises(InvalidArgumentError):
        parse_values(of_type("int"), {"x": "9" * (sys.get_int_max_str_digits() + 1)})


@pytest.mark.parametrize("text", ["0", "-7.5", "1e-3", " 2 ", "inf", "-Infinity", "nan", "1_0.0", "1e999", "٤.٢"])
def test_float_takes_what_python_takes(text):
    assert same(parse_values(of_type("float"), {"x": text})["x"], float(text))


@pytest.mark.parametrize("text", ["", "abc", "0x10", "1,5", "1\0", "\ud800", "True", "1+2j"])
def test_float_takes_nothing_else(text):
    with pytest.raises(InvalidArgumentError, match=r"float\(value\)"):
        parse_values(of_type("float"), {"x": text})


@pytest.mark.parametrize("text", ["", "1", "a\nb", "'; import os #", "\ud800", "\0", "{x}", "%s", "é"])
def test_str_is_taken_as_it_is(text):
    assert parse_values(of_type("str"), {"x": text}) == {"x": text}


def test_types_are_listed_with_their_converters():
    assert list(TYPES) == ["bool", "int", "float", "list", "dict", "str"]
    assert [TYPES[kind]("1") for kind in ("bool", "int", "float", "str")] == [True, 1, 1.0, "1"]
    assert (TYPES["list"]("[1]"), TYPES["dict"]("{}")) == ([1], {})


def test_values_keep_the_order_in_which_they_were_given():
    parameters = read("a = 1\nb = 2\nc = 3")
    assert list(parse_values(parameters, {"c": "1", "a": "2", "b": "3"}).items()) == [("c", 1), ("a", 2), ("b", 3)]


def test_no_values_need_no_parameter_cells():
    assert parse_values(None, {}) == {}


def test_a_notebook_without_parameter_cell_says_how_to_define_parameters():
    with pytest.raises(InvalidArgumentError) as caught:
        parse_values(None, {"x": "1"})
    message = str(caught.value)
    assert "no parameter cell" in message and "`parameters`" in message and "`# nbexec: params`" in message


def test_an_unknown_parameter_gets_the_known_ones_and_a_hint():
    parameters = read("learning_rate = 0.1\nepochs = 5")
    with pytest.raises(InvalidArgumentError) as caught:
        parse_values(parameters, {"learning_rat": "1"})
    message = str(caught.value)
    assert "learning_rate, epochs" in message and "did you mean learning_rate?" in message
    with pytest.raises(InvalidArgumentError) as caught:
        parse_values(parameters, {"zzz": "1"})
    assert "did you mean" not in str(caught.value)


def test_an_empty_definition_takes_no_parameters():
    with pytest.raises(InvalidArgumentError, match="defines none"):
        parse_values({}, {"x": "1"})


@pytest.mark.parametrize("parameters", [None, {}, {"a b": Parameter("a b", "int", None, "", [])}])
@pytest.mark.parametrize("name", ["a b", "", "1a", "a;b", "a\n", "a=1\nb", "\ud800"])
def test_a_name_that_is_no_identifier_is_refused(parameters, name):
    with pytest.raises(InvalidArgumentError, match="identifier"):
        parse_values(parameters, {name: "1"})


@fast
@given(st.dictionaries(st.one_of(st.just("x"), any_text), any_text, max_size=3), st.sampled_from(list(TYPES)))
def test_any_request_is_typed_or_refused(request, kind):
    try:
        values = parse_values(of_type(kind), request)
    except InvalidArgumentError as error:
        assert request[error.field] == error.value
    else:
        assert list(values) == list(request)
        assert all(type(value).__name__ == kind for value in values.values())


# ---------------------------------------------------------------------------------------- injection


def test_injected_source_assigns_each_value_on_a_line():
    assert injected_source({"b": True, "i": -1, "f": 1.5, "s": "it's\n"}) == (
        "# Parameters\nb = True\ni = -1\nf = 1.5\ns = \"it's\\n\"")


def test_inf_and_nan_work():
    source = injected_source({"a": math.inf, "b": -math.inf, "c": math.nan})
    assert source == "# Parameters\na = float('inf')\nb = float('-inf')\nc = float('nan')"
    values = executed(source)
    assert (values["a"], values["b"]) == (math.inf, -math.inf) and math.isnan(values["c"])


def test_a_parameter_named_float_does_not_spoil_the_others():
    assert executed(injected_source({"float": math.inf, "x": -math.inf})) == {"float": math.inf, "x": -math.inf}


@pytest.mark.parametrize("value", [1 << 100_000, -(1 << 100_000), 10**639, 10**700], ids=short)
def test_huge_ints_work(value):
    assert executed(injected_source({"x": value})) == {"x": value}


class Sly(str):
    def __repr__(self):
        return "print('ran')"


class SlyFloat(float):
    def __repr__(self):
        return "print('ran')"


class SlyList(list):
    def __repr__(self):
        return "print('ran')"


@pytest.mark.parametrize("value", [b"a", (1,), {1}, 1j, object(), Sly("a"), SlyFloat(1), SlyList()])
def test_only_the_types_of_json_are_injected(value):
    for given_value in (value, [value], {"a": [value]}):
        with pytest.raises(TypeError):
            injected_source({"x": given_value})


def test_a_sly_key_is_not_injected():
    with pytest.raises(TypeError):
        injected_source({"x": {Sly("a"): 1}})


def test_long_values_take_several_lines():
    source = injected_source({"x": list(range(1000)), "y": {str(number): [number] for number in range(500)}})
    assert executed(source) == {"x": list(range(1000)), "y": {str(number): [number] for number in range(500)}}
    assert max(map(len, source.splitlines())) < 110
    assert injected_source({"x": [[], {}, [1, {"a": None}]]}) == "# Parameters\nx = [[], {}, [1, {'a': None}]]"


@pytest.mark.parametrize("name", [
    "", "a b", "a=1\nb", "class", "None", "__debug__", "ﬁ", "ｉｆ", "a#", "\ud800", "x;y",
])
def test_a_hostile_name_is_not_injected(name):
    with pytest.raises(InvalidArgumentError):
        injected_source({name: 1 << 100_000})


@fast
@given(st.dictionaries(identifiers, json_values, max_size=5))
@example({"x": "'''\"\"\"\\"})
@example({"x": "\r\n%matplotlib inline\n!ls\u2028\x85\x0c\x1c\0"})
@example({"float": math.nan, "x": math.inf, "y": -0.0})
def test_injected_source_yields_exactly_the_values(values):
    if any(keyword.iskeyword(name) or unicodedata.normalize("NFKC", name) != name for name in values):
        with pytest.raises(InvalidArgumentError):
            injected_source(values)
        return
    source = injected_source(values)
    found = executed(source)
    assert found.keys() == values.keys()
    assert all(same(found[name], values[name]) for name in values)
    assert source.splitlines()[0] == "# Parameters"
    source.encode("utf-8")


@fast
@given(any_text, json_values)
@example("x\n", "")
@example("__import__", "os")
def test_a_name_is_assigned_or_refused(name, value):
    try:
        source = injected_source({name: value})
    except InvalidArgumentError:
        return
    found = executed(source)
    assert list(found) == [name] and same(found[name], value)


@fast
@given(st.dictionaries(ascii_names, json_values, max_size=4))
@example({"x": "%matplotlib inline"})
@example({"x": "!ls", "y": "print?"})
@example({"In": "?", "x": "In [1]: a"})
def test_ipython_leaves_injected_source_unchanged(values):
    source = injected_source(values)
    assert TransformerManager().transform_cell(source).rstrip("\n") == source.rstrip("\n")


@fast
@given(st.one_of(any_text, pieces_of_code))
def test_no_text_in_a_list_becomes_more_than_a_constant(text):
    [statement] = ast.parse(injected_source({"x": [{text: [text]}]})).body
    constants = [node for node in ast.walk(statement.value) if not isinstance(node, (ast.List, ast.Dict, ast.Load))]
    assert [(type(node), node.value) for node in constants] == [(ast.Constant, text)] * 2


@fast
@given(st.one_of(any_text, pieces_of_code))
def test_no_text_becomes_more_than_a_constant(text):
    [statement] = ast.parse(injected_source({"x": text})).body
    assert isinstance(statement, ast.Assign) and isinstance(statement.value, ast.Constant)
    assert statement.value.value == text


def notebook(*cells):
    return new_notebook(cells=list(cells))


def injected_positions(nb):
    return [index for index, cell in enumerate(nb.cells) if "injected-parameters" in cell.metadata.get("tags", [])]


def test_one_code_cell_is_injected_right_below_the_parameter_cells():
    nb = notebook(new_markdown_cell("title"), code("x = 1", "parameters"), code("print(x)"))
    inject(nb, {"x": 5, "y": "a"})
    assert [cell.source for cell in nb.cells] == ["title", "x = 1", "# Parameters\nx = 5\ny = 'a'", "print(x)"]
    assert nb.cells[2].cell_type == "code" and nb.cells[2].metadata == {"tags": ["injected-parameters"]}
    nbformat.validate(nb)


def test_injection_below_the_last_cell_works():
    nb = notebook(code("# nbexec: params\nx = 1"))
    inject(nb, {"x": 5})
    assert injected_positions(nb) == [1]
    nbformat.validate(nb)


def test_nothing_is_injected_without_values():
    nb = notebook(code("x = 1", "parameters"), code("x = 2", "injected-parameters"))
    inject(nb, {})
    assert [cell.source for cell in nb.cells] == ["x = 1", "x = 2"]


def test_injected_cells_of_earlier_runs_are_replaced():
    stale = [code(f"x = {number}", "injected-parameters") for number in (2, 3)]
    nb = notebook(code("x = 1", "parameters"), *stale)
    inject(nb, {"x": 5})
    assert [cell.source for cell in nb.cells] == ["x = 1", "# Parameters\nx = 5"]


def test_those_that_stand_elsewhere_too_but_no_other_cells():
    markdown = new_markdown_cell("text", metadata={"tags": ["injected-parameters"]})
    old = [code(f"x = {number}", "injected-parameters") for number in (0, 7)]
    nb = notebook(old[0], code("x = 1", "params", "injected-parameters"), markdown, code("x"), old[1])
    inject(nb, {"x": 5})
    assert [cell.source for cell in nb.cells] == ["x = 1", "# Parameters\nx = 5", "text", "x"]


def test_injecting_twice_leaves_one_cell():
    nb = notebook(code("x = 1", "parameters"), code("print(x)"))
    inject(nb, {"x": 5})
    inject(nb, {"x": 6})
    assert injected_positions(nb) == [1] and nb.cells[1].source.endswith("x = 6")


def test_a_refused_value_changes_nothing():
    nb = notebook(code("x = 1", "parameters"), code("x = 2", "injected-parameters"))
    with pytest.raises(TypeError):
        inject(nb, {"x": b""})
    assert [cell.source for cell in nb.cells] == ["x = 1", "x = 2"]


def test_values_cannot_be_injected_without_a_parameter_cells():
    with pytest.raises(DefinitionError, match="`# nbexec: params`"):
        inject(notebook(code("x = 1")), {"x": 5})


def test_injected_cell_defines_no_parameters():
    nb = notebook(code("x = 1", "parameters"))
    inject(nb, {"x": 5})
    assert parameter_cells(nb.cells) == [0] and read_parameters(nb.cells)["x"].default == 1
