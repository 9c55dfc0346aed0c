"""The values that a notebook hands back, as they come from its kernel."""

from __future__ import annotations

import json
from typing import Any, Dict, Mapping, Optional, Tuple

from ..results import JSON_SCRAP, LARGEST, NULL_RESULT, TEXT_SCRAP, as_json, problem_of_name

_MOST_OMITTED = 100


class NamedResults:
    """The results of one execution.

    Attributes
    ----------
    values : dict
        The last value of each name.
    omitted : dict
        Why the last value was left out, by its name.
    """

    def __init__(self) -> None:
        self.values: Dict[str, Any] = {}
        self.omitted: Dict[str, str] = {}
        self._sizes: Dict[str, int] = {}
        self._size = 0

    def take(self, data: object) -> None:
        """Take in the result in an output, if there is one."""
        found = _scrap_in(data) if isinstance(data, dict) else None
        if found is None or problem_of_name(found[0]):
            return
        name, value = found
        reason = self._keep(name, value)
        self.omitted.pop(name, None)
        if reason and len(self.omitted) < _MOST_OMITTED:
            self.omitted[name] = reason

    def _keep(self, name: str, value: object) -> Optional[str]:
        """Have this value in the place of an earlier one; return why that is not possible."""
        self._size -= self._sizes.pop(name, 0)
        try:
            size = len(json.dumps(name)) + len(as_json(name, value).encode("utf-8"))
        except (TypeError, ValueError) as error:
            self.values.pop(name, None)
            return str(error)
        if self._size + size > LARGEST:
            self.values.pop(name, None)
            return f"all results of an execution may have {LARGEST} bytes as JSON"
        self.values[name], self._sizes[name] = value, size
        self._size += size
        return None

    def details(self) -> Dict[str, Any]:
        """Return what the report of the execution has of it; nothing if there was no result."""
        found = {"results": self.values, "results_omitted": self.omitted}
        return {name: value for name, value in found.items() if value}


def _scrap_in(data: Mapping[str, Any]) -> Optional[Tuple[str, Any]]:
    """Return the name and the value of the result in an output."""
    for mime in (JSON_SCRAP, TEXT_SCRAP, NULL_RESULT):
        scrap = data.get(mime)
        if isinstance(scrap, dict) and isinstance(scrap.get("name"), str) and "data" in scrap:
            return scrap["name"], scrap["data"]
    return None
