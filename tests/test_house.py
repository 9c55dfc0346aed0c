"""The rules of the house: who imports whom, and that the docs name everything."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Dict, Iterator, Set

import pytest

import nbexec
from nbexec import events
from nbexec.execution import Execution, error_status
from nbexec.executions.manager import SHUT_DOWN
from nbexec.extension import NbExec
from nbexec.run_arguments import REQUEST_FIELDS, RunArguments

PACKAGE = Path(nbexec.__file__).parent
TREE = Path(__file__).parent.parent
DOCS = TREE / "docs"
ROOMS = {".".join(path.parent.relative_to(PACKAGE).parts) for path in PACKAGE.rglob("*.py")} - {"", "engines"}
MODULES = sorted(".".join(path.relative_to(PACKAGE).with_suffix("").parts) for path in PACKAGE.rglob("*.py")
                 if not path.name.startswith("__"))
ROOF = {"extension", "dask_worker"}
SERVER_SIDE = {"handlers", "executions", "engines.local", "engines.dask"}
BELOW_THE_BORDER = {"runner", "kernels", "forked"}


def room_of(module: str) -> str:
    """Return the folder of a module; nothing for the ground."""
    return module.rpartition(".")[0]


def file_of(module: str) -> Path:
    return PACKAGE.joinpath(*module.split(".")).with_suffix(".py")


def imports(module: str) -> Iterator[str]:
    """Yield the absolute names that a module imports, those in functions too."""
    package = ["nbexec", *filter(None, room_of(module).split("."))]
    for node in ast.walk(ast.parse(file_of(module).read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) + 1 - node.level] if node.level else []
            origin = ".".join([*base, *filter(None, [node.module])])
            if file_of(origin.partition(".")[2] or "none").exists() or not node.level:
                yield origin
            else:
                yield from (f"{origin}.{name.name}" for name in node.names if not name.name.startswith("__"))


def own_imports(module: str) -> Set[str]:
    return {name.partition(".")[2] for name in imports(module) if name.startswith("nbexec.")}


def rules() -> Dict[str, Set[str]]:
    """Return what each room may import besides the ground, as the documentation says."""
    text = page("architecture.rst")
    table = text[text.index("besides that may import:"):text.index("Within a room, and on the ground")]
    lines = [line.split() for line in table.splitlines() if line.startswith("    ")]
    return {room: set(others) - {"nothing"} for room, *others in lines}


def test_every_room_has_its_rule() -> None:
    assert set(rules()) == ROOMS


@pytest.mark.parametrize("module", [module for module in MODULES if module not in ROOF])
def test_imports_go_downward(module: str) -> None:
    room = room_of(module)
    others = {other for other in own_imports(module) if room_of(other) != room}
    if not room:
        assert others == set(), "the ground stands on nothing"
        return
    allowed = rules()[room]
    ground = set() if room == "forked" else {""}
    assert {other for other in others if not {room_of(other), other} & (allowed | ground)} == set()


@pytest.mark.parametrize("room", sorted({"", *ROOMS}))
def test_no_imports_lead_back(room: str) -> None:
    arrows = {module: {other for other in own_imports(module) if room_of(other) == room}
              for module in MODULES if room_of(module) == room}
    while arrows:
        last = {module for module, others in arrows.items() if not others & set(arrows)}
        assert last, f"these import each other in a circle: {sorted(arrows)}"
        arrows = {module: others for module, others in arrows.items() if module not in last}


@pytest.mark.parametrize("module", [module for module in MODULES if room_of(module) in SERVER_SIDE])
def test_the_server_imports_nothing_that_executes(module: str) -> None:
    assert not any(name.partition(".")[0] in ("nbconvert", "nbclient", "ipykernel", "distributed", "dask")
                   for name in imports(module))
    assert not any(room_of(other) == "forked" for other in own_imports(module))


@pytest.mark.parametrize("module", [module for module in MODULES if room_of(module) in BELOW_THE_BORDER])
def test_a_runner_imports_nothing_of_the_server(module: str) -> None:
    assert not any(name.startswith(("notebook.", "tornado")) or name == "notebook" for name in imports(module))


def test_the_kernel_is_told_only_what_every_kernel_understands() -> None:
    assert own_imports("forked.prepare") == set()


def page(name: str) -> str:
    return (DOCS / name).read_text("utf-8")


def test_every_field_of_the_model_is_documented() -> None:
    fields: Set[str] = set(Execution("", RunArguments("")).model())
    assert {field for field in fields if f"``{field}``" not in page("api.rst")} == set()


def test_every_field_of_a_request_is_documented() -> None:
    names = {"notebook", *(field.request_name for field in REQUEST_FIELDS)}
    assert {name for name in names if f"``{name}" not in page("api.rst")} == set()


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
    picture = picture[:picture.index("A room is a folder")]
    assert {module for module in MODULES if module != "_version"
            and not re.search(rf"\b{module.rpartition('.')[2]}\b", picture)} == set()


def test_every_test_on_the_page_of_faults_exists() -> None:
    named = re.findall(r"``(test_\w+)::(test_\w+)``", page("faults.rst"))
    assert len(named) > 30
    there = {(path.stem, name) for path in Path(__file__).parent.rglob("test_*.py")
             for name in re.findall(r"^def (test_\w+)\(", path.read_text("utf-8"), re.MULTILINE)}
    assert set(named) - there == set()


def test_the_pages_know_the_status_of_a_stopped_execution() -> None:
    text = (PACKAGE / "static" / "execution_model.js").read_text("utf-8")
    assert f"'{error_status(SHUT_DOWN)}'" in text
    assert error_status(SHUT_DOWN) in page("api.rst")


@pytest.mark.parametrize("file", sorted(PACKAGE.glob("static/*.js")), ids=lambda file: str(file.name))
def test_every_file_of_the_pages_is_in_the_picture(file: Path) -> None:
    picture = page("architecture.rst").split("\nThe pages\n")[1]
    assert re.search(rf"\b{file.stem}\b", picture)
