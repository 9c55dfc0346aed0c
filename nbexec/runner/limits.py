"""What an execution may use: time for one cell, time for all of them, bytes of output; and how many cells may fail.

Times are monotonic: the wall clock may jump.
"""

from __future__ import annotations

import math
import time
from typing import NamedTuple, Optional

from ..errors import RunTimeoutError

LONGEST = 10**9  # seconds; a larger number is no time-out, and too large for a float at some point


class Deadline:
    """When a whole execution has to be over.

    Parameters
    ----------
    timeout : float
        Seconds from now; 0 is no limit.
    """

    def __init__(self, timeout: float) -> None:
        self._timeout = timeout
        self.at = time.monotonic() + min(timeout, LONGEST) if timeout else math.inf

    def left(self) -> float:
        """Return how many seconds are left; infinity without a limit."""
        return max(0.0, self.at - time.monotonic())

    def error(self, where: str) -> RunTimeoutError:
        """Return what it means that nothing is left."""
        return RunTimeoutError(self._timeout, where)


def shortest(requested: Optional[int], allowed: float) -> float:
    """Return the timeout of an execution: a request can ask for less than the server allows. 0 is no limit."""
    return min((timeout for timeout in (requested, allowed) if timeout), default=0)


class Limits(NamedTuple):
    """The limits of the cells of one execution.

    Parameters
    ----------
    cell_timeout : int, optional
        Seconds that one cell may take.
    deadline : Deadline
        When all of them have to be over.
    output_limit : int
        Bytes of output of one cell that are kept; 0 is all.
    continue_on_error : bool
        Whether the cells after one that has failed are run.
    """

    cell_timeout: Optional[int]
    deadline: Deadline
    output_limit: int
    continue_on_error: bool
