"""The names of output notebooks."""

from __future__ import annotations

import itertools
import os
import re
from typing import Iterator, Optional

SUFFIX = ".ipynb"
LONGEST_NAME = 255  # bytes, on most file systems
_EXECUTED = "-Executed"
_NUMBER = re.compile(f"{_EXECUTED}([0-9]+)$")


def output_names(requested: Optional[str], source: str, longest: int = LONGEST_NAME) -> Iterator[str]:
    """Yield the names that an output notebook may have, the first choice first.

    Parameters
    ----------
    requested : str, optional
        The name that was asked for.
    source : str
        The name of the source notebook.
    longest : int
        How many bytes a name may have. The stem is cut if there is no room for a number behind it.
    """
    if requested is None:
        return _numbered(os.path.splitext(source)[0], _EXECUTED, itertools.count(1), longest)
    stem = requested[: -len(SUFFIX)]
    number = _NUMBER.search(stem)
    if number is None:
        others = _numbered(stem, "-", itertools.count(1), longest)
    else:
        others = _numbered(stem[:number.start()], _EXECUTED, itertools.count(int(number[1]) + 1), longest)
    return itertools.chain([requested], others)


def _numbered(stem: str, before: str, numbers: Iterator[int], longest: int) -> Iterator[str]:
    for number in numbers:
        yield _fitting(stem, f"{before}{number}{SUFFIX}", longest)


def failed_name(requested: str) -> str:
    """Return the name of what a failed run has so far, if that is not to have the name that was asked for."""
    return _fitting(requested[: -len(SUFFIX)], f"-Failed{SUFFIX}", LONGEST_NAME)


def partial_name(output: str, exec_id: str, longest: int = LONGEST_NAME) -> str:
    """Return the name of what there is of an output notebook while it runs, from its name or that of its source."""
    return _fitting(os.path.splitext(output)[0], f"-Partial-{exec_id}{SUFFIX}", longest)


def _fitting(stem: str, end: str, longest: int) -> str:
    while stem and len(os.fsencode(stem + end)) > longest:
        stem = stem[:-1]
    return stem + end
