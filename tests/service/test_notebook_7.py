"""An environment into which notebook 7 has come: nbexec says so, once and in words.

Its package is put before the one that is installed, so that this environment stays as it is.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Dict

import pytest
import requests
from helpers import free_port, wait_for, write_notebook

WORDS = "nbexec needs notebook 6, but notebook 7."


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Dict[str, str]:
    """Environment variables with which Python finds notebook 7."""
    folder = tmp_path_factory.mktemp("notebook7")
    config = folder / "config" / "jupyter_notebook_config.d"
    config.mkdir(parents=True)
    (config / "nbexec.json").write_text(json.dumps({"NotebookApp": {"nbserver_extensions": {"nbexec": True}}}))
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", folder / "packages",
               "notebook>=7"]
    if subprocess.run(install, timeout=300).returncode:
        pytest.skip("notebook 7 cannot be had from a package index")
    return {**os.environ, "PYTHONPATH": str(folder / "packages"), "JUPYTER_CONFIG_DIR": str(folder / "config"),
            "JUPYTER_DATA_DIR": str(folder / "data"), "JUPYTER_RUNTIME_DIR": str(folder / "runtime")}


def test_its_server_starts_with_one_line_about_nbexec(environment: Dict[str, str], tmp_path: Path) -> None:
    pytest.importorskip("jupyter_server", "2.0", reason="needs jupyter_server 2")
    port = free_port()
    with open(tmp_path / "log", "wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "jupyter_server", "--no-browser", "--allow-root", f"--ServerApp.port={port}",
             f"--ServerApp.root_dir={tmp_path}", "--IdentityProvider.token=secret"],
            cwd=tmp_path, env=environment, stdout=log, stderr=log)

    def status(path: str) -> int:
        assert process.poll() is None, (tmp_path / "log").read_text()
        try:
            return requests.get(f"http://127.0.0.1:{port}/{path}", params={"token": "secret"}, timeout=10).status_code
        except requests.RequestException:
            return 0

    try:
        wait_for(lambda: status("api"), 90, "the server to start")
        assert status("api/executions") == 404
    finally:
        process.terminate()
        process.wait(30)
    lines = (tmp_path / "log").read_text().splitlines()
    assert len([line for line in lines if WORDS in line]) == 1
    assert not [line for line in lines if "Traceback" in line]


def test_run_says_so_at_once(environment: Dict[str, str], tmp_path: Path) -> None:
    source = write_notebook(tmp_path / "a.ipynb", "1")
    done = subprocess.run([sys.executable, "-m", "nbexec.cli", "run", "--private", str(source)], cwd=tmp_path,
                          env=environment, capture_output=True, text=True, timeout=100)
    assert done.returncode == 8 and WORDS in done.stderr
    assert "Traceback" not in done.stderr
    (where, _) = done.stderr.splitlines()
    assert where.startswith("Running on a private server")


def test_doctor_says_so_and_goes_on(environment: Dict[str, str], tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-m", "nbexec.cli", "doctor"], cwd=tmp_path, env=environment,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=100)
    assert f"problem  notebook: {WORDS}" in done.stdout
    assert "ok       temporary files" in done.stdout and "Traceback" not in done.stdout
    assert done.returncode == 1
