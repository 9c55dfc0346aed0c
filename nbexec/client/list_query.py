"""Which executions a list has: the query of ``GET /api/executions``, as arguments."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any, Dict, Iterable, Optional, Union

Moment = Union[float, str, date]
LARGEST_PAGE = 1000  # executions


def list_query(text: str = "", state: Union[str, Iterable[str]] = (), notebook: Optional[str] = None,
               since: Optional[Moment] = None, until: Optional[Moment] = None,
               newest_first: bool = False) -> Dict[str, Any]:
    """Return the parameters of a request."""
    states = state if isinstance(state, str) else ",".join(state)
    query = {"text": text, "state": states, "notebook": notebook, "since": _moment(since), "until": _moment(until),
             "order": "newest" if newest_first else None}
    return {name: value for name, value in query.items() if value not in (None, "")}


def _moment(moment: Optional[Moment]) -> Union[None, float, str]:
    """Return a time as the API takes it; dates and times without a zone are those of this machine."""
    if isinstance(moment, datetime):
        return moment.timestamp()
    if isinstance(moment, date):
        return datetime(moment.year, moment.month, moment.day).timestamp()
    return moment
