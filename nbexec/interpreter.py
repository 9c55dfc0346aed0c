"""Starting Python processes of nbexec's own."""

from __future__ import annotations

import socket
import subprocess
import sys

# The path of the imports must not begin with the working directory: a file there could be taken for a module.
_BOOT = "import sys; sys.path.remove(''); from nbexec.{0} import start; start(*sys.argv[1:])"
# As ipykernel starts its kernels; its debugger complains otherwise.
_FLAGS = ["-Xfrozen_modules=off"] if sys.version_info >= (3, 11) else []


def boot(module: str, sock: socket.socket, *arguments: str) -> subprocess.Popen[bytes]:
    """Start a Python process that has `sock` and calls `start` of a module of nbexec."""
    return subprocess.Popen(
        [sys.executable, *_FLAGS, "-c", _BOOT.format(module), str(sock.fileno()), *arguments],
        stdin=subprocess.DEVNULL, pass_fds=[sock.fileno()], start_new_session=True)
