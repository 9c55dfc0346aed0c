"""Verifies the process at the other end of a local connection before a secret is sent to it.

A port belongs to whoever took it first, and a process id to whoever got it last, so neither says who is listening; the
system does. The check is made after connecting and before anything is sent: if the expected process is listening then,
and was before, it is the one that accepted the connection.
"""

from __future__ import annotations

import os
import socket
from ipaddress import ip_address
from typing import Any, Iterator, List, Optional, Tuple

import psutil

from ..errors import NbExecError

_ROUNDING = 2.0  # seconds; the start of a process is recorded with a coarser clock than the times of files


class PeerError(NbExecError):
    """A process is not the expected one, or this cannot be verified."""


class Peer:
    """A process of this user that started before a given time.

    Parameters
    ----------
    pid : int
        Id of the process.
    before : float
        The time.

    Raises
    ------
    PeerError
        There is no such process; another one may have its id now.
    """

    def __init__(self, pid: int, before: float) -> None:
        try:
            self.process = psutil.Process(pid)
            _check_owner(self.process)
            if self.process.create_time() > before + _ROUNDING:
                raise PeerError(f"process {pid} started later, so it is a different one")
        except (psutil.NoSuchProcess, ValueError) as error:
            raise PeerError(f"process {pid} is gone") from error
        except (psutil.Error, OSError) as error:
            raise PeerError(f"the system gives no access to process {pid}") from error

    def check_port(self, port: int) -> None:
        """Raise `PeerError` unless the process listens on the port."""
        if port not in (listener_port for _, listener_port in _listeners(self.process)):
            raise PeerError(f"process {self.process.pid} does not listen on port {port}")

    def check_connection(self, connection: socket.socket) -> None:
        """Raise `PeerError` unless the process is at the other end of the connection."""
        here, (address, port) = connection.getsockname()[0], connection.getpeername()[:2]
        if not any(port == listener_port and _reaches(here, address, listener)
                   for listener, listener_port in _listeners(self.process)):
            raise PeerError(f"process {self.process.pid} is not the one that listens on port {port} of {address}")

    def program(self) -> Optional[str]:
        """Return the program that the process runs, under the path by which it was started if that is absolute.

        Only that path identifies the Python of a virtual environment.
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
    """Whether a connection from here to an address on this machine reaches a listener."""
    target, bound = ip_address(address), ip_address(listener)
    if target.version != bound.version:
        return False
    return target == bound or (bound.is_unspecified and (target.is_loopback or address == here))


def _listeners(process: psutil.Process) -> Iterator[Tuple[str, int]]:
    """Yield address and port of each socket on which a process of this user listens."""
    try:
        if not process.is_running():  # this also detects that its id was reused
            raise PeerError(f"process {process.pid} is gone")
        _check_owner(process)
        if not _shares_network(process.pid):
            raise PeerError(f"process {process.pid} is in another network namespace")
        yield from (found.laddr[:2] for found in _connections(process) if found.status == psutil.CONN_LISTEN)
    except (psutil.Error, OSError) as error:
        raise PeerError(f"the system does not tell where process {process.pid} listens") from error


def _connections(process: psutil.Process) -> List[Any]:
    # Per process, because macOS lists the connections of all processes for root only; psutil < 6 has the older name.
    ask = getattr(process, "net_connections", None) or process.connections
    return list(ask("tcp"))


def _check_owner(process: psutil.Process) -> None:
    if hasattr(os, "geteuid") and set(process.uids()[:2]) != {os.geteuid()}:
        raise PeerError(f"process {process.pid} belongs to another user")


def _shares_network(pid: int) -> bool:
    """Whether a process shares our network namespace: in a container, ports may be different ones."""
    own = "/proc/self/ns/net"
    return not os.path.exists(own) or os.path.samefile(own, f"/proc/{pid}/ns/net")
