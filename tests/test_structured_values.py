"""Parameters that are lists, dicts, None or dates: which texts they accept, and what those become."""

from __future__ import annotations

import json
import math
import sys
from typing import Any, Dict, List

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nbformat.v4 import new_code_cell, new_notebook

from nbexec.errors import DefinitionError, InvalidArgumentError
from nbexec.json_values import LONGEST
from nbexec.parameters import Parameter, have_text, inject, parse_values, read_parameters, secret_names
from nbexec.secret_values import SecretValues

any_text = st.text(st.characters(exclude_categories=[]))
json_values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text()),
    lambda items: st.one_of(st.lists(items, max_size=4), st.dictionaries(st.text(), items, max_size=4)), max_leaves=20)
fast = settings(max_examples=200, deadline=None)


def code(source: str, *tags: str) -> Any:
    return new_code_cell(source, metadata={"tags": list(tags)} if tags else {})


def read(*sources: str) -> Dict[str, Parameter]:
    parameters = read_parameters([code(source, "parameters") for source in sources])
    assert parameters is not None
    return parameters


def value(annotation: str, text: str) -> Any:
    """Return what a text becomes for `x` with this annotation."""
    return parse_values(read(f"x: {annotation} = None"), {"x": text})["x"]


def refusal(annotation: str, text: str) -> str:
    with pytest.raises(InvalidArgumentError) as caught:
        value(annotation, text)
    assert (caught.value.field, caught.value.value) == ("x", text)
    return str(caught.value)


# -- JSON ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text, expected", [
    ("[]", []), (' [1, 2.5, "a", null, true]\n', [1, 2.5, "a", None, True]), ('[{"a": [1]}]', [{"a": [1]}]),
    ("[1e400, -Infinity]", [math.inf, -math.inf]), ('["\\u00e4\\ud83d\\ude00"]', ["ä😀"]),
    ("[123456789012345678901234567890]", [123456789012345678901234567890]), ('["\\u0000"]', ["\0"])])
def test_a_list_is_written_as_json(text: str, expected: List[Any]) -> None:
    found = value("list", text)
    assert found == expected and list(map(type, found)) == list(map(type, expected))


def test_a_dict_is_written_as_json() -> None:
    assert value("dict", '{"a": {"b": [1, null]}, "": 0.5}') == {"a": {"b": [1, None]}, "": 0.5}
    assert math.isnan(value("dict", '{"a": NaN}')["a"])


@pytest.mark.usefixtures("no_collection")
@pytest.mark.parametrize("text, why", [
    ("", "Expecting value"), ("[1, 2", "delimiter"), ("['a']", "Expecting value"), ("[1,]", "line 1 column"),
    ("(1, 2)", "value"),
    ("[True]", "Expecting value"), ("1", "not a list"), ('"[1]"', "not a list"), ("null", "not a list"),
    ("{}", "not a list"), ("[1] [2]", "Extra data"), ("[" * 33 + "]" * 33, "32 levels"),
    ("[" * 100_000 + "]" * 100_000, "32 levels"), ('[{"a": 1, "a": 2}]', 'the key "a" occurs twice'),
    ('["\\ud800"]', "half a surrogate"), ('[{"\\udfff": 1}]', "half a surrogate"),
    ("[" + " " * LONGEST + "]", "250,000"),
    ("[__import__('os').system('true')]", "Expecting value"), ("[1]\0", "Extra data"), ("[\ud800]", "value")],
    ids=lambda text: text[:20].encode("ascii", "replace").decode())
def test_what_is_no_list_in_json_is_refused_with_the_reason(text: str, why: str) -> None:
    message = refusal("list", text)
    assert message.startswith("x: expected a list in JSON, such as [1, 2.5, \"text\"], got ") and why in message
    assert len(message) < 500


def test_a_dict_is_no_list_nor_the_other_way_round() -> None:
    assert "it is not a dict" in refusal("dict", "[]")
    assert "it is not a list" in refusal("list", "{}")


@pytest.mark.skipif(not hasattr(sys, "get_int_max_str_digits"), reason="this Python has no limit on digits")
def test_an_int_of_too_many_digits_is_refused_in_a_list_too() -> None:
    assert "limit" in refusal("list", "[" + "9" * (sys.get_int_max_str_digits() + 1) + "]")


@fast
@given(json_values)
def test_any_json_arrives_as_it_is(given_value: object) -> None:
    assert value("list", json.dumps([given_value])) == [given_value]


@fast
@given(st.one_of(any_text, json_values.map(json.dumps)))
def test_any_text_is_a_list_or_refused(text: str) -> None:
    try:
        assert type(value("list", text)) is list
    except InvalidArgumentError as error:
        assert error.field == "x"


# -- what is in it ---------------------------------------------------------------------------------


