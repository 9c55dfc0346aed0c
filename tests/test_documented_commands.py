"""The commands and examples of all pages: they are run here or named with what runs them, and the rest is parsed.

The notebooks are small ones with the names, parameters and results of those in examples/, which other tests run.
"""

from __future__ import annotations

import ast
import inspect
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, Dict, List

import click
import nbformat
import pytest
import yaml
from guide import DOCS, EXAMPLES, TREE, Command, blocks, commands, is_shell, run
from helpers import TOKEN, Server, write_notebook
from nbformat import v4

from nbexec.cli.main import main
from nbexec.extension import NbExec
from nbexec.parameters import read_parameters

PAGES = sorted(path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.rst") if "_build" not in path.parts)
FILES = [*PAGES, *(os.path.relpath(path, DOCS) for path in (*TREE.glob("*.md"), EXAMPLES / "README.md"))]
# Pages whose commands other files run.
ELSEWHERE = {"nightly_report.rst": "test_tutorial.py", **{page: "test_howto.py" for page in PAGES if "/" in page}}
# Pages with nothing that could run in a test: what they say is what .ci/run, nox and benchmarks do.
PARSED = {"../CONTRIBUTING.md", "../examples/README.md", "speed.rst"}
# Commands that install, that serve until they are stopped, or that other tests run.
NOT_HERE = re.compile(
    r"pip install|-m venv|activate|ipykernel install|uninstall|(server|nb)extension|jupyter notebook|\.ci/run"
    r"|^papermill|openapi-generator|schemathesis|other-env|^dask (scheduler|worker)")
NOTEBOOK_OF_SERVER = re.compile(r"(?<=notebook=)(?=\w+\.ipynb)|(?<=\"notebook\": \")(?=\w)")
AN_ID = re.compile(r"\b[0-9a-f]{8}-[0-9a-f-]{27}\b")
NEWEST = "$(nbexec list --json | jq -r '.executions[-1].exec_id')"
FIGURES = """
import csv

class Column(list):
    def sum(self):
        return sum(self)

with open("data/orders.csv") as file:
    rows = [row for row in csv.DictReader(file)
            if region in ("all", row["region"]) and row["date"].startswith(str(year))]
revenues = [float(row["kilograms"]) * float(row["price_eur"]) for row in rows]
current = {"revenue": Column(revenues)}
shops = {}
for row, revenue in zip(rows, revenues):
    shops[row["shop"]] = shops.get(row["shop"], 0) + revenue
"""
TOTAL = """total = current["revenue"].sum()
from nbexec import result
result("revenue", round(total, 2))
result("top_share", round(sum(sorted(shops.values())[-top_n:]) / total, 3))"""
VALUES = """# nbexec: params
from typing import Optional
regions = []
limits = {}
until: Optional[str] = None"""


def write_report(file: Path) -> None:
    """Write a notebook that has the cells of the example, of which only the figures are left."""
    nb = nbformat.read(str(EXAMPLES / "report.ipynb"), as_version=4)
    code = [cell for cell in nb.cells if cell["cell_type"] == "code"]
    for cell in code[1:]:
        cell["source"] = "pass"
    code[2]["source"], code[-1]["source"] = FIGURES, TOTAL
    nbformat.write(nb, str(file))


@pytest.fixture()
def work(folder: Path) -> Path:
    """A folder below the root of the server, which looks like a clone with an environment."""
    shutil.copytree(EXAMPLES, folder / "examples", ignore=shutil.ignore_patterns("*-Executed*"))
    (folder / "data").symlink_to("examples/data")
    (folder / ".venv").symlink_to(sys.prefix)
    for place in (folder, folder / "examples"):
        write_report(place / "report.ipynb")
        write_notebook(place / "slow.ipynb", "# nbexec: params\nseconds = 20.0", "import time; time.sleep(0.1)")
    (folder / "reports" / "weekly").mkdir(parents=True)
    write_notebook(folder / "reports" / "weekly" / "sales.ipynb", "1")
    return folder


@pytest.fixture()
def environment(server: Server, work: Path) -> Dict[str, str]:
    kept = {name: os.environ[name] for name in ("LANG", "PYTHONPATH", "TMPDIR") if name in os.environ}
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    return {**kept, "PATH": path, "HOME": str(work), "TOKEN": TOKEN, "BROWSER": "true", "COLUMNS": "120",
            "JUPYTER_RUNTIME_DIR": str(server.runtime_dir), "MPLBACKEND": "agg"}


def here(command: Command, server: Server, folder: str) -> Command:
    """Return a command of a page as it is run here."""
    text = NOTEBOOK_OF_SERVER.sub(f"{folder}/", AN_ID.sub(lambda _: NEWEST, command.text))
    text = text.replace("https://example.org/jupyter", "http://localhost:8888")
    text = text.replace("curl -s https://example.org/report.ipynb", "cat report.ipynb")
    text = text.replace("http://localhost:8888", server.url.rstrip("/"))
    if "/executions/events?" in text:  # it goes on for ever
        text = f"{text} --max-time 1 || test $? = 28"
    # It runs on the server here, and in other times.
    output = re.sub(r"^Running .*", "…", command.output)
    return Command(text, re.sub(r"(?<=completed  )\d+\.\d\b", "…", output))


RUN = [page for page in FILES if page not in ELSEWHERE and page not in PARSED and commands(page)]


@pytest.mark.skipif(shutil.which("curl") is None or shutil.which("jq") is None, reason="no curl or no jq here")
@pytest.mark.parametrize("page", RUN)
def test_the_commands_of_a_page_do_what_it_says(server: Server, work: Path, environment: Dict[str, str], page: str
                                                ) -> None:
    if page.endswith("README.md"):  # the quick start has the real one
        write_notebook(work / "examples" / "fails.ipynb", "1 / 0")
    if page == "parameters.rst":
        write_notebook(work / "report.ipynb", VALUES)
    if page == "results.rst":
        cells = [block for block in blocks(page, "python") if "Client" not in block]
        write_notebook(work / "report.ipynb", *cells)
    if page in ("api.rst", "proxies.rst", "openapi.rst", "quickstart.rst"):
        server.start_run(work / "slow.ipynb")  # there is an execution to ask for
    run([here(command, server, work.name) for command in commands(page) if not NOT_HERE.search(command.text)],
        work, environment, {})


def test_the_makefile_in_the_reference_makes_a_notebook(work: Path, environment: Dict[str, str]) -> None:
    [makefile] = blocks("cli.rst", "make")
    (work / "Makefile").write_text(makefile + "\n")
    run([Command("make report.out.ipynb", "")], work, environment, {})
    assert (work / "report.out.ipynb").exists()


def test_the_examples_without_a_server_run(work: Path, environment: Dict[str, str]) -> None:
    pages = ("../README.md", "quickstart.rst", "serverless.rst")
    program = "\n".join(block for page in pages for block in blocks(page, "python"))
    done = subprocess.run([sys.executable, "-c", program], cwd=work, env=environment, capture_output=True, text=True,
                          timeout=110)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].startswith("completed 65165.95") and lines[1].startswith("completed 55370.0")
    assert {line.split()[0] for line in lines[-2:]} == {"North", "South"}


