"""Runs of several notebooks and of several values, where their outputs go, and other formats."""

from __future__ import annotations

import base64
import json
import os
import signal
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from typing import Any, Dict, List

import nbformat
import pytest
from command import Cli
from helpers import Server, wait_for, write_notebook

from nbexec.cli.run_plan import output_path

PARAMS = "# nbexec: params\nx = 1\nname = 'n'"


@pytest.fixture
def found(cli: Cli, server: Server, folder: Path) -> Cli:
    """The command in a folder of a running server, which it finds."""
    cli.work = folder
    cli.environ["JUPYTER_RUNTIME_DIR"] = str(server.runtime_dir)
    return cli


def text_of(path: Path) -> str:
    nb = nbformat.read(path, as_version=4)
    return "".join(output.get("text", "") for cell in nb.cells for output in cell.outputs)


# -- values ---------------------------------------------------------------------------------------


def test_values_come_from_files_and_texts_and_later_kinds_win(found: Cli) -> None:
    write_notebook(found.work / "a.ipynb", "# nbexec: params\na = 0\nb = 0\nc = 0\nd = 0.5\ne = ''",
                   "print(a, b, c, d, repr(e))")
    (found.work / "p.yaml").write_text("b: 2\nc: 2\nd: 1.5\n")
    (found.work / "p.json").write_text('{"d": 2.5}')
    encoded = base64.b64encode(b"a: 1\nb: 1\nc: 1").decode()
    done = found("run", "a.ipynb", "-b", encoded, "-f", "p.yaml", "-f", "p.json", "-y", "{c: 3, e: 2024-05-31}",
                 "-p", "e", "of -p")
    assert done.returncode == 0, done.stderr
    assert text_of(found.work / "a-Executed1.ipynb") == "1 2 3 2.5 'of -p'\n"


@pytest.mark.parametrize("options, says", [
    (["-y", "["], "expected YAML"), (["-y", "text"], "expected a mapping"), (["-b", "%"], "expected base64"),
    (["-f", "missing.yaml"], "missing.yaml cannot be read"), (["-y", "token: x"], "token is reserved"),
    (["--sweep", "x"], "expected NAME=VALUE"), (["--sweep", "x=1", "--sweep", "x=2"], "x is given twice"),
    (["--output", "{no}"], "expected one of date, index, stem, time in braces, got 'no'"),
    (["--output", "a{b"], "write {{ for a brace"),
    (["--sweep", "x=1,2", "--output", "o.ipynb", "--overwrite"], "several executions would overwrite the same"),
    (["--sweep", "x=1,2", "--output", "-"], "standard output is for one notebook"),
    (["nothing*.ipynb"], "no notebook matches"), (["--detach", "--html"], "--detach does not wait"),
    (["--json", "--output", "-"], "cannot both go to standard output"),
    (["--live", "--jobs", "2"], "cannot be combined"), (["--jobs", "0"], "--jobs"),
])
def test_bad_usage_is_refused_before_anything_runs(cli: Cli, options: List[str], says: str) -> None:
    write_notebook(cli.work / "a.ipynb", PARAMS)
    done = cli("run", "a.ipynb", *options)
    assert (done.returncode, done.stdout) == (2, "")
    assert says in " ".join(done.stderr.split()), done.stderr


def test_yaml_that_cannot_be_imported_is_said_so(cli: Cli) -> None:
    write_notebook(cli.work / "a.ipynb", PARAMS)
    (cli.config / "yaml.py").write_text("raise ImportError")
    done = cli("run", "a.ipynb", "-y", "x: 1", PYTHONPATH=cli.with_modules_of_config())
    assert done.returncode == 2 and "pip install pyyaml" in done.stderr


# -- several --------------------------------------------------------------------------------------


