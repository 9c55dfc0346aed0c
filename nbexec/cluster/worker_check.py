"""What a worker has to have before the first notebook is sent to it."""

from __future__ import annotations

import os
import sys
from typing import Any, Dict, List

import distributed

from .._version import __version__
from . import descriptors

# The names of the handlers that a worker gets by its preload.
ATTACH = "nbexec_attach"
DISMISS = "nbexec_dismiss"
EXCERPT = 500  # characters of what a worker says


def own_versions() -> Dict[str, str]:
    """Return the versions of this process that have to be the same everywhere."""
    return {"nbexec": __version__, "Python": ".".join(map(str, sys.version_info[:2])),
            "distributed": distributed.__version__}


def check_worker(marker: Dict[str, str], dask_worker: distributed.Worker) -> Dict[str, Any]:
    """Return what there is on a worker; Dask calls this there."""
    return {"name": str(dask_worker.name), "versions": own_versions(), "preload": ATTACH in dask_worker.handlers,
            "descriptors": descriptors.missing(dask_worker.state.nthreads),
            "missing": [path for path, content in marker.items() if _content(path) != content]}


def defects(there: Dict[str, Any]) -> List[str]:
    """Return in words what is wrong with a worker."""
    found = [f"it has {name} {there['versions'].get(name)}, and the notebook server has {own}"
             for name, own in own_versions().items() if there["versions"].get(name) != own]
    if not there["preload"]:
        found.append("it was started without --preload nbexec.dask_worker")
    elif there.get("descriptors"):
        found.append(there["descriptors"])
    found.extend(f"it does not have the files of the notebook server ({os.path.dirname(path)}); set "
                 "c.NbExec.dask_shared" for path in there["missing"])
    return found


def _content(path: str) -> str:
    try:
        with open(path, encoding="ascii") as file:
            return file.read()
    except (OSError, ValueError):
        return ""
