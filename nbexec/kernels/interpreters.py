"""Python interpreters: the one that nbexec runs on, and those that kernelspecs name."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from string import Template
from typing import Any, Dict, Mapping, NamedTuple, Optional, Tuple

# The path of the imports must not begin with the working directory: a file there could be taken for a module. Some
# Pythons (3.13) import from there before they come to the first line, so the directory is one without modules.
SAFE_DIRECTORY = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "static")
SAFE_PATH = "import sys; sys.path[:1] = filter(None, sys.path[:1])"
_CHECK = SAFE_PATH + "; from nbexec.runner.boot import problem_of; print(problem_of('nbexec.{0}'))"
# An option that some kernelspecs of ipykernel have. It shows in tracebacks.
_FROZEN = "-Xfrozen_modules=off"
_ORDINARY_ARGUMENTS = ["-m", "ipykernel_launcher", "-f", "{connection_file}"]
# Variables that a fork server cannot have, because it is not started as a kernel is.
_EARLY_VARIABLES = re.compile(r"^(PYTHON|LD_|DYLD_|MALLOC_|GLIBC_)")
# Variables that can be set in a running kernel: nothing reads them before they are used, or the kernel reads them
# again. All other variables of a kernelspec have to be set when a process starts.
_LATE_VARIABLES = re.compile(r"^(TMPDIR|TEMP|TMP|(http|https|ftp|all|no)_proxy)$", re.IGNORECASE)
# The names by which a kernelspec means the Python that the notebook server runs on.
OWN_NAMES = frozenset({"python", f"python{sys.version_info[0]}", "python{}.{}".format(*sys.version_info[:2])})


class Origin(NamedTuple):
    """The kind of process that kernels of a kernelspec can be forked from.

    Parameters
    ----------
    program : str
        The interpreter.
    options : tuple of str
        Its options.
    variables : tuple of pairs of str
        Variables that have to be in its environment when it starts.
    """

    program: str
    options: Tuple[str, ...] = ()
    variables: Tuple[Tuple[str, str], ...] = ()

    def __str__(self) -> str:
        return self.program + "".join(f", {name}" for name, _ in self.variables)


def import_problem(module: str) -> str:
    """Return why a new process of this Python cannot import a module of nbexec; empty if it can."""
    process = subprocess.run([sys.executable, "-c", _CHECK.format(module)], text=True, cwd=SAFE_DIRECTORY,
                             stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    return process.stdout.strip() or ("" if process.returncode == 0 else f"importing nbexec.{module} ends the process")


def origin_of(spec: Dict[str, Any], environment: Mapping[str, str]) -> Optional[Origin]:
    """Return the origin from which kernels of a kernelspec can be forked, or None if they cannot.

    Parameters
    ----------
    spec : dict
        The kernelspec.
    environment : mapping
        The variables to which those of the kernelspec can refer.
    """
    if why_not_forked(spec):
        return None
    program = spec["argv"][0]
    variables = {name: value for name, value in variables_of(spec, environment).items()
                 if not _LATE_VARIABLES.match(name) and environment.get(name) != value}
    return Origin(sys.executable if is_own(program) else program, options_of(spec), tuple(sorted(variables.items())))


def options_of(spec: Dict[str, Any]) -> Tuple[str, ...]:
    """Return the options of Python in a kernelspec of ipykernel, as far as they can be shared."""
    return (_FROZEN,) if _FROZEN in spec["argv"] else ()


def own_origin() -> Origin:
    """Return the origin that this process is."""
    return Origin(sys.executable, tuple(f"-X{name}={value}" for name, value in sys._xoptions.items()))


def variables_of(spec: Dict[str, Any], environment: Mapping[str, str]) -> Dict[str, str]:
    """Return the variables that a kernelspec sets; references to others are resolved as Jupyter does."""
    return {name: Template(str(value)).safe_substitute(environment) for name, value in (spec.get("env") or {}).items()}


def provisioner_of(spec: Dict[str, Any]) -> str:
    """Return the provisioner of jupyter_client that starts the kernels of a kernelspec, or nothing if nbexec does.

    The server stores it as `provisioner`, because its configuration can set one for kernelspecs without one.
    """
    stanza = (spec.get("metadata") or {}).get("kernel_provisioner") or {}
    name = str(spec.get("provisioner", stanza.get("provisioner_name")) or "")
    return "" if name == "local-provisioner" else name


def why_not_forked(spec: Dict[str, Any]) -> str:
    """Return why a kernel of a kernelspec cannot be forked; empty if it can."""
    if provisioner_of(spec):
        return f"the provisioner {provisioner_of(spec)} starts it"
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
    """Whether `program` is this Python. Real paths are not compared: virtual environments share theirs."""
    folder, name = os.path.split(os.path.normpath(program))
    return name in OWN_NAMES and folder in ("", os.path.dirname(os.path.normpath(sys.executable)))
