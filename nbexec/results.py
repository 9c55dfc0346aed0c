"""Hands values back from a notebook: ``from nbexec import result; result("rmse", 0.3)``.

A result is published as an output that no page shows, in the format of scrapbook. This module runs in kernels: it
imports nothing that is slow, and works where no notebook is run by nbexec.
"""

from __future__ import annotations

import json
import sys
from typing import Any, Optional

JSON_SCRAP = "application/scrapbook.scrap.json+json"
TEXT_SCRAP = "application/scrapbook.scrap.text+json"
NULL_RESULT = "application/vnd.nbexec.result+json"  # scrapbook can read no notebook with a scrap of null
LARGEST = 65_536  # bytes of JSON, of all results of one execution together
LONGEST_NAME = 200  # characters


def result(name: str, value: Any) -> None:
    """Hand a value back from a notebook; the last value of each name counts.

    Parameters
    ----------
    name : str
        The name of the result.
    value : object
        What JSON can represent: None, a bool, a number other than inf and nan, text, and lists and dicts of these.
        Scalars of numpy count as Python's.

    Raises
    ------
    TypeError, ValueError
        JSON cannot represent the value, or it is too large.

    Examples
    --------
    >>> from nbexec import result
    >>> result("rmse", 0.3)
    """
    _check_name(name)
    plain = json.loads(as_json(name, value))
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    if shell is None:
        return  # a plain Python has nowhere to publish it
    from IPython.display import display

    encoder = "text" if isinstance(plain, str) else "json"
    mime = NULL_RESULT if plain is None else TEXT_SCRAP if encoder == "text" else JSON_SCRAP
    display({mime: {"name": name, "data": plain, "encoder": encoder, "version": 1}}, raw=True,
            metadata={"scrapbook": {"name": name, "data": True, "display": False}})


def _check_name(name: object) -> None:
    if not isinstance(name, str):
        raise TypeError(f"result: expected a name, got {type(name).__name__}")
    problem = problem_of_name(name)
    if problem:
        raise ValueError(f"result: {problem}")


def problem_of_name(name: str) -> Optional[str]:
    """Return why a result cannot have this name, None if it can."""
    if not name or len(name) > LONGEST_NAME:
        return f"expected a name of 1 to {LONGEST_NAME} characters, got {len(name)}"
    return None if _is_whole(name) else "the name contains half a surrogate pair"


def as_json(name: str, value: object) -> str:
    """Return a value as JSON.

    Raises
    ------
    TypeError, ValueError
        JSON cannot represent it, or it is too large.
    """
    try:
        text = json.dumps(value, allow_nan=False, ensure_ascii=False, default=_plain)
    except (RecursionError, ValueError) as error:
        raise ValueError(f"result {name!r}: JSON cannot represent it: {error}") from None
    except TypeError as error:
        raise TypeError(f"result {name!r}: JSON cannot represent it: {error}") from None
    if not _is_whole(text):
        raise ValueError(f"result {name!r}: it contains half a surrogate pair")
    size = len(text.encode("utf-8"))
    if size > LARGEST:
        raise ValueError(f"result {name!r}: it has {size} bytes as JSON; all results may have {LARGEST}")
    return text


def _is_whole(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _plain(value: Any) -> object:
    """Return a scalar of numpy as one of Python."""
    if getattr(value, "shape", None) == () and callable(getattr(value, "item", None)):
        found: object = value.item()
        if isinstance(found, (bool, int, float, str)):
            return found
    raise TypeError(f"{type(value).__name__} is not JSON")
