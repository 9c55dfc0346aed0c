"""Which notebook package is installed: nbexec extends the server of notebook 6, and notebook 7 is another server."""

from __future__ import annotations

import sys
from importlib import metadata


def unfitness() -> str:
    """Return in words why nbexec cannot do with the notebook package that is installed, or nothing if it can."""
    install = f"run {sys.executable} -m pip install 'notebook<7'"
    try:
        version = metadata.version("notebook")
    except metadata.PackageNotFoundError:
        return f"nbexec needs notebook 6, and notebook is not installed: {install}"
    if int(version.partition(".")[0]) < 7:
        return ""
    return (f"nbexec extends the server of notebook 6, and notebook {version} is installed: put nbexec into a virtual "
            f"environment of its own, or {install}, which replaces notebook {version}")
