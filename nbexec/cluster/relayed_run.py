"""One runner on a worker, as the bridge sees it: asked for, found, and connected with the server."""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress
from typing import Any, Awaitable, Callable, List, Optional, Tuple

from distributed import Client
from distributed.comm import CommClosedError, connect

from ..bridge_messages import BridgeMessage, RunOver, RunRefused, RunStarted, StartRun
from .channel import Channel, ChannelLostError
from .held_run import HANG_UP, KILL, OVER
from .holder import hold
from .worker_check import ATTACH, DISMISS, EXCERPT

_PIECE = 1 << 17  # bytes to pass on at once
Workers = Optional[List[str]]  # None if all will do
Place = Tuple[str, str]  # the address and the name of a worker


class RefusedError(Exception):
    """There is no runner, and nothing was asked of it."""


async def dismiss(client: Client, run: str, address: str) -> None:
    """Tell a worker that nobody attaches to a runner; Dask does not stop a task that has started."""
    with suppress(CommClosedError, OSError):
        comm = await connect(address, **client.security.get_connection_args("client"))
        await comm.write({"op": DISMISS, "run": run, "reply": False})
        await comm.close()


class RelayedRun:
    """A runner on a worker.

    Parameters
    ----------
    wanted : StartRun
        What the server wants.
    sock : socket
        What the server takes for the pipe to a runner.
    tell : callable
        Tells the server.
    """

    def __init__(self, wanted: StartRun, sock: socket.socket, tell: Callable[[BridgeMessage], None]) -> None:
        self._wanted = wanted
        self._sock = sock
        self._is_passed_on = False  # to a transport, which closes it
        self._tell = tell
        self._place: asyncio.Future[Place] = asyncio.get_event_loop().create_future()
        self._channel: Optional[Channel] = None
        self._task: Optional[asyncio.Task[None]] = None

    def begin(self, topic: str, when_ready: Callable[[], Awaitable[Tuple[Client, Workers]]]) -> asyncio.Task[None]:
        """Ask for the runner when the cluster is ready; the task is done when it is gone, or there is none."""
        self._task = asyncio.ensure_future(self._run(topic, when_ready))
        return self._task

    def found(self, address: str, name: str) -> None:
        """Take in where the runner is; should another be started for the same run, that is ignored."""
        if not self._place.done():
            self._place.set_result((address, name))

    def kill(self) -> None:
        """Kill the runner, or do without it."""
        if self._channel is not None:
            asyncio.ensure_future(self._say(self._channel, KILL))
        else:
            self.give_up()

    def give_up(self) -> None:
        """Do without the runner if there is none yet."""
        if self._channel is None and self._task is not None:
            self._task.cancel()

    async def _run(self, topic: str, when_ready: Callable[[], Awaitable[Tuple[Client, Workers]]]) -> None:
        ended: Callable[[str, str], BridgeMessage] = RunRefused
        future = client = None
        try:
            client, workers = await when_ready()
            future = client.submit(hold, self._wanted.run, topic, key=f"nbexec-{self._wanted.run}", pure=False,
                                   retries=0, workers=workers, resources=self._wanted.resources or None)
            address, name = await self._find(future)
            comm = await self._attach(client, address, name)
            ended = RunOver
            self._tell(RunStarted(self._wanted.run, name))
            await self._relay(comm, name)
        except RefusedError as error:
            self._tell(RunRefused(self._wanted.run, str(error)))
        except asyncio.CancelledError:
            if client is not None and self._place.done():
                await dismiss(client, self._wanted.run, self._place.result()[0])
            raise
        except Exception as error:  # whatever Dask raises; the server must not wait for ever
            why = f"the bridge to the Dask cluster failed: {type(error).__name__}: {error}"
            self._tell(ended(self._wanted.run, why))
        finally:
            if not self._is_passed_on:
                self._sock.close()
            if future is not None:
                with suppress(Exception):  # the scheduler may be gone
                    future.release()

    async def _find(self, future: Any) -> Place:
        ended = asyncio.ensure_future(future._state.wait())
        await asyncio.wait([ended, self._place], return_when=asyncio.FIRST_COMPLETED)
        ended.cancel()
        if self._place.done():
            return self._place.result()
        error = future._state.exception
        raise RefusedError(str(error) if error else f"Dask did not run it ({future.status})")

    async def _attach(self, client: Client, address: str, name: str) -> Any:
        try:
            comm = await connect(address, **client.security.get_connection_args("client"))
            await comm.write({"op": ATTACH, "run": self._wanted.run, "reply": False})
            answer, why = await comm.read()
        except (CommClosedError, OSError) as error:
            raise RefusedError(f"the Dask worker {name} ({address}) cannot be reached: {error}") from error
        if answer != "attached":
            raise RefusedError(why)
        return comm

    async def _relay(self, comm: Any, name: str) -> None:
        """Relay between the server and the runner, and tell the server how the runner has ended, if not well."""
        channel = self._channel = Channel(comm)
        self._is_passed_on = True
        reader, writer = await asyncio.open_connection(sock=self._sock)
        down = asyncio.ensure_future(self._relay_down(channel, reader))
        try:
            self._tell(RunOver(self._wanted.run, await self._relay_up(channel, writer, name)))
        finally:
            down.cancel()
            self._channel = None
            writer.close()  # after the server is told why
            await channel.close()

    async def _relay_up(self, channel: Channel, writer: asyncio.StreamWriter, name: str) -> str:
        try:
            async for data, (word, more) in channel.data():
                if word == OVER:
                    return str(more)[:EXCERPT]
                await self._write(writer, data)
        except ChannelLostError as error:
            channel.abort()
            return f"the Dask worker {name} was lost: {error}"
        raise AssertionError("the data of a channel end with an error")

    async def _write(self, writer: asyncio.StreamWriter, data: bytes) -> None:
        with suppress(OSError):  # the server is gone, and the runner is told by the other direction
            writer.write(data)
            await writer.drain()

    async def _relay_down(self, channel: Channel, reader: asyncio.StreamReader) -> None:
        with suppress(ChannelLostError, OSError):
            while True:
                data = await reader.read(_PIECE)
                if not data:
                    return await channel.say(HANG_UP)
                await channel.send(data)

    async def _say(self, channel: Channel, word: str) -> None:
        with suppress(ChannelLostError):
            await channel.say(word)
