"""The bridge: a process beside the notebook server that has runners started on a Dask cluster.

It is never repaired. When its connection to the scheduler is lost, it ends with its last run, and the server starts
another one.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import shutil
import socket
import sys
import uuid
import warnings
from contextlib import suppress
from dataclasses import replace
from typing import Any, Dict, List, Optional, Set, Tuple

from distributed import Client

from ..bridge_messages import (
    BridgeMessage,
    ClusterState,
    KillRun,
    Leaving,
    StartRun,
    WorkerState,
    pack,
    receive_from_server,
)
from .descriptors import raise_limit
from .relayed_run import RelayedRun, dismiss
from .scheduler_check import address_of, check_scheduler
from .worker_check import EXCERPT, check_worker, defects

_CONNECTING = 10.0  # seconds that the scheduler may take to answer
_LOOK = 0.5  # seconds between two looks at the cluster
_ANSWER = 10.0  # seconds that the cluster may take to tell about itself
_CLOSING = 1.0  # seconds for a farewell to the scheduler
_SAVING = 9.0  # seconds that runners have when the server or the scheduler is gone


class Bridge:
    """Runs on one cluster.

    Parameters
    ----------
    control : socket
        The connection to the notebook server.
    scheduler : str
        The address of the scheduler, or its file.
    marker : dict
        What a file has that workers share with the server, by its path there; empty if they share none.
    temporary : list of str
        Files and folders to remove when the server is gone, which may have been killed.
    """

    def __init__(self, control: socket.socket, scheduler: str, marker: Dict[str, str], temporary: List[str]) -> None:
        self._control = control
        self._scheduler = scheduler
        self._marker = marker
        self._temporary = temporary
        self._has_server = True
        self._topic = f"nbexec-{uuid.uuid4()}"
        self._client: Optional[Client] = None
        self._runs: Dict[str, RelayedRun] = {}
        self._tasks: Set[asyncio.Task[None]] = set()
        self._workers: Dict[str, WorkerState] = {}  # by address
        self._state: Optional[ClusterState] = None
        self._gone = asyncio.Event()

    async def serve(self) -> None:
        """Serve until the server or the scheduler is gone, and all runs are over."""
        loop = asyncio.get_event_loop()
        loop.add_reader(self._control.fileno(), self._listen)
        following = asyncio.ensure_future(self._follow_cluster())
        await self._gone.wait()
        following.cancel()
        for run in self._runs.values():
            run.give_up()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=_SAVING)
        if not self._has_server:
            self._remove_temporary()
        if self._client is not None:
            with suppress(Exception):  # the scheduler may be gone, and then anything is raised
                await asyncio.wait_for(self._client.close(timeout=_CLOSING), _CLOSING)

    def _remove_temporary(self) -> None:
        for path in self._temporary:
            with suppress(OSError):
                (shutil.rmtree if os.path.isdir(path) else os.unlink)(path)

    # -- the server -------------------------------------------------------------------------------

    def _listen(self) -> None:
        message, sock = receive_from_server(self._control)
        if message is None:
            asyncio.get_event_loop().remove_reader(self._control.fileno())
            self._has_server = False
            self._gone.set()
        elif isinstance(message, StartRun):
            assert sock is not None
            self._start(message, sock)
        elif isinstance(message, KillRun) and message.run in self._runs:
            self._runs[message.run].kill()

    def _start(self, wanted: StartRun, sock: socket.socket) -> None:
        run = self._runs[wanted.run] = RelayedRun(wanted, sock, self._tell)
        task = run.begin(self._topic, self._when_ready)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        task.add_done_callback(lambda _: self._runs.pop(wanted.run))

    def _tell(self, message: BridgeMessage) -> None:
        with suppress(OSError):  # the server is gone, which `_listen` finds out
            self._control.sendall(pack(message))

    def _tell_state(self, state: ClusterState) -> None:
        if state != self._state:
            self._state = state
            self._tell(state)

    # -- the cluster ------------------------------------------------------------------------------

    async def _follow_cluster(self) -> None:
        """Connect, and tell the server what there is, until the scheduler is gone."""
        await self._connect()
        client = self._client
        assert client is not None
        client.subscribe_topic(self._topic, self._take_event)
        while client.status == "running":
            try:
                await asyncio.wait_for(self._look(client), _ANSWER)
            except (OSError, asyncio.TimeoutError):
                break
            await asyncio.sleep(_LOOK)
        self._tell(Leaving(f"the connection to the scheduler {self._scheduler} was lost"))
        self._gone.set()

    async def _connect(self) -> None:
        """Wait until there is a scheduler."""
        while self._client is None:
            try:
                await check_scheduler(self._scheduler, _CONNECTING)
                self._client = await Client(address_of(self._scheduler), asynchronous=True, name="nbexec",
                                            timeout=_CONNECTING, set_as_default=False)
            except Exception as error:  # Dask raises anything
                self._tell_state(ClusterState([], [f"no connection to the scheduler {self._scheduler}: {error}"]))
                await asyncio.sleep(_LOOK)

    async def _look(self, client: Client) -> None:
        slots = await client.ncores()
        new = [address for address in slots if address not in self._workers]
        if new:
            await self._examine(client, new)
        self._workers = {address: replace(self._workers[address], slots=slots[address])
                         for address in slots if address in self._workers}
        none = [] if slots else [f"the cluster of the scheduler {self._scheduler} has no worker"]
        self._tell_state(ClusterState(list(self._workers.values()), none))

    async def _examine(self, client: Client, addresses: List[str]) -> None:
        """Find out what is wrong with workers."""
        answers = await client.run(check_worker, self._marker, workers=addresses, on_error="return")
        for address, answer in answers.items():
            self._workers[address] = self._examined(address, answer)

    @staticmethod
    def _examined(address: str, answer: Any) -> WorkerState:
        try:
            return WorkerState(str(answer["name"])[:EXCERPT], address, 0, ", ".join(defects(answer)))
        except (AttributeError, KeyError, TypeError):  # an error, or whatever a strange worker says
            return WorkerState(address, address, 0, f"nbexec of this version is missing there ({answer})"[:EXCERPT])

    async def _when_ready(self) -> Tuple[Client, Optional[List[str]]]:
        """Wait for the scheduler, and while all workers are unfit; return the workers to use, None if all can be."""
        while self._client is None or (self._workers and all(worker.problem for worker in self._workers.values())):
            await asyncio.sleep(_LOOK)
        fit = [address for address, worker in self._workers.items() if not worker.problem]
        return self._client, fit if len(fit) < len(self._workers) else None

    def _take_event(self, event: Any) -> None:
        try:
            run, address, name = (str(event[1][key])[:EXCERPT] for key in ("run", "address", "name"))
        except (KeyError, TypeError):  # anybody in the cluster can send to the topic
            return
        if run in self._runs:
            self._runs[run].found(address, name)
        elif self._client is not None:  # it is not wanted any more
            asyncio.ensure_future(dismiss(self._client, run, address))


def start(control_descriptor: str, options: str) -> None:
    """Be a bridge. Called by a new interpreter."""
    logging.getLogger("distributed").setLevel(logging.CRITICAL)  # the server is told in words
    warnings.simplefilter("ignore")
    raise_limit()
    asyncio.run(_serve(socket.socket(fileno=int(control_descriptor)), json.loads(options)))
    sys.exit(0)


async def _serve(control: socket.socket, options: Dict[str, Any]) -> None:
    await Bridge(control, **options).serve()