@pytest.mark.parametrize("annotation, text, expected", [
    ("List[int]", "[1, 2]", [1, 2]), ("list[float]", "[1, 2.5, NaN]", [1.0, 2.5, math.nan]),
    ("Dict[str, float]", '{"a": 1}', {"a": 1.0}), ("Mapping[int, str]", '{"1": "a"}', {1: "a"}),
    ("Dict[str, List[bool]]", '{"a": [true]}', {"a": [True]}), ("List[Optional[int]]", "[1, null]", [1, None]),
    ("List[Literal['a', 1]]", '["a", 1]', ["a", 1]), ("List[Union[int, str]]", '[1, "1"]', [1, "1"]),
    ("Optional[List[str]]", "null", None), ("Optional[dict]", "None", None), ("List[Any]", '[1, "a"]', [1, "a"]),
    ("Dict[str, Any]", '{"a": [null]}', {"a": [None]}), ("List[Foo]", '[{}]', [{}]), ("List[list]", "[[1]]", [[1]]),
    ("List[List[int]]", "[[1], []]", [[1], []]), ("Sequence[date]", '["2024-05-31"]', ["2024-05-31"]),
    ("Dict[Literal['a'], int]", '{"a": 1}', {"a": 1}), ("Dict[date, int]", '{"2024-05-31": 1}', {"2024-05-31": 1}),
    ("list[int] | list[str]", '["a"]', ["a"])])
def test_an_annotation_says_what_a_list_or_dict_contains(annotation: str, text: str, expected: Any) -> None:
    assert repr(value(annotation, text)) == repr(expected)


@pytest.mark.parametrize("annotation, text, message", [
    ("List[int]", '[1, "2"]', 'x[1]: expected an int, got "2"'),
    ("List[int]", "[1.0]", "x[0]: expected an int, got 1.0"),
    ("List[int]", "[true]", "x[0]: expected an int, got true"),
    ("List[bool]", "[1]", "x[0]: expected true or false, got 1"),
    ("List[str]", "[null]", "x[0]: expected text, got null"),
    ("List[float]", '["1"]', 'x[0]: expected a number, got "1"'),
    ("Dict[str, float]", '{"a": {}}', 'x["a"]: expected a number, got {}'),
    ("Dict[str, List[int]]", '{"a": [1, []]}', 'x["a"][1]: expected an int, got []'),
    ("Dict[int, int]", '{"one": 1}', 'x["one"] (the key): expected an int, got "one"'),
    ("Dict[int, int]", '{"1": 1, "0x1": 2}', 'x["0x1"] (the key): expected each key once, got "0x1"'),
    ("List[Literal['a', 1]]", "[2]", "x[0]: expected one of 'a', 1, got 2"),
    ("List[Optional[int]]", '["a"]', 'x[0]: expected an int or null, got "a"'),
    ("List[Union[int, str]]", "[0.5]", "x[0]: expected an int or text, got 0.5"),
    ("List[float]", "[1" + "0" * 400 + "]", "x[0]: expected a number, got 1" + "0" * 99 + "…"),
    ("List[date]", '["2024-02-30"]', 'x[0]: expected a date, such as 2024-05-31, got "2024-02-30"')])
def test_a_message_names_the_position_of_what_is_wrong(annotation: str, text: str, message: str) -> None:
    assert refusal(annotation, text) == message


def test_a_definition_has_lists_and_dicts_too() -> None:
    parameters = read("xs = [1]\n{'xs': {'type': list, 'examples': [['a'], '[2]']}, 'd': dict(type='dict')}")
    assert parameters["xs"].model() == {"name": "xs", "type": "list", "default": [1], "desc": "",
                                        "examples": ['["a"]', "[2]"]}
    assert parse_values(parameters, {"xs": "[2]", "d": "{}"}) == {"xs": [2], "d": {}}


def test_a_list_may_carry_text_and_so_may_a_dict() -> None:
    parameters = read("xs: List[int] = []\nd = {}\nn = 1\nx: Optional[str] = None")
    for name, text in (("xs", "[1]"), ("d", "{}"), ("x", "a")):
        assert have_text(parameters, parse_values(parameters, {name: text}))
    assert not have_text(parameters, parse_values(parameters, {"n": "1", "x": "null"}))


# -- None and dates --------------------------------------------------------------------------------


def test_the_model_says_that_null_is_accepted_and_what_form_a_text_has() -> None:
    models = {name: parameter.model() for name, parameter in read(
        "a: Optional[int] = 1\nb = None\nc: int = None\nd: date = '2024-05-31'\ne: 'datetime | None' = None").items()}
    assert {name: (model["type"], model.get("nullable"), model.get("format")) for name, model in models.items()} == {
        "a": ("int", True, None), "b": ("str", True, None), "c": ("int", None, None), "d": ("str", None, "date"),
        "e": ("str", True, "date-time")}


@pytest.mark.parametrize("text", ["2024-05-31", "2024-02-29", "0001-01-01"])
def test_a_date_stays_text(text: str) -> None:
    assert value("datetime.date", text) == text


