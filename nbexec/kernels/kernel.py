"""One kernel, however it is started.

Each way to start one is a class of its own: `ForkedKernel`, `KeptKernel`, `SpawnedKernel`, `ProvisionedKernel`. What
they have in common is here, in the words of jupyter_client's provisioners.
"""

from __future__ import annotations

import signal
from abc import ABC, abstractmethod
from typing import Any, Dict, Optional

from ..errors import KernelDiedError
from ..forked.child_processes import Children
from ..processes import how_ended, was_killed
from .client import CONTROL, SHELL, KernelClient
from .kernel_files import KernelFiles
from .out_of_memory import out_of_memory_kills
from .plan import KernelPlan
from .process import KernelProcess
from .watched import Watched


class Kernel(ABC):
    """One kernel: how it is started, reached and ended.

    Parameters
    ----------
    files : KernelFiles
        Its files.
    children : Children
        Notices the ends of processes.

    Attributes
    ----------
    connection : dict
        How to reach it, once it is ready.
    how_started : str
        How it was started, in words.
    is_prepared : bool
        Whether it needs no `forked.prepare` any more.
    """

    how_started = ""
    is_prepared = False

    def __init__(self, files: KernelFiles, children: Children) -> None:
        self.connection: Dict[str, Any] = files.connection
        self._files = files
        self._children = children
        self._process: Optional[KernelProcess] = None
        self._interrupt_mode = "signal"
        self._is_ipykernel = True
        self._memory_kills = 0

    def launch(self, plan: KernelPlan) -> None:
        """Start the kernel, or tell one that there is what it is for.

        Raises
        ------
        KernelProgramError
            It cannot be started, now or later.
        OSError
            The system does not let it start now.
        """
        self._interrupt_mode = plan.interrupt_mode
        self._is_ipykernel = plan.is_ipykernel()
        self._memory_kills = out_of_memory_kills()
        self._launch(plan)

    @abstractmethod
    def _launch(self, plan: KernelPlan) -> None:
        ...

    @abstractmethod
    def wait_until_ready(self, watched: Watched, deadline: float) -> None:
        """Wait until it makes sense to connect to the kernel.

        Parameters
        ----------
        watched : mapping of int to callable
            What to call when a descriptor becomes readable meanwhile; that of the kernel is among them.
        deadline : float
            In monotonic seconds.

        Raises
        ------
        KernelDiedError
            It never came to life.
        TimeoutError
            The deadline passed.
        """

    def fileno(self) -> int:
        """Return the descriptor that becomes readable when the kernel may have ended."""
        return (self._process or self._children).fileno()

    def poll(self) -> Optional[int]:
        """Return the exit code of the kernel, None while it lives."""
        return None if self._process is None else self._process.poll()

    def check(self) -> None:
        """Raise KernelDiedError if the kernel has ended."""
        code = self.poll()
        if code is not None:
            raise KernelDiedError(f"the kernel died ({self._how_ended(code)})")

    def _how_ended(self, code: int) -> str:
        """Return a description of how the process ended, and why, as far as the system tells."""
        starved = was_killed(code) and out_of_memory_kills() > self._memory_kills
        return how_ended(code) + (": the system ran out of memory" if starved else "")

    def last_words(self) -> str:
        """Return the end of what the kernel wrote to its stderr."""
        return self._files.last_words()

    def interrupt(self, client: KernelClient) -> None:
        """Interrupt the running cell."""
        if self._interrupt_mode == "message":
            client.send(CONTROL, "interrupt_request", {})
        elif self._process is not None:
            self._process.send_signal(signal.SIGINT)

    def request_shutdown(self, client: KernelClient) -> None:
        """Ask the kernel to end, so that its `atexit` handlers run and its files are flushed."""
        # In the control thread of ipykernel, this would race with the end of the main thread for up to 10 seconds, and
        # wait for up to 29 until all children have ended and have been waited for.
        client.send(SHELL if self._is_ipykernel else CONTROL, "shutdown_request", {"restart": False})

    def kill(self) -> None:
        """End the kernel and everything that it has started and that is left."""
        if self._process is not None:
            self._process.kill()
