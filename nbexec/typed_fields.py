"""Whether the fields of a message have the types that its class says; the other end may be on another machine."""

from __future__ import annotations

from typing import Any, Dict, Sequence, Union, get_type_hints

_PLAIN: Dict[Any, Any] = {str: str, bool: bool, int: int, float: (int, float), dict: dict, list: list}
_known: Dict[Any, Dict[str, Any]] = {}


def check_fields(message: Any) -> None:
    """Do nothing if all fields fit; fields of other classes are not looked into.

    Raises
    ------
    TypeError
        One does not.
    """
    for name, kind in _kinds(type(message)).items():
        value = getattr(message, name)
        if not _fits(value, kind):
            raise TypeError(f"{type(message).__name__}.{name} cannot be {type(value).__name__}")


def _kinds(cls: Any) -> Dict[str, Any]:
    if cls not in _known:
        _known[cls] = get_type_hints(cls)
    return _known[cls]


def _fits(value: Any, kind: Any) -> bool:
    origin = getattr(kind, "__origin__", kind)
    inside: Sequence[Any] = getattr(kind, "__args__", ())
    if origin is Union:
        return any(_fits(value, one) for one in inside)
    if kind is type(None):
        return value is None
    if origin not in _PLAIN:
        return True
    if not isinstance(value, _PLAIN[origin]) or (isinstance(value, bool) and origin in (int, float)):
        return False
    if origin is list:
        return all(_fits(item, inside[0]) for item in value)
    return origin is not dict or all(_fits(item, inside[1]) for item in value.values())
