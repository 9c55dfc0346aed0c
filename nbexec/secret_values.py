"""Keeps the values of secret parameters out of everything that is written or reported.

The kernel gets them through code that is not a cell, so that neither the notebook nor the kernel's history contains
them.
"""

from __future__ import annotations

import json
import re
from typing import Any, Collection, Dict, Iterator, Mapping
from urllib.parse import quote, quote_plus

from nbexec.value_source import value_source

MASK = "********"
_SHORTEST = 4  # characters; shorter values are not looked for in the text of an error, because they occur by chance


def masked(params: Mapping[str, str], secret: Collection[str]) -> Dict[str, str]:
    """Return the parameters with the secret values masked."""
    return {name: MASK if name in secret else value for name, value in params.items()}


class SecretValues:
    """The secret values of one execution.

    Parameters
    ----------
    values : collection
        The values.
    source : str
        Code that assigns them in the kernel.
    cell_id : str
        Id of the cell before which that code is executed.
    """

    def __init__(self, values: Collection[object] = (), source: str = "", cell_id: str = "") -> None:
        self._source = source
        self._cell_id = cell_id
        forms = sorted({form for value in values for form in _forms(value)}, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, forms))) if forms else None

    def source_before(self, cell: Mapping[str, Any]) -> str:
        """Return the code to execute silently before a cell; usually an empty string."""
        return self._source if cell["id"] == self._cell_id else ""

    def mask(self, text: str) -> str:
        """Return the text with the values masked."""
        return text if self._pattern is None else self._pattern.sub(MASK, text)

    def mask_error(self, error: Mapping[str, Any]) -> Dict[str, Any]:
        """Return the description of an exception with the values masked."""
        return {name: self._mask_any(value) for name, value in error.items()}

    def _mask_any(self, value: Any) -> Any:
        if isinstance(value, list):
            return [self._mask_any(item) for item in value]
        return self.mask(value) if isinstance(value, str) else value


def _forms(value: object) -> Iterator[str]:
    """Yield the forms that a value can take in the text of an error: plain, quoted, in JSON, and in a URL."""
    if value is None or isinstance(value, bool) or value == "":
        return
    if isinstance(value, (list, dict)):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _forms(item)
        yield json.dumps(value)
    if isinstance(value, str):
        yield from (repr(value), json.dumps(value))
    text = value if isinstance(value, str) else value_source(value)
    data = text.encode("utf-8", "surrogatepass")
    forms = [text, *text.splitlines(), repr(text)[1:-1], json.dumps(text)[1:-1], quote(data), quote_plus(data)]
    yield from (form for form in forms if len(form.strip()) >= _SHORTEST)
