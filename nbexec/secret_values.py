"""The values of parameters that a notebook declares secret, and how they are kept out of what is written and told.

The kernel is told them by code that is no cell, so that neither the notebook nor the history of its kernel has them.
"""

from __future__ import annotations

import json
import re
from typing import Any, Collection, Dict, Iterator, Mapping
from urllib.parse import quote, quote_plus

MASK = "********"
_SHORTEST = 4  # characters of a value that is looked for in the text of an error; fewer occur by chance


def masked(params: Mapping[str, str], secret: Collection[str]) -> Dict[str, str]:
    """Return the parameters as they may be shown."""
    return {name: MASK if name in secret else value for name, value in params.items()}


class SecretValues:
    """The secret values of one run.

    Parameters
    ----------
    values : collection
        The values.
    source : str
        What assigns them in the kernel.
    cell_id : str
        Id of the cell that is run right after that.
    """

    def __init__(self, values: Collection[object] = (), source: str = "", cell_id: str = "") -> None:
        self._source = source
        self._cell_id = cell_id
        forms = sorted({form for value in values for form in _forms(value)}, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, forms))) if forms else None

    def source_before(self, cell: Mapping[str, Any]) -> str:
        """Return what the kernel is to execute silently before a cell, usually nothing."""
        return self._source if cell["id"] == self._cell_id else ""

    def mask(self, text: str) -> str:
        """Return the text without the values."""
        return text if self._pattern is None else self._pattern.sub(MASK, text)

    def mask_error(self, error: Mapping[str, Any]) -> Dict[str, Any]:
        """Return what a kernel tells of an exception, without the values."""
        return {name: self._mask_any(value) for name, value in error.items()}

    def _mask_any(self, value: Any) -> Any:
        if isinstance(value, list):
            return [self._mask_any(item) for item in value]
        return self.mask(value) if isinstance(value, str) else value


def _forms(value: object) -> Iterator[str]:
    """Yield how a value looks in the text of an error: as it is, quoted, in JSON, and in a URL."""
    if isinstance(value, bool) or value == "":
        return
    if isinstance(value, str):
        yield from (repr(value), json.dumps(value))
    text = str(value) if not isinstance(value, int) else hex(value) if value.bit_length() > 2048 else repr(value)
    data = text.encode("utf-8", "surrogatepass")
    forms = [text, *text.splitlines(), repr(text)[1:-1], json.dumps(text)[1:-1], quote(data), quote_plus(data)]
    yield from (form for form in forms if len(form.strip()) >= _SHORTEST)