def test_a_sweep_runs_each_combination_and_ends_with_a_table(found: Cli) -> None:
    write_notebook(found.work / "a.ipynb", PARAMS, "print(x, name)")
    done = found("run", "a.ipynb", "--sweep", "x=1,2,3", "--sweep", 'name=["a,b", "c/d"]', "--jobs", "3",
                 "--output", "{stem}-{x}-{name}")
    assert done.returncode == 0, done.stderr
    names = [f"a-{x}-{name}.ipynb" for x in (1, 2, 3) for name in ("a,b", "c_d")]
    assert done.stdout.splitlines() == names
    assert [text_of(found.work / name) for name in names] == [
        f"{x} {name}\n" for x in (1, 2, 3) for name in ("a,b", "c/d")]
    lines = done.stderr.splitlines()
    assert lines[-1] == "6 of 6 completed" and lines[-8].split() == ["x", "name", "status", "seconds", "output"]
    assert len([line for line in lines if line.startswith("Running on")]) == 1


def test_the_first_failure_gives_the_exit_code(found: Cli) -> None:
    write_notebook(found.work / "a.ipynb", PARAMS, "if x == 2: import time; time.sleep(60)", "1 / (x - 1)")
    done = found("run", "a.ipynb", "--sweep", "x=0,2,1,no", "--jobs", "2", "--timeout", "3")
    assert done.returncode == 5, done.stderr
    assert [f"a-Executed{number}.ipynb" for number in (1, 2, 3)] == sorted(done.stdout.split())
    assert "x=2: error: cell 3/4 took longer" in done.stderr and "raised ZeroDivisionError" in done.stderr
    assert "x=no: error: " in done.stderr and done.stderr.endswith("1 of 4 completed\n")


def test_patterns_leave_output_notebooks_out(found: Cli) -> None:
    (found.work / "b").mkdir()
    for name in ("a.ipynb", "b/b.ipynb", "a-Executed1.ipynb", ".c.ipynb"):
        write_notebook(found.work / name, "1")
    done = found("run", "**/*.ipynb")
    assert done.returncode == 0 and done.stdout.split() == ["a-Executed2.ipynb", "b/b-Executed1.ipynb"], done.stderr


def test_json_has_the_events_of_all(found: Cli) -> None:
    write_notebook(found.work / "a.ipynb", PARAMS)
    done = found("run", "a.ipynb", "--sweep", "x=1,2,3", "--jobs", "3", "--json")
    events: List[Dict[str, Any]] = [json.loads(line) for line in done.stdout.splitlines()]
    ends = [event["execution"]["params"] for event in events if event["event"] == "notebook_complete"]
    assert sorted(params["x"] for params in ends) == ["1", "2", "3"] and done.stderr == ""


def test_a_signal_stops_all_of_them(found: Cli, server: Server) -> None:
    write_notebook(found.work / "a.ipynb", PARAMS, "open(f'begun{x}', 'w').close()\nimport time; time.sleep(600)")
    with found.start("run", "a.ipynb", "--sweep", "x=1,2,3,4", "--jobs", "2") as process:
        wait_for(lambda: all((found.work / f"begun{x}").exists() for x in (1, 2)), 60)
        process.send_signal(signal.SIGTERM)
        stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == 143 and len(stdout.split()) == 2, stderr
    assert stderr.count("error: the execution was shut down") == 4  # in the lines and in the table
    assert stderr.endswith("0 of 4 completed\n")
    assert not (found.work / "begun3").exists()
    mine = [model for model in server.get().json()["executions"] if model["path"].startswith(found.work.name)]
    assert len(mine) == 2 and all(model["status"] == "error: the execution was shut down" for model in mine)


def test_several_share_a_private_server(cli: Cli) -> None:
    (cli.work / "out").mkdir()
    for name in "ab":
        write_notebook(cli.work / f"{name}.ipynb", PARAMS, "print(x)")
    done = cli("run", "--private", "a.ipynb", "b.ipynb", "--sweep", "x=1,2", "--output", "out/{stem}{x}", "-j", "2")
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [f"out/{name}{x}.ipynb" for name in "ab" for x in (1, 2)]
    assert done.stderr.count("Running on") == 1
    cli.check_nothing_is_left()


