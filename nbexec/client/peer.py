"""The process at the other end of a connection on this machine, known before it is told a secret.

A port belongs to whoever was there first, and a process number to whoever came last: neither says who listens. The
system does. The check comes when the connection stands and nothing has been sent: a process that still listens then,
and did so before, is the one that has taken it.
"""

from __future__ import annotations

import os
import socket
from ipaddress import ip_address
from typing import Any, Iterator, List, Optional, Tuple

import psutil

from ..errors import NbExecError

_ROUNDING = 2.0  # seconds; the system tells the start of a process by a clock that is coarser than that of files


class PeerError(NbExecError):
    """A process is not the one that was expected, or cannot be shown to be."""


class Peer:
    """A process of this user that started before a time.

    Parameters
    ----------
    pid : int
        Its number.
    before : float
        The time.

    Raises
    ------
    PeerError
        There is no such process; another may have its number now.
    """

    def __init__(self, pid: int, before: float) -> None:
        try:
            self.process = psutil.Process(pid)
            _check_owner(self.process)
            if self.process.create_time() > before + _ROUNDING:
                raise PeerError(f"process {pid} is another one now, it started later")
        except (psutil.NoSuchProcess, ValueError) as error:
            raise PeerError(f"process {pid} is gone") from error
        except (psutil.Error, OSError) as error:
            raise PeerError(f"the system does not show process {pid}") from error

    def check_port(self, port: int) -> None:
        """Raise `PeerError` unless the process listens on a port."""
        if port not in (listener_port for _, listener_port in _listeners(self.process)):
            raise PeerError(f"process {self.process.pid} does not listen on port {port}")

    def check_connection(self, connection: socket.socket) -> None:
        """Raise `PeerError` unless the process has the other end of a connection."""
        here, (address, port) = connection.getsockname()[0], connection.getpeername()[:2]
        if not any(port == listener_port and _reaches(here, address, listener)
                   for listener, listener_port in _listeners(self.process)):
            raise PeerError(f"process {self.process.pid} is not the one that listens on port {port} of {address}")

    def program(self) -> Optional[str]:
        """Return the program that the process runs, by the name by which it was started if that says where it is.

        The Python of a virtual environment is known by that name alone.
        """
        try:
            name = next(iter(self.process.cmdline()), "")
            return name if os.path.isabs(name) else self.process.exe()
        except (psutil.Error, OSError):
            return None

    def is_gone(self) -> bool:
        """Whether the process has ended."""
        try:
            return not self.process.is_running() or self.process.status() == psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return True
        except psutil.Error:
            return False


def _reaches(here: str, address: str, listener: str) -> bool:
    """Whether who connects from here to an address on this machine gets to a listener."""
    target, bound = ip_address(address), ip_address(listener)
    if target.version != bound.version:
        return False
    return target == bound or (bound.is_unspecified and (target.is_loopback or address == here))


def _listeners(process: psutil.Process) -> Iterator[Tuple[str, int]]:
    """Yield address and port of each socket on which a process of this user listens."""
    try:
        if not process.is_running():  # nor has its number gone to another one
            raise PeerError(f"process {process.pid} is gone")
        _check_owner(process)
        if not _shares_network(process.pid):
            raise PeerError(f"process {process.pid} is in another network namespace")
        yield from (found.laddr[:2] for found in _connections(process) if found.status == psutil.CONN_LISTEN)
    except (psutil.Error, OSError) as error:
        raise PeerError(f"the system does not show where process {process.pid} listens") from error


def _connections(process: psutil.Process) -> List[Any]:
    # Those of one process, because macOS shows the ones of all to root alone; psutil before 6 has the older name.
    ask = getattr(process, "net_connections", None) or process.connections
    return list(ask("tcp"))


def _check_owner(process: psutil.Process) -> None:
    if hasattr(os, "geteuid") and set(process.uids()[:2]) != {os.geteuid()}:
        raise PeerError(f"process {process.pid} belongs to another user")


def _shares_network(pid: int) -> bool:
    """Whether ports are the same ones for a process as they are here: those of a container may be others."""
    own = "/proc/self/ns/net"
    return not os.path.exists(own) or os.path.samefile(own, f"/proc/{pid}/ns/net")
