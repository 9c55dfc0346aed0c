"""``nbexec doctor``: checks the installation, the servers and the kernels on this machine."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib import metadata
from typing import TYPE_CHECKING, Any, Callable, Dict, Iterator, List, NamedTuple, Optional, Tuple

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from .._version import __version__
from ..files.private_files import make_temporary_folder
from ..kernels.interpreters import SAFE_DIRECTORY, SAFE_PATH, import_problem, origin_of, provisioner_of, why_not_forked
from ..notebook_version import unfitness

if TYPE_CHECKING:
    from .servers import RunningServer

_SHOWN = ("notebook", "jupyter-client", "nbconvert", "ipykernel", "tornado", "pyzmq")
_PROBE_TIMEOUT = 30.0  # seconds that another interpreter may take to report its ipykernel
_PROBE = SAFE_PATH + "; import ipykernel; print(ipykernel.__version__)"
OK, NOTE, PROBLEM = "ok", "note", "problem"


class Finding(NamedTuple):
    """The result of one check.

    Parameters
    ----------
    state : str
        `OK`, `NOTE` or `PROBLEM`.
    subject : str
        What was checked.
    text : str
        What was found, and how to fix it.
    """

    state: str
    subject: str
    text: str


def examine(cacert: Optional[str] = None) -> Iterator[Finding]:
    """Yield all findings as they are made; `cacert` names the authorities to trust for servers."""
    yield Finding(OK, "nbexec", f"{__version__}, Python {sys.version.split()[0]} ({sys.executable})")
    for examination in _EXAMINATIONS:
        yield from examination()
    yield from _servers(cacert)


def _versions() -> Iterator[Finding]:
    for requirement in _requirements():
        name, wanted = canonicalize_name(requirement.name), requirement.specifier
        install = f"run {sys.executable} -m pip install '{name}{wanted}'"
        try:
            version = metadata.version(name)
        except metadata.PackageNotFoundError:
            yield Finding(PROBLEM, name, f"is not installed: {install}")
            continue
        if name == "notebook" and unfitness():
            yield Finding(PROBLEM, name, unfitness())
        elif not wanted.contains(version, prereleases=True):
            yield Finding(PROBLEM, name, f"{version} is installed, but nbexec needs {wanted}: {install}")
        elif name in _SHOWN:
            yield Finding(OK, name, version)


def _requirements() -> List[Requirement]:
    """Return the requirements of nbexec on this Python."""
    every = map(Requirement, metadata.requires("nbexec") or [])
    return [needed for needed in every if needed.marker is None or needed.marker.evaluate({"extra": ""})]


def _imports() -> Iterator[Finding]:
    modules = {} if unfitness() else {"the server": "extension"}
    modules["executions"] = "runner.runner"
    for subject, module in modules.items():
        problem = import_problem(module)
        yield Finding(PROBLEM if problem else OK, f"imports of {subject}", problem or "complete")


def _extension() -> Iterator[Finding]:
    if unfitness():
        return  # there is no server that could load it
    from jupyter_core.paths import jupyter_config_path
    from notebook.config_manager import BaseJSONConfigManager

    said: List[bool] = []  # by the configuration folders; the first one counts
    for folder in jupyter_config_path():
        config = BaseJSONConfigManager(config_dir=folder).get("jupyter_notebook_config")
        extensions = config.get("NotebookApp", {}).get("nbserver_extensions", {})
        said.extend([extensions["nbexec"]] if "nbexec" in extensions else [])
    if said and said[0]:
        yield Finding(OK, "server extension", "enabled")
    else:
        yield Finding(PROBLEM, "server extension",
                      "not enabled: run jupyter serverextension enable --py nbexec --sys-prefix")


def _fork() -> Iterator[Finding]:
    if hasattr(os, "fork"):
        yield Finding(OK, "fork server", "available")
    else:
        yield Finding(NOTE, "fork server", "not available on this system: every process is started from scratch")


def _temporary_files() -> Iterator[Finding]:
    try:
        folder = make_temporary_folder()
    except OSError as error:
        yield Finding(PROBLEM, "temporary files", f"{error}: set TMPDIR to a writable folder")
    else:
        folder.end()
        yield Finding(OK, "temporary files", f"in {os.path.dirname(folder.path)}")


def _servers(cacert: Optional[str]) -> Iterator[Finding]:
    from . import servers

    none = True
    for file, found in servers.announced():
        if isinstance(found, servers.RunningServer):
            none = False
            finding = _server(found, cacert)
            yield finding
            if finding.state == OK:
                yield from _engine(found, cacert)
        elif isinstance(found, servers.PeerError):
            yield Finding(NOTE, str(file), f"left behind by a server that is gone: {found}. You can remove it")
        else:
            yield Finding(PROBLEM, str(file), f"not trusted: {found}. Remove it, and check who can write there")
    if none:
        yield Finding(NOTE, "notebook servers", "none is running that accepts a token")


def _server(server: RunningServer, cacert: Optional[str]) -> Finding:
    from . import servers

    try:
        servers.probe(server, cacert)
    except servers.CertificateError as error:
        return Finding(PROBLEM, server.url, f"is running, but nbexec run cannot use it: {error}")
    except servers.ApiError as error:
        return Finding(PROBLEM, server.url, f"is running without nbexec: {error}. Restart it; its log says why the "
                                            "extension is not loaded")
    return Finding(OK, server.url, f"is running with nbexec and serves {server.root}")


def _engine(server: RunningServer, cacert: Optional[str]) -> Iterator[Finding]:
    """Check the cluster of a server, if it has one."""
    from . import servers

    try:
        engine = servers.engine_of(server, cacert)
    except servers.ApiError:
        return  # it has an older nbexec
    if engine.scheduler is None:
        return
    subject = f"Dask cluster of {server.url}"
    for problem in engine.problems:
        yield Finding(PROBLEM, subject, str(problem))
    if not engine.scheduler.startswith("tls://"):
        yield Finding(PROBLEM, subject, f"the connection to {engine.scheduler} is not encrypted: everybody in its "
                                        "network can run code on all workers. Configure TLS")
    if engine.slots:
        yield Finding(OK, subject, f"can run {engine.slots} executions at once")
    elif not engine.problems:
        yield Finding(PROBLEM, subject, "has no slot for an execution")


def _kernels() -> Iterator[Finding]:
    from jupyter_client.kernelspec import KernelSpecManager

    for name, found in sorted(KernelSpecManager().get_all_specs().items()):
        yield _kernel(f"kernel {name}", found["spec"])


def _kernel(subject: str, spec: Dict[str, Any]) -> Finding:
    if str(spec.get("language")).lower() != "python" or not (spec.get("argv") or provisioner_of(spec)):
        return Finding(NOTE, subject, f"cannot be used: its language is {spec.get('language')}")
    if provisioner_of(spec):
        return Finding(OK, subject, f"started by the provisioner {provisioner_of(spec)}")
    origin = origin_of(spec, os.environ)
    if origin is None:
        return Finding(OK, subject, f"started by its command line, because {why_not_forked(spec)}")
    program = origin.program
    if program == sys.executable:
        names = ", ".join(name for name, _ in origin.variables)
        return Finding(OK, subject, f"forked by a fork server with {names}, from its second execution on" if names
                       else "forked")
    version = _ipykernel_of(program)
    if not version:
        return Finding(PROBLEM, subject, f"{program} cannot import ipykernel")
    if not version.startswith("6."):
        return Finding(OK, subject, f"started by its command line, because {program} has ipykernel {version}")
    return Finding(OK, subject, f"forked by a fork server of {program}, from its second execution on")


def _ipykernel_of(program: str) -> str:
    """Return the version of ipykernel in another Python, an empty string if there is none."""
    try:
        return subprocess.run([program, "-c", _PROBE], timeout=_PROBE_TIMEOUT, check=True, text=True,
                              cwd=SAFE_DIRECTORY, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ""


_EXAMINATIONS: Tuple[Callable[[], Iterator[Finding]], ...] = (
    _versions, _imports, _extension, _fork, _temporary_files, _kernels)
