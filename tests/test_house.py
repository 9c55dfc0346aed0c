"""The rules of the house: who imports whom, and that the docs name everything."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Dict, Iterator, List, Set

import pytest

import nbexec
from nbexec import events
from nbexec.execution import Execution
from nbexec.extension import NbExec

PACKAGE = Path(nbexec.__file__).parent
TREE = Path(__file__).parent.parent
DOCS = TREE / "docs"
# Highest first; a module imports only from floors below its own. Within a floor the order is that of the list.
FLOORS: List[List[str]] = [
    ["__init__"],
    ["extension"],
    ["cli"],
    ["notebook_run"],
    ["run_target", "followed_execution", "doctor"],
    ["servers", "command_group", "run_view", "parameter_option"],
    ["client", "runtime_file"],
    ["transport",
     "notebook_server",
     "execution_stream"],
    ["event_handlers"],
    ["handlers", "page_handlers"],
    ["streams"],
    ["api_handler"],
    ["gate", "audit", "hub", "origins"],
    ["secret_filter", "strangers", "open_streams", "waiting_connections", "manager"],
    ["auth", "page_token"],
    ["arguments"],
    ["flat_json"],
    ["run", "recovery", "idempotency", "replay", "typed_values"],
    ["inspector"],
    ["store", "contents", "kernelspecs", "launcher", "slots", "event_log", "metrics", "changes"],
    ["spares", "kernel_forkservers"],
    ["connection", "forkserver_handle"],
    ["forkserver"],
    ["runner"],
    ["recorded_events"],
    ["kernel_session", "preprocessor"],
    ["kernel"],
    ["kernel_client", "kernel_process", "kernel_forkserver"],
    ["forked_kernel", "preload"],
    ["kernel_setup", "import_shell"],
    ["live_output"],
    ["widgets", "failures"],
    ["output_widget"],
    ["outputs"],
    ["messages"],
    ["output_directory", "notes", "boot", "descriptors", "api_error"],
    ["execution", "events", "parameters", "notebooks", "trust", "pipe", "children", "environment",
     "imports", "interpreter", "memory", "limits", "peer", "printable", "permissions",
     "private_files"],
    ["notebook_structure", "errors", "_version"],
    ["excerpts", "secret_values", "heartbeat", "iri_grammar", "notebook_version", "annotations",
     "patience", "stop_signals", "standard_streams", "option_names"],
]
SERVER_SIDE = {"extension", "handlers", "auth", "arguments", "manager", "store", "contents", "kernelspecs", "launcher",
               "spares", "kernel_forkservers", "connection", "forkserver_handle", "run", "recovery", "idempotency",
               "slots", "event_log", "metrics", "page_handlers", "page_token",
               "api_handler", "streams", "event_handlers", "changes", "replay", "heartbeat", "inspector",
               "gate", "audit", "hub", "origins", "secret_filter", "strangers", "flat_json", "typed_values",
               "open_streams", "waiting_connections", "descriptors"}
BORDER = {"runner", "preprocessor", "kernel_session", "kernel", "kernel_client", "messages", "kernel_process",
          "kernel_forkserver", "forked_kernel", "kernel_setup", "live_output", "recorded_events", "widgets",
          "output_widget", "import_shell", "preload",
     "failures"}


def floor_of(module: str) -> int:
    return next(number for number, floor in enumerate(FLOORS) if module in floor)


def imports(module: str) -> Iterator[str]:
    """Yield the absolute names that a module imports, those in functions too."""
    for node in ast.walk(ast.parse((PACKAGE / f"{module}.py").read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield str(node.module)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield f"nbexec.{node.module}"
        elif isinstance(node, ast.ImportFrom):
            yield from (f"nbexec.{name.name}" for name in node.names if not name.name.startswith("__"))


MODULES = sorted(path.stem for path in PACKAGE.glob("*.py"))


@pytest.mark.parametrize("module", MODULES)
def test_imports_go_downward(module: str) -> None:
    own = {name.partition(".")[2] for name in imports(module) if name.startswith("nbexec.")}
    assert {other for other in own if floor_of(other) <= floor_of(module)} == set()


@pytest.mark.parametrize("module", sorted(SERVER_SIDE))
def test_the_server_imports_nothing_that_executes(module: str) -> None:
    assert not any(name.partition(".")[0] in ("nbconvert", "nbclient", "ipykernel") for name in imports(module))


@pytest.mark.parametrize("module", sorted(BORDER))
def test_a_runner_imports_nothing_of_the_server(module: str) -> None:
    assert not any(name.startswith(("notebook", "tornado")) for name in imports(module))


def test_the_kernel_is_told_only_what_every_kernel_understands() -> None:
    assert not any(name.startswith("nbexec") for name in imports("kernel_setup"))


def page(name: str) -> str:
    return (DOCS / name).read_text("utf-8")


def test_every_field_of_the_model_is_documented() -> None:
    fields: Set[str] = set(Execution("", "").model())
    assert {field for field in fields if f"``{field}``" not in page("api.rst")} == set()


def test_every_event_is_documented() -> None:
    known: Dict[str, str] = {name: value for name, value in vars(events).items() if name.isupper()}
    assert known
    assert {value for value in known.values() if f"``{value}``" not in page("api.rst")} == set()


def test_every_trait_has_help() -> None:
    traits = NbExec.class_own_traits(config=True)
    assert traits
    assert {name for name, trait in traits.items() if len(trait.help.strip()) < 40} == set()
    assert "autoconfigurable:: nbexec.extension.NbExec" in page("configuration.rst")


def test_every_module_is_in_the_picture() -> None:
    picture = page("architecture.rst")
    assert {module for module in MODULES if module not in ("__init__", "_version") and module not in picture} == set()


def test_every_test_on_the_page_of_faults_exists() -> None:
    named = re.findall(r"``(test_\w+)::(test_\w+)``", page("faults.rst"))
    assert len(named) > 30
    there = {(path.stem, name) for path in Path(__file__).parent.glob("test_*.py")
             for name in re.findall(r"^def (test_\w+)\(", path.read_text("utf-8"), re.MULTILINE)}
    assert set(named) - there == set()
