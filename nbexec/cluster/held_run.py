"""A runner on a worker, from its start until it and its kernel are gone.

It gets its request over the connection that the bridge has made to it, and that is made once. So a notebook never
runs twice, however often Dask starts a task anew.
"""

from __future__ import annotations

import asyncio
import os
import sys
from contextlib import suppress
from typing import Any, Dict, Optional

from ..engines.local.connection import Connection, read_frame
from ..engines.local.launcher import Launcher
from ..protocol import End, Failed, Go, Message, RunRequest, pack
from .channel import Channel, ChannelLostError

HANG_UP, KILL, OVER = "hang up", "kill", "over"  # what is said besides the messages of the server and the runner


class HeldRun:
    """A runner and the channel to its bridge.

    Parameters
    ----------
    connection : Connection
        The pipe to the runner.
    launcher : Launcher
        What has started it.
    """

    def __init__(self, connection: Connection, launcher: Launcher) -> None:
        self._connection = connection
        self._launcher = launcher
        self._has_ended = False
        self._is_stopped = False
        self.attached = asyncio.Event()
        self.gone = asyncio.Event()

    def stop(self, reason: str) -> None:
        """Make the runner save and exit."""
        if self.gone.is_set() or self._is_stopped:
            return
        self._is_stopped = True
        if self.attached.is_set():
            self._connection.send(End(reason))
        else:
            self.discard()

    def discard(self) -> None:
        """Let the runner go, which has no request."""
        self._connection.close()
        self.gone.set()

    async def relay(self, comm: Any) -> None:
        """Relay between the runner and the bridge until the runner is gone."""
        self.attached.set()
        channel = Channel(comm)
        down = asyncio.ensure_future(self._relay_down(channel))
        try:
            await self._relay_up(channel)
        finally:
            down.cancel()
            self._connection.close()
            self.gone.set()
            await channel.close()

    async def _relay_up(self, channel: Channel) -> None:
        """Send what the runner says; if nobody hears it, go on listening until it has saved and is gone."""
        with suppress(EOFError):
            async for message, payload in self._connection.messages():
                self._has_ended = self._has_ended or type(message).__name__ in _LAST
                with suppress(ChannelLostError):
                    if isinstance(payload, bytes):
                        await channel.send(pack(message, len(payload)) + payload)
                    else:
                        await channel.send(pack(message, payload.left))
                        async for piece in payload.pieces():
                            await channel.send(piece)
        how = "" if self._has_ended else await self._launcher.how_ended(self._connection)
        with suppress(ChannelLostError):
            await channel.say(OVER, how)

    async def _relay_down(self, channel: Channel) -> None:
        """Pass on what the server says, until it or the bridge is gone, which the runner sees then."""
        commands = asyncio.StreamReader()
        passing = asyncio.ensure_future(self._pass_on(commands))
        try:
            async for data, (word, _) in channel.data():
                if data:
                    commands.feed_data(data)
                elif word == KILL:
                    self._connection.kill()
                elif word == HANG_UP:
                    self._connection.let_go()
        except ChannelLostError:
            channel.abort()
            self._connection.let_go()
        finally:
            passing.cancel()

    async def _pass_on(self, commands: asyncio.StreamReader) -> None:
        while True:
            frame = await read_frame(commands)
            if frame is None:
                return
            message, payload = frame
            content = payload if isinstance(payload, bytes) else await payload.whole()
            self._connection.send(self._adapted(message), content)

    def _adapted(self, message: Message) -> Message:
        """Return a message of the server with what is different on this machine."""
        if isinstance(message, RunRequest):
            message.cwd = message.cwd or os.getcwd()
        if isinstance(message, Go):
            message.spec = _with_own_python(message.spec)
            message.fork_server = self._launcher.fork_server_for(message.spec)
        return message


_LAST = {"Ended", "Refused", "BadDefinition", "Unreadable", Failed.__name__}


def _with_own_python(spec: Dict[str, Any]) -> Dict[str, Any]:
    """Return a kernelspec in which the Python of the server is that of this worker."""
    argv = list(spec.get("argv") or [])
    server_python: Optional[str] = spec.get("server_python")
    if argv and argv[0] == server_python:
        argv[0] = sys.executable
    return {**{name: value for name, value in spec.items() if name != "server_python"}, "argv": argv}
