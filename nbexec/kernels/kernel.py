"""How a kernel is started and how it is ended.

A kernel is a child of its runner, or of a keeper that stands for the runner in another interpreter. It has a process
group of its own, and listens on Unix sockets in a folder that only its user can enter: there is no port that another
process could take first.
"""

from __future__ import annotations

import errno
import inspect
import json
import os
import re
import secrets
import select
import signal
import socket
import sys
import time
from dataclasses import dataclass
from functools import partial
from typing import Any, Callable, Dict, List, Mapping, Optional

from jupyter_client.launcher import launch_kernel

from ..errors import KernelDiedError, KernelProgramError
from ..files.private_files import PrivateFolder
from ..forked import kernel, prepare
from ..forked.child_processes import Children, autogroup_niceness, start_as_kernel
from ..forked.kernel_fork_server import ask_for_kernel
from ..processes import POSIX, how_ended, killed
from .client import CONTROL, SHELL, KernelClient
from .interpreters import OWN_NAMES, origin_of, own_origin, variables_of
from .out_of_memory import out_of_memory_kills
from .process import ChildProcess, KeptProcess, KernelProcess

_STDERR_TAIL = 2000  # characters of the kernel's last words that an error repeats
# A second kernel that saves its history to the same file would wait for the first one's lock.
_IPYKERNEL_ARGUMENTS = ["--HistoryManager.hist_file=:memory:", "--IPythonKernel._execute_sleep=0"]
# A program that could not be started for one of these can perhaps be started a moment later.
_SHORTAGES = (errno.EAGAIN, errno.ENOMEM, errno.EMFILE, errno.ENFILE, errno.ENOSPC)


@dataclass
class KernelPlan:
    """What kind of kernel is wanted.

    Parameters
    ----------
    spec : dict
        The kernelspec: `name`, `argv`, `env`, `resource_dir`, `interrupt_mode`.
    cwd : str
        Working directory of the kernel.
    fork_server : str, optional
        The address of a fork server for kernels of this kernelspec's interpreter, if that is not ours.
    """

    spec: Dict[str, Any]
    cwd: str
    fork_server: Optional[str] = None

    def environment(self) -> Dict[str, str]:
        """Return the variables that the kernelspec sets, its references to others resolved."""
        return variables_of(self.spec, os.environ)

    def is_own(self) -> bool:
        """Whether a process forked from this one is what the kernelspec describes."""
        return origin_of(self.spec, os.environ) == own_origin()

    def command(self, connection_file: str) -> List[str]:
        """Return the command line of an ordinary start."""
        known = {"connection_file": connection_file, "prefix": sys.prefix,
                 "resource_dir": self.spec.get("resource_dir", "")}
        argv = [re.sub(r"\{(\w+)\}", lambda found: known.get(found[1], found[0]), part) for part in self.spec["argv"]]
        if argv[0] in OWN_NAMES:
            argv[0] = sys.executable
        return argv + (_IPYKERNEL_ARGUMENTS if self.is_ipykernel() else [])

    def is_ipykernel(self) -> bool:
        """Whether the kernel takes the arguments of ipykernel."""
        return any(module in self.spec["argv"] for module in ("ipykernel_launcher", "ipykernel"))


def _write_connection_file(folder: PrivateFolder, name: str) -> Dict[str, Any]:
    """Write a connection file for a kernel that listens in `folder` and return what it says."""
    ports = {f"{channel}_port": number for number, channel in
             enumerate(("shell", "iopub", "stdin", "control", "hb"), 1)}
    connection = {"transport": "ipc", "ip": os.path.join(folder.path, "kernel"), "key": secrets.token_hex(),
                  "signature_scheme": "hmac-sha256", "kernel_name": "", **ports}
    with open(folder.create_file(name), "w") as file:
        json.dump(connection, file)
    return connection


