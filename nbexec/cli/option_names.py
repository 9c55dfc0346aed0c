"""Errors about a field of the API, in the words of the command line, whose options have other names."""

from __future__ import annotations

from ..client import ApiError
from ..errors import NbExecError
from .request_options import OPTIONS

_OPTIONS = {"notebook": "NOTEBOOK", **OPTIONS}


def with_option(error: NbExecError) -> str:
    """Return the message of an error, which begins with the option instead of the field that it is about."""
    message = str(error)
    field = error.field if isinstance(error, ApiError) else None
    option = _OPTIONS.get(field or "")
    if option is None:
        return message
    beginning = f"{field}: "
    return f"{option}: {message[len(beginning):] if message.startswith(beginning) else message}"
