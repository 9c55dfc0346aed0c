"""Another user of this machine, who listens where somebody may pass by."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import List, Optional, Type

import pytest

NOBODY = 65534
needs_two_users = pytest.mark.skipif(getattr(os, "geteuid", lambda: 1)() != 0,
                                     reason="only root can act as two users of a machine")
_PROGRAM = """
import os, socket, sys
listener = socket.socket()
listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
listener.bind(("127.0.0.1", int(sys.argv[1])))
listener.listen(50)
heard = open(sys.argv[2], "ab", buffering=0)
if hasattr(os, "setgroups"):
    os.setgroups([])
os.setgid(int(sys.argv[3])), os.setuid(int(sys.argv[3]))
print(listener.getsockname()[1], flush=True)
while True:
    connection, _ = listener.accept()
    connection.settimeout(5)
    try:
        heard.write(connection.recv(1 << 16))
        connection.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Length: 18\\r\\n\\r\\n" + b'{"executions": []}')
    except OSError:
        pass
    connection.close()
"""


class ListeningNeighbour:
    """Listens on a port of this machine as another user, for a ``with`` block, and notes what is said there.

    Parameters
    ----------
    folder : Path
        For what is heard.
    port : int
        Where to listen; 0 for anywhere.
    uid : int
        The user.
    """

    def __init__(self, folder: Path, port: int = 0, uid: int = NOBODY) -> None:
        self._heard = folder / "heard"
        self._arguments: List[str] = [str(port), str(self._heard), str(uid)]

    def __enter__(self) -> ListeningNeighbour:
        self.process = subprocess.Popen([sys.executable, "-c", _PROGRAM, *self._arguments], stdout=subprocess.PIPE,
                                        text=True)
        assert self.process.stdout is not None
        self.port = int(self.process.stdout.readline())
        return self

    def __exit__(self, kind: Optional[Type[BaseException]], error: Optional[BaseException],
                 traceback: Optional[TracebackType]) -> None:
        self.process.kill()
        self.process.communicate()

    @property
    def heard(self) -> bytes:
        """What was said."""
        return self._heard.read_bytes()
