"""JSON objects as requests contain them: every value becomes text.

Numbers stay as they were written: 1e400 and 1.10 have no other faithful form. So do lists, dicts and null, which the
runner reads when it knows what the notebook accepts; here they only have to be JSON.
"""

from __future__ import annotations

import json
import re
from typing import Iterator, Tuple

_SPACE = re.compile(r"[ \t\n\r]*")
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?|NaN|-?Infinity")
_SHORT = 1000  # characters of text that is no object, and may be no JSON either
_decoder = json.JSONDecoder()
_finder = json.JSONDecoder(parse_int=bool, parse_float=bool)  # only finds the end; to convert digits would take long


class JsonText(str):
    """A list, a dict or null as it was written, which is not equivalent to the same text in a string."""


class NoObjectError(ValueError):
    """The text is JSON, but no object."""


class HalfPairError(ValueError):
    """A text contains half a surrogate pair, which no file and no answer could carry.

    Parameters
    ----------
    name : str
        Its name.
    value : str
        The text, with escapes.
    """

    def __init__(self, name: str, value: str) -> None:
        super().__init__(name, value)
        self.name = name
        self.value = value


def pairs(text: str) -> Iterator[Tuple[str, str]]:
    """Yield the names and values of a JSON object, one after the other.

    Raises
    ------
    NoObjectError, HalfPairError
        It is not an object, or has such a text in it.
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
        value, at = _value(text, at, name)
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


def _value(text: str, at: int, name: str) -> Tuple[str, int]:
    if text[at:at + 1] == '"':
        value, end = _text(text, at)
        if not _is_whole(value):
            raise HalfPairError(name, repr(value))
        return value, end
    number = _NUMBER.match(text, at)
    if number is not None:
        return number[0], number.end()
    for word in ("true", "false"):
        if text.startswith(word, at):
            return word, at + len(word)
    if text.startswith("null", at):
        return JsonText("null"), at + len("null")
    if text[at:at + 1] in ("[", "{"):
        _, end = _finder.raw_decode(text, at)
        return JsonText(text[at:end]), end
    raise json.JSONDecodeError("Expecting value", text, at)


def _is_whole(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
