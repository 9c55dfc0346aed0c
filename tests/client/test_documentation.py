"""The examples on the page about the client run, one after the other, on notebooks with the names that are there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path

from helpers import Server, write_notebook

TREE = Path(__file__).parents[2]


def test_the_examples_run(server: Server, folder: Path) -> None:
    page = (TREE / "docs" / "client.rst").read_text("utf-8")
    blocks = re.findall(r"^\.\. code-block:: python\n\n((?:   .*\n|\n)+)", page, re.MULTILINE)
    assert len(blocks) >= 7
    write_notebook(folder / "report.ipynb", "# nbexec: params\nregion = 'West'\ntop_n = 3", "print(region, top_n)")
    write_notebook(folder / "fails.ipynb", "1", "{}['no']")
    write_notebook(folder / "slow.ipynb", "import time; time.sleep(60)")
    program = "\n".join(map(textwrap.dedent, blocks)).replace('"report.ipynb"', f'"{folder.name}/report.ipynb"')
    for name in ("fails", "slow"):
        program = program.replace(f'"{name}.ipynb"', f'"{folder.name}/{name}.ipynb"')
    program = program.replace(f'Path("{folder.name}/', 'Path("')  # files are named from here
    variables = {name: value for name, value in os.environ.items() if name not in ("NBEXEC_SERVER", "NBEXEC_TOKEN")}
    done = subprocess.run([sys.executable, "-c", program], cwd=folder, capture_output=True, text=True,
                          timeout=110, env={**variables, "JUPYTER_RUNTIME_DIR": str(server.runtime_dir)})
    assert done.returncode == 0, done.stderr
    for said in ("north.ipynb", "cell ", "see ", "error: the execution was shut down", "North completed",
                 "0 completed",
                 "completed completed"):
        assert said in done.stdout, done.stdout


def test_every_name_is_on_the_page() -> None:
    from nbexec import client

    page = (TREE / "docs" / "client.rst").read_text("utf-8")
    # what a program gets without asking for it by name
    assert {name for name in client.__all__ if name not in page} <= {"Event", "FINAL_EVENTS", "Model", "RESERVED",
                                                                     "token_in"}


ALONE = """
import sys
for name in ("IPython", "click", "jupyter_client", "jupyter_core", "nbclient", "nbconvert", "nbformat", "notebook",
             "rich", "tornado", "traitlets", "yaml", "zmq"):
    sys.modules[name] = None  # it cannot be imported
from nbexec.client import Client
with Client(*sys.argv[1:3]) as client:
    execution = client.submit(sys.argv[3])
    print([event["event"] for event in execution.events()][-1], execution.result().summary)
"""


def test_the_client_needs_no_package_of_a_notebook_server(server: Server, folder: Path) -> None:
    write_notebook(folder / "a.ipynb", "1")
    done = subprocess.run([sys.executable, "-c", ALONE, server.url, server.token, f"{folder.name}/a.ipynb"],
                          capture_output=True, text=True, timeout=110)
    assert (done.stdout, done.stderr) == ("notebook_complete completed\n", "")
