"""What a notebook learns about its run from its environment, however its kernel is started."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any, Callable, Dict, List

import pytest
from helpers import ORDINARY, Event, Server, add_kernel, text_of, write_notebook

SHOW = "import os; print({name: value for name, value in os.environ.items() if name.startswith('NBEXEC_')})"
WAYS = ("forked", "kept", "ordinary", "other", "provisioned")


@pytest.fixture(scope="module")
def kernels(server: Server, other_python: str) -> Dict[str, Any]:
    stanza = {"kernel_provisioner": {"provisioner_name": "local-provisioner"}}
    return {"forked": None, "kept": add_kernel(server, "vars-kept", ORDINARY, env={"PYTHONHASHSEED": "5"}),
            "ordinary": add_kernel(server, "vars-ordinary", [ORDINARY[0], "-X", "dev", *ORDINARY[1:]]),
            "other": add_kernel(server, "vars-other", [other_python, *ORDINARY[1:]]),
            "provisioned": add_kernel(server, "vars-provisioned", ORDINARY, metadata=stanza)}


def variables(events: List[Event]) -> Dict[str, str]:
    assert events[-1]["event"] == "notebook_complete", events[-1]
    found: Dict[str, str] = ast.literal_eval(text_of(events[-2]["cell"]))
    return found


@pytest.mark.parametrize("way", WAYS)
def test_a_notebook_learns_about_its_run(server: Server, folder: Path, kernels: Dict[str, Any], way: str) -> None:
    source = write_notebook(folder / "a $HOME ${HOME} $$.ipynb", SHOW)
    kernel = {} if kernels[way] is None else {"jupyter_kernel": kernels[way]}
    for _ in range(2):  # the second may come from a fork server that the first has started
        events = server.run(source, output_path=f"{folder.name}/out $HOME.ipynb", overwrite="true", **kernel)
        assert variables(events) == {
            "NBEXEC_EXEC_ID": events[0]["exec_id"], "NBEXEC_NOTEBOOK": f"{folder.name}/a $HOME ${{HOME}} $$.ipynb",
            "NBEXEC_OUTPUT": events[-1]["execution"]["output_path"]}


def test_an_output_that_is_named_at_the_end_is_not_told(server: Server, folder: Path) -> None:
    assert "NBEXEC_OUTPUT" not in variables(server.run(write_notebook(folder / "a.ipynb", SHOW)))


def test_an_output_is_told_as_it_was_requested(server: Server, folder: Path) -> None:
    source = write_notebook(folder / "a.ipynb", SHOW)
    (folder / "out.ipynb").write_text("taken")
    events = server.run(source, output_path=f"/{folder.name}/out.ipynb")
    assert variables(events)["NBEXEC_OUTPUT"] == f"{folder.name}/out.ipynb"
    assert events[-1]["execution"]["output_path"] == f"{folder.name}/out-1.ipynb"


def test_they_are_there_for_programs_too(server: Server, folder: Path) -> None:
    events = server.run(write_notebook(folder / "a.ipynb", "!echo $NBEXEC_EXEC_ID"))
    assert text_of(events[-2]["cell"]).split() == [events[0]["exec_id"]]


def test_a_kernelspec_cannot_say_otherwise(server: Server, folder: Path) -> None:
    kernel = add_kernel(server, "vars-liar", ORDINARY, env={"NBEXEC_EXEC_ID": "a lie", "NBEXEC_OTHER": "a fact"})
    events = server.run(write_notebook(folder / "a.ipynb", SHOW), jupyter_kernel=kernel)
    assert (variables(events)["NBEXEC_EXEC_ID"], variables(events)["NBEXEC_OTHER"]) == (events[0]["exec_id"], "a fact")


def test_no_secret_is_among_them(new_server: Callable[..., Server]) -> None:
    server = new_server(environment={"NBEXEC_TOKEN": "a secret"})
    source = write_notebook(server.root / "a.ipynb", "import os; print(dict(os.environ))")
    shown = text_of(server.run(source)[-2]["cell"])
    assert "a secret" not in shown and server.token not in shown and "NBEXEC_EXEC_ID" in shown
