"""The engine that runs notebooks for this process: that of the notebook server, on a loop in a thread of its own.

There is one for each process, which starts with the first notebook and ends with the process. Whatever runs belongs to
its thread; others get there by `call` alone.
"""

from __future__ import annotations

import asyncio
import atexit
import os
import threading
from concurrent.futures import CancelledError
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Awaitable, Callable, Coroutine, Optional, TypeVar

from ..engines.local.launcher import Launcher
from ..environment import without_secrets
from ..errors import NbExecError
from ..kernels.interpreters import options_of
from ..waits import result_of
from .engine_options import EngineOptions, engine_options
from .kernelspec_files import KernelSpecFiles

if TYPE_CHECKING:
    from ..executions.manager import ExecutionManager

T = TypeVar("T")
_KEPT = 100  # records of executions that have ended
_PLACE = "this machine"
_LOCAL = "local-provisioner"
_PROVISIONER = "JUPYTER_DEFAULT_PROVISIONER_NAME"  # the variable that jupyter_client reads
_ENDING = 30.0  # seconds that the end of everything may take


class Engine:
    """Runs notebooks; it may be used by all threads of the process that has made it.

    Raises
    ------
    NbExecError
        It cannot be started.
    """

    def __init__(self) -> None:
        self._options = engine_options()
        self._loop = asyncio.new_event_loop()
        self._closed = False
        self._launcher: Launcher
        self._manager: ExecutionManager
        threading.Thread(target=self._loop.run_forever, name="nbexec", daemon=True).start()
        try:
            self.call(self._start())
        except BaseException as error:
            self._end_loop()
            if not isinstance(error, OSError):
                raise
            raise NbExecError(f"no notebook can be run: {error}. Set TMPDIR to a writable folder") from error

    async def _start(self) -> None:
        options = self._options
        kernelspecs = KernelSpecFiles(options.kernelspec_config)
        self._launcher = Launcher(
            options.fork_server, options.preload_modules, 0, max_forks=options.max_forks, niceness=options.niceness,
            environment=self._environment(), options=_kernel_options(kernelspecs, options))
        # The fork server starts meanwhile.
        from ..executions.kernelspecs import KernelSpecs
        from ..executions.manager import ExecutionManager
        from ..executions.slots import Slots
        from ..executions.store import ExecutionStore
        from .notebook_files import NotebookFiles

        self._manager = ExecutionManager(
            self._launcher, self._launcher, ExecutionStore(), NotebookFiles(),
            KernelSpecs(kernelspecs, options.default_kernel, "", os.environ.get(_PROVISIONER) or _LOCAL, _PLACE),
            Slots(options.max_running), options.settings(), _KEPT)

    def _environment(self) -> Any:
        return without_secrets(os.environ, but=self._options.pass_variables)

    @property
    def is_closed(self) -> bool:
        """Whether it can run nothing any more."""
        return self._closed

    def call(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine in the thread of the engine, and return what it returns.

        Raises
        ------
        NbExecError
            The engine was ended meanwhile.
        """
        try:
            return result_of(asyncio.run_coroutine_threadsafe(coroutine, self._loop))
        except CancelledError:
            raise NbExecError("the engine of this process has ended") from None

    def soon(self, function: Callable[[], object]) -> None:
        """Call a function in the thread of the engine, without waiting for it."""
        with suppress(RuntimeError):  # the loop has ended, and with it whatever should be told
            self._loop.call_soon_threadsafe(function)

    @property
    def manager(self) -> ExecutionManager:
        """The executions, for coroutines that `call` runs; what starts now gets the present environment."""
        self._launcher.use_environment(self._environment())
        return self._manager

    def close(self) -> None:
        """Shut down what is still running, and wait until nothing is left of it."""
        if self._closed:
            return
        self._closed = True
        self.call(self._close())
        self._end_loop()

    async def _close(self) -> None:
        gone, _ = self._manager.delete_executions()  # kernels that run `atexit` handlers are waited for as well
        await _within(_ENDING, gone)
        self._manager.close()
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()  # nobody is left in the loop for whoever waits

    def _end_loop(self) -> None:
        self._closed = True
        self.soon(self._loop.stop)

    def abandon(self) -> None:
        """Forget it in a process that was forked from its own."""
        self._closed = True
        self._launcher.abandon()


def _kernel_options(kernelspecs: KernelSpecFiles, options: EngineOptions) -> Any:
    """Return the options of Python with which the default kernel starts, and most others."""
    try:
        return options_of(kernelspecs.get_kernel_spec(options.default_kernel).to_dict())
    except Exception:  # a missing or broken kernelspec is told of when a notebook needs it
        return ()


async def _within(seconds: float, future: Awaitable[Any]) -> None:
    with suppress(asyncio.TimeoutError):
        await asyncio.wait_for(future, seconds)


# -- the engine of this process -------------------------------------------------------------------

_lock = threading.Lock()
_engine: Optional[Engine] = None


def current_engine() -> Engine:
    """Return the engine of this process, which is started if there is none.

    Raises
    ------
    NbExecError
        It cannot be started.
    """
    global _engine
    with _lock:
        if _engine is None or _engine.is_closed:
            _engine = Engine()
        return _engine


def close_engine() -> None:
    """End the engine of this process, if there is one; called at exit."""
    if _engine is not None:
        _engine.close()


def _forget() -> None:
    """Leave the engine to the parent; called in every process forked from this one."""
    global _engine, _lock
    _lock = threading.Lock()
    if _engine is not None:
        _engine.abandon()
        _engine = None


atexit.register(close_engine)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
