"""Checks the installed notebook package: nbexec extends the server of notebook 6; that of notebook 7 is different."""

from __future__ import annotations

import sys
from importlib import metadata


def unfitness() -> str:
    """Return why nbexec cannot use the installed notebook package; an empty string if it can."""
    install = f"run {sys.executable} -m pip install 'notebook<7'"
    try:
        version = metadata.version("notebook")
    except metadata.PackageNotFoundError:
        return f"nbexec needs notebook 6, but notebook is not installed: {install}"
    if int(version.partition(".")[0]) < 7:
        return ""
    return (f"nbexec needs notebook 6, but notebook {version} is installed: install nbexec into a virtual environment "
            f"of its own, or {install}, which replaces notebook {version}")
