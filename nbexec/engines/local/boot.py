"""Starting processes that are not forked: fork servers, of this interpreter and of others, and runners without one."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from typing import Dict, Iterable, List, Sequence

from ...fork_protocol import ForkServerFailed, encode
from ...kernels.interpreters import SAFE_DIRECTORY, SAFE_PATH, Origin

_BOOT = SAFE_PATH + "; from nbexec.runner.boot import load; load('nbexec.{0}')(*sys.argv[1:])"
# The modules of nbexec arrive as text, and leave no name behind by which a notebook could import them.
_BOOT_ELSEWHERE = SAFE_PATH + """
import json, socket, types
control, listener = [socket.socket(fileno=int(argument)) for argument in sys.argv[1:]]
sources, modules, refusal = json.loads(control.makefile("rb").readline())
packages = [types.ModuleType(name) for name in ("nbexec", "nbexec.forked")]
sys.modules.update({package.__name__: package for package in packages})
for package in packages:
    package.__path__ = []
try:
    for name, source in sources:
        module = types.ModuleType("nbexec." + name)
        module.__package__, _, name = module.__name__.rpartition(".")
        sys.modules[module.__name__] = module
        setattr(sys.modules[module.__package__], name, module)
        exec(compile(source, "<%s>" % module.__name__, "exec"), module.__dict__)
except Exception as error:
    refusal["problem"] = "%s: %s" % (type(error).__name__, error)
    control.sendall(json.dumps(refusal).encode() + b"\\n")
    raise SystemExit
for name in [name for name in sys.modules if name.partition(".")[0] == "nbexec"]:
    del sys.modules[name]
module.start(control, listener, modules)
"""


def boot(module: str, options: Iterable[str], environment: Dict[str, str], sock: socket.socket,
         *arguments: str, keep: Sequence[int] = ()) -> subprocess.Popen[bytes]:
    """Start a Python process that inherits `sock` and the descriptors in `keep`, and calls `start` of a module."""
    return subprocess.Popen(
        [sys.executable, *options, "-c", _BOOT.format(module), str(sock.fileno()), *arguments], env=environment,
        cwd=SAFE_DIRECTORY, stdin=subprocess.DEVNULL, pass_fds=[sock.fileno(), *keep], start_new_session=True)


def boot_elsewhere(origin: Origin, environment: Dict[str, str], control: socket.socket,
                   listener: socket.socket) -> subprocess.Popen[bytes]:
    """Start a process of any Python interpreter, which executes the first line that it reads from `control`.

    Raises
    ------
    OSError
        The program cannot be executed.
    """
    return subprocess.Popen(
        [origin.program, *origin.options, "-c", _BOOT_ELSEWHERE, str(control.fileno()), str(listener.fileno())],
        env={**environment, **dict(origin.variables)}, cwd=SAFE_DIRECTORY, stdin=subprocess.DEVNULL,
        pass_fds=[control.fileno(), listener.fileno()], start_new_session=True)


def what_to_do(sources: Dict[str, str], modules: List[str]) -> bytes:
    """Return the first line for a process of another Python.

    Parameters
    ----------
    sources : dict
        The sources of modules of nbexec by name; each imports only those before it. The last one is started.
    modules : list of str
        Modules to preload.
    """
    refusal = json.loads(encode(ForkServerFailed("")))  # which it has to send if it cannot load the module for that
    return json.dumps([list(sources.items()), modules, refusal]).encode("ascii") + b"\n"
