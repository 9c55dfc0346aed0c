"""JSON objects whose values are text, numbers, true or false, as requests have them.

Whatever else there is in it is refused where it begins, so that a body can be neither deep nor wide, and costs little.
Numbers stay as they were written: 1e400 and 1.10 have no other faithful form.
"""

from __future__ import annotations

import json
import re
from typing import Iterator, Tuple

_SPACE = re.compile(r"[ \t\n\r]*")
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?|NaN|-?Infinity")
_SHOWN = 200  # characters of a value that is refused
_SHORT = 1000  # characters of text that is no object, and may be no JSON either
_decoder = json.JSONDecoder()


class NoObjectError(ValueError):
    """The text is JSON, but no object."""


class NoScalarError(ValueError):
    """A value is neither text nor a number, true or false.

    Parameters
    ----------
    name : str
        Its name.
    value : str
        The value as it was written, or the beginning of it.
    """

    def __init__(self, name: str, value: str) -> None:
        super().__init__(name, value)
        self.name = name
        self.value = value


def pairs(text: str) -> Iterator[Tuple[str, str]]:
    """Yield the names and values of a JSON object, one after the other.

    Raises
    ------
    NoObjectError, NoScalarError
        It is of another kind.
    json.JSONDecodeError, RecursionError
        It is no JSON.
    """
    at = _skip(text, 0)
    if text[at:at + 1] != "{":
        if len(text) <= _SHORT:
            _decoder.decode(text)
        raise NoObjectError
    at = _skip(text, at + 1)
    while text[at:at + 1] != "}":
        name, at = _text(text, at)
        at = _skip(text, _expect(text, at, ":"))
        value, at = _scalar(text, at, name)
        yield name, value
        at = _skip(text, at)
        if text[at:at + 1] != "}":
            at = _skip(text, _expect(text, at, ","))
            if text[at:at + 1] == "}":
                raise json.JSONDecodeError("Expecting property name enclosed in double quotes", text, at)
    at = _skip(text, at + 1)
    if at < len(text):
        raise json.JSONDecodeError("Extra data", text, at)


def _skip(text: str, at: int) -> int:
    match = _SPACE.match(text, at)
    assert match is not None
    return match.end()


def _expect(text: str, at: int, character: str) -> int:
    at = _skip(text, at)
    if text[at:at + 1] != character:
        raise json.JSONDecodeError(f"Expecting {character!r} delimiter", text, at)
    return at + 1


def _text(text: str, at: int) -> Tuple[str, int]:
    if text[at:at + 1] != '"':
        raise json.JSONDecodeError("Expecting property name enclosed in double quotes", text, at)
    value, end = _decoder.raw_decode(text, at)
    return str(value), end


def _scalar(text: str, at: int, name: str) -> Tuple[str, int]:
    if text[at:at + 1] == '"':
        value, end = _text(text, at)
        if not _is_whole(value):
            raise NoScalarError(name, repr(value))
        return value, end
    number = _NUMBER.match(text, at)
    if number is not None:
        return number[0], number.end()
    for word in ("true", "false"):
        if text.startswith(word, at):
            return word, at + len(word)
    if text[at:at + 1] in ("[", "{") or text.startswith("null", at):
        raise NoScalarError(name, _beginning(text[at:at + _SHOWN]))
    raise json.JSONDecodeError("Expecting value", text, at)


def _is_whole(text: str) -> bool:
    """Whether there is no half of a surrogate pair in it, which no file and no answer could carry."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _beginning(text: str) -> str:
    try:
        return text[:_decoder.raw_decode(text)[1]]
    except (ValueError, RecursionError):
        return text + "…"
