"""How many files and connections the system lets this process have open at once."""

from __future__ import annotations

import math
import os

from ..processes import POSIX

if POSIX:
    import resource


def limit() -> float:
    """Return how many there may be; infinity if there is no limit."""
    if not POSIX:
        return math.inf
    soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return math.inf if soft == resource.RLIM_INFINITY else soft


def lowest_free() -> float:
    """Return the number of the next one, which is about how many there are."""
    try:
        with open(os.devnull, "rb") as file:
            return file.fileno()
    except OSError:
        return math.inf
