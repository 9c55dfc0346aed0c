"""The fork servers for kernels of other interpreters, and for kernels with environment variables of their own.

The first kernel of a kind is started in the ordinary way while its fork server starts; later ones are forked. A fork
server that is not used for an hour exits.
"""

from __future__ import annotations

import logging
import os
import pkgutil
import socket
import subprocess
from contextlib import suppress
from typing import Any, Dict, List, Optional, Sequence

from tornado.ioloop import IOLoop

from ...files.private_files import PrivateFolder
from ...fork_protocol import ForkServerFailed, ForkServerReady
from ...kernels.interpreters import Origin, origin_of
from .boot import boot_elsewhere, what_to_do
from .fork_server import ForkServerHandle, Report

_log = logging.getLogger("nbexec")
_IDLE = 3600.0  # seconds without a new kernel after which a fork server exits
# What is sent to another interpreter; each module needs only those before it.
_SENT = ["fork_protocol", "readiness", "forked.child_processes", "forked.prepare", "forked.imports",
         "forked.import_shell", "forked.kernel", "forked.preload", "forked.forking_server",
         "forked.kernel_fork_server"]
_MOST = 16  # fork servers at once; kernels of further kinds are started in the ordinary way
_BACKLOG = 128  # connections that may wait


class KernelForkServers:
    """One fork server for each kind of kernel that is in use.

    Parameters
    ----------
    modules : list of str
        Modules to preload, where they are installed.
    max_forks : int
        How many times each forks before it is replaced; 0 means no limit.
    environment : dict
        Their environment, to which the variables of the kernelspec are added.
    own : Origin
        The origin of kernels that the main fork server serves.
    """

    def __init__(self, modules: Sequence[str], max_forks: int, environment: Dict[str, str], own: Origin) -> None:
        self._modules = list(modules)
        self._max_forks = max_forks
        self._environment = environment
        self._own = own
        self._handles: Dict[Origin, ForkServerHandle] = {}
        self._timers: Dict[Origin, object] = {}
        self._retired: List[subprocess.Popen[bytes]] = []
        self._number = 0

    def address(self, spec: Dict[str, Any], folder: PrivateFolder) -> Optional[str]:
        """Return the address of the fork server for a kernelspec, or None if none is ready.

        Parameters
        ----------
        spec : dict
            The kernelspec.
        folder : PrivateFolder
            The folder for the sockets of new fork servers.
        """
        origin = origin_of(spec, self._environment)
        if origin is None or origin == self._own:
            return None
        self._keep(origin)
        handle = self._handles.get(origin)
        reason = self._unfit(handle, folder) if handle is not None else ""
        if handle is not None and reason:
            _log.info("Restarting the fork server of %s: %s.", origin, reason)
            self._let_go(origin)
            handle = None
        if handle is None:
            if len(self._handles) < _MOST:
                self._start(origin, folder)
            return None
        if not isinstance(handle.report, ForkServerReady):
            return None
        handle.count()
        return handle.address

    def _unfit(self, handle: ForkServerHandle, folder: PrivateFolder) -> str:
        """Return why a fork server has to be replaced, or nothing; its socket has to be in `folder`."""
        if os.path.dirname(handle.address) != folder.path or not os.path.exists(handle.address):
            return "its socket has gone"
        if handle.is_stopped:
            return "it was stopped"
        return handle.unfit(self._max_forks)

    def _start(self, origin: Origin, folder: PrivateFolder) -> None:
        self._number += 1
        address = os.path.join(folder.path, f"{self._number}.sock")
        ours, theirs = socket.socketpair()
        with theirs, socket.socket(socket.AF_UNIX) as listener:
            listener.bind(address)
            listener.listen(_BACKLOG)
            try:
                process = boot_elsewhere(origin, self._environment, theirs, listener)
            except OSError as error:
                ours.close()
                return _log.warning("Cannot start a fork server for %s: %s.", origin, error.strerror or error)
        ours.sendall(what_to_do({name: _source(name) for name in _SENT}, self._modules))
        handle = ForkServerHandle(process, ours, lambda report: self._take_report(origin, report),
                                  lambda: self._ended(origin, handle), address)
        self._handles[origin] = handle

    def _take_report(self, origin: Origin, report: Report) -> None:
        if isinstance(report, ForkServerFailed):
            _log.warning("Cannot start a fork server for %s: %s. Such kernels are started by their command line.",
                         origin, report.problem)
        else:
            _log.info("There is a fork server for %s now.", origin)

    def _ended(self, origin: Origin, handle: ForkServerHandle) -> None:
        """Retry with the next kernel; if the fork server has reported a problem, only after a while."""
        if self._handles.get(origin) is handle and not handle.problem:
            self._let_go(origin)

    def _keep(self, origin: Origin) -> None:
        """Restart the time after which an unused fork server exits."""
        loop = IOLoop.current()
        if origin in self._timers:
            loop.remove_timeout(self._timers[origin])
        self._timers[origin] = loop.call_later(_IDLE, self._let_go, origin)

    def _let_go(self, origin: Origin) -> None:
        """Stop using a fork server; it exits after its last kernel."""
        handle = self._handles.pop(origin, None)
        if handle is not None:
            handle.retire()
            with suppress(OSError):
                os.unlink(handle.address)
            self._retired = [process for process in self._retired if process.poll() is None]
            self._retired.append(handle.process)

    def use_environment(self, environment: Dict[str, str]) -> None:
        """Use only fork servers with this environment from now on."""
        self._environment = environment
        for origin in list(self._handles):
            self._let_go(origin)

    def abandon(self) -> None:
        """Close the connections in a forked process."""
        for handle in self._handles.values():
            handle.abandon()

    def close(self) -> List[subprocess.Popen[bytes]]:
        """Disconnect from all fork servers, and return their processes."""
        for handle in self._handles.values():
            handle.close()
        return [*self._retired, *(handle.process for handle in self._handles.values())]


def _source(module: str) -> str:
    """Return the text of a module of nbexec without importing it here."""
    data = pkgutil.get_data("nbexec", module.replace(".", "/") + ".py")
    assert data is not None
    return data.decode("utf-8")
