"""The reference, sentence by sentence, on a real server with real kernels."""

from __future__ import annotations

import uuid
from pathlib import Path

from dask_cluster import DaskServer
from helpers import STREAM, Server, names, text_of, write_notebook
from nbformat import v4

KEYS = {"exec_id", "path", "params", "output_path", "overwrite", "jupyter_kernel", "cell_timeout", "status",
        "progress", "last_cell_source", "started_at", "completed_at"}
ADDED = {"requested_at", "kernel"}  # what nbexec adds to the reference


def test_stream_has_all_events_in_order(server: Server, folder: Path) -> None:
    source = write_notebook(folder / "a.ipynb", v4.new_markdown_cell("# Title"), "print(1)", "", "1 + 1")
    events = server.run(source)
    assert names(events) == ["notebook_start", "start", "end", "start", "end", "notebook_complete"]
    assert [event["progress"] for event in events[1:-1]] == ["2/4", "2/4", "4/4", "4/4"]
    assert text_of(events[2]["cell"]) == "1\n"
    assert len({event["exec_id"] for event in events}) == 1
    uuid.UUID(events[0]["exec_id"])


def test_model_is_complete_from_start_to_end(server: Server, folder: Path) -> None:
    source = write_notebook(folder / "a.ipynb", "print(1)")
    start, *_, complete = server.run(source)
    keys = KEYS | ADDED | ({"where"} if isinstance(server, DaskServer) else set())
    assert set(start["execution"]) == set(complete["execution"]) == keys
    assert start["execution"]["status"] == "executing"
    assert start["execution"]["output_path"] is None
    assert start["execution"]["progress"] is None
    assert start["timestamp"] == start["execution"]["started_at"]
    final = complete["execution"]
    assert final["status"] == "completed"
    assert final["progress"] == "1/1"
    assert final["last_cell_source"] == "print(1)"
    assert final["output_path"] == f"{folder.name}/a-Executed1.ipynb"
    assert final["completed_at"] >= final["started_at"]
    assert server.model(final["exec_id"]) == final


def test_without_stream_the_answer_is_the_first_event(server: Server, folder: Path) -> None:
    source = write_notebook(folder / "a.ipynb", "import os, time\nwhile not os.path.exists('go'): time.sleep(0.01)")
    response = server.post(notebook=f"{folder.name}/{source.name}")
    assert response.status_code == 202
    event = response.json()
    assert event["event"] == "notebook_start"
    exec_id = event["execution"]["exec_id"]
    assert response.headers["Location"] == f"/api/executions/{exec_id}"
    assert server.model(exec_id)["status"] == "executing"
    (folder / "go").touch()
    assert server.wait_until_final(exec_id)["status"] == "completed"


def test_shutdown_waits_for_the_kernel_to_be_gone(server: Server, folder: Path) -> None:
    source = write_notebook(folder / "a.ipynb", "import time\nprint('so far', flush=True)\ntime.sleep(600)")
    exec_id = server.start_run(source)
    response = server.request("POST", f"/{exec_id}", data={"action": "shutdown"}, headers=STREAM)
    assert response.status_code == 202
    assert "shut down" in response.json()["execution"]["status"]
    server.wait_until_quiet()


def test_an_empty_id_does_not_mean_all_executions(server: Server, folder: Path) -> None:
    exec_id = server.start_run(write_notebook(folder / "a.ipynb", "import time; time.sleep(600)"))
    path = f"{folder.name}/a.ipynb"
    before = len(server.get("/").json()["executions"])
    for slashes in ("/", "//", "/?", "/%20", "/%2F"):
        assert server.delete(slashes).status_code == 404
        assert server.post(slashes, action="shutdown").status_code == 404
        assert server.post(slashes, notebook=path).status_code == 404
    assert server.model(exec_id)["status"] == "executing"
    assert len(server.get("/").json()["executions"]) == before
    assert server.delete(f"/{exec_id}", headers=STREAM).status_code == 202
