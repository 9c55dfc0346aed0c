"""The process of a kernel that a provisioner has started, seen through that provisioner.

A provisioner is asynchronous, so it has a thread with a loop of its own, and writes to a pipe when there is news: the
runner itself waits in one poll. Only coroutines touch the provisioner and its manager.
"""

from __future__ import annotations

import asyncio
import logging
import os
import threading
from concurrent.futures import Future
from typing import Any, Coroutine, Dict, Optional

from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
from jupyter_client.manager import AsyncKernelManager

from ..forked.child_processes import Children
from .process import KernelProcess

_log = logging.getLogger("nbexec")
_LOOK = 1.0  # seconds between checks of a kernel: a provisioner does not report its end
_ENDING_LOOK = 0.1  # seconds between checks once the kernel was asked to exit
_FAILURES = 3  # failed checks in a row after which the kernel is given up
_PATIENCE = 10.0  # maximum seconds for a provisioner to kill the kernel and to clean up


class _OneKernelSpec(KernelSpecManager):  # type: ignore[misc]
    """Provides one kernelspec under any name; the server has already chosen it."""

    def __init__(self, spec: KernelSpec) -> None:
        super().__init__()
        self._spec = spec

    def get_kernel_spec(self, kernel_name: str) -> KernelSpec:
        """Return the kernelspec, whatever its name."""
        return self._spec


class ProvisionedProcess(KernelProcess):
    """A kernel that jupyter_client's provisioner looks after.

    Parameters
    ----------
    spec : dict
        The kernelspec.
    connection_file : str
        Where the connection file is written, if the provisioner needs one.
    children : Children
        Kills the remaining descendants of this process at the end.

    Attributes
    ----------
    failure : Exception, optional
        Why the kernel could not be started.
    connection : dict
        How to reach it, once it is launched.
    """

    def __init__(self, spec: Dict[str, Any], connection_file: str, children: Children) -> None:
        self._spec = spec
        self._connection_file = connection_file
        self._children = children
        self._manager: Optional[AsyncKernelManager] = None
        self._news, self._writer = os.pipe()
        os.set_blocking(self._news, False)
        self._has_launched = False
        self._code: Optional[int] = None
        self.failure: Optional[Exception] = None
        self.connection: Dict[str, Any] = {}
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, name="nbexec-provisioner", daemon=True).start()

    def launch(self, **arguments: Any) -> None:
        """Start the kernel; `is_launched` tells when that is done.

        Parameters
        ----------
        arguments : dict
            What `KernelManager.start_kernel` takes.
        """
        self._life = self._submit(self._live(arguments))

    def is_launched(self) -> bool:
        """Whether the provisioner has started the kernel, or has failed."""
        return self._has_launched

    def fileno(self) -> int:
        """Return the descriptor that becomes readable when the process may have ended."""
        return self._news

    def poll(self) -> Optional[int]:
        """Return the exit code of the process, None while it lives."""
        try:
            while os.read(self._news, 16):
                pass
        except BlockingIOError:
            pass
        return self._code

    def send_signal(self, signum: int) -> None:
        """Send a signal to the process and its group."""
        self._submit(self._signal(signum))  # not awaited: it may go through a network

    def shutdown_requested(self) -> None:
        """Note that the kernel was asked to exit."""
        self._submit(self._note_shutdown())

    def kill(self) -> None:
        """Kill the process and what it has started, and wait until they are gone."""
        self._life.cancel()
        try:
            self._submit(self._end()).result(_PATIENCE)
        except Exception as error:
            _log.warning("The provisioner of a kernel did not end it well: %s: %s.", type(error).__name__, error)
        self._children.kill_all()

    def _submit(self, coroutine: Coroutine[Any, Any, None]) -> Future[None]:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop)

    # -- in the thread of the provisioner ---------------------------------------------------------

    async def _live(self, arguments: Dict[str, Any]) -> None:
        """Start the kernel, and notice its end."""
        self._ending = asyncio.Event()
        try:
            self._manager = AsyncKernelManager(
                kernel_name=self._spec["name"], connection_file=self._connection_file,
                kernel_spec_manager=_OneKernelSpec(_kernelspec(self._spec)))
            await self._manager.start_kernel(**arguments)
            self.connection = _as_text(self._manager.get_connection_info())
            self._announce()
            self._code = await self._wait(self._manager.provisioner)
        except Exception as error:
            self.failure = error
        self._announce()

    def _announce(self) -> None:
        """Wake the thread that polls."""
        self._has_launched = True
        os.write(self._writer, b"1")

    async def _wait(self, provisioner: Any) -> int:
        """Wait until the kernel has ended, and return its exit code; a provisioner has to be polled."""
        failures = 0
        while True:
            try:
                code = await provisioner.poll()
                failures = 0
            except Exception:
                code, failures = None, failures + 1
                if failures == _FAILURES:
                    raise
            if code is not None:
                return int(code)
            await self._pause()

    async def _pause(self) -> None:
        if self._ending.is_set():
            return await asyncio.sleep(_ENDING_LOOK)
        try:
            await asyncio.wait_for(self._ending.wait(), _LOOK)
        except asyncio.TimeoutError:
            pass  # it has not been asked to exit

    async def _signal(self, signum: int) -> None:
        if self._manager is not None:
            await self._manager.signal_kernel(signum)

    async def _note_shutdown(self) -> None:
        self._ending.set()
        if self._manager is not None and self._manager.provisioner is not None:
            await self._manager.provisioner.shutdown_requested()

    async def _end(self) -> None:
        provisioner = None if self._manager is None else self._manager.provisioner
        if self._manager is None or provisioner is None:
            return
        try:
            if provisioner.has_process:
                if self._code is None:
                    await provisioner.kill()
                await asyncio.wait_for(provisioner.wait(), _PATIENCE / 2)
        finally:
            await self._manager.cleanup_resources()


def _kernelspec(spec: Dict[str, Any]) -> KernelSpec:
    known = KernelSpec.class_trait_names()
    return KernelSpec(**{name: value for name, value in spec.items() if name in known})


def _as_text(connection: Dict[str, Any]) -> Dict[str, Any]:
    """Return the connection as it would be in a connection file."""
    key = connection["key"]
    return {**connection, "key": key.decode("ascii") if isinstance(key, bytes) else key}
