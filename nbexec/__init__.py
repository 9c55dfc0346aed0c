"""nbexec runs notebooks through the web API of a classic Jupyter Notebook server.

This module contains only the hooks that Jupyter looks for, and `run_notebook`. It must import quickly, so it must not
import the server.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Dict, List

from ._version import __version__

if TYPE_CHECKING:
    from notebook.notebookapp import NotebookApp

    from .results import result
    from .serverless.local_client import LocalClient, run_notebook

__all__ = ["LocalClient", "__version__", "load_jupyter_server_extension", "result", "run_notebook"]


def __getattr__(name: str) -> Any:
    """Import what notebooks and programs use when they ask for it."""
    if name == "result":
        from .results import result

        return result
    if name in ("LocalClient", "run_notebook"):
        from .serverless import local_client

        return getattr(local_client, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def _jupyter_server_extension_paths() -> List[Dict[str, str]]:
    """Name the server extension; called by ``jupyter serverextension enable --py nbexec``."""
    return [{"module": "nbexec"}]


def _jupyter_server_extension_points() -> List[Dict[str, str]]:
    """Name the server extension; called by jupyter_server 2, on which ``jupyter nbclassic`` is based."""
    return _jupyter_server_extension_paths()


def _jupyter_nbextension_paths() -> List[Dict[str, str]]:
    """Name the JavaScript of both pages; called by ``jupyter nbextension enable --py nbexec``.

    Nothing needs to be installed, because the server extension serves the files.
    """
    return [{"section": page, "src": "static", "dest": "nbexec", "require": f"nbexec/{page}"}
            for page in ("notebook", "tree")]


def load_jupyter_server_extension(nbapp: NotebookApp) -> None:
    """Add the execution API to a notebook server; called by the server when it starts."""
    from .notebook_version import unfitness

    reason = unfitness()
    if reason:  # notebook 7 and JupyterLab call this too, and would log a traceback at each start
        return nbapp.log.warning("nbexec is not loaded: %s.", reason)
    from .extension import load

    load(nbapp)
