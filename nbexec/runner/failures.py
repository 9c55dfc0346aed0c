"""What the kernel's answer and the outputs of a cell say of how it ended.

A magic such as ``%run`` shows an exception and has the cell succeed all the same: a notebook must not go on then.
"""

from __future__ import annotations

import re
from typing import Any, Dict, List, NamedTuple, Optional, Sequence, Tuple

from ..errors import CellFailedError, CellsFailedError
from .outputs import lines

ANYWHERE = -1  # where an error was that is in no cell, but in a widget
EXIT_CODE = "__import__('sys').last_value.code"
_CLEAN_CODES = ("None", "0", "False")  # of SystemExit, as the system sees them
_MAY_BE_CLEAN = ("", *_CLEAN_CODES)
_SHOWS_OLD = re.compile(r"\b(tb|showtraceback)\b")  # in a cell: %tb, or what stands behind it


class Failure(NamedTuple):
    """An exception that ended a cell."""

    ename: str
    evalue: str
    traceback: List[str]

    @property
    def may_be_clean_exit(self) -> bool:
        """Whether this is `sys.exit()` with what may be a code for success; texts look the same."""
        return self.ename == "SystemExit" and self.evalue in _MAY_BE_CLEAN


def failure_in(content: Dict[str, Any]) -> Failure:
    """Return the exception in a reply, or in an output."""
    return Failure(str(content.get("ename", "")), str(content.get("evalue", "")), lines(content.get("traceback")))


def is_clean(code: Optional[str], evalue: str) -> bool:
    """Whether the code of a SystemExit means success.

    Parameters
    ----------
    code : str, optional
        Its code as Python writes it, None if the kernel did not tell.
    evalue : str
        The text of the exception.
    """
    return (evalue in _MAY_BE_CLEAN) if code is None else (code in _CLEAN_CODES)


def asks_exit(reply: Dict[str, Any]) -> bool:
    """Whether the cell called `exit()`."""
    payloads = reply.get("payload")
    return isinstance(payloads, list) and any(
        isinstance(payload, dict) and payload.get("source") == "ask_exit" and not payload.get("keepkernel")
        for payload in payloads)


class ShownErrors:
    """The exceptions that were shown so far, and where first: `%tb` shows them again, and that is no failure."""

    def __init__(self) -> None:
        self._first_cells: Dict[Tuple[str, str], int] = {}

    def note(self, content: Dict[str, Any], index: int) -> None:
        """Note an output that shows an exception, in a cell or `ANYWHERE`."""
        self._first_cells.setdefault(failure_in(content)[:2], index)

    def new_one(self, cell: Dict[str, Any], outputs: Sequence[Dict[str, Any]], index: int) -> Optional[Failure]:
        """Return the first new exception in the outputs of a cell, or None."""
        asks_for_old = _SHOWS_OLD.search(cell["source"])
        for output in outputs:
            if output["output_type"] == "error":
                failure = failure_in(output)
                if not asks_for_old or self._first_cells.get(failure[:2]) == index:
                    return failure
        return None


class FailedCells:
    """The cells that have failed, in a notebook that goes on after them.

    Attributes
    ----------
    numbers : list of int
        Their numbers.
    """

    def __init__(self) -> None:
        self.numbers: List[int] = []
        self._first: Optional[CellFailedError] = None

    def add(self, number: int, error: CellFailedError) -> None:
        """Add a cell."""
        self.numbers.append(number)
        self._first = self._first or error

    def check(self) -> None:
        """Raise CellsFailedError if there are any."""
        if self._first is not None:
            raise CellsFailedError(self._first, self.numbers)
