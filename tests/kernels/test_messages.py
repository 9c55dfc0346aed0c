"""Messages of kernels, parsed; what becomes of odd ones in a run is in test_odd_messages.py."""

from __future__ import annotations

import json
from typing import Any, Dict, List, Optional

import pytest

from nbexec.errors import OutputLostError
from nbexec.kernels.messages import KernelMessage, language_info, text_of_expression


def parts(header: Any = None, parent: Any = None, content: Any = None, *buffers: bytes) -> List[bytes]:
    default = {"msg_type": "stream"}
    values = (default if header is None else header, parent or {}, {}, {} if content is None else content)
    return [*(json.dumps(value).encode("ascii") for value in values), *buffers]


def test_a_message_is_parsed() -> None:
    message = KernelMessage("iopub", parts(None, {"msg_id": "a"}, {"text": "Zoë"}, b"\0", b"1"))
    assert (message.channel, message.type, message.parent_id) == ("iopub", "stream", "a")
    assert (message.content, message.buffers) == ({"text": "Zoë"}, [b"\0", b"1"])


@pytest.mark.parametrize("odd", [[], {}, "text", 1, {"msg_type": 5}, {"msg_id": "a"}])
def test_without_a_type_it_is_not_a_message(odd: Any) -> None:
    with pytest.raises(ValueError, match="its header has no msg_type"):
        KernelMessage("iopub", parts(odd))


@pytest.mark.parametrize("odd", [[], "text", 1])
def test_without_fields_it_is_not_a_message(odd: Any) -> None:
    with pytest.raises(ValueError, match="its content is not an object"):
        KernelMessage("iopub", parts(content=odd))


@pytest.mark.parametrize("parent", [[1], "text", 1, {"msg_id": 5}, {"msg_id": None}])
def test_a_parent_without_an_id_is_none(parent: Any) -> None:
    assert KernelMessage("iopub", parts(parent=parent)).parent_id is None


def test_numbers_that_cannot_be_written_again_become_null() -> None:
    data = parts()
    data[3] = b'{"a": NaN, "b": -Infinity, "c": 1e999, "d": 1.5}'
    assert KernelMessage("iopub", data).content == {"a": None, "b": None, "c": None, "d": 1.5}


def test_bytes_that_are_not_unicode_are_replaced() -> None:
    data = parts()
    data[3] = b'{"text": "caf\xe9"}'
    assert KernelMessage("iopub", data).content == {"text": "caf\ufffd"}


@pytest.mark.usefixtures("no_collection")
@pytest.mark.parametrize("content", [b"{", b"", b'{"a": ' + b"[" * 100_000, b'{"a": %s}' % (b"[" * 300 + b"]" * 300)],
                         ids=["half", "nothing", "deep and half", "deep"])
def test_what_cannot_be_read_may_have_been_output(content: bytes) -> None:
    data = parts()
    data[3] = content
    with pytest.raises(OutputLostError, match="a message from the kernel cannot be read"):
        KernelMessage("iopub", data)


def test_many_brackets_side_by_side_are_not_deep() -> None:
    assert len(KernelMessage("iopub", parts(content={"a": [[]] * 1000})).content["a"]) == 1000


@pytest.mark.parametrize("told, expected", [
    (None, {"name": "python"}), ("text", {"name": "python"}),
    ({"name": "r", "version": 4, "codemirror_mode": {"name": "r"}}, {"name": "r", "codemirror_mode": {"name": "r"}}),
    ({"name": 3, "mimetype": "text/x-python"}, {"name": "python", "mimetype": "text/x-python"})])
def test_the_language_is_what_a_notebook_may_have(told: Any, expected: Dict[str, Any]) -> None:
    assert language_info({"language_info": told}) == expected


@pytest.mark.parametrize("reply, expected", [
    ({"user_expressions": {"it": {"data": {"text/plain": "5"}}}}, "5"), ({}, None), ({"user_expressions": []}, None),
    ({"user_expressions": {"it": {"data": {"text/plain": 5}}}}, None), ({"user_expressions": {"it": "5"}}, None)])
def test_the_value_of_an_expression_is_text(reply: Dict[str, Any], expected: Optional[str]) -> None:
    assert text_of_expression(reply, "it") == expected
