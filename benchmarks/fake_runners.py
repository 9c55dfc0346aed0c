"""A preload for Dask workers whose runners are fakes: no process, but all messages, over real connections.

Each reports a cell every 20 seconds until it is stopped. nbexec on the notebook server cannot tell the difference.
"""

from __future__ import annotations

import asyncio
import socket
import time
from typing import Any, Dict, Optional, Set

from nbexec import events
from nbexec.cluster import holder
from nbexec.engines.local.connection import Connection, connect, read_frame
from nbexec.protocol import CellEvent, Ended, KernelStarted, Message, Readable, pack

_CELL = 20.0  # seconds
_NOTEBOOK_CELL = {"cell_type": "code", "id": "a", "metadata": {}, "source": "time.sleep(20)", "outputs": [],
                  "execution_count": 1}


class FakeLauncher:
    """Stands for nbexec's launcher on a worker."""

    def __init__(self) -> None:
        self._runs: Set[Any] = set()

    async def launch(self, needs_kernel: bool, spec: Optional[Dict[str, Any]] = None) -> Connection:
        ours, theirs = socket.socketpair()
        run = asyncio.ensure_future(self._run(*await asyncio.open_connection(sock=theirs)))
        self._runs.add(run)
        run.add_done_callback(self._runs.discard)
        connection = await connect(ours, lambda pid: None, self._runs.discard)
        self._runs.add(connection)
        return connection

    async def _run(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        def say(message: Message, payload: bytes = b"") -> None:
            writer.write(pack(message, len(payload)) + payload)

        try:
            request = await read_frame(reader)
            if request is not None:
                say(Readable([], None, "python3", "python"))
                await read_frame(reader)
                say(KernelStarted("python3", "faked"))
                await self._cells(request[0].exec_id, say, asyncio.ensure_future(read_frame(reader)))
                say(Ended(None, "the execution was shut down", "ExecutionStoppedError", "1/9999", {}))
        finally:
            writer.close()

    async def _cells(self, exec_id: str, say: Any, end: asyncio.Future[Any]) -> None:
        number = 0
        while not end.done():
            number += 1
            progress = f"{number}/9999"
            say(CellEvent(events.CELL_START, progress, "time.sleep(20)"),
                events.line(events.cell_start(exec_id, time.time(), progress, _NOTEBOOK_CELL)))
            await asyncio.wait([end], timeout=_CELL)
            say(CellEvent(events.CELL_END, progress),
                events.line(events.cell_end(exec_id, time.time(), progress, _NOTEBOOK_CELL, {})))

    async def how_ended(self, connection: Connection) -> str:
        return ""

    def fork_server_for(self, spec: Dict[str, Any]) -> None:
        return None

    def close(self) -> None:
        """Nothing is left behind."""


async def dask_setup(worker: Any) -> None:
    """Called by Dask."""
    holder.set_up(worker, FakeLauncher())  # type: ignore[arg-type]


async def dask_teardown(worker: Any) -> None:
    """Called by Dask."""
    await holder.tear_down()