@pytest.mark.parametrize("template, path", [
    ("out.ipynb", "out.ipynb"), ("{stem}-{date}-{x}", "a-2024-05-31-_.._b.ipynb"),
    ("o/{time}.ipynb", "o/070809.ipynb"),
    ("{{x}}.ipynb", "{x}.ipynb"), ("{index}/{hidden}.ipynb", "3/_rc.ipynb"), ("{up}/{none}", "_/None.ipynb")])
def test_a_template_names_one_file_in_its_folder(template: str, path: str) -> None:
    params = {"x": "/../b", "hidden": ".rc", "up": "..", "none": None}
    assert output_path(template, "d/a.ipynb", params, 3, datetime(2024, 5, 31, 7, 8, 9)) == path


# -- pipes and other formats ----------------------------------------------------------------------


def test_a_pipe_takes_and_gives_a_notebook(found: Cli) -> None:
    source = write_notebook(found.work / "a.ipynb", PARAMS, "import os; print(x, os.path.exists('here'))")
    content = source.read_bytes()
    source.unlink()
    (found.work / "here").touch()

    def piped(*options: str) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(found.command(["run", "-", "-p", "x=7", *options]), input=content, cwd=found.work,
                              env=found.environ, capture_output=True, timeout=100)

    done = piped()
    assert done.returncode == 0, done.stderr
    nb = nbformat.reads(done.stdout.decode(), as_version=4)
    assert nb.cells[-1].outputs[0]["text"] == "7 True\n"
    assert os.listdir(found.work) == ["here"]
    done = piped("--output", "b.ipynb")
    assert (done.returncode, done.stdout) == (0, b"b.ipynb\n") and text_of(found.work / "b.ipynb") == "7 True\n"


def test_html_is_written_beside_the_output(found: Cli, server: Server) -> None:
    write_notebook(found.work / "a.ipynb", "print('so ' + 'far')\nfrom nbexec import result; result('x', 1)", "1 / 0")
    done = found("run", "a.ipynb", "--html")
    assert done.returncode == 1 and "HTML: a-Executed1.html" in done.stderr and "Warning" not in done.stderr
    assert "so far" in (found.work / "a-Executed1.html").read_text()
    away = found.work / "away"
    away.mkdir()
    path, found.work = f"{found.work.name}/a.ipynb", away
    done = found("run", path, "--html", "--server", server.url, "--token", server.token)
    assert done.returncode == 1 and "so far" in (away / "a-Executed2.html").read_text()


def test_pdf_says_what_is_missing(cli: Cli) -> None:
    write_notebook(cli.work / "a.ipynb", "1")
    (cli.config / "playwright.py").write_text("raise ImportError")
    done = cli("run", "a.ipynb", "--pdf", PYTHONPATH=cli.with_modules_of_config(), PATH="/nowhere")
    assert (done.returncode, done.stdout) == (2, "")
    assert "Chromium, pandoc and xelatex are missing" in done.stderr.replace(" and pandoc", ", pandoc")


# -- completion -----------------------------------------------------------------------------------


def test_completion_knows_notebooks_and_their_parameters(cli: Cli) -> None:
    write_notebook(cli.work / "a.ipynb", PARAMS)
    (cli.work / "a.txt").touch()
    (cli.work / "apart").mkdir()

    def completed(*words: str) -> List[str]:
        program = Path(sys.executable).parent / "nbexec"
        done = subprocess.run([program], cwd=cli.work, capture_output=True, text=True,
                              env={**cli.environ, "_NBEXEC_COMPLETE": "bash_complete", "COMP_WORDS": " ".join(words),
                                   "COMP_CWORD": str(len(words) - 1)})
        assert done.stderr == ""
        return [line.partition(",")[2] for line in done.stdout.splitlines() if line]

    assert completed("nbexec", "run", "a") == ["a.ipynb", "apart/"]
    assert completed("nbexec", "run", "a.ipynb", "-p", "") == ["x", "name"]
    assert completed("nbexec", "run", "a.ipynb", "-p", "n") == ["name"]
    assert completed("nbexec", "show", "") == []  # there is no server
    for shell in ("bash", "zsh", "fish"):
        assert "_NBEXEC_COMPLETE" in cli("completion", shell).stdout
