"""Running notebooks from Python: `nbexec.client.Client` and `nbexec.client.AsyncClient`."""

from typing import TYPE_CHECKING, Any

from ..run_arguments import RESERVED
from .api_error import ApiError, CertificateError, NoServerError, StreamEndedError, WaitTimeoutError
from .client import Client
from .connection import token_in
from .execution_error import (
    CellRaisedError,
    ExecutionFailedError,
    KernelDeathError,
    KernelNotStartedError,
    NotANotebookError,
    NotWrittenError,
    StoppedError,
    TimedOutError,
)
from .execution_handle import Execution
from .execution_map import ExecutionMap
from .execution_stream import FINAL_EVENTS, Event, ExecutionStream
from .result import Model, Result

if TYPE_CHECKING:
    from .async_client import AsyncClient, AsyncExecution

__all__ = [
    "ApiError",
    "AsyncClient",
    "AsyncExecution",
    "CellRaisedError",
    "CertificateError",
    "Client",
    "Event",
    "Execution",
    "ExecutionFailedError",
    "ExecutionMap",
    "ExecutionStream",
    "FINAL_EVENTS",
    "KernelDeathError",
    "KernelNotStartedError",
    "Model",
    "NoServerError",
    "NotANotebookError",
    "NotWrittenError",
    "RESERVED",
    "Result",
    "StoppedError",
    "StreamEndedError",
    "TimedOutError",
    "WaitTimeoutError",
    "token_in",
]


def __getattr__(name: str) -> Any:
    """Import what needs asyncio, which takes a third of the time of all, when it is asked for."""
    if name in ("AsyncClient", "AsyncExecution"):
        from . import async_client

        return getattr(async_client, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
