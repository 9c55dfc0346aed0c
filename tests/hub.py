"""A real JupyterHub with its proxy, which starts classic Notebook servers for whoever gives a name."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Optional

import requests
from helpers import free_port, wait_for

PROXY = "configurable-http-proxy"


def missing() -> Optional[str]:
    """Return what a Hub lacks here."""
    if find_spec("jupyterhub") is None:
        return "no JupyterHub: pip install jupyterhub"
    return None if shutil.which(PROXY) else f"no proxy for JupyterHub: npm install -g {PROXY}"


class Hub:
    """The Hub below a base URL; `root` is the folder of its only user, ann.

    Parameters
    ----------
    folder : Path
        An empty folder for everything that is the Hub's.
    more : str
        What its configuration ends with.
    """

    def __init__(self, folder: Path, more: str = "") -> None:
        self.folder = folder
        self.root = folder / "home" / "ann"
        self.root.mkdir(parents=True)
        self.url = f"http://127.0.0.1:{free_port()}/hub-base/"
        sections = folder / "config" / "nbconfig" / "tree.d"
        sections.mkdir(parents=True)
        (sections / "nbexec.json").write_text('{"load_extensions": {"nbexec/tree": true}}')
        environment = {"JUPYTERHUB_SINGLEUSER_APP": "notebook", "JUPYTER_CONFIG_DIR": str(folder / "config"),
                       "JUPYTER_RUNTIME_DIR": str(folder / "runtime"), "PYTHONPATH": os.environ.get("PYTHONPATH", "")}
        (folder / "jupyterhub_config.py").write_text(f"""
c.JupyterHub.bind_url = {self.url!r}
c.JupyterHub.hub_port = {free_port()}
c.JupyterHub.authenticator_class = "dummy"
c.JupyterHub.spawner_class = "simple"
c.JupyterHub.cleanup_servers = True
c.ConfigurableHTTPProxy.api_url = "http://127.0.0.1:{free_port()}"
c.Authenticator.allow_all = True
c.SimpleLocalProcessSpawner.home_dir_template = {str(folder / "home" / "{username}")!r}
c.Spawner.cmd = [{sys.executable!r}, "-m", "jupyterhub.singleuser"]
c.Spawner.args = ["--allow-root", "--NotebookApp.nbserver_extensions={{'nbexec': True}}"]
c.Spawner.environment = {environment!r}
c.Spawner.default_url = "/tree"
{more}""")
        self.log_file = folder / "log"
        with open(self.log_file, "wb") as log:
            self.process = subprocess.Popen([sys.executable, "-m", "jupyterhub"], cwd=folder, stdin=subprocess.DEVNULL,
                                            stdout=log, stderr=log, start_new_session=True)
        try:
            wait_for(self._answers, 60, "the Hub to start")
        except AssertionError as error:
            self.stop()
            raise AssertionError(f"{error}: {self.log_file.read_text()}") from error

    def _answers(self) -> bool:
        assert self.process.poll() is None, "the Hub has ended"
        try:
            return requests.get(f"{self.url}hub/login", timeout=10).status_code == 200
        except requests.RequestException:
            return False

    def stop(self) -> None:
        """End the Hub, its proxy and the servers that it has started."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        self.process.wait(60)
