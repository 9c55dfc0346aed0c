"""How a run and a map show their progress, in a notebook, on a terminal and in a log."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path
from typing import Any, Dict, List

import pytest
from helpers import Server, write_notebook
from terminals import read_terminal

from nbexec.client import Client

CODE = """
from nbexec.client import Client
with Client({url!r}, {token!r}) as client:
    client.run({path!r}, {{"x": 1}}, progress=True)
    client.submit({path!r}).wait(progress=True)
    client.map({path!r}, [{{"x": 1}}, {{"x": 2}}, {{"x": 3}}], progress=True).results()
"""


@pytest.fixture()
def code(server: Server, folder: Path) -> str:
    write_notebook(folder / "a.ipynb", "# nbexec: params\nx = 0", "'<b>'\nif x == 2: raise ValueError('<i>')")
    return CODE.format(url=server.url, token=server.token, path=f"{folder.name}/a.ipynb")


def shown_on_terminal(code: str) -> str:
    ours, theirs = pty.openpty()
    process = subprocess.Popen([sys.executable, "-c", code], stderr=theirs, env={**os.environ, "TERM": "xterm"})
    os.close(theirs)
    shown = read_terminal(ours)
    assert process.wait(60) == 0
    return shown.decode("utf-8")


def test_a_log_gets_lines(code: str) -> None:
    code = f"import IPython\n{code}"  # which does not make it a notebook
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=100)
    assert done.returncode == 0 and done.stdout == ""
    lines = done.stderr.splitlines()
    assert lines[:3] == ["[1/3] # nbexec: params", "[2/3] # Parameters", "[3/3] '<b>'"]
    assert lines[3:5] == ["[1/2] # nbexec: params", "[2/2] '<b>'"]
    assert len(lines) == 8 and any("x=2: error: cell 3/3 raised ValueError: <i>" in line for line in lines)
    assert lines[-1].startswith("[3/3, 1 failed] ")


def test_a_terminal_gets_bars(code: str) -> None:
    shown = shown_on_terminal(code)
    assert "━" in shown and "cell 3 of 3" in shown and "3/3, 1 failed" in shown


def test_a_notebook_gets_html(server: Server, folder: Path, code: str) -> None:
    write_notebook(folder / "outer.ipynb", code)
    with Client(server.url, server.token) as client:
        cell = client.run(f"{folder.name}/outer.ipynb").cells[0]
    outputs: List[Dict[str, Any]] = cell["outputs"]
    html = ["".join(output["data"]["text/html"]) for output in outputs if output["output_type"] == "display_data"]
    assert len(html) == 3 and len(outputs) == 3
    assert html[0] == f"completed &rarr; {folder.name}/a-Executed1.ipynb"
    assert html[2].startswith("<progress value='3' max='3'></progress> 3/3, 1 failed<br>x=2: error: ")
    assert "ValueError: &lt;i&gt;" in html[2] and "<i>" not in "".join(html)
