"""The kernel of one run together with the connection to it.

Whether the kernel is forked, was forked long ago, or has to be spawned makes no difference to who uses it.
"""

from __future__ import annotations

import subprocess
import time
from typing import Any, Callable, Dict, List, Optional, Type

import zmq

from ..errors import KernelDiedError, KernelProgramError, KernelStartError
from ..files.private_files import PrivateFolder
from ..forked.child_processes import Children
from ..readiness import readable
from .client import KernelClient
from .forked_kernel import ForkedKernel
from .handshake import handshake
from .kept_kernel import KeptKernel
from .kernel import Kernel
from .kernel_files import KernelFiles
from .plan import KernelPlan
from .preparation import preparation
from .provisioned_kernel import ProvisionedKernel
from .spawned_kernel import SpawnedKernel
from .watched import Watched, serve

_ATTEMPTS = 3  # as often a kernel is started, all in all
_PAUSE = 0.2  # seconds before another attempt: what the system was short of may be there again
_FAILURES = (KernelDiedError, OSError, zmq.ZMQError, subprocess.SubprocessError, MemoryError)
_SPARE_START = 60.0  # seconds that a kernel which nobody waits for may take to come up


def ways_to_start(plan: KernelPlan) -> List[Type[Kernel]]:
    """Return how a kernel can be started that was not forked from its runner; the first way that works counts."""
    if plan.provisioner:
        return [ProvisionedKernel]
    return [KeptKernel, SpawnedKernel] if plan.fork_server else [SpawnedKernel]


