"""The kernel of one run together with the connection to it.

Whether the kernel is forked, was forked long ago, or has to be spawned makes no difference to who uses it.
"""

from __future__ import annotations

import dataclasses
import select
import subprocess
import time
from typing import Any, Callable, Dict, Mapping, Optional

import zmq

from ..errors import KernelDiedError, KernelProgramError, KernelStartError
from ..files.private_files import PrivateFolder
from ..forked.child_processes import Children
from .client import KernelClient, handshake
from .kernel import Kernel, KernelPlan, preparation

Watched = Mapping[int, Callable[[], None]]
_ATTEMPTS = 3  # as often a kernel is started, all in all
_PAUSE = 0.2  # seconds before another attempt: what the system was short of may be there again
_FAILURES = (KernelDiedError, OSError, zmq.ZMQError, subprocess.SubprocessError, MemoryError)
_SPARE_START = 60.0  # seconds that a kernel which nobody waits for may take to come up


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
    """

    def __init__(self, folder: PrivateFolder, children: Children, can_fork: bool) -> None:
        self._folder = folder
        self._children = children
        self._can_fork = can_fork
        self._kernels = 1
        self.kernel = Kernel(folder, children)
        self.client: Optional[KernelClient] = None
        self.how_started = ""

    def should_fork(self, plan: KernelPlan) -> bool:
        """Whether the kernel is still to be forked, with `Kernel.fork`, before `start`."""
        return self._can_fork and not self.kernel.forked and plan.is_own()

    def warm_up(self, watched: Watched) -> None:
        """Wait until a forked kernel is there, and connect to it, before anybody needs it."""
        watched = {**watched, self.kernel.fileno(): self.kernel.check}
        self.kernel.wait_until_ready(watched, time.monotonic() + _SPARE_START)
        self.client = KernelClient(self.kernel.connection)

    def start(self, plan: KernelPlan, watched: Watched, timeout: float,
              retrying: Callable[[str], None]) -> Dict[str, Any]:
        """Have a kernel as planned and return what it says of itself.

        One that fails is replaced by another, with sockets of its own, which is started in the ordinary way: whatever
        was wrong may have been wrong with the other way.

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
        useless = self.kernel.forked and not plan.is_own()
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                if useless:
                    self._replace()
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
            plan = dataclasses.replace(plan, fork_server=None)
            useless = True
        raise AssertionError("the last attempt has an end")

    def _pause(self, watched: Watched) -> None:
        for descriptor in select.select([*watched], [], [], _PAUSE)[0]:
            watched[descriptor]()

    def _start(self, plan: KernelPlan, watched: Watched, deadline: float) -> Dict[str, Any]:
        if self.client is not None:
            self.how_started = "kept ready"
        elif self.kernel.forked:
            self.how_started = "forked"
        elif plan.fork_server and self.kernel.fork_elsewhere(plan.fork_server):
            self.how_started = "forked from its own interpreter"
        else:
            self.how_started = "started by its command line"
            self.kernel.spawn(plan)
        watched = {**watched, self.kernel.fileno(): self.kernel.check}
        if self.kernel.forked:
            self.kernel.assign(plan)
            if self.client is None:
                self.kernel.wait_until_ready(watched, deadline)
        self.kernel.wait_until_ready(watched, deadline)
        self.client = self.client or KernelClient(self.kernel.connection)
        self.client.watch(watched)
        info = handshake(self.client, deadline)
        if not self.kernel.forked:
            self.client.run_silently(preparation(), deadline)
        return info

    def _replace(self) -> None:
        """Take another kernel than the one that there is."""
        if self.client is not None:
            self.client.close()
            self.client = None
        self.kernel.kill()
        self._kernels += 1
        self.kernel = Kernel(self._folder.make_folder(str(self._kernels)), self._children)

    def _start_error(self, plan: KernelPlan, reason: str, attempts: int = 1) -> KernelStartError:
        words = self.kernel.last_words()
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
        if self.client is None:
            return
        self.kernel.shutdown(self.client)
        deadline = time.monotonic() + timeout
        descriptors = [self.kernel.fileno(), commands]
        while not self.kernel.ended():
            left = deadline - time.monotonic()
            if left <= 0:
                return
            if commands in select.select(descriptors, [], [], left)[0] and is_in_a_hurry():
                descriptors.remove(commands)
                deadline = min(deadline, time.monotonic() + hurried_timeout)


def _reason(error: BaseException) -> str:
    """Return in words why a start failed."""
    if isinstance(error, MemoryError):
        return "out of memory"
    return str(getattr(error, "strerror", None) or error)
