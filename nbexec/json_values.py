"""Lists and dicts that a request gives as JSON text: strict, and bounded in size and depth."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any, Dict, List, Tuple

LONGEST = 250_000  # characters; a kernel needs about a second to compile that much
_DEEPEST = 32  # Python 3.8 compiles no more than 90 brackets within each other


class JsonValueError(ValueError):
    """A text is not JSON, or not the kind of JSON that is accepted."""


def decode(text: str) -> object:
    """Return the value of a JSON text; NaN and Infinity are accepted.

    Raises
    ------
    JsonValueError
        It is not JSON, contains a key twice or half a surrogate pair, or is too long or nested too deeply.
    """
    if len(text) > LONGEST:
        raise JsonValueError(f"it has more than {LONGEST:,} characters")
    try:
        value = json.loads(text, object_pairs_hook=_dict)
    except RecursionError as error:
        raise _too_deep() from error
    except ValueError as error:
        raise JsonValueError(str(error)) from error
    _check(value, 1)
    return value


def _dict(pairs: List[Tuple[str, Any]]) -> Dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        [(name, _)] = Counter(name for name, _ in pairs).most_common(1)
        raise JsonValueError(f"the key {json.dumps(name)} occurs twice")
    return found


def _check(value: object, depth: int) -> None:
    if isinstance(value, str):
        _check_text(value)
    elif isinstance(value, (list, dict)):
        if depth > _DEEPEST:
            raise _too_deep()
        if isinstance(value, dict):
            for key in value:
                _check_text(key)
        for item in value.values() if isinstance(value, dict) else value:
            _check(item, depth + 1)


def _check_text(text: str) -> None:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise JsonValueError("it contains half a surrogate pair") from error


def _too_deep() -> JsonValueError:
    return JsonValueError(f"it is nested more than {_DEEPEST} levels deep")
