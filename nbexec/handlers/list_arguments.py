"""The query of a list of executions: filter, order and page."""

from __future__ import annotations

import re
from datetime import datetime, timezone
from typing import FrozenSet, Mapping, Optional

from ..errors import InvalidArgumentError
from ..execution import STATES
from ..executions.selection import Selection

_MOST = 1000  # executions in a page
_MOMENT = "seconds since the epoch, or a date or time such as 2024-06-30 or 2024-06-30T08:00:00Z"
_STATES = f"one or more of {', '.join(STATES)}, separated by commas"
_ORDERS = {"oldest": False, "newest": True}


def selection(fields: Mapping[str, str]) -> Selection:
    """Return what a request asks for; names that are not known here do not count.

    Raises
    ------
    InvalidArgumentError
        A value is not accepted.
    """
    notebook = fields.get("notebook")
    return Selection(
        fields.get("text", ""), _states(fields), None if notebook is None else notebook.lstrip("/"),
        _moment("since", fields), _moment("until", fields), _is_newest_first(fields),
        _number("limit", fields, 1, _MOST, f"a number from 1 to {_MOST}"),
        _number("after", fields, 0, (1 << 63) - 1, "the value of `next` in an earlier answer"))


def _states(fields: Mapping[str, str]) -> FrozenSet[str]:
    text = fields.get("state")
    if text is None:
        return frozenset()
    states = frozenset(text.split(","))
    if not states <= set(STATES):
        raise InvalidArgumentError("state", text, _STATES)
    return states


def _moment(name: str, fields: Mapping[str, str]) -> Optional[float]:
    """Return a time in seconds since the epoch; one without a time zone is in UTC."""
    text = fields.get(name)
    if text is None:
        return None
    if re.fullmatch(r"[0-9]{1,12}(\.[0-9]{1,9})?", text):
        return float(text)
    try:
        moment = datetime.fromisoformat(re.sub("[zZ]$", "+00:00", text))
        return (moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)).timestamp()
    except (ValueError, OverflowError):
        raise InvalidArgumentError(name, text, _MOMENT) from None


def _is_newest_first(fields: Mapping[str, str]) -> bool:
    text = fields.get("order", "oldest")
    if text not in _ORDERS:
        raise InvalidArgumentError("order", text, "oldest or newest")
    return _ORDERS[text]


def _number(name: str, fields: Mapping[str, str], least: int, most: int, expected: str) -> Optional[int]:
    text = fields.get(name)
    if text is None:
        return None
    number = int(text) if re.fullmatch("[0-9]{1,19}", text) else -1
    if not least <= number <= most:
        raise InvalidArgumentError(name, text, expected)
    return number
