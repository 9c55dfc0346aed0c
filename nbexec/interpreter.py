"""Python interpreters: the one that nbexec runs on, and those that kernelspecs name."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
from typing import Any, Dict, List, Optional, Sequence

# The path of the imports must not begin with the working directory: a file there could be taken for a module. Some
# Pythons (3.13) import from there before they come to the first line, so the directory is one without modules.
SAFE_DIRECTORY = os.path.join(os.path.dirname(os.path.abspath(__file__)), "static")
SAFE_PATH = "import sys; sys.path[:1] = filter(None, sys.path[:1])"
_BOOT = SAFE_PATH + "; from nbexec.boot import load; load('nbexec.{0}')(*sys.argv[1:])"
_CHECK = SAFE_PATH + "; from nbexec.boot import problem_of; print(problem_of('nbexec.{0}'))"
# The modules of nbexec arrive as text, and leave no name behind by which a notebook could import them.
_BOOT_ELSEWHERE = SAFE_PATH + """
import json, socket, types
control, listener = [socket.socket(fileno=int(argument)) for argument in sys.argv[1:]]
sources, modules = json.loads(control.makefile("rb").readline())
package = sys.modules["nbexec"] = types.ModuleType("nbexec")
package.__path__ = []
try:
    for name, source in sources:
        module = types.ModuleType("nbexec." + name)
        module.__package__ = "nbexec"
        sys.modules[module.__name__] = module
        setattr(package, name, module)
        exec(compile(source, "<%s>" % module.__name__, "exec"), module.__dict__)
except Exception as error:
    control.sendall(json.dumps({"problem": "%s: %s" % (type(error).__name__, error)}).encode() + b"\\n")
    raise SystemExit
for name in [name for name in sys.modules if name.partition(".")[0] == "nbexec"]:
    del sys.modules[name]
module.start(control, listener, modules)
"""
# As ipykernel starts its kernels; its debugger complains otherwise. A Python that does not know it does not mind.
_FROZEN = "-Xfrozen_modules=off"
_FLAGS = [_FROZEN] if sys.version_info >= (3, 11) else []
_ORDINARY_ARGUMENTS = ["-m", "ipykernel_launcher", "-f", "{connection_file}"]
# Read by the interpreter or the dynamic linker when a process starts: too late in a forked one.
_EARLY_VARIABLES = re.compile(r"^(PYTHON|LD_|DYLD_|MALLOC_|GLIBC_)")
# The names by which a kernelspec means the Python that the notebook server runs on.
OWN_NAMES = frozenset({"python", f"python{sys.version_info[0]}", "python{}.{}".format(*sys.version_info[:2])})


def boot(module: str, sock: socket.socket, environment: Dict[str, str], *arguments: str,
         keep: Sequence[int] = ()) -> subprocess.Popen[bytes]:
    """Start a Python process that has `sock`, and the descriptors `keep`, and calls `start` of a module of nbexec."""
    return subprocess.Popen(
        [sys.executable, *_FLAGS, "-c", _BOOT.format(module), str(sock.fileno()), *arguments], env=environment,
        cwd=SAFE_DIRECTORY, stdin=subprocess.DEVNULL, pass_fds=[sock.fileno(), *keep], start_new_session=True)


def import_problem(module: str) -> str:
    """Return in words why a new process of this Python cannot import a module of nbexec, or nothing if it can."""
    process = subprocess.run([sys.executable, *_FLAGS, "-c", _CHECK.format(module)], text=True, cwd=SAFE_DIRECTORY,
                             stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    return process.stdout.strip() or ("" if process.returncode == 0 else f"importing nbexec.{module} ends the process")


def boot_elsewhere(program: str, control: socket.socket, listener: socket.socket,
                   environment: Dict[str, str]) -> subprocess.Popen[bytes]:
    """Start a process of another Python; it does what it is told in the first line that it reads from `control`.

    Raises
    ------
    OSError
        The program cannot be run.
    """
    return subprocess.Popen(
        [program, _FROZEN, "-c", _BOOT_ELSEWHERE, str(control.fileno()), str(listener.fileno())], env=environment,
        cwd=SAFE_DIRECTORY, stdin=subprocess.DEVNULL, pass_fds=[control.fileno(), listener.fileno()],
        start_new_session=True)


def what_to_do(sources: Dict[str, str], modules: List[str]) -> bytes:
    """Return the first line for a process of another Python.

    Parameters
    ----------
    sources : dict
        The texts of modules of nbexec by their names; each needs only those before it. The last one is started.
    modules : list of str
        Modules to import besides.
    """
    return json.dumps([list(sources.items()), modules]).encode("ascii") + b"\n"


def interpreter_of(spec: Dict[str, Any]) -> Optional[str]:
    """Return the Python whose ordinary ipykernel a kernelspec describes, None if it describes anything else."""
    program = spec["argv"][0]
    if why_not_forked(spec):
        return None
    return sys.executable if is_own(program) else program


def why_not_forked(spec: Dict[str, Any]) -> str:
    """Return in words why a kernel of a kernelspec cannot be forked, or nothing if it can."""
    program, *arguments = spec["argv"]
    if [argument for argument in arguments if argument != _FROZEN] != _ORDINARY_ARGUMENTS:
        return "its command is not the ordinary one of ipykernel"
    early = [name for name in spec.get("env") or {} if _EARLY_VARIABLES.match(name)]
    if early:
        return f"the variable {early[0]} has to be there when a process starts"
    if is_own(program):
        return ""
    if not os.path.isabs(program):
        return f"{program} is no absolute path"
    return "" if os.access(program, os.X_OK) else f"{program} cannot be run"


def is_own(program: str) -> bool:
    """Whether `program` is this Python; not by its real path, by which virtual environments are all alike."""
    folder, name = os.path.split(os.path.normpath(program))
    return name in OWN_NAMES and folder in ("", os.path.dirname(os.path.normpath(sys.executable)))
