"""SECURITY.md: its promises have tests, and those that are nowhere else are here."""

from __future__ import annotations

import ast
import json
import re
import stat
from pathlib import Path
from typing import Set

import psutil
import pytest
from helpers import TREE, Server, begin, text_of

PAGE = (TREE / "SECURITY.md").read_text("utf-8")
NAMED = re.compile(r"`(test_\w+)(\.py)?`")


def functions_of(file: str) -> Set[str]:
    path, = (TREE / "tests").rglob(f"{file}.py")
    tree = ast.parse(path.read_text("utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


def test_every_test_that_is_named_is_in_its_file() -> None:
    file = ""
    missing = []
    for name, is_file in NAMED.findall(PAGE):
        if is_file:
            file = name
        elif name not in functions_of(file):
            missing.append((file, name))
    assert file and missing == []


def test_every_promise_names_a_test() -> None:
    promises = PAGE[PAGE.index("## What is promised"):PAGE.index("## What is not promised")].split("\n- ")[1:]
    assert len(promises) > 10
    assert [promise for promise in promises if not any(not is_file for _, is_file in NAMED.findall(promise))] == []


WAITING = """import os, time
print("alone", flush=True)
while not os.path.exists("go"):
    time.sleep(0.005)
child = os.fork()
if not child:
    print("child", flush=True)
    os._exit(0)
status = os.waitpid(child, 0)
"""


@pytest.mark.parametrize("forked", [True, False], ids=["forked", "ordinary"])
def test_a_kernel_can_be_reached_by_its_user_only(server: Server, folder: Path, ordinary_kernel: str,
                                                  forked: bool) -> None:
    begun = begin(server, folder, WAITING, **({} if forked else {"jupyter_kernel": ordinary_kernel}))
    places = list(server.temporary.glob("nbexec-*"))
    assert {stat.S_IMODE(place.stat().st_mode) for place in places} == {0o700}
    connections = [json.loads(file.read_text()) for place in places for file in place.rglob("kernel.json")]
    assert connections
    for connection in connections:
        assert connection["transport"] == "ipc" and len(connection["key"]) == 64
        assert any(place in Path(connection["ip"]).parents for place in places)
    assert psutil.Process(begun.runner).net_connections("inet") == []
    assert psutil.Process(begun.kernel).net_connections("inet") == []
    (folder / "go").touch()
    assert list(begun.events)[-1]["event"] == "notebook_complete"
    # Its children still print into the cell, by a socket in that folder.
    assert text_of(server.output(begun.output).cells[1]) == "alone\nchild\n"
