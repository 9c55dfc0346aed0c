"""From the text of a request to a value of the type that a notebook asks for.

Nothing is ever evaluated: a text is one of a few words, a number, JSON, or just text.
"""

from __future__ import annotations

import datetime
import json
import re
from typing import Callable, Dict, List, Sequence

from nbexec.annotations import FORMS, Annotation
from nbexec.errors import shown
from nbexec.json_values import JsonValueError, decode
from nbexec.value_source import text_of

_BOOLS = {"True": True, "False": False, "true": True, "false": False, "1": True, "0": False}
_NONE = ("None", "null")
_SHOWN = 100  # characters of an item that a message repeats


class ItemError(ValueError):
    """Something within a list or a dict is not accepted.

    Parameters
    ----------
    position : str
        Where it is, such as ``[2]['a']``.
    expected, found : str
        What is accepted there, and what was given.
    """

    def __init__(self, position: str, expected: str, found: object) -> None:
        text = json.dumps(found, ensure_ascii=False)
        super().__init__(position, expected, text if len(text) <= _SHOWN else text[:_SHOWN] + "…")

    def __str__(self) -> str:
        return "{}: expected {}, got {}".format(*self.args)


# -- texts -----------------------------------------------------------------------------------------


def _bool(text: str) -> bool:
    if text not in _BOOLS:
        raise ValueError(f"not a bool: {shown(text)}")
    return _BOOLS[text]


def _int(text: str) -> int:
    return int(text, 0)


def _date(text: str) -> str:
    if not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
        raise ValueError(f"not a date: {shown(text)}")
    datetime.date.fromisoformat(text)
    return text


def _datetime(text: str) -> str:
    parts = re.fullmatch(r"([0-9-]{10})(?:[T ]([0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{3}(?:[0-9]{3})?)?)?)"
                         r"(Z|[+-][0-9]{2}:[0-9]{2})?)?", text)
    if parts is None:
        raise ValueError(f"not a time: {shown(text)}")
    _date(parts[1])
    datetime.time.fromisoformat((parts[2] or "00:00") + ("" if parts[3] in (None, "Z") else parts[3]))
    return text


def _list(text: str) -> List[object]:
    value = decode(text)
    if not isinstance(value, list):
        raise JsonValueError("it is not a list")
    return value


def _dict(text: str) -> Dict[str, object]:
    value = decode(text)
    if not isinstance(value, dict):
        raise JsonValueError("it is not a dict")
    return value


TYPES: Dict[str, Callable[[str], object]] = {
    "bool": _bool, "int": _int, "float": float, "list": _list, "dict": _dict, "str": str}
_READERS: Dict[str, Callable[[str], object]] = {**TYPES, "date": _date, "datetime": _datetime}

_EXPECTED = {
    "bool": "a bool (" + ", ".join(_BOOLS) + ")",
    "int": "an int as accepted by Python's int(value, 0), such as 42, -7, 1_000 or 0x2a",
    "float": "a float as accepted by Python's float(value), such as 0.5, -2, 1e-3, inf or nan",
    "list": "a list in JSON, such as [1, 2.5, \"text\"]",
    "dict": "a dict in JSON, such as {\"name\": 1}",
    "date": "a date, such as 2024-05-31",
    "datetime": "a date, with or without a time, such as 2024-05-31T12:30 or 2024-05-31T12:30:00+02:00",
    "str": "any text",
}


def parse(text: str, accepted: Annotation) -> object:
    """Return the value that a text represents.

    Raises
    ------
    ItemError
        It represents a list or a dict with something in it that is not accepted.
    ValueError
        It represents no accepted value.
    """
    if accepted.takes_none and text in _NONE:
        return None
    for choice in accepted.choices:
        if _is_written(choice, text):
            return choice
    if not accepted.types:
        raise ValueError(f"not one of the choices: {shown(text)}")
    return _parse_as(accepted.types, text, accepted)


def _is_written(choice: object, text: str) -> bool:
    try:
        return TYPES[type(choice).__name__](text) == choice
    except ValueError:
        return False


def _parse_as(types: Sequence[str], text: str, accepted: Annotation) -> object:
    """Return the value in the first type that accepts the text; a number is not a bool if it can be an int."""
    for name in types[:-1]:
        try:
            if name != "bool" or text.isalpha():
                return _checked(_READERS[name](text), accepted, "")
        except ValueError:
            pass
    return _checked(_READERS[types[-1]](text), accepted, "")


def expected(accepted: Annotation) -> str:
    """Return what is accepted, in words."""
    choices = ", ".join(map(_text_of, accepted.choices))
    return ", or ".join([*([f"one of {choices}"] if choices else []), *(_EXPECTED[name] for name in accepted.types),
                         *(["None or null"] if accepted.takes_none else [])])


def _text_of(choice: object) -> str:
    return choice if isinstance(choice, str) else text_of(choice)


# -- what lists and dicts contain ------------------------------------------------------------------

_ITEMS = {"bool": "true or false", "int": "an int", "float": "a number", "list": "a list", "dict": "a dict",
          "str": "text", **{name: _EXPECTED[name] for name in FORMS}}


def _checked(value: object, accepted: Annotation, position: str) -> object:
    """Return a list or a dict with everything in it checked, and anything else as it is."""
    if isinstance(value, list) and accepted.items is not None:
        return [_item(item, accepted.items, f"{position}[{number}]") for number, item in enumerate(value)]
    if isinstance(value, dict) and (accepted.keys is not None or accepted.values is not None):
        return _checked_dict(value, accepted, position)
    return value


def _checked_dict(given: Dict[str, object], accepted: Annotation, position: str) -> Dict[object, object]:
    found: Dict[object, object] = {}
    for name, item in given.items():
        inside = f"{position}[{json.dumps(name, ensure_ascii=False)}]"
        key = name if accepted.keys is None else _key(name, accepted.keys, inside)
        if key in found:
            raise ItemError(f"{inside} (the key)", "each key once", name)
        found[key] = item if accepted.values is None else _item(item, accepted.values, inside)
    return found


def _key(name: str, accepted: Annotation, position: str) -> object:
    """Return a key, which JSON has as text, in its type."""
    try:
        key = parse(name, accepted)
        hash(key)
    except (ValueError, TypeError):
        raise ItemError(f"{position} (the key)", _words(accepted), name) from None
    return key


def _item(value: object, accepted: Annotation, position: str) -> object:
    """Return a value that JSON has in a type of its own; only an int may stand for a float."""
    if value is None and accepted.takes_none:
        return None
    if any(type(choice) is type(value) and choice == value for choice in accepted.choices):
        return value
    if type(value).__name__ in accepted.types:
        return _checked(value, accepted, position)
    try:
        if type(value) is int and "float" in accepted.types:
            return float(value)
        if isinstance(value, str) and accepted.form:
            return _parse_as([name for name in accepted.types if name in FORMS], value, accepted)
    except (ValueError, OverflowError):
        pass
    raise ItemError(position, _words(accepted), value)


def _words(accepted: Annotation) -> str:
    words: List[str] = []
    if accepted.choices:
        words.append("one of " + ", ".join(map(text_of, accepted.choices)))
    words += [_ITEMS[name] for name in accepted.types]
    return " or ".join(words + (["null"] if accepted.takes_none else []))
