"""Which kernel a notebook ran on is always told, and one that cannot be used is refused in words."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional

import pytest
from helpers import ORDINARY, STREAM, Event, Server, add_kernel, begin, names, wait_for, write_notebook

PROVISIONED = {"kernel_provisioner": {"provisioner_name": "remote-provisioner", "config": {}}}
LOCAL = {"kernel_provisioner": {"provisioner_name": "local-provisioner"}}
ODD: List[Any] = [{}, {"kernel_provisioner": {}}, {"debugger": True}, LOCAL]


def written_for(path: Path, name: Optional[str], language: Optional[str] = None, info: Any = None) -> Path:
    metadata: Dict[str, Any] = {} if name is None else {"kernelspec": {"name": name, "display_name": name}}
    if language is not None:
        metadata["kernelspec"]["language"] = language
    if info is not None:
        metadata["language_info"] = info
    return write_notebook(path, "print(1)", metadata=metadata)


def told_again(server: Server, exec_id: str, query: str = "") -> List[Event]:
    lines = server.get(f"/{exec_id}/events{query}", headers=STREAM).text.splitlines()
    return [json.loads(line) for line in lines if line]


# -- the default in the place of a kernel that is missing -----------------------------------------


def test_a_missing_kernel_is_a_warning(server: Server, folder: Path) -> None:
    events = server.run(written_for(folder / "a.ipynb", "gone", "python"))
    assert names(events)[-1] == "notebook_complete"
    (warning,) = events[0]["warnings"]
    assert warning == ("The notebook's kernel 'gone' is not installed on this server; the default kernel 'python3' is "
                       "used instead.")
    assert told_again(server, events[0]["exec_id"])[0]["warnings"] == [warning]
    metadata = server.output(events[-1]["execution"]["output_path"]).metadata
    assert metadata["kernelspec"]["name"] == "python3" and metadata["kernelspec"]["language"] == "python"


@pytest.mark.parametrize("name, data", [(None, {}), ("python3", {}), ("gone", {"jupyter_kernel": "python3"})])
def test_without_a_fallback_there_is_no_warning(server: Server, folder: Path, name: Optional[str],
                                                data: Dict[str, str]) -> None:
    events = server.run(written_for(folder / "a.ipynb", name), **data)
    assert "warnings" not in events[0] and names(events)[-1] == "notebook_complete"
    assert server.output(events[-1]["execution"]["output_path"]).metadata["kernelspec"]["name"] == "python3"


def test_warnings_are_in_the_single_event_and_while_it_runs(server: Server, folder: Path) -> None:
    source = write_notebook(folder / "a.ipynb", "import time; time.sleep(600)",
                            metadata={"kernelspec": {"name": "gone", "display_name": "Gone"}})
    start = server.post(notebook=source.relative_to(server.root).as_posix()).json()
    assert "'gone'" in start["warnings"][0]
    stream = server.get(f"/{start['exec_id']}/events?state=1", headers=STREAM, stream=True)
    first = json.loads(next(line for line in stream.iter_lines() if line))
    assert first["event"] == "notebook_start" and first["warnings"] == start["warnings"]
    server.delete(f"/{start['exec_id']}", headers=STREAM)


def test_warnings_survive_the_server(new_server: Callable[..., Server], tmp_path: Path) -> None:
    server = new_server(f"--NbExec.database_filepath={tmp_path / 'records' / 'db'}")
    events = server.run(written_for(server.root / "a.ipynb", "gone"))
    server.stop()
    server.start()
    assert told_again(server, events[0]["exec_id"]) == events


def test_the_command_line_shows_warnings(server: Server, folder: Path) -> None:
    path = written_for(folder / "a.ipynb", "gone").relative_to(server.root).as_posix()
    command = [sys.executable, "-m", "nbexec.cli", "run", path, "--server", server.url, "--token", server.token]
    ran = subprocess.run(command, text=True, capture_output=True, timeout=100, cwd=folder)
    assert ran.returncode == 0, ran.stderr
    assert "Warning: The notebook's kernel 'gone' is not installed" in ran.stderr


# -- other languages ------------------------------------------------------------------------------


@pytest.mark.parametrize("name, language, info", [
    ("ir", "R", None), ("ir", None, {"name": "R"}), (None, None, {"name": "julia"}),
    ("python3", "R", {"name": "python"})])
def test_a_notebook_in_another_language_is_refused(server: Server, folder: Path, name: Optional[str],
                                                   language: Optional[str], info: Any) -> None:
    source = written_for(folder / "a.ipynb", name, language, info)
    path = source.relative_to(server.root).as_posix()
    response = server.post(notebook=path)
    assert response.status_code == 400
    assert language or info["name"] in response.json()["message"]
    assert "jupyter_kernel" in response.json()["message"] and "python3" in response.json()["message"]
    assert not [model for model in server.get().json()["executions"] if model["path"] == path]
    events = server.run(source, jupyter_kernel="python3")
    assert names(events)[-1] == "notebook_complete"
    metadata = server.output(events[-1]["execution"]["output_path"]).metadata
    assert metadata["kernelspec"]["name"] == "python3" and metadata["language_info"]["name"] == "python"


def test_a_kernel_of_another_language_tells_what_the_notebook_does_not(server: Server, folder: Path) -> None:
    add_kernel(server, "other", ["other", "{connection_file}"], language="octave")
    response = server.post(notebook=written_for(folder / "a.ipynb", "other").relative_to(server.root).as_posix())
    assert response.status_code == 400 and "octave" in response.json()["message"]


@pytest.mark.parametrize("language", ["python", "Python", "ipython", "python3"])
def test_all_names_of_python_are_python(server: Server, folder: Path, language: str) -> None:
    events = server.run(written_for(folder / "a.ipynb", "python3", language))
    assert names(events)[-1] == "notebook_complete"


@pytest.mark.parametrize("metadata", [
    {"kernelspec": {"name": 5, "display_name": "x", "language": []}}, {"language_info": {"name": ""}},
    {"kernelspec": {"name": "", "display_name": ""}, "language_info": {"name": "python", "version": 3}}])
def test_odd_metadata_are_no_kernel(server: Server, folder: Path, metadata: Dict[str, Any]) -> None:
    content = {"nbformat": 4, "nbformat_minor": 4, "metadata": metadata, "cells": []}
    (folder / "a.ipynb").write_text(json.dumps(content))
    last = server.run(folder / "a.ipynb")[-1]
    assert "internal error" not in last.get("error", "")


def test_who_waits_in_line_is_refused_at_once(new_server: Callable[..., Server]) -> None:
    server = new_server("--NbExec.max_running=1")
    begun = begin(server, server.root, "import time; time.sleep(600)")
    written_for(server.root / "b.ipynb", "ir", "R")
    response = server.post(notebook="b.ipynb")
    assert response.status_code == 400 and "R" in response.json()["message"]
    server.delete(f"/{begun.exec_id}", headers=STREAM)


# -- kernels that something else starts -----------------------------------------------------------


def test_a_kernel_of_a_provisioner_is_refused(new_server: Callable[..., Server]) -> None:
    server = new_server()
    add_kernel(server, "remote", ORDINARY, metadata=PROVISIONED)
    for number, metadata in enumerate(ODD):
        add_kernel(server, f"local{number}", ORDINARY, metadata=metadata)
    server.stop()
    server.start()
    wait_for(lambda: "Kernel remote cannot be used by nbexec: its provisioner remote-provisioner" in server.log)
    assert "Kernel local" not in server.log
    source = written_for(server.root / "a.ipynb", "remote", "python")
    for data in ({}, {"jupyter_kernel": "remote"}):
        response = server.post(notebook="a.ipynb", **data)
        assert response.status_code == 400
        assert "remote-provisioner" in response.json()["message"] and "local3" in response.json()["message"]
        assert "remote," not in response.json()["message"]
    assert server.get().json()["executions"] == []
    assert names(server.run(source, jupyter_kernel="local3"))[-1] == "notebook_complete"


def test_a_server_with_a_gateway_refuses_in_words(new_server: Callable[..., Server]) -> None:
    server = new_server("--gateway-url=http://127.0.0.1:9")
    wait_for(lambda: "nbexec cannot run notebooks on this server" in server.log)
    write_notebook(server.root / "a.ipynb", "1")
    for data in ({}, {"jupyter_kernel": "python3"}):
        response = server.post(notebook="a.ipynb", **data)
        assert response.status_code == 400
        assert "--gateway-url" in response.json()["message"] and "http://127.0.0.1:9" in response.json()["message"]
    assert server.get().json()["executions"] == []