class KernelSession:
    """One kernel, from its start to its end.

    Parameters
    ----------
    folder : PrivateFolder
        A folder of its own.
    children : Children
        Notices the end of the process.
    can_fork : bool
        Whether this process has a kernel's imports and nothing besides that a kernel must not have.

    Attributes
    ----------
    kernel : Kernel, optional
        The kernel that there is.
    client : KernelClient, optional
        The connection to it.
    """

    def __init__(self, folder: PrivateFolder, children: Children, can_fork: bool) -> None:
        self._folder = folder
        self._children = children
        self._can_fork = can_fork
        self._folders = 1
        self._files: Optional[KernelFiles] = KernelFiles(folder)
        self.kernel: Optional[Kernel] = None
        self.client: Optional[KernelClient] = None

    @property
    def how_started(self) -> str:
        """How the kernel was started, in words."""
        return "" if self.kernel is None else self.kernel.how_started

    def _take_files(self) -> KernelFiles:
        """Return files that no other kernel has had; the first ones were made early, as long as that can fail well."""
        files, self._files = self._files, None
        if files is None:
            self._folders += 1
            files = KernelFiles(self._folder.make_folder(str(self._folders)))
        return files

    def should_fork(self, plan: KernelPlan) -> bool:
        """Whether the kernel is still to be forked, with `fork`, before `start`."""
        return self._can_fork and self.kernel is None and plan.is_own()

    def fork(self) -> Optional[Callable[[], None]]:
        """Fork a kernel; return in the child what it has to call to be the kernel.

        If the system does not let it, the kernel is still to be started.
        """
        try:
            kernel = ForkedKernel(self._take_files(), self._children)
            if not kernel.fork():
                return kernel.become
        except OSError:
            return None
        self.kernel = kernel
        return None

    def warm_up(self, watched: Watched) -> None:
        """Wait until a forked kernel is there, and connect to it, before anybody needs it."""
        assert self.kernel is not None
        watched = {**watched, self.kernel.fileno(): self.kernel.check}
        self.kernel.wait_until_ready(watched, time.monotonic() + _SPARE_START)
        self.client = KernelClient(self.kernel.connection)

    def check(self) -> None:
        """Raise KernelDiedError if there was a kernel, and it has ended."""
        if self.kernel is not None:
            self.kernel.check()

    def start(self, plan: KernelPlan, watched: Watched, timeout: float,
              retrying: Callable[[str], None]) -> Dict[str, Any]:
        """Have a kernel as planned and return what it says of itself.

        One that fails is replaced by another, with sockets of its own, which is started in the ordinary way: whatever
        was wrong may have been wrong with the other way. What a provisioner starts is never started in another way.

        Parameters
        ----------
        plan : KernelPlan
            What kind of kernel is wanted.
        watched : mapping of int to callable
            What to call when a descriptor becomes readable, from now on as long as the kernel is listened to.
        timeout : float
            In seconds, for all attempts together.
        retrying : callable
            Called before each further attempt, with the reason.

        Raises
        ------
        KernelStartError
            It did not start in time, or its program cannot be run, or all attempts failed.
        """
        deadline = time.monotonic() + timeout
        if not plan.is_own():
            self._discard()
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                return self._start(plan, watched, deadline)
            except TimeoutError as error:
                raise self._start_error(plan, f"it did not respond within {timeout:g} seconds") from error
            except KernelProgramError as error:
                raise self._start_error(plan, str(error)) from error
            except _FAILURES as error:
                failure = self._start_error(plan, _reason(error), attempt)
                if attempt == _ATTEMPTS:
                    raise failure from error
                retrying(str(failure))
            self._pause(watched)
            self._discard()
            plan = plan.without_fork_server()
        raise AssertionError("the last attempt has an end")

    def _pause(self, watched: Watched) -> None:
        try:
            serve(watched, time.monotonic() + _PAUSE)
        except TimeoutError:
            pass

    def _start(self, plan: KernelPlan, watched: Watched, deadline: float) -> Dict[str, Any]:
        kernel = self._launch(plan)
        watched = {**watched, kernel.fileno(): kernel.check}
        kernel.wait_until_ready(watched, deadline)
        self.client = self.client or KernelClient(kernel.connection)
        self.client.watch(watched)
        info = handshake(self.client, deadline)
        if not kernel.is_prepared:
            self.client.run_silently(preparation(), deadline)
        return info

    def _launch(self, plan: KernelPlan) -> Kernel:
        """Return the kernel that was forked for this, or one that is started now."""
        if self.kernel is not None:
            self.kernel.launch(plan)
            return self.kernel
        files = self._take_files()
        *others, last = ways_to_start(plan)
        for way in others:
            self.kernel = way(files, self._children)
            try:
                self.kernel.launch(plan)
                return self.kernel
            except OSError:
                pass  # the next way may work
        self.kernel = last(files, self._children)
        self.kernel.launch(plan)
        return self.kernel

    def _discard(self) -> None:
        """Do without the kernel that there is."""
        if self.client is not None:
            self.client.close()
            self.client = None
        if self.kernel is not None:
            self.kernel.kill()
            self.kernel = None

    def _start_error(self, plan: KernelPlan, reason: str, attempts: int = 1) -> KernelStartError:
        words = "" if self.kernel is None else self.kernel.last_words()
        often = f" in {attempts} attempts" if attempts > 1 else ""
        return KernelStartError(f"kernel {plan.spec['name']!r} did not start{often}: {reason}"
                                + (f"\n{words}" if words else ""))

    def end_gracefully(self, timeout: float, commands: int, is_in_a_hurry: Callable[[], bool],
                       hurried_timeout: float) -> None:
        """Let the kernel end by itself, and wait for that.

        Parameters
        ----------
        timeout : float
            Seconds that it may take.
        commands : int
            A descriptor that becomes readable when there may be less time.
        is_in_a_hurry : callable
            Tells whether there is, once it is readable.
        hurried_timeout : float
            Seconds that it may take from then on.
        """
        if self.client is None or self.kernel is None:
            return
        self.kernel.request_shutdown(self.client)
        deadline = time.monotonic() + timeout
        descriptors = [self.kernel.fileno(), commands]
        while self.kernel.poll() is None:
            left = deadline - time.monotonic()
            if left <= 0:
                return
            if commands in readable(descriptors, left) and is_in_a_hurry():
                descriptors.remove(commands)
                deadline = min(deadline, time.monotonic() + hurried_timeout)

    def kill(self) -> None:
        """End the kernel and everything that it has started and that is left."""
        if self.kernel is not None:
            self.kernel.kill()


def _reason(error: BaseException) -> str:
    """Return a description of why a start failed."""
    if isinstance(error, MemoryError):
        return "out of memory"
    return str(getattr(error, "strerror", None) or error)
