"""The process that runs one notebook, and goes.

It has one thread, sends facts up its pipe and takes commands; when the pipe closes, the server is gone, and it saves
what it has and goes too. (A provisioner of a kernel has a thread of its own, after all forks.)
"""

from __future__ import annotations

import logging
import os
import signal
import socket
from typing import Optional

from ..errors import FolderLostError, KernelDiedError
from ..files.private_files import PrivateFolder, make_temporary_folder
from ..forked.child_processes import become_subreaper, tell_autogroup
from ..processes import POSIX
from ..protocol import Failed, Pipe, PipeClosedError
from .notebook_runner import BecomeKernel, NotebookRunner

_log = logging.getLogger("nbexec")


def start(descriptor: str, niceness: str) -> None:
    """Be a runner without a fork server. Called by a new interpreter."""
    if POSIX:
        os.nice(int(niceness))
        tell_autogroup(int(niceness))
    main(socket.socket(fileno=int(descriptor)))
    os._exit(0)


def main(sock: socket.socket, folder: Optional[PrivateFolder] = None, is_spare: bool = False
         ) -> Optional[BecomeKernel]:
    """Run one notebook for the server at the other end of `sock`.

    The process may fork its kernel. In that child this returns what the child has to call, at the bottom of its
    stack, so that it ends as any Python program does; in the runner itself it returns None.

    Parameters
    ----------
    sock : socket
        The runner's end of its pipe.
    folder : PrivateFolder, optional
        Where its folder for temporary files goes, which somebody else removes should this process be killed. Without
        it the process makes one elsewhere, and its kernel is not forked.
    is_spare : bool
        Whether to make the kernel first, and then wait for a request.
    """
    become_subreaper()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _do_nothing)
    pipe = Pipe(sock)
    try:
        own = make_temporary_folder() if folder is None else _own_folder(folder)
        runner = _runner(pipe, own, folder)
    except OSError as error:
        if folder is None or folder.is_intact():  # otherwise another runner takes its place, in another folder
            _refuse(pipe, f"the process for it could not be set up: {error.strerror or error}")
        return None
    become_kernel = _run(runner, is_spare)
    if become_kernel is None:
        runner.kill_all()
        _remove(own, folder)
        pipe.close()
    return become_kernel


def _do_nothing(signum: int, frame: object) -> None:
    """Handle a signal: the pipe tells whether to end. If it was ignored, programs that start would ignore it."""


def _run(runner: NotebookRunner, is_spare: bool) -> Optional[BecomeKernel]:
    try:
        return runner.run(is_spare)
    except (PipeClosedError, KernelDiedError):
        pass  # nobody is left who wants to know, or nobody has asked for it yet
    except FolderLostError:
        _log.warning("The temporary folder of a runner is gone; starting another runner in its place.")
    return None


def _own_folder(folder: PrivateFolder) -> PrivateFolder:
    folder.remove(str(os.getpid()))
    return folder.make_folder(str(os.getpid()))


def _runner(pipe: Pipe, own: PrivateFolder, folder: Optional[PrivateFolder]) -> NotebookRunner:
    try:
        return NotebookRunner(pipe, own, folder)
    except OSError:
        _remove(own, folder)
        raise


def _remove(own: PrivateFolder, folder: Optional[PrivateFolder]) -> None:
    if folder is None:
        own.end()
    else:
        folder.remove(str(os.getpid()))


def _refuse(pipe: Pipe, reason: str) -> None:
    try:
        pipe.send(Failed(reason))
    except PipeClosedError:
        pass  # nobody is left who wants to know
    pipe.close()
