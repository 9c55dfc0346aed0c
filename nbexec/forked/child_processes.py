"""The descendants of a process: noticing their end, and leaving none behind.

On Linux, runners and fork servers are subreapers: whatever a notebook starts, however often it forks, becomes their
child when its parent ends, so they can kill it. On other systems, only the process group is killed.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import time
from typing import Dict, List, Optional

import psutil

from ..readiness import readable

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_PATIENCE = 5.0  # maximum seconds until killed processes are gone; an uninterruptible system call takes longer


def _prctl(option: int, value: int) -> None:
    """Call prctl(2) on Linux; if it fails, only a safety net is missing."""
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0)


def become_subreaper() -> None:
    """Let orphaned descendants become children of this process (Linux 3.4)."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def start_as_kernel(share: int, parent: Optional[int] = None) -> None:
    """Turn a process that was just forked from a runner into one like a newly started kernel.

    On Linux, it is killed when the thread that forked it ends; if `parent` has already ended, it exits.

    Parameters
    ----------
    share : int
        The niceness of the runner's session, which the kernel's session gets too. It can differ from the niceness of
        the process, which adds to that of the notebook server; a session's does not.
    parent : int, optional
        The process that forked it.
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
    """Set the niceness of the session that this process leads.

    Linux shares the processor between sessions first (sched(7), "The autogroup feature"): the niceness of a process
    counts only within its session. Without privileges, this can be set ten times a second on the whole machine.
    """
    try:
        with open("/proc/self/autogroup", "w") as file:
            file.write(str(niceness))
    except OSError:
        pass  # the system has no autogroups, or one was set a moment ago


def autogroup_niceness() -> int:
    """Return the niceness of this process's session."""
    try:
        with open("/proc/self/autogroup") as file:
            return int(file.read().split()[-1])
    except (OSError, ValueError, IndexError):
        return 0  # the system has no autogroups


class Children:
    """Notices by signal, without polling, that children have ended.

    It takes over SIGCHLD and reaps every child, so a process can have only one instance.
    """

    def __init__(self) -> None:
        self._ended: Dict[int, int] = {}
        self._wakeup, self._write = os.pipe()
        for descriptor in (self._wakeup, self._write):
            os.set_blocking(descriptor, False)
        signal.set_wakeup_fd(self._write, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda signum, frame: None)

    def close(self) -> None:
        """Restore SIGCHLD; a forked child calls this too."""
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.close(self._wakeup)
        os.close(self._write)

    def fileno(self) -> int:
        """Return the descriptor that becomes readable when a child has ended."""
        return self._wakeup

    def reap(self) -> Dict[int, int]:
        """Return the wait statuses of all children that have ended, by pid."""
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
        """Wait up to `timeout` seconds for the child `pid` to end; return whether it has."""
        deadline = time.monotonic() + timeout
        while pid not in self.reap():
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            readable([self._wakeup], left)
        return True

    def _empty_wakeup(self) -> None:
        try:
            while os.read(self._wakeup, 512):
                pass
        except BlockingIOError:
            pass

    def kill_all(self, but: frozenset[int] = frozenset()) -> None:
        """Kill all descendants of this process, except the children in `but` and their descendants."""
        deadline = time.monotonic() + _PATIENCE
        looks = 0  # that found nothing; a single one may miss a process that is changing its parent
        self.reap()
        while looks < 2 and not _is_childless() and time.monotonic() < deadline:
            try:
                left = _below_this_process(but)
            except OSError:  # no free descriptor for reading /proc
                readable([self._wakeup], 0.05)
                continue
            for process in left:
                _kill(process)
            if left:
                readable([self._wakeup], 0.05)
            looks = 0 if left else looks + 1
            self.reap()


def _is_childless() -> bool:
    """Whether Linux reports, in a quick check, that no thread of this process has children."""
    try:
        return not any(_has_children(thread) for thread in os.listdir("/proc/self/task"))
    except OSError:
        return False  # not reported here


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
