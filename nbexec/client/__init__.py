"""Running notebooks from Python: `nbexec.client.Client` and `nbexec.client.AsyncClient`."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ..run_arguments import RESERVED
from .api_error import ApiError, CertificateError, NoServerError, StreamEndedError, WaitTimeoutError
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
from .result import FINAL_EVENTS, Event, Model, Result

if TYPE_CHECKING:
    from .async_client import AsyncClient, AsyncExecution
    from .client import Client
    from .connection import token_in
    from .execution_handle import Execution
    from .execution_map import ExecutionMap
    from .execution_stream import ExecutionStream

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


# What needs asyncio or requests, which take most of the time of all imports.
_LATER = {"AsyncClient": "async_client", "AsyncExecution": "async_client", "Client": "client",
          "Execution": "execution_handle", "ExecutionMap": "execution_map", "ExecutionStream": "execution_stream",
          "token_in": "connection"}


def __getattr__(name: str) -> Any:
    """Import a part when it is asked for; programs that need no server do without most of them."""
    if name in _LATER:
        return getattr(import_module(f".{_LATER[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
