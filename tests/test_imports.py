"""What the processes of nbexec import, and what happens when they cannot."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from typing import Callable, Dict, List

import pytest
from helpers import Server, names, wait_for, write_notebook

# Takes the place of the module that compiles the grammar of IRIs, and writes down who imports it.
GRAMMAR = """
import pathlib, sys
with open(pathlib.Path(__file__).with_name("importers"), "a") as file:
    print(sys.argv, file=file)
def is_valid_syntax(term, value):
    return True
"""
CHECKS = """
import jsonschema
values = ["http://ä.example/x", "urn:isbn:1", "http://a b", "%", "", "//x/y", "/a?b#c", "a:b:c", "http://[::1]/", 5]
for draft in [jsonschema.Draft7Validator, jsonschema.Draft201909Validator, jsonschema.Draft202012Validator]:
    for format in ["iri", "iri-reference", "uri", "uri-reference", "date-time", "no-such-format"]:
        print([draft.FORMAT_CHECKER.conforms(value, format) for value in values])
import rfc3987_syntax
print(sorted(vars(rfc3987_syntax)))
"""


def with_modules(folder: Path) -> Dict[str, str]:
    """Return an environment in which modules in a folder come before those that are installed."""
    return {**os.environ, "PYTHONPATH": str(folder)}


@pytest.fixture()
def importers(tmp_path: Path) -> Path:
    """The file in which the importers of the grammar are written down, in processes with its folder in PYTHONPATH."""
    folder = tmp_path / "modules"
    folder.mkdir()
    (folder / "rfc3987_syntax.py").write_text(GRAMMAR)
    subprocess.run([sys.executable, "-c", "import jsonschema"], check=True, env=with_modules(folder))
    if not (folder / "importers").exists():
        pytest.skip("this version of jsonschema does not import the grammar")
    (folder / "importers").unlink()
    return folder / "importers"


@pytest.mark.parametrize("command", ["run", "run --private", "run --html", "params"])
def test_no_process_of_the_command_compiles_the_grammar(importers: Path, tmp_path: Path, command: str) -> None:
    source = write_notebook(tmp_path / "a.ipynb", "1")
    subprocess.run(["nbexec", *command.split(), str(source)], check=True, env=with_modules(importers.parent))
    assert not importers.exists()


def test_doctor_does_not_compile_the_grammar(importers: Path) -> None:
    done = subprocess.run(["nbexec", "doctor"], stdout=subprocess.PIPE, text=True, env=with_modules(importers.parent))
    assert "imports of executions: complete" in done.stdout
    assert not importers.exists()


def test_runners_that_are_not_forked_do_not_compile_the_grammar(importers: Path,
                                                                new_server: Callable[..., Server]) -> None:
    server = new_server("--NbExec.fork_server=False", environment=with_modules(importers.parent))
    by_the_server = importers.read_text() if importers.exists() else ""
    assert names(server.run(write_notebook(server.root / "a.ipynb", "1")))[-1] == "notebook_complete"
    assert (importers.read_text() if importers.exists() else "") == by_the_server


def test_formats_are_checked_as_ever() -> None:
    deferred = "import sys; from nbexec import iri_grammar; iri_grammar.defer(); assert 'lark' not in sys.modules"
    if importlib.util.find_spec("rfc3987_syntax") is None:
        pytest.skip("this version of jsonschema does not need the grammar")
    ordinary, ours = [subprocess.run([sys.executable, "-c", first + CHECKS], check=True, stdout=subprocess.PIPE).stdout
                      for first in ("", deferred)]
    assert ours == ordinary


BROKEN = "raise ImportError('it is broken')"


@pytest.mark.parametrize("module, options", [
    ("nbclient", []), ("ipykernel", []), ("nbclient", ["--NbExec.fork_server=False"])])
def test_a_failed_import_is_told_at_once(module: str, options: List[str], tmp_path: Path,
                                         new_server: Callable[..., Server]) -> None:
    broken = tmp_path / f"{module}.py"
    broken.write_text(BROKEN)
    server = new_server(*options, spares=True, environment=with_modules(tmp_path))
    source = write_notebook(server.root / "a.ipynb", "1")
    reason = f"nbexec cannot import what it needs: ImportError: it is broken (in {module})"
    for _ in range(2):
        (event,) = server.run(source)
        assert (event["event"], event["error"]) == ("notebook_error", reason)
    assert server.get("/parameters", params={"notebook": "a.ipynb"}).json()["message"] == reason
    broken.unlink()
    wait_for(lambda: names(server.run(source))[-1] == "notebook_complete")


def test_doctor_imports_what_server_and_executions_import(tmp_path: Path) -> None:
    (tmp_path / "nbclient.py").write_text(BROKEN)
    done = subprocess.run(["nbexec", "doctor"], env=with_modules(tmp_path), stdout=subprocess.PIPE, text=True,
                          timeout=100)
    reason = "nbexec cannot import what it needs: ImportError: it is broken (in nbclient)"
    assert f"problem  imports of executions: {reason}" in done.stdout
    assert done.returncode == 1


def test_doctor_compares_versions_with_the_bounds(tmp_path: Path) -> None:
    for name, version in (("rich", "11.9"), ("jupyter_client", "8.6.3")):
        (tmp_path / f"{name}-{version}.dist-info").mkdir()
        (tmp_path / f"{name}-{version}.dist-info" / "METADATA").write_text(f"Name: {name}\nVersion: {version}\n")
    done = subprocess.run(["nbexec", "doctor"], env=with_modules(tmp_path), stdout=subprocess.PIPE, text=True,
                          timeout=100)
    assert "problem  rich: 11.9 is installed, but nbexec needs >=" in done.stdout
    assert "problem  jupyter-client: 8.6.3 is installed, but nbexec needs " in done.stdout
    assert done.returncode == 1
