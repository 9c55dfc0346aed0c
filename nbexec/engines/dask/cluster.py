"""Runs each execution on a Dask cluster, by a bridge that is a process beside the notebook server.

It belongs to the loop thread.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import sys
import time
import uuid
from collections import Counter
from contextlib import suppress
from functools import partial
from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence, Set, Tuple, Union

from ...bridge_messages import (
    BridgeMessage,
    ClusterState,
    KillRun,
    Leaving,
    RunOver,
    RunRefused,
    RunStarted,
    StartRun,
)
from ...errors import RunnerDiedError
from ...protocol import RunRequest
from ..local.connection import Connection
from .bridge_handle import BridgeHandle
from .marker_file import MarkerFile
from .remote_connection import RemoteConnection
from .shared_files import SharedFiles
from .shared_notes import SharedNotes

_log = logging.getLogger("nbexec")
_ATTEMPTS = 5  # after which a worker that cannot be reached is an error
_AGAIN = 1.0  # seconds until another bridge is started
_LATER = 10.0  # the same, if it cannot work
_TELLING = 2.0  # seconds that it may take until it is known how a runner has ended
_GOING = 12.0  # seconds that the bridge may take to go when the server stops


class Cluster:
    """A Dask cluster as the place where runners are started.

    Parameters
    ----------
    scheduler : str
        The address of its scheduler, or the file that has it.
    shared : bool or dict
        Whether its workers have the files of this machine, as `SharedFiles` takes it.
    resources : dict
        What every execution needs of its worker, as Dask knows it.
    root : str
        The root directory of the notebook server.
    environment : dict
        The environment of the bridge.
    records : str
        The file with the records of the server; empty if they do not outlive it.
    """

    name = "dask"
    is_prompt = False  # there may be no free worker

    def __init__(self, scheduler: str, shared: Union[bool, Mapping[str, str]], resources: Mapping[str, float],
                 root: str, environment: Dict[str, str], records: str = "") -> None:
        self.on_slots: Callable[[int], None] = _ignore
        self._files = SharedFiles(shared)
        self._marker = MarkerFile(root, self._files)
        self._resources = dict(resources)
        self._notes = SharedNotes(root, self._files, records)
        self.notes = self._notes.notes
        self._options = {"scheduler": scheduler, "marker": self._marker.expected(),
                         "temporary": [*self._marker.temporary(), *self._notes.temporary()]}
        self._environment = environment
        self._bridge: Optional[BridgeHandle] = None
        self._old: Set[BridgeHandle] = set()
        self._scheduler = scheduler
        self._state = ClusterState([], [f"there is no connection to the scheduler {scheduler} yet"])
        self._problems: Sequence[str] = ()
        self._waiting: Dict[str, Tuple[BridgeHandle, asyncio.Future[str]]] = {}
        self._connections: Dict[str, Connection] = {}
        self._ends: Dict[str, Tuple[BridgeHandle, asyncio.Future[str]]] = {}
        self._closed = False
        for problem in filter(None, (self._marker.problem, self._notes.problem)):
            _log.warning("On the Dask cluster, %s.", problem)
        if not scheduler.startswith("tls://"):
            _log.warning(_NO_TLS, scheduler)
        self._start_bridge()

    # -- for executions ---------------------------------------------------------------------------

    async def launch(self, needs_kernel: bool, spec: Optional[Dict[str, Any]] = None) -> Connection:
        """Have a runner started on the cluster, when there is a free slot, and return the connection to it.

        Parameters
        ----------
        needs_kernel : bool
            It always has one.
        spec : dict, optional
            The kernelspec, which may say what the kernel needs of its worker.

        Raises
        ------
        RunnerDiedError
            It cannot be started.
        """
        resources = self.needs(spec)
        reason = ""
        for _ in range(_ATTEMPTS):
            try:
                return await self._start_run(resources)
            except ConnectionError as error:
                reason = str(error)
                await asyncio.sleep(_AGAIN)
        raise RunnerDiedError(f"the runner process could not be started on the Dask cluster: {reason}")

    async def _start_run(self, resources: Dict[str, float]) -> Connection:
        while self._bridge is None:
            await asyncio.sleep(_AGAIN / 10)
        bridge, run = self._bridge, str(uuid.uuid4())
        started: asyncio.Future[str] = asyncio.get_event_loop().create_future()
        self._waiting[run] = bridge, started
        ours, theirs = socket.socketpair()
        try:
            with theirs:
                await bridge.send(StartRun(run, resources), theirs)
            where = await started
        except BaseException:
            ours.close()
            self._kill(bridge, run)
            raise
        finally:
            del self._waiting[run]
        return await self._connect(bridge, run, where, ours)

    async def _connect(self, bridge: BridgeHandle, run: str, where: str, ours: socket.socket) -> Connection:
        reader, writer = await asyncio.open_connection(sock=ours, limit=1 << 20)
        self._ends[run] = bridge, asyncio.get_event_loop().create_future()
        connection = RemoteConnection(run, where, ours, reader, writer, partial(self._kill, bridge),
                                      lambda _: self._forget(run))
        self._connections[run] = connection
        return connection

    def _forget(self, run: str) -> None:
        self._connections.pop(run, None)
        asyncio.get_event_loop().call_later(_TELLING * 2, self._ends.pop, run, None)

    def _kill(self, bridge: BridgeHandle, run: str) -> None:
        async def kill() -> None:
            with suppress(OSError):
                await bridge.send(KillRun(run))

        asyncio.ensure_future(kill())

    def needs(self, spec: Optional[Dict[str, Any]]) -> Dict[str, float]:
        """Return what a kernel needs of its worker, as Dask knows it."""
        return {**self._resources, **_resources_of(spec)}

    async def adapted(self, request: RunRequest, content: bytes) -> Tuple[RunRequest, bytes]:
        """Return a request, and what goes with it, as the workers can fulfil it."""
        adapt = partial(self._files.adapt, request, content)
        return await asyncio.get_event_loop().run_in_executor(None, adapt)

    async def how_ended(self, connection: Connection) -> str:
        """Return in words how a runner has ended that is lost."""
        assert isinstance(connection, RemoteConnection)
        _, end = self._ends[connection.run]
        try:
            how = await asyncio.wait_for(asyncio.shield(end), _TELLING)
        except asyncio.TimeoutError:
            how = ""
        return how or f"it was on the Dask worker {connection.worker}"

    def fork_server_for(self, spec: Dict[str, Any]) -> Optional[str]:
        """Return None: which fork server there is, the worker knows."""
        return None

    def for_workers(self, spec: Dict[str, Any]) -> Dict[str, Any]:
        """Return a kernelspec that says which Python is that of the server, so that a worker takes its own."""
        return {**spec, "server_python": sys.executable}

    def problems(self) -> List[str]:
        """Return in words what is wrong with the cluster."""
        return self._state.all_problems()

    def state(self) -> Dict[str, Any]:
        """Return what there is of the cluster, as the API shows it."""
        running = Counter(connection.worker for connection in self._connections.values())
        workers = [{"name": worker.name, "address": worker.address, "slots": worker.slots,
                    "running": running[worker.name], "problem": worker.problem or None}
                   for worker in self._state.workers]
        return {"engine": self.name, "scheduler": self._scheduler, "slots": self._state.slots, "workers": workers,
                "problems": self.problems()}

    # -- the bridge -------------------------------------------------------------------------------

    def _start_bridge(self) -> None:
        if not self._closed:
            self._bridge = BridgeHandle(self._options, self._environment, self._take, self._bridge_ended)

    def _bridge_ended(self, bridge: BridgeHandle, problem: str) -> None:
        """Start another one, and tell everybody who waits for this one."""
        why = problem or "the bridge to the Dask cluster was lost"
        for its_bridge, started in list(self._waiting.values()):
            if its_bridge is bridge and not started.done():
                started.set_exception(ConnectionError(why))
        for run, (its_bridge, _) in self._ends.items():
            if its_bridge is bridge:
                self._note_end(run, why)
        if self._bridge is bridge:
            self._replace_bridge(why, _LATER if problem else _AGAIN)
        for old in self._old:
            old.reap()

    def _replace_bridge(self, why: str, seconds: float) -> None:
        assert self._bridge is not None
        self._state = ClusterState([], [why])
        self.on_slots(0)
        self._note_problems([why])
        self._old.add(self._bridge)
        self._bridge = None
        if not self._closed:
            asyncio.get_event_loop().call_later(seconds, self._start_bridge)

    def _take(self, message: BridgeMessage) -> None:
        if isinstance(message, ClusterState):
            self._take_state(message)
        elif isinstance(message, Leaving):
            self._replace_bridge(message.reason, _AGAIN)
        elif isinstance(message, RunStarted):
            self._answer(message.run, message.where, None)
        elif isinstance(message, RunRefused):
            self._answer(message.run, "", ConnectionError(message.reason))
        elif isinstance(message, RunOver):
            self._note_end(message.run, message.how)

    def _take_state(self, state: ClusterState) -> None:
        self._state = state
        _log.info("Dask: slots for executions: %d; workers: %d.", state.slots, len(state.workers))
        self._note_problems(state.all_problems())
        self.on_slots(state.slots)

    def _note_problems(self, problems: Sequence[str]) -> None:
        for problem in problems:
            if problem not in self._problems:
                _log.warning("Dask: %s.", problem)
        self._problems = problems

    def _answer(self, run: str, where: str, error: Optional[Exception]) -> None:
        _, started = self._waiting.get(run, (None, None))
        if started is None or started.done():
            return
        if error is None:
            started.set_result(where)
        else:
            started.set_exception(error)

    def _note_end(self, run: str, how: str) -> None:
        _, end = self._ends.get(run, (None, None))
        if end is not None and not end.done():
            end.set_result(how)

    # -- the end ----------------------------------------------------------------------------------

    def close(self) -> None:
        """Make all runners save and exit, because the server stops; this works without a running loop."""
        self._closed = True
        deadline = time.monotonic() + _GOING
        for connection in list(self._connections.values()):
            connection.hang_up()
        if self._bridge is not None:
            self._bridge.close()
            self._bridge.wait(max(0.0, deadline - time.monotonic()))
        self._marker.remove()
        self._notes.remove()


_NO_TLS = ("The connection to the Dask scheduler %s is not encrypted: everybody in its network can run code on all "
           "workers, and read and change what notebooks do. Configure TLS, and use an address that starts with tls://.")


def _ignore(slots: int) -> None:
    """Do nothing with the number of slots until somebody wants to know it."""


def _resources_of(spec: Optional[Dict[str, Any]]) -> Dict[str, float]:
    """Return what a kernelspec says in ``metadata.nbexec.resources``."""
    about = ((spec or {}).get("metadata") or {}).get("nbexec")
    found = about.get("resources") if isinstance(about, dict) else None
    return dict(found) if isinstance(found, dict) else {}
