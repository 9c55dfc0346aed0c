"""The one definition of a request."""

from __future__ import annotations

from typing import get_type_hints

import pytest

from nbexec.errors import InvalidArgumentError
from nbexec.run_arguments import FORM_FIELDS, HEADER_FIELDS, REQUEST_FIELDS, RESERVED, RunArguments, RunOptions


def test_programs_can_give_every_field_by_keyword() -> None:
    types = get_type_hints(RunArguments)
    keywords = {each.name: types[each.name] for each in REQUEST_FIELDS if each.name != "output_path"}
    assert get_type_hints(RunOptions) == keywords


def test_a_request_reads_back_what_a_client_writes() -> None:
    arguments = RunArguments("a.ipynb", {"x": "1"}, "out.ipynb", True, True, "python3", 7)
    form, headers = arguments.form(), arguments.headers()
    read = {each.name: each.parse(form[each.name]) for each in FORM_FIELDS}
    read.update({each.name: each.parse(headers[each.header]) for each in HEADER_FIELDS if each.header in headers})
    assert all(getattr(arguments, name) == value for name, value in read.items())
    assert form["x"] == "1" and form["notebook"] == "a.ipynb"


def test_what_was_not_asked_for_is_not_sent() -> None:
    arguments = RunArguments("a.ipynb")
    assert arguments.form() == {"notebook": "a.ipynb"} and arguments.headers() == {}


def test_no_header_takes_a_name_from_the_notebooks() -> None:
    assert RESERVED == {"notebook", "token", "output_path", "overwrite", "jupyter_kernel", "cell_timeout"}


@pytest.mark.parametrize("name, text", [
    ("overwrite", "yes"), ("cell_timeout", "0"), ("cell_timeout", "-1"), ("cell_timeout", "1.5"),
    ("cell_timeout", "")])
def test_an_error_has_field_value_and_expectation(name: str, text: str) -> None:
    field = next(each for each in REQUEST_FIELDS if each.name == name)
    with pytest.raises(InvalidArgumentError) as raised:
        field.parse(text)
    error = raised.value
    assert (error.field, error.value, error.expected) == (name, text, field.kind.expected)
    assert str(error) == f"{name}: expected {field.kind.expected}, got {text!r}"
