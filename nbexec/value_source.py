"""Writes values as Python source that cannot become anything but these values."""

from __future__ import annotations

import math
from typing import List

from nbexec.errors import shown

_LONGEST_DECIMAL = 2048  # bits: Python's limit on the digits of an int cannot be set lower than that
_WIDTH = 100  # characters of a line; Python 3.12 takes a minute to tokenize a line of 100,000 characters


def text_of(value: object) -> str:
    """Return the `repr` of a literal, even if it has an int beyond the limit on digits."""
    if isinstance(value, int):
        return _int_source(value)
    try:
        return repr(value)
    except ValueError:
        return f"<{type(value).__name__} with an int that is too long to show>"


def value_source(value: object) -> str:
    """Return the source of a value; long lists and dicts take several lines.

    Raises
    ------
    TypeError
        It is not made of the types that JSON has.
    """
    lines = [""]
    for piece in _pieces(value):
        if lines[-1] and len(lines[-1]) + len(piece) >= _WIDTH:
            lines.append("")
        lines[-1] += " " + piece if lines[-1] else piece
    return "\n    ".join(lines)


def _pieces(value: object) -> List[str]:
    """Return the parts between which a line may end."""
    if type(value) is list:
        return _enclosed("[", [_pieces(item) for item in value], "]")
    if type(value) is dict:
        return _enclosed("{", [_pair(key, item) for key, item in value.items()], "}")
    return [_scalar_source(value)]


def _pair(key: object, value: object) -> List[str]:
    first, *rest = _pieces(value)
    return [f"{_scalar_source(key)}: {first}", *rest]


def _enclosed(start: str, parts: List[List[str]], end: str) -> List[str]:
    if not parts:
        return [start + end]
    for part in parts[:-1]:
        part[-1] += ","
    pieces = [piece for part in parts for piece in part]
    pieces[0] = start + pieces[0]
    pieces[-1] += end
    return pieces


def _scalar_source(value: object) -> str:
    # Exact types only: the `repr` of a subclass may be any text.
    if type(value) is float:
        return repr(value) if math.isfinite(value) else f"float({str(value)!r})"
    if type(value) is int:
        return _int_source(value)
    if value is None or type(value) in (bool, str):
        return repr(value)
    raise TypeError(f"expected a value that JSON can represent, got {shown(value)}")


def _int_source(value: int) -> str:
    return repr(value) if value.bit_length() <= _LONGEST_DECIMAL else hex(value)
