"""The request that starts an execution, which can be sent again without starting another one."""

from __future__ import annotations

import json
import os
import uuid
from dataclasses import dataclass, field
from typing import Any, Dict, Mapping

from ..run_arguments import FORM_FIELDS, RESERVED, RunArguments


def new_key() -> str:
    """Return a new Idempotency-Key."""
    return str(uuid.uuid4())


@dataclass(frozen=True)
class RunRequest:
    """A request to run a notebook.

    Parameters
    ----------
    arguments : RunArguments
        What is to be run, and how; the values of its parameters need not be text.
    key : str
        The Idempotency-Key.
    """

    arguments: RunArguments
    key: str = field(default_factory=new_key)

    def body(self) -> bytes:
        """Return the body: JSON, in which values keep their types; what was not asked for is left out."""
        own = {each.name: getattr(self.arguments, each.name) for each in FORM_FIELDS}
        fields = {**self.arguments.params, "notebook": self.arguments.notebook,
                  **{name: value for name, value in own.items() if value is not None and value is not False}}
        # Half of a surrogate pair is refused here, where that can be said, and not sent as an escape.
        return json.dumps(fields, ensure_ascii=False).encode("utf-8")

    def headers(self) -> Dict[str, str]:
        """Return the headers that belong to the request."""
        return {"Content-Type": "application/json", "Idempotency-Key": self.key, **self.arguments.headers()}


def checked(params: Mapping[str, Any]) -> Dict[str, Any]:
    """Return the values of parameters as they can be sent.

    Raises
    ------
    ValueError
        A parameter has one of the names in `RESERVED`.
    TypeError
        A value cannot be sent.
    """
    reserved = sorted(set(params) & RESERVED)
    if reserved:
        raise ValueError(f"{reserved[0]} is reserved and cannot be used as a parameter name")
    return {str(name): sendable(name, value) for name, value in params.items()}


def sendable(name: str, value: Any) -> Any:
    """Return the value of a parameter as JSON has it; scalars of numpy and paths count as what they stand for."""
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if hasattr(value, "item") and getattr(value, "shape", None) == ():
        value = value.item()
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
        return repr(value)  # there is no JSON for these, and the server takes text for any number
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, (list, tuple)):
        return [_inside(name, item) for item in value]
    if isinstance(value, dict):
        return {str(key): _inside(name, item) for key, item in value.items()}
    raise TypeError(f"{name}: expected text, a number, a bool, None, a list or a dict, got {type(value).__name__}")


def _inside(name: str, value: Any) -> Any:
    """Return something in a list or a dict as JSON has it; here, the server takes no text for a number."""
    return value if isinstance(value, float) else sendable(name, value)