class Kernel:
    """One kernel: its process and how to reach it.

    It is forked, from this process or elsewhere, or spawned. A forked one is first made and then given what it is for,
    so that it can be made before that is known.

    Parameters
    ----------
    folder : PrivateFolder
        A folder of its own.
    children : Children
        Notices the end of the process.
    """

    def __init__(self, folder: PrivateFolder, children: Children) -> None:
        self._connection_file = os.path.join(folder.path, "kernel.json")
        self.connection = _write_connection_file(folder, "kernel.json")
        self._errors = folder.create_file("stderr")
        self.forked = False
        self._children = children
        self._process: Optional[KernelProcess] = None
        self._door: Optional[socket.socket] = None
        self._interrupt_mode = "signal"
        self._is_ipykernel = True
        self._memory_kills = 0

    def fork(self) -> bool:
        """Fork the kernel from this process; return False in the child, which has to go on with `become`.

        To be called before the process has a thread or a ZeroMQ socket. If the system does not let it, the kernel is
        still to be started.
        """
        try:
            ours, theirs = socket.socketpair()
        except OSError:
            return True
        try:
            self._parent = os.getpid()
            pid = os.fork()
        except OSError:
            ours.close()
            theirs.close()
            return True
        self.forked = True
        (theirs if pid else ours).close()
        self._door = ours if pid else theirs
        self._process = ChildProcess(pid, self._children)
        return bool(pid)

    def fork_elsewhere(self, fork_server: str) -> bool:
        """Have the kernel forked by the fork server at this address; return whether that is still there."""
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                request = {"arguments": self._arguments(), "connection": self.connection, "niceness": os.nice(0),
                           "share": autogroup_niceness()}
                keeper = ask_for_kernel(fork_server, request, theirs, self._errors)
            except OSError:
                ours.close()
                return False
        self.forked = True
        self._door = ours
        self._process = KeptProcess(keeper)
        return True

    def _arguments(self) -> List[str]:
        return ["-f", self._connection_file, *_IPYKERNEL_ARGUMENTS]

    def become(self) -> None:
        """Be the kernel, in the process that `fork` made for it."""
        assert self._door is not None
        start_as_kernel(autogroup_niceness(), self._parent)
        kernel.main(self._arguments(), self.connection, self._errors, self._door)

    def assign(self, plan: KernelPlan) -> None:
        """Tell a forked kernel what it is for; it is ready once more when it has taken that in."""
        assert self._door is not None
        self._interrupt_mode = plan.spec.get("interrupt_mode", "signal")
        self._memory_kills = out_of_memory_kills()
        try:
            self._door.sendall(kernel.assignment(plan.cwd, plan.environment()))
        except OSError:
            pass  # it has just died; that is found out by waiting for it

    def spawn(self, plan: KernelPlan) -> None:
        """Start the kernel by its command line.

        Raises
        ------
        KernelProgramError
            It cannot be run, now or later.
        OSError
            The system does not let it start now.
        """
        self._is_ipykernel = plan.is_ipykernel()
        self._interrupt_mode = plan.spec.get("interrupt_mode", "signal")
        self._memory_kills = out_of_memory_kills()
        try:
            with open(os.devnull, "r+b") as nothing:
                process = launch_kernel(
                    plan.command(self._connection_file), stdin=nothing.fileno(), stdout=nothing.fileno(),
                    stderr=self._errors, env={**os.environ, **plan.environment()}, cwd=plan.cwd,
                    preexec_fn=partial(start_as_kernel, autogroup_niceness()) if POSIX else None)
        except OSError as error:
            if error.errno in _SHORTAGES:
                raise
            raise KernelProgramError(f"its program cannot be run ({error})") from error
        self._popen = process  # its destructor would reap the child
        self._process = ChildProcess(process.pid, self._children)

    def wait_until_ready(self, watched: Mapping[int, Callable[[], None]], deadline: float) -> None:
        """Wait until a forked kernel says that it is ready; a spawned one is found out by asking it.

        Parameters
        ----------
        watched : mapping of int to callable
            What to call when a descriptor becomes readable meanwhile.
        deadline : float
            In monotonic seconds.

        Raises
        ------
        KernelDiedError
            It never came to life.
        TimeoutError
            The deadline passed.
        """
        if self._door is None:
            return
        door = self._door.fileno()
        descriptors = [*watched, door]
        while True:
            readable = select.select(descriptors, [], [], max(0.0, deadline - time.monotonic()))[0]
            for descriptor in readable:
                if descriptor in watched:
                    watched[descriptor]()
            if door in readable:
                if self._is_ready():
                    return
                descriptors.remove(door)  # it is ending, and its end will tell why
            if not readable:
                raise TimeoutError

    def _is_ready(self) -> bool:
        assert self._door is not None
        try:
            return bool(self._door.recv(1))
        except OSError:
            return False

    def fileno(self) -> int:
        """Return the descriptor that becomes readable when the process may have ended."""
        return (self._process or self._children).fileno()

    def check(self) -> None:
        """Raise KernelDiedError if the process has ended."""
        status = self._process.status() if self._process else None
        if status is not None:
            raise KernelDiedError(f"the kernel died ({self._how_ended(status)})")

    def _how_ended(self, status: int) -> str:
        """Return in words how the process ended, and why as far as the system tells."""
        starved = killed(status) and out_of_memory_kills() > self._memory_kills
        return how_ended(status) + (": the system ran out of memory" if starved else "")

    def ended(self) -> bool:
        """Whether the process has ended."""
        return self._process is None or self._process.status() is not None

    def last_words(self) -> str:
        """Return the end of what the process wrote to its stderr."""
        try:
            end = os.fstat(self._errors).st_size
            words = os.pread(self._errors, 4 * _STDERR_TAIL, max(0, end - 4 * _STDERR_TAIL))
            return words.decode("utf-8", "replace")[-_STDERR_TAIL:].strip()
        except OSError:
            return ""

    def interrupt(self, client: KernelClient) -> None:
        """Interrupt the running cell."""
        if self._interrupt_mode == "message":
            client.send(CONTROL, "interrupt_request", {})
        elif self._process is not None:
            self._process.signal(signal.SIGINT)

    def shutdown(self, client: KernelClient) -> None:
        """Ask the kernel to end, so that its `atexit` handlers run and its files are flushed."""
        # In the control thread of ipykernel, this would race with the end of the main thread for up to 10 seconds, and
        # wait for up to 29 until all children have ended and have been waited for.
        client.send(SHELL if self._is_ipykernel else CONTROL, "shutdown_request", {"restart": False})

    def kill(self) -> None:
        """End the kernel and everything that it has started and that is left."""
        if self._process is not None:
            self._process.kill()


def preparation() -> str:
    """Return the code that prepares a kernel which was not forked from us; it leaves no name behind."""
    source = inspect.getsource(prepare)
    call = "get_ipython().kernel.iopub_thread and prepare(get_ipython())"
    text = f"{source}\ntry:\n    from IPython import get_ipython\n    {call}\nexcept Exception:\n    pass\n"
    return f"exec({text!r}, {{'__name__': 'nbexec.forked.prepare'}})"
