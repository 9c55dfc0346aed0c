"""Starts one process per execution and carries its messages to the loop.

All of it belongs to the loop thread. The fork server is a child of the notebook server, but in a session of its
own, so that a Ctrl-C in the terminal reaches the notebook server alone.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import socket
import subprocess
import sys
import time
from typing import Any, Callable, Dict, List, Optional, Sequence, Set, Tuple

from ...environment import without_secrets
from ...errors import RunnerDiedError
from ...files.end_notes import Notes
from ...files.private_files import PrivateFolder, make_temporary_folder, remove_dead_folders
from ...fork_protocol import ForkServerFailed
from ...kernels.interpreters import Origin
from ...processes import POSIX, how_ended, is_stopped
from ...protocol import RunRequest
from .boot import boot
from .connection import Connection, connect
from .fork_server import ENDED, ForkServerHandle, Report
from .kernel_fork_servers import KernelForkServers
from .spares import Spares

_log = logging.getLogger("nbexec")
_FORKING = 30.0  # maximum seconds until the fork server reads a request
_PAUSE = 0.01  # seconds between attempts to send it one
_PATIENCE = 8.0  # maximum seconds to wait for a stopped process
_LOOK = 1.0  # seconds between checks whether a runner has answered
_TELLING = 2.0  # maximum seconds until it is known how a runner has ended
_UNASKED = 100  # ends of runners to remember until somebody asks
_GOING = 10.0  # maximum seconds until the fork servers exit when the server stops


class Launcher:
    """Starts runners.

    Parameters
    ----------
    use_fork_server : bool
        Whether runners are forked; otherwise each is a new Python process.
    preload : list of str
        Modules that the fork server preloads.
    spares : int
        How many runners to keep ready, with a kernel each.
    spare_age : float
        Seconds after which an unused spare is replaced.
    max_forks : int
        How many times a fork server forks before it is replaced; 0 means no limit.
    niceness : int
        The niceness of runners and kernels, from 0 to 19.
    environment : dict, optional
        The environment of all processes; by default, this process's own without its secrets.
    options : list of str
        Python options with which kernels are usually started.
    """

    name = "local"
    is_prompt = True
    notes: Optional[Notes] = None

    def __init__(self, use_fork_server: bool, preload: Sequence[str] = (), spares: int = 0, spare_age: float = 600,
                 max_forks: int = 0, niceness: int = 0, environment: Optional[Dict[str, str]] = None,
                 options: Sequence[str] = ()) -> None:
        self.on_slots: Callable[[int], None] = lambda slots: None  # the configuration says how many may run
        self._use_fork_server = use_fork_server and POSIX
        self._preload = list(preload)
        self._max_forks = max_forks
        self._niceness = niceness
        self._environment = without_secrets(os.environ) if environment is None else environment
        self._options = tuple(options)
        self._fork_server: Optional[ForkServerHandle] = None
        self._retired: List[ForkServerHandle] = []
        self._kernel_forkservers = KernelForkServers(
            preload, max_forks, self._environment, Origin(sys.executable, self._options))
        self._folder: Optional[PrivateFolder] = None
        self._spawned: List[subprocess.Popen[bytes]] = []
        self._connections: Set[Connection] = set()
        self._ends: Dict[int, asyncio.Future[str]] = {}
        self._spares = Spares(self._make_spare, spares if self._use_fork_server else 0, spare_age)
        remove_dead_folders()
        if self._use_fork_server:
            self._start_fork_server()

    async def launch(self, needs_kernel: bool, spec: Optional[Dict[str, Any]] = None) -> Connection:
        """Start a runner and return the connection to it; if it needs a kernel, it may already have one.

        Raises
        ------
        RunnerDiedError
            The system refuses to start a process, or it cannot import what it needs.
        """
        if self._use_fork_server:
            try:
                self._renew_fork_server()
            except OSError as error:
                raise _not_started(error) from error
        connection = (needs_kernel and self._spares.take()) or await self._connect(spare=False)
        self._look_later(connection, self._fork_server, 0.0)
        return connection

    async def _make_spare(self) -> Optional[Connection]:
        """Return a connection to a runner whose kernel is ready, or None if there cannot be one now."""
        try:
            connection = await self._connect(spare=True)
        except RunnerDiedError:
            return None
        self._look_later(connection, self._fork_server, 0.0)
        return connection if await connection.hello() else None

    async def _connect(self, spare: bool) -> Connection:
        if self._fork_server is not None and self._fork_server.problem:
            raise RunnerDiedError(self._fork_server.problem)
        ours, theirs = _socket_pair()
        with theirs:
            try:
                await self._start_runner(theirs, spare)
            except OSError as error:
                ours.close()
                raise _not_started(error) from error
        connection = await connect(ours, self._clean_up, self._connections.discard)
        self._connections.add(connection)
        return connection

    def _look_later(self, connection: Connection, fork_server: Optional[ForkServerHandle], waited: float) -> None:
        asyncio.get_event_loop().call_later(_LOOK, self._look_after, connection, fork_server, waited + _LOOK)

    def _look_after(self, connection: Connection, fork_server: Optional[ForkServerHandle], waited: float) -> None:
        """Give up on a runner that sends nothing because it, or the fork server before forking it, was stopped.

        Its connection closes, as if it had died.
        """
        if not connection.is_waited_for:
            return
        if fork_server is not None and fork_server.report is None:
            waited = min(waited, _PATIENCE)  # it may take long to import what it preloads
        if connection.pid is not None:
            if waited >= _PATIENCE and is_stopped(connection.pid):
                return connection.kill()
        elif waited >= _FORKING or (waited >= _PATIENCE and fork_server is not None and fork_server.is_stopped):
            if fork_server is not None:
                fork_server.give_up("it does not react")
            return connection.hang_up()
        self._look_later(connection, fork_server, waited)

    def _clean_up(self, pid: int) -> None:
        """Remove the folder of a runner that was killed, should its fork server not be there any more to do so."""
        if self._folder is not None:
            self._folder.remove(str(pid))

    async def _start_runner(self, runner_end: socket.socket, spare: bool) -> None:
        if self._use_fork_server:
            await self._fork_runner(runner_end, spare)
        else:
            self._spawned = [process for process in self._spawned if process.poll() is None]
            self._spawned.append(boot("runner.runner", (), self._environment, runner_end, str(self._niceness)))

    async def _fork_runner(self, runner_end: socket.socket, spare: bool) -> None:
        """Have a runner forked, by another fork server if the one there is ends just now."""
        deadline = time.monotonic() + _FORKING
        while True:
            assert self._fork_server is not None
            try:
                return self._fork_server.fork_runner(runner_end, spare)
            except BlockingIOError:  # more is asked of it than it has yet read
                if time.monotonic() > deadline:
                    raise
                await asyncio.sleep(_PAUSE)
            except ConnectionError:
                if time.monotonic() > deadline:
                    raise
                self._replace_fork_server(ENDED)

    def needs(self, spec: Optional[Dict[str, Any]]) -> Dict[str, float]:
        """Return nothing: every kernel runs on this machine."""
        return {}

    async def adapted(self, request: RunRequest, content: bytes) -> Tuple[RunRequest, bytes]:
        """Return a request as it is, because runners have all files of this machine."""
        return request, content

    def for_workers(self, spec: Dict[str, Any]) -> Dict[str, Any]:
        """Return a kernelspec as it is, because it was found on this machine."""
        return spec

    def problems(self) -> List[str]:
        """Return nothing: what is wrong with this machine is told with each start."""
        return []

    def state(self) -> Dict[str, Any]:
        """Return what there is to run executions on, as the API shows it."""
        return {"engine": self.name, "scheduler": None, "slots": None, "workers": [], "problems": self.problems()}

    async def how_ended(self, connection: Connection) -> str:
        """Return a description of how a lost runner has ended; empty if the system does not tell."""
        pid = connection.pid
        for process in self._spawned:
            if process.pid == pid:
                return how_ended(await asyncio.get_event_loop().run_in_executor(None, process.wait))
        if pid is None or not self._use_fork_server:
            return ""
        try:
            return await asyncio.wait_for(asyncio.shield(self._ends.get(pid) or self._new_end(pid)), _TELLING)
        except asyncio.TimeoutError:
            return ""
        finally:
            self._ends.pop(pid, None)

    def _tell_end(self, pid: int, how: str) -> None:
        end = self._ends.get(pid)
        if end is None or end.done():  # which was an earlier process with the same id
            end = self._new_end(pid)
        end.set_result(how)

    def _new_end(self, pid: int) -> asyncio.Future[str]:
        if len(self._ends) >= _UNASKED:
            self._ends.pop(next(iter(self._ends)))
        end: asyncio.Future[str] = asyncio.get_event_loop().create_future()
        self._ends[pid] = end
        return end

    def _renew_fork_server(self) -> None:
        """Replace the fork server if it is no longer fit; its runners are not disturbed."""
        assert self._fork_server is not None and self._folder is not None
        reason = self._fork_server.unfit(self._max_forks)
        if not reason and not self._folder.is_intact():
            reason = f"{self._folder.path} was removed or belongs to someone else"
        if reason:
            self._replace_fork_server(reason)

    def _replace_fork_server(self, reason: str) -> None:
        assert self._fork_server is not None
        _log.info("Restarting the fork server: %s.", reason)
        self._spares.discard()
        self._fork_server.retire()
        self._retired = [retired for retired in self._retired if retired.process.poll() is None]
        self._retired.append(self._fork_server)
        self._start_fork_server()

    def _start_fork_server(self) -> None:
        folder = self._private_folder()
        control, theirs = _socket_pair()
        with theirs:
            process = boot("runner.fork_server", self._options, self._environment, theirs, folder.path,
                           str(folder.descriptor), json.dumps(self._preload), str(self._niceness),
                           keep=[folder.descriptor])
        self._fork_server = ForkServerHandle(process, control, _log_report, self._renew_fork_server,
                                             on_runner_end=self._tell_end)
        self._spares.refill_soon()

    def _private_folder(self) -> PrivateFolder:
        if self._folder is None or not self._folder.is_intact():
            lost, self._folder = self._folder, make_temporary_folder()
            if lost is not None:
                lost.close()
        return self._folder

    def fork_server_for(self, spec: Dict[str, Any]) -> Optional[str]:
        """Return the address of the fork server for kernels of another interpreter, or None if none is ready."""
        return self._kernel_forkservers.address(spec, self._private_folder()) if self._use_fork_server else None

    def use_environment(self, environment: Dict[str, str]) -> None:
        """Start processes with this environment from now on; running ones are not disturbed."""
        if environment == self._environment:
            return
        self._environment = environment
        self._kernel_forkservers.use_environment(environment)
        if self._fork_server is not None:
            self._replace_fork_server("the environment has changed")

    def abandon(self) -> None:
        """Close the inherited sockets, in a process that was forked from this one."""
        for connection in self._connections:
            connection.abandon()
        for fork_server in [*self._retired, *([self._fork_server] if self._fork_server else [])]:
            fork_server.abandon()
        self._kernel_forkservers.abandon()
        if self._folder is not None:
            self._folder.close()

    def close(self) -> None:
        """Disconnect from the fork servers, and wait until all runners have saved and everything has exited."""
        for connection in list(self._connections):
            connection.hang_up()
        fork_servers = [*self._retired, *([self._fork_server] if self._fork_server else [])]
        for fork_server in fork_servers:
            fork_server.close()
        processes = [*self._spawned, *(fork_server.process for fork_server in fork_servers),
                     *self._kernel_forkservers.close()]
        if self._folder is not None:
            self._folder.close()  # the last one that holds it removes it, and the others wait for that
        deadline = time.monotonic() + _GOING
        for process in processes:
            try:
                process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        if self._folder is not None:
            self._folder.end()


def _log_report(report: Report) -> None:
    if isinstance(report, ForkServerFailed):
        return _log.error("No notebook can run: %s. Run \"nbexec doctor\" to find out why.", report.problem)
    for module, reason in report.failed.items():
        _log.warning("Module %s is not preloaded: %s.", module, reason)
    if report.loaded:
        _log.info("Preloaded %s.", ", ".join(report.loaded))


def _socket_pair() -> Tuple[socket.socket, socket.socket]:
    try:
        return socket.socketpair()
    except OSError as error:
        raise _not_started(error) from error


def _not_started(error: OSError) -> RunnerDiedError:
    return RunnerDiedError(f"the runner process could not be started: {error.strerror or error}")