def test_the_results_of_a_run_by_the_client(server: Server, work: Path, environment: Dict[str, str]) -> None:
    first, client, *_ = blocks("results.rst", "python")
    write_notebook(work / "report.ipynb", first)
    program = client.replace('"report.ipynb"', f'"{work.name}/report.ipynb"')
    done = subprocess.run([sys.executable, "-c", program], cwd=work, env=environment, capture_output=True, text=True,
                          timeout=110)
    assert (done.stdout, done.returncode) == ("0.3\n", 0), done.stderr


@pytest.mark.parametrize("page", FILES)
def test_every_example_is_at_least_parsed(page: str) -> None:
    assert [command.text for command in commands(page) if not is_shell(command.text)] == []
    for block in blocks(page, "python"):
        ast.parse(block)
    for block in blocks(page, "json"):
        json.loads(block)
    for block in blocks(page, "yaml"):
        yaml.safe_load(block)
    assert all(is_shell(block) for block in blocks(page, "sh"))


@pytest.mark.parametrize("page", FILES)
def test_every_nbexec_command_has_options_that_exist(page: str) -> None:
    text = (DOCS / page).read_text("utf-8").replace("\\\n", " ")
    found = [line for command in commands(page) for line in command.text.replace("\\\n", " ").splitlines()]
    found += re.findall(r"``(nbexec [a-z]+ [^`…]*--[^`…]*)``", text)
    for line in found:
        for arguments in re.findall(r"(?:^\s*|\bbin/|\$\(|\| )nbexec ([^|)>#&]*)", line):
            assert unknown_options(shlex.split(arguments)) == []


def unknown_options(words: List[str]) -> List[str]:
    """Return the words of a command that look like options, and are none."""
    with main.make_context("nbexec", ["--help"], resilient_parsing=True) as context:
        command = main.get_command(context, words[0])
        assert command is not None, words
        known = {name for option in command.get_params(context) for name in option.opts}
    given = [word.partition("=")[0] for word in words[1:] if re.match("--?[a-z]", word)]
    return [option for option in given if option not in known]


def test_every_option_of_the_configuration_exists() -> None:
    text = "".join((DOCS / page).read_text("utf-8") for page in FILES)
    assert set(re.findall(r"(?:c\.|--)NbExec\.(\w+)", text)) - set(NbExec.class_trait_names()) == set()


def test_the_definitions_of_parameters_are_read() -> None:
    definitions = [block for block in blocks("parameters.rst", "python") if block.startswith("# nbexec: params")]
    read = [read_parameters([v4.new_code_cell(block)]) or {} for block in definitions]
    assert [list(names) for names in read] == [["year", "region", "tolerance"], ["region", "rate"], ["api_key"]]


# -- coming from papermill ------------------------------------------------------------------------


def mentioned(name: str) -> bool:
    page = (DOCS / "from_papermill.rst").read_text("utf-8")
    return re.search(rf"``(\S*, )*{re.escape(name)}\b", page) is not None


def test_the_page_for_users_of_papermill_has_each_option_of_its_command() -> None:
    command: Any = pytest.importorskip("papermill.cli").papermill
    options = [option for option in command.params if isinstance(option, click.Option)]
    assert [option.opts for option in options if not any(map(mentioned, option.opts))] == []


def test_the_page_for_users_of_papermill_has_each_argument_of_its_calls() -> None:
    papermill = pytest.importorskip("papermill")
    calls = (papermill.execute_notebook, papermill.inspect_notebook)
    names = {name for call in calls for name in inspect.signature(call).parameters}
    assert sorted(name for name in names if not mentioned(name)) == ["engine_kwargs"]  # it takes any others
