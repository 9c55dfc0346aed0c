"""A preload after that of nbexec, for a worker whose runners say whatever is in the file ``hostile``."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path
from typing import Any

from nbexec.cluster.channel import Channel
from nbexec.cluster.held_run import HANG_UP, OVER, HeldRun


async def hung_up(channel: Channel) -> None:
    """Wait until the server does without the runner."""
    async for _, (word, _) in channel.data():
        if word == HANG_UP:
            return


async def say(held: HeldRun, comm: Any) -> None:
    """Instead of relaying, send what the file has."""
    held.attached.set()
    channel = Channel(comm)
    await channel.send(Path("hostile").read_bytes())
    with suppress(asyncio.TimeoutError):  # the server may have believed it
        await asyncio.wait_for(hung_up(channel), 1)
    await channel.say(OVER, "")
    held.discard()
    await channel.close()


def dask_setup(worker: Any) -> None:
    """Called by Dask."""
    HeldRun.relay = say  # type: ignore[method-assign]
