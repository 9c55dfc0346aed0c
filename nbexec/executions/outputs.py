"""The output notebooks of executions that have ended, as they are or as pages.

The server never reads them itself: a runner does, within bounds. It belongs to the loop thread.
"""

from __future__ import annotations

import asyncio
import posixpath
from dataclasses import dataclass
from typing import Optional

from ..engines.local.connection import Connection, whole
from ..engines.local.launcher import Launcher
from ..errors import (
    NotebookNotFoundError,
    NotebookUnreadableError,
    OutputNotConvertedError,
    OutputNotFoundError,
    OutputPendingError,
)
from ..execution import EXECUTING, INITIALIZING
from ..protocol import ConvertedOutput, Failed, OutputRequest, OutputSoFarRequest, Request
from .active import ActiveExecution
from .inspector import Inspector, error_in
from .places import Notebooks, Source
from .store import ExecutionStore

_AT_ONCE = 2  # conversions
_SECONDS = 60.0  # for one of them
_MEMORY = 1 << 30  # bytes for one of them


@dataclass(frozen=True)
class OutputNotebook:
    """An output notebook in some format, and the name of a file for it."""

    content: bytes
    file_name: str


class OutputNotebooks:
    """Reads and converts output notebooks.

    Parameters
    ----------
    store : ExecutionStore
        The models, which say where output notebooks are.
    contents : Notebooks
        Finds them.
    launcher : Launcher
        Starts the runners that read them.
    inspector : Inspector
        Knows what all requests to runners have.
    """

    def __init__(self, store: ExecutionStore, contents: Notebooks, launcher: Launcher, inspector: Inspector) -> None:
        self._store = store
        self._contents = contents
        self._launcher = launcher
        self._inspector = inspector
        self._conversions = asyncio.Semaphore(_AT_ONCE)

    async def get(self, exec_id: str, kind: str, has_code: bool) -> OutputNotebook:
        """Return the output notebook of an execution, as ``ipynb`` or ``html``.

        Raises
        ------
        ExecutionNotFoundError, OutputPendingError, OutputNotFoundError
            There is no such execution, or no output notebook.
        OutputNotConvertedError
            It cannot be converted, within the limits of time and memory.
        """
        source = await self._source(exec_id)
        stem = posixpath.splitext(posixpath.basename(source.path))[0]
        async with self._conversions:
            await self._load(source, exec_id)
            request = OutputRequest(**self._inspector.common(source), format=kind, title=stem, has_code=has_code,
                                    memory=_MEMORY)
            return OutputNotebook(await self._converted(request, source), f"{stem}.{kind}")

    async def so_far(self, active: ActiveExecution, kind: str, has_code: bool) -> OutputNotebook:
        """Return what there is of the output notebook of an execution that is running.

        Raises
        ------
        OutputNotConvertedError
            It cannot be converted.
        """
        stem = posixpath.splitext(posixpath.basename(active.execution.path))[0]
        async with self._conversions:
            request, source, events = active.rebuild_request("")
            wanted = OutputSoFarRequest(**{**vars(request), "note": None}, format=kind, title=stem, has_code=has_code,
                                        memory=_MEMORY)
            return OutputNotebook(await self._converted(wanted, source, events), f"{stem}.{kind}")

    async def _source(self, exec_id: str) -> Source:
        model = self._store.get_model(exec_id)
        if model["status"] in (INITIALIZING, EXECUTING):
            raise OutputPendingError(exec_id)
        path: Optional[str] = model["output_path"]
        if path is None:
            raise OutputNotFoundError(exec_id, None)
        try:
            return await self._contents.source(path)
        except NotebookNotFoundError:
            raise OutputNotFoundError(exec_id, path) from None

    async def _load(self, source: Source, exec_id: str) -> None:
        try:
            await self._contents.load(source)
        except NotebookUnreadableError as error:
            raise OutputNotConvertedError(str(error)) from error

    async def _converted(self, request: Request, source: Source, more: bytes = b"") -> bytes:
        connection = await self._launcher.launch(needs_kernel=False)
        connection.send(request, source.content + more)
        try:
            return await asyncio.wait_for(_answer(connection), _SECONDS)
        except asyncio.TimeoutError:
            connection.kill()
            raise OutputNotConvertedError(f"it takes more than {_SECONDS:.0f} seconds") from None


async def _answer(connection: Connection) -> bytes:
    """Return what the runner sends, once it is gone."""
    content: Optional[bytes] = None
    problem = "the process that converts it was killed"
    async for message, payload in connection.messages():
        if isinstance(message, ConvertedOutput):
            content = await whole(payload)
        else:
            problem = message.error if isinstance(message, Failed) else str(error_in(message))
    if content is None:
        raise OutputNotConvertedError(problem)
    return content
