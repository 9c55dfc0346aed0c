"""The processes below a process of ours: noticing their end, and leaving none behind.

On Linux a runner and the fork server are subreapers: whatever a notebook starts, however often it forks, comes
back to them when its parent ends, and can be ended too. Elsewhere the process group has to do.
"""

from __future__ import annotations

import ctypes
import os
import select
import signal
import sys
import time
from typing import Dict, List, Optional

import psutil

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_PATIENCE = 5.0  # seconds that killed processes may take to go; longer only in an uninterruptible system call


def _prctl(option: int, value: int) -> None:
    """Call prctl(2) where there is one; its failure only costs a safety net."""
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0)


def become_subreaper() -> None:
    """Let orphaned descendants become children of this process (Linux 3.4)."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def start_as_kernel(share: int, parent: Optional[int] = None) -> None:
    """Give a process that was just forked from a runner what a kernel expects, and nothing of the runner.

    On Linux it is killed when the thread that forked it ends, and ends by itself if `parent` is gone already.

    Parameters
    ----------
    share : int
        The niceness of the runner's session, which that of the kernel gets too. It is not that of the process: to what
        the notebook server was started with, a session does not add.
    parent : int, optional
        The process that has forked it.
    """
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if parent is not None and os.getppid() != parent:
        os._exit(1)
    if os.getsid(0) != os.getpid():
        os.setsid()
    tell_autogroup(share)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)


def tell_autogroup(niceness: int) -> None:
    """Let the session that this process leads leave the processor to others, as far as the niceness says.

    Linux shares the processor between sessions first (sched(7), "The autogroup feature"): the niceness of a process
    counts only among those of its session. Without privileges it can be told ten times a second on the whole machine.
    """
    try:
        with open("/proc/self/autogroup", "w") as file:
            file.write(str(niceness))
    except OSError:
        pass  # there is no such thing here, or it was told a moment ago


def autogroup_niceness() -> int:
    """Return how far the session of this process leaves the processor to others."""
    try:
        with open("/proc/self/autogroup") as file:
            return int(file.read().split()[-1])
    except (OSError, ValueError, IndexError):
        return 0  # there is no such thing here


class Children:
    """Notices that children end, by a signal and not by polling.

    It takes over SIGCHLD and reaps every child of the process, so that there may be only one of it.
    """

    def __init__(self) -> None:
        self._ended: Dict[int, int] = {}
        self._wakeup, self._write = os.pipe()
        for descriptor in (self._wakeup, self._write):
            os.set_blocking(descriptor, False)
        signal.set_wakeup_fd(self._write, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda signum, frame: None)

    def close(self) -> None:
        """Give SIGCHLD back; a forked child calls this too."""
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.close(self._wakeup)
        os.close(self._write)

    def fileno(self) -> int:
        """Return the descriptor that becomes readable when a child ended."""
        return self._wakeup

    def reap(self) -> Dict[int, int]:
        """Return the wait status of every child that ended, by pid."""
        self._empty_wakeup()
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                break
            if pid == 0:
                break
            self._ended[pid] = status
        return self._ended

    def wait(self, pid: int, timeout: float) -> bool:
        """Wait until the child `pid` ended, `timeout` seconds at the most; tell whether it did."""
        deadline = time.monotonic() + timeout
        while pid not in self.reap():
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            select.select([self._wakeup], [], [], left)
        return True

    def _empty_wakeup(self) -> None:
        try:
            while os.read(self._wakeup, 512):
                pass
        except BlockingIOError:
            pass

    def kill_all(self, but: frozenset[int] = frozenset()) -> None:
        """Kill everything below this process, except the children in `but` and what is below those."""
        deadline = time.monotonic() + _PATIENCE
        looks = 0  # that found nothing: one alone may miss a process which is just passing to another parent
        self.reap()
        while looks < 2 and not _is_childless() and time.monotonic() < deadline:
            try:
                left = _below_this_process(but)
            except OSError:  # there is no descriptor free to look
                select.select([self._wakeup], [], [], 0.05)
                continue
            for process in left:
                _kill(process)
            if left:
                select.select([self._wakeup], [], [], 0.05)
            looks = 0 if left else looks + 1
            self.reap()


def _is_childless() -> bool:
    """Whether the system says, quickly, that no thread of this process has children (Linux)."""
    try:
        return not any(_has_children(thread) for thread in os.listdir("/proc/self/task"))
    except OSError:
        return False  # it does not say


def _has_children(thread: str) -> bool:
    with open(f"/proc/self/task/{thread}/children") as file:
        return bool(file.read())


def _below_this_process(but: frozenset[int]) -> List[psutil.Process]:
    found: List[psutil.Process] = []
    for child in psutil.Process().children():
        if child.pid not in but:
            found.append(child)
            try:
                found.extend(child.children(recursive=True))
            except psutil.NoSuchProcess:
                pass
    return [process for process in found if _alive(process)]


def _alive(process: psutil.Process) -> bool:
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def _kill(process: psutil.Process) -> None:
    try:
        process.kill()
    except psutil.NoSuchProcess:
        pass
