"""The HTTP status for each error: the one table of them."""

from __future__ import annotations

from typing import Dict, Type

from ..errors import (
    DefinitionError,
    ExecutionNotFoundError,
    IdempotencyKeyReusedError,
    InvalidArgumentError,
    KernelRefusedError,
    NbExecError,
    NotebookNotFoundError,
    NotebookUnreadableError,
    OutputNotConvertedError,
    OutputNotFoundError,
    OutputPendingError,
    RequestBodyError,
    RequestTooLargeError,
    RequestTooSlowError,
    TooManyExecutionsError,
    TooManyStreamsError,
    UnauthorizedError,
)

_STATUS: Dict[Type[NbExecError], int] = {
    RequestBodyError: 400,
    InvalidArgumentError: 400,
    DefinitionError: 400,
    KernelRefusedError: 400,
    NotebookUnreadableError: 400,
    UnauthorizedError: 401,
    NotebookNotFoundError: 404,
    ExecutionNotFoundError: 404,
    OutputNotFoundError: 404,
    RequestTooSlowError: 408,
    IdempotencyKeyReusedError: 409,
    OutputPendingError: 409,
    RequestTooLargeError: 413,
    OutputNotConvertedError: 422,
    TooManyExecutionsError: 429,
    TooManyStreamsError: 429,
}


def status_of(error: NbExecError) -> int:
    """Return the status with which an error is answered."""
    return next((status for kind, status in _STATUS.items() if isinstance(error, kind)), 500)
