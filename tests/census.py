"""What a server holds: counted before a fault, and again after it.

    with census(server):
        ...  # whatever goes wrong here leaves nothing behind
"""

from __future__ import annotations

import os
import re
import weakref
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Dict, Iterator, List, Optional

import psutil
from helpers import Server, wait_for, write_notebook


@dataclass
class Census:
    """What there is of a server; with its fork servers, as far as descriptors, sockets and threads go."""

    processes: List[str]  # everything below the server, zombies included
    descriptors: List[str]
    sockets: int
    threads: int
    temporary: List[str]  # files and folders below its folder for temporary files
    hidden: List[str]  # claims and half-written notebooks below its root
    signals: Dict[str, str]  # the masks of those that it blocks, ignores and catches (Linux)

    def more_than(self, before: Census) -> Dict[str, object]:
        """Return what there is now that was not there before; whatever is changed in the handling of signals too."""
        now, then = asdict(self), asdict(before)
        return {name: {"before": then[name], "now": now[name]} for name in now if _is_more(now[name], then[name])}


def _is_more(now: object, then: object) -> bool:
    if isinstance(now, list) and isinstance(then, list):
        return len(now) > len(then)
    if isinstance(now, int) and isinstance(then, int):
        return now > then
    return now != then


def count(server: Server) -> Census:
    """Return what there is of a server now."""
    while True:
        try:
            return _count(server)
        except (psutil.NoSuchProcess, FileNotFoundError):
            pass  # something has just gone


def _count(server: Server) -> Census:
    process = psutil.Process(server.process.pid)
    lasting = [process, *(child for child in process.children() if child.status() != psutil.STATUS_ZOMBIE)]
    return Census(
        processes=[_name(child) for child in process.children(recursive=True)],
        descriptors=sorted(descriptor for one in lasting for descriptor in descriptors(one)),
        sockets=sum(len(one.net_connections("all")) for one in lasting),
        threads=sum(one.num_threads() for one in lasting),
        temporary=sorted(str(path.relative_to(server.temporary)) for path in server.temporary.rglob("*")),
        hidden=sorted(str(path.relative_to(server.root)) for path in server.root.rglob(".nbexec*")),
        signals=handled_signals(server.process.pid))


def _name(process: psutil.Process) -> str:
    return f"{process.pid} {process.status()} {' '.join(process.cmdline())[:100]}"


def descriptors(process: psutil.Process) -> List[str]:
    """Return what a process has open; only as many numbers where there is no /proc."""
    folder = f"/proc/{process.pid}/fd"
    if not os.path.isdir(folder):
        return [str(number) for number in range(process.num_fds())]
    return [f"{process.pid} {os.readlink(f'{folder}/{name}')}" for name in os.listdir(folder)]


def handled_signals(pid: int) -> Dict[str, str]:
    """Return the masks of the signals that a process blocks, ignores and catches; nothing where there is no /proc."""
    status = Path(f"/proc/{pid}/status")
    return dict(re.findall(r"(Sig(?:Blk|Ign|Cgt)):\s*(\w+)", status.read_text())) if status.exists() else {}


def answers(server: Server) -> bool:
    """Whether the server lets in who has the token, and nobody else."""
    return server.get().status_code == 200 and server.get(headers={"Authorization": "token x"}).status_code == 401


_used: weakref.WeakSet[Server] = weakref.WeakSet()


def _use(server: Server) -> None:
    """Let a server open what it opens only once: the database of its signatures, the thread for large events."""
    source = write_notebook(server.root / "first-use.ipynb", "print('x' * 2_000_000)")
    for _ in range(2):
        event = server.run(source)[-1]
        (server.root / event["execution"]["output_path"]).unlink()
        server.delete(f"/{event['exec_id']}")
    source.unlink()
    _used.add(server)


@contextmanager
def census(server: Server, timeout: float = 20, before: Optional[Census] = None) -> Iterator[Census]:
    """Check that the block leaves nothing behind: soon after it there is nothing more of the server than before.

    Of a server with spares, count them when they are there, and hand that in as `before`.

    Parameters
    ----------
    server : Server
        A server that is not used by anything else meanwhile.
    timeout : float
        Seconds that what is ending has to go.
    before : Census, optional
        With what to compare, if not with what there is now.
    """
    if before is None:
        if server not in _used:
            _use(server)
        if not server.spares:
            server.wait_until_quiet()
        before = count(server)
    yield before
    try:
        wait_for(lambda: not count(server).more_than(before), timeout)
    except AssertionError:
        raise AssertionError(f"left after {timeout} s: {count(server).more_than(before)}") from None
    assert answers(server)
