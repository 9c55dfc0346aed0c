"""What a run shows: its events, its output, nothing; and the cell that failed."""

from __future__ import annotations

import json
import os
import pty
import subprocess
from pathlib import Path
from typing import List

import pytest
from command import Cli
from helpers import Server, write_notebook
from terminals import read_terminal

from nbexec.cli.exit_codes import code_for
from nbexec.cli.text_table import table_lines


@pytest.fixture
def on(server: Server) -> List[str]:
    return ["--server", server.url, "--token", server.token]


def shown_on_terminal(cli: Cli, *arguments: str, **environ: str) -> str:
    ours, theirs = pty.openpty()
    process = subprocess.Popen(cli.command(arguments), stdin=theirs, stdout=theirs, stderr=theirs, cwd=cli.work,
                               env={**cli.environ, "TERM": "xterm", "COLUMNS": "60", **environ})
    os.close(theirs)
    shown = read_terminal(ours)
    process.wait(60)
    return shown.decode("utf-8")


def test_a_terminal_gets_colours_unless_they_are_not_wanted(cli: Cli, on: List[str], folder: Path) -> None:
    write_notebook(folder / "a.ipynb", "1 / 0")
    arguments = ["run", f"{folder.name}/a.ipynb", *on]
    assert "\x1b[31mError in cell 1/1:" in shown_on_terminal(cli, *arguments)
    plain = shown_on_terminal(cli, *arguments, NO_COLOR="1")
    assert "\r\nError in cell 1/1:" in plain.replace("\x1b[?25h", "") and "\x1b[31m" not in plain


def test_a_terminal_gets_a_bar_for_several_and_a_table_that_fits(cli: Cli, on: List[str], folder: Path) -> None:
    write_notebook(folder / "a.ipynb", "# nbexec: params\nx = 'a'", "1")
    shown = shown_on_terminal(cli, "run", f"{folder.name}/a.ipynb", "--sweep", f"x={'b' * 80},c", *on)
    assert "━" in shown and "2/2" in shown
    lines = shown.rpartition("\r\n\r\n")[2].split("\r\n")
    assert lines[0].startswith("x ") and lines[3] == "2 of 2 completed"
    assert all(len(line) <= 60 for line in lines) and lines[1].startswith("bbb") and "…" in lines[1]


def test_json_prints_each_event_and_nothing_else(cli: Cli, on: List[str], folder: Path) -> None:
    write_notebook(folder / "a.ipynb", "print('\\x7f')", "1 / 0")
    done = cli("run", "--json", f"{folder.name}/a.ipynb", *on)
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1)) and "\x7f" not in done.stdout
    assert events[-1]["event"] == "notebook_error" and events[-1]["kind"] == "cell_failed"
    assert done.returncode == 1 and "ZeroDivisionError" in done.stderr


def test_quiet_shows_nothing_but_errors(cli: Cli, on: List[str], folder: Path) -> None:
    write_notebook(folder / "a.ipynb", "1")
    done = cli("run", "--quiet", f"{folder.name}/a.ipynb", *on)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{folder.name}/a-Executed1.ipynb\n", "")
    write_notebook(folder / "b.ipynb", "1 / 0")
    done = cli("run", "-q", f"{folder.name}/b.ipynb", *on)
    assert done.returncode == 1 and done.stderr.startswith("Error in cell 1/1:")


def test_live_shows_output_while_a_cell_runs(cli: Cli, on: List[str], folder: Path) -> None:
    write_notebook(folder / "a.ipynb", "import os, time\nprint('\\x1b[31mred\\x1b[0m \\x9b', flush=True)\n"
                   "while not os.path.exists('go'): time.sleep(0.01)\nprint('end', end='')", "1 + 1")
    with cli.start("run", "--live", f"{folder.name}/a.ipynb", *on) as process:
        assert process.stderr is not None
        assert any(line == "red \\x9b\n" for line in process.stderr)  # before the cell ends
        (folder / "go").touch()
        _, stderr = process.communicate(timeout=60)
    assert process.returncode == 0 and stderr.splitlines() == ["end", "[2/2] 1 + 1", "2"]


def test_live_shows_each_line_once(cli: Cli, on: List[str], folder: Path) -> None:
    write_notebook(folder / "a.ipynb", "import time\nfor n in range(8):\n    print('line', n, flush=True)\n"
                   "    time.sleep(0.1)\nfor n in range(5):\n    print('\\rbar', n, end='', flush=True)")
    done = cli("run", "--live", f"{folder.name}/a.ipynb", *on)
    lines = done.stderr.splitlines()
    assert [line for line in lines if line.startswith("line")] == [f"line {number}" for number in range(8)]
    assert lines[-1] == "bar 4"


def test_a_failure_shows_the_cell_and_the_last_frames(cli: Cli, on: List[str], folder: Path) -> None:
    source = "\n".join([*(f"a{number} = {number}" for number in range(30)), "def f(n):",
                        "    return f(n - 1) if n else 1 / 0", "f(9)"])
    write_notebook(folder / "a.ipynb", "1", source)
    done = cli("run", f"{folder.name}/a.ipynb", *on)
    assert done.returncode == 1
    assert "Error in cell 2/2:" in done.stderr and "--> 33 | f(9)" in done.stderr and "a3 = 3" not in done.stderr
    assert "8 frames left out" in done.stderr and "ZeroDivisionError: division by zero" in done.stderr
    assert f"Output so far: {folder.name}/a-Executed1.ipynb" in done.stderr and "\x1b" not in done.stderr


@pytest.mark.parametrize("source, options, code, says", [
    ("1 / 0", [], 1, "ZeroDivisionError"),
    ("import time; time.sleep(60)", ["--timeout", "1"], 5, "took longer than cell_timeout"),
    ("import os; os._exit(3)", [], 6, "the kernel died"),
    ("1", ["--kernel", "nope"], 2, "--kernel: "),
], ids=["failed", "timed out", "kernel died", "refused"])
def test_the_exit_code_tells_the_kind(cli: Cli, on: List[str], folder: Path, source: str, options: List[str],
                                      code: int, says: str) -> None:
    write_notebook(folder / "a.ipynb", source)
    done = cli("run", f"{folder.name}/a.ipynb", *options, *on)
    assert done.returncode == code and says in done.stderr, done.stderr
    if code != 2:
        assert source in done.stderr


def test_an_older_server_tells_no_kind() -> None:
    failed = {"event": "notebook_error", "execution": {"progress": "1/2", "output_path": "a-Executed1.ipynb"}}
    assert code_for({**failed, "ename": "E"}) == 1 and code_for(failed) == 1
    assert code_for({**failed, "execution": {"progress": "1/2", "output_path": None}}) == 4
    assert code_for({**failed, "execution": {"progress": None}}) == 2


def test_a_table_fits_into_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "30")
    rows = [["x", "a" * 50, "日本語" * 10], ["y", "b\x1b", "c"]]
    on_terminal = list(table_lines(["n", "first", "second"], rows, is_terminal=True))
    assert on_terminal[0].split() == ["n", "first", "second"] and "\\x1b" in on_terminal[2]
    assert all(len(line) <= 30 for line in on_terminal) and on_terminal[1].count("…") == 2
    assert "a" * 50 in list(table_lines(["n", "first", "second"], rows, is_terminal=False))[1]
