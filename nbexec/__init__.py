"""nbexec runs notebooks through the web API of a classic Jupyter Notebook server.

Only what Jupyter looks for is here; it has to import quickly and must not import the notebook server itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Dict, List

from ._version import __version__

if TYPE_CHECKING:
    from notebook.notebookapp import NotebookApp

__all__ = ["__version__", "load_jupyter_server_extension"]


def _jupyter_server_extension_paths() -> List[Dict[str, str]]:
    """Name the server extension; called by ``jupyter serverextension enable --py nbexec``."""
    return [{"module": "nbexec"}]


def _jupyter_server_extension_points() -> List[Dict[str, str]]:
    """Name it to jupyter_server 2, which is the server of ``jupyter nbclassic`` and ``jupyter server``."""
    return _jupyter_server_extension_paths()


def _jupyter_nbextension_paths() -> List[Dict[str, str]]:
    """Name the JavaScript of both pages; called by ``jupyter nbextension enable --py nbexec``.

    There is nothing to install: the server extension serves it.
    """
    return [{"section": page, "src": "static", "dest": "nbexec", "require": f"nbexec/{page}"}
            for page in ("notebook", "tree")]


def load_jupyter_server_extension(nbapp: NotebookApp) -> None:
    """Add the execution API to a notebook server; called by the server when it starts."""
    from .notebook_version import unfitness

    reason = unfitness()
    if reason:  # the server of notebook 7 or JupyterLab comes here too, and would show a traceback at each start
        return nbapp.log.warning("nbexec is not loaded: %s.", reason)
    from .extension import load

    load(nbapp)