@pytest.mark.parametrize("text", ["2023-02-29", "2024-5-31", "20240531", "31.05.2024", "2024-05-31T00:00", "", "today",
                                  "２０２４-05-31", "2024-05-31\n"])
def test_what_is_no_date_is_refused(text: str) -> None:
    assert "expected a date, such as 2024-05-31, got" in refusal("date", text)


@pytest.mark.parametrize("text", ["2024-05-31", "2024-05-31T12:30", "2024-05-31 12:30:15", "2024-05-31T12:30:15.123Z",
                                  "2024-05-31T12:30:15.123456+02:00"])
def test_a_time_stays_text(text: str) -> None:
    assert value("Optional[datetime]", text) == text


@pytest.mark.parametrize("text", ["2024-05-31T", "12:30", "2024-05-31T24:00", "2024-05-31T12:30+25:00",
                                  "2024-05-32 12:00",
                                  "2024-05-31T12:30 Z", "1717153200"])
def test_what_is_no_time_is_refused(text: str) -> None:
    assert "expected a date, with or without a time" in refusal("datetime", text)


# -- as papermill reads them -----------------------------------------------------------------------


@pytest.mark.parametrize("source, kind, default", [
    ("a = 2 # type:int", "int", 2), ("a = False # Nice variable a", "bool", False),
    ("a: float = 2.258 # type: int Nice variable a", "float", 2.258),
    ("a = 'this is a string' # type: int Nice variable a", "int", "this is a string"),
    ("a: List[str] = ['this', 'is'] # Nice variable a", "list", ["this", "is"]),
    ("a: List[str] = [\n    'this', # First\n    'is',\n    'list'\n] # Nice variable a", "list",
     ["this", "is", "list"]),
    ("a: List[str] = [\n    'this',\n    'list' # type: ignore\n]", "list", ["this", "list"])])
def test_what_papermill_infers_of_its_own_examples_is_read_alike(source: str, kind: str, default: Any) -> None:
    parameter = read(source)["a"]
    assert (parameter.type, parameter.default) == (kind, default)


# -- several cells ---------------------------------------------------------------------------------


def test_all_parameter_cells_define_parameters() -> None:
    parameters = read("a = 1\nb = 'x'", "# nbexec: params\nc = [1]\na = 2")
    assert {name: (each.type, each.default) for name, each in parameters.items()} == {
        "a": ("int", 2), "b": ("str", "x"), "c": ("list", [1])}


def test_an_annotation_in_one_cell_holds_in_the_next() -> None:
    assert read("a: float = 1", "a = 2")["a"] == Parameter("a", "float", 2)


def test_a_definition_counts_more_than_an_assignment_elsewhere() -> None:
    for sources in (["a = 1", "{'a': {'type': str, 'secret': True}}"],
                    ["{'a': {'type': str, 'secret': True}}", "a = 1"]):
        parameters = read(*sources)
        assert secret_names(parameters, ["a"]) == ["a"]
        assert (parameters["a"].type, parameters["a"].default) == ("str", 1)


def test_a_definition_and_assignments_may_stand_in_different_cells() -> None:
    parameters = read("a = 1", "b = 2\n{'b': {'type': float}}", "c = 3\nb = 4")
    assert {name: (each.type, each.default) for name, each in parameters.items()} == {
        "a": ("int", 1), "b": ("float", 4), "c": ("int", 3)}


def test_a_second_definition_of_a_name_is_refused() -> None:
    with pytest.raises(DefinitionError, match="parameter 'a': cell 2 defines it again"):
        read("{'a': {'type': str}}", "{'a': {'type': str}}")


def test_values_are_injected_below_the_last_parameter_cell() -> None:
    nb = new_notebook(cells=[code("a = 0", "injected-parameters"), code("a = 1", "parameters"), code("a"),
                             code("# nbexec: params\nb = 1"), code("b = 0", "injected-parameters"), code("b")])
    inject(nb, {"a": [2], "b": None})
    assert [cell.source for cell in nb.cells] == ["a = 1", "a", "# nbexec: params\nb = 1",
                                                  "# Parameters\na = [2]\nb = None", "b"]


def test_the_message_about_an_unreadable_cell_names_it() -> None:
    with pytest.raises(DefinitionError, match=r"cell 2, line 2"):
        read("a = 1", "b = 1\nc = = 1")


# -- secrets ---------------------------------------------------------------------------------------


def test_the_parts_of_a_secret_are_masked_too() -> None:
    secrets = SecretValues([{"user": "a-name", "keys": ["first-key", 1234567, None, True]}])
    assert secrets.mask("a-name first-key '1234567' None user") == "******** ******** '********' None user"


def test_the_refusal_of_a_secret_says_nothing_of_it() -> None:
    parameters = read("{'a': {'type': list, 'secret': True}}")
    with pytest.raises(InvalidArgumentError) as caught:
        parse_values(parameters, {"a": '["abc", "abc'})
    assert "abc" not in str(caught.value) and caught.value.value == "********"
