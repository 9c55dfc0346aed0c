"""The tutorial, command by command, in a fresh folder with a fresh environment."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Dict, List

import pytest
import requests
from guide import TREE, Command, changed, commands, run
from helpers import free_port, wait_for

BIN = Path(sys.executable).parent
ACTIVATE = Command(". .venv/bin/activate", "")
# What would be downloaded is there already: behind what the environment has itself, so that nbexec is its own. Its
# setuptools may be too old to make a wheel by itself.
OUR_PACKAGES = Command(f"""
packages=$(python -c "import sysconfig; print(sysconfig.get_paths()['purelib'])")
rm -rf "$packages"/setuptools* "$packages"/pkg_resources "$packages"/_distutils_hack "$packages"/distutils*
echo {sysconfig.get_paths()["purelib"]} > "$packages/ours.pth"
""", "")


@pytest.fixture()
def home(tmp_path: Path) -> Path:
    """A home with a copy of the source tree, in which a build may leave files."""
    ignored = shutil.ignore_patterns(".*", "build", "_build", "*.egg-info", "tests", "docs", "benchmarks",
                                     "*-Executed*")
    shutil.copytree(TREE, tmp_path / "nbexec", ignore=ignored)
    if (Path.home() / ".cache").exists():  # matplotlib looks at all fonts where it has none
        (tmp_path / ".cache").symlink_to(Path.home() / ".cache")
    return tmp_path


@pytest.fixture()
def environment(home: Path) -> Dict[str, str]:
    kept = {name: os.environ[name] for name in ("LANG", "TMPDIR") if name in os.environ}
    return {**kept, "HOME": str(home), "PATH": f"{BIN}:{os.environ['PATH']}", "COLUMNS": "120",
            # what the installation has put there, for the Jupyter of the tests
            "JUPYTER_CONFIG_PATH": str(home / "reports" / ".venv" / "etc" / "jupyter"),
            "JUPYTER_PATH": os.path.join(sys.prefix, "share", "jupyter"),  # nbconvert's templates
            "PIP_NO_INDEX": "1", "PIP_NO_BUILD_ISOLATION": "0"}


def steps() -> List[Command]:
    """Return the commands of the page, as they are done here."""
    steps = [step for step in commands("nightly_report.rst") if "--upgrade pip" not in step.text]
    steps.insert(steps.index(ACTIVATE) + 1, OUR_PACKAGES)
    return steps


@pytest.mark.timeout(500)
@pytest.mark.skipif(shutil.which("curl") is None, reason="no curl here")
def test_the_tutorial(home: Path, environment: Dict[str, str]) -> None:
    port, folder = free_port(), home / "reports"
    changes = {"path/to/nbexec": str(home / "nbexec"), "8888": str(port), ".venv/bin/jupyter": f"{BIN}/jupyter",
               "--no-browser": "--no-browser --allow-root"}
    [serving] = [number for number, step in enumerate(steps()) if "jupyter notebook" in step.text]
    run(steps()[:serving], home, environment, changes)
    assert (folder / ".venv" / "bin" / "nbexec").exists()
    command = ["bash", "-c", f"exec env {changed(steps()[serving].text, changes)}"]
    with open(home / "log", "wb") as log:
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log)

    def answers() -> bool:
        assert process.poll() is None, (home / "log").read_text()
        try:
            return requests.get(f"http://127.0.0.1:{port}/api/executions", timeout=10).status_code == 401
        except requests.ConnectionError:
            return False

    try:
        wait_for(answers, 60, "the server to start")
        run([ACTIVATE, *steps()[serving + 1:]], folder, environment, changes)
    finally:
        process.terminate()
        process.wait(30)
