"""The runners of one worker, each held by a task of Dask that takes a slot as long as its runner lives."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any, Dict, Optional, Set

import distributed
from distributed.core import Status

from ..engines.local.launcher import Launcher
from .held_run import HeldRun
from .worker_check import ATTACH, DISMISS

_ATTACHING = 30.0  # seconds that the bridge may take
_SAVING = 6.0  # seconds that runners have when the worker stops; its nanny kills it soon after
_current: Optional[Holder] = None


class Holder:
    """The runners of this worker.

    Parameters
    ----------
    worker : Worker
        The worker of Dask.
    launcher : Launcher
        Starts runners here.
    """

    def __init__(self, worker: distributed.Worker, launcher: Launcher) -> None:
        self._worker = worker
        self._launcher = launcher
        self._name = str(worker.name)
        self._waiting: Dict[str, HeldRun] = {}  # for the bridge
        self._relayed: Set[HeldRun] = set()
        worker.handlers[ATTACH] = self.attach
        worker.handlers[DISMISS] = self.dismiss

    async def hold(self, run: str, topic: str) -> None:
        """Start a runner, tell the bridge where it is, and return when it is gone."""
        held = HeldRun(await self._launcher.launch(needs_kernel=True), self._launcher)
        self._waiting[run] = held
        try:
            self._worker.log_event(topic, {"run": run, "address": self._worker.contact_address, "name": self._name})
            await asyncio.wait_for(held.attached.wait(), _ATTACHING)
            await held.gone.wait()
        finally:  # the worker stops, or the bridge does without it
            self._waiting.pop(run, None)
            held.stop(self._why_it_stops())

    async def attach(self, comm: Any, run: str) -> Any:
        """Connect a runner with the bridge; Dask calls this with a connection of its own."""
        held = self._waiting.pop(run, None)
        if held is None:
            await comm.write(["refused", "its runner is not there any more"])
            return Status.dont_reply
        self._relayed.add(held)
        try:
            await comm.write(["attached", self._name])
            await held.relay(comm)
        finally:
            self._relayed.discard(held)
        return Status.dont_reply

    async def dismiss(self, run: str) -> None:
        """Let a runner go that nobody attaches to, and so free its slot; Dask calls this."""
        held = self._waiting.pop(run, None)
        if held is not None:
            held.attached.set()
            held.discard()

    def _why_it_stops(self) -> str:
        """Return why this worker stops; all workers do when their scheduler is gone."""
        if self._worker.batched_stream is not None and self._worker.batched_stream.closed():
            return f"the Dask scheduler was lost, so its worker {self._name} stopped"
        return f"the Dask worker {self._name} was stopped"

    async def close(self) -> None:
        """Wait until the runners have saved, and leave nothing behind."""
        for held in self._relayed:
            held.stop(self._why_it_stops())
        with suppress(asyncio.TimeoutError):
            await asyncio.wait_for(asyncio.gather(*[held.gone.wait() for held in self._relayed]), _SAVING)
        self._launcher.close()


def set_up(worker: distributed.Worker, launcher: Launcher) -> None:
    """Make this process one that holds runners."""
    global _current
    _current = Holder(worker, launcher)


async def tear_down() -> None:
    """Let all runners of this process save and go."""
    if _current is not None:
        await _current.close()


async def hold(run: str, topic: str) -> None:
    """Hold a runner; this is the task that Dask runs.

    Raises
    ------
    RuntimeError
        The worker was started in a wrong way.
    """
    if _current is None:
        raise RuntimeError("the worker was started without --preload nbexec.dask_worker")
    await _current.hold(run, topic)
