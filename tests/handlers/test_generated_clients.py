"""Clients that generators make of the OpenAPI document can start, list, follow, shut down and delete on a server."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Callable, List

import pytest
from helpers import TOKEN, Server, write_notebook

from nbexec.handlers.executions import OPENAPI

pytestmark = pytest.mark.skipif(sys.version_info < (3, 11), reason="the generators need Python 3.11")

WAITS = "import os, time\nwhile not os.path.exists('never'): time.sleep(0.02)"
PYTHON_CLIENT = '''
import json, sys
from uuid import UUID
from nbexec_client import AuthenticatedClient
from nbexec_client.api.events import follow_execution
from nbexec_client.api.executions import (act_on_execution, delete_execution, delete_executions, list_executions,
                                          read_execution, start_execution)
from nbexec_client.api.notebooks import read_parameters
from nbexec_client.models import Action, ActionObject, RunForm, RunObject

client = AuthenticatedClient(base_url=sys.argv[1], token=sys.argv[2], prefix="token", raise_on_unexpected_status=True,
                             timeout=60)
assert read_parameters.sync(client=client, notebook="a.ipynb").parameters[0].name == "x"
for kind in (RunObject, RunForm):
    body = kind(notebook="a.ipynb", output_path="results/out.ipynb", overwrite=True, cell_timeout=60)
    body["x"] = "5"
    started = start_execution.sync(client=client, body=body)
    lines = follow_execution.sync(UUID(str(started.exec_id)), client=client)
    events = [json.loads(line) for line in lines.splitlines() if line]
    assert events[-1]["event"] == "notebook_complete", events[-1]
    assert events[0]["execution"]["params"] == {"x": "5"}
    assert read_execution.sync(UUID(str(started.exec_id)), client=client).execution.status == "completed"
waiting = UUID(str(start_execution.sync(client=client, body=RunObject(notebook="waits.ipynb")).exec_id))
assert len(list_executions.sync(client=client).executions) == 3
stop = ActionObject(action=Action.SHUTDOWN)
for encoding in ({}, {"x_response_encoding": "chunked"}):
    answer = act_on_execution.sync(waiting, client=client, body=stop, **encoding)
    assert str(answer.execution.exec_id) == str(waiting)
assert "shut down" in answer.execution.status
assert delete_execution.sync_detailed(waiting, client=client).status_code == 202
assert delete_executions.sync_detailed(client=client).status_code == 202
assert list_executions.sync(client=client).executions == []
print("done")
'''
OPENAPI_GENERATOR = '''
import json, sys
import openapi_client
from openapi_client import ActionObject, RunObject

configuration = openapi_client.Configuration(host=sys.argv[1])
configuration.api_key["header"], configuration.api_key_prefix["header"] = sys.argv[2], "token"
with openapi_client.ApiClient(configuration) as client:
    executions, events = openapi_client.ExecutionsApi(client), openapi_client.EventsApi(client)
    assert openapi_client.NotebooksApi(client).read_parameters("a.ipynb").parameters[0].name == "x"
    body = RunObject.from_dict({"notebook": "a.ipynb", "output_path": "results/out.ipynb", "overwrite": True,
                                "cell_timeout": 60, "x": 5})
    started = executions.start_execution(body).actual_instance
    followed = events.follow_execution(str(started.exec_id))
    told = [json.loads(line) for line in followed.splitlines() if line]
    assert told[-1]["event"] == "notebook_complete", told[-1]
    assert told[0]["execution"]["params"] == {"x": "5"}
    assert executions.read_execution(str(started.exec_id)).execution.status == "completed"
    waiting = str(executions.start_execution(RunObject(notebook="waits.ipynb")).actual_instance.exec_id)
    assert len(executions.list_executions().executions) == 2
    for encoding in ({}, {"x_response_encoding": "chunked"}):
        answer = executions.act_on_execution(waiting, ActionObject(action="shutdown"), **encoding)
        assert str(answer.execution.exec_id) == waiting
    assert "shut down" in answer.execution.status
    executions.delete_execution(waiting)
    executions.delete_executions()
    assert executions.list_executions().executions == []
print("done")
'''


def program(name: str, *needed: str) -> str:
    """Return the path of a generator; the test is skipped where it is not installed."""
    found = shutil.which(name, path=os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))
    missing = [need for need in needed if shutil.which(need) is None] + ([] if found else [name])
    if missing or found is None:
        pytest.skip(f"not installed: {', '.join(missing)}")
    return found


def call(command: List[str], cwd: Path) -> str:
    done = subprocess.run(command, cwd=cwd, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          timeout=100, env={**os.environ, "PYTHONPATH": str(cwd / "client")})
    text = done.stdout.decode("utf-8", "replace")
    assert done.returncode == 0, text
    return text


def use(new_server: Callable[..., Server], folder: Path, script: str) -> None:
    server = new_server()
    (server.root / "results").mkdir()
    write_notebook(server.root / "a.ipynb", "# nbexec: params\nx = 1", "x")
    write_notebook(server.root / "waits.ipynb", WAITS)
    (folder / "use.py").write_text(script)
    assert call([sys.executable, "use.py", server.url.rstrip("/"), TOKEN], folder).endswith("done\n")


def test_a_client_by_openapi_python_client(new_server: Callable[..., Server], tmp_path: Path) -> None:
    generator = program("openapi-python-client")
    text = call([generator, "generate", "--path", str(OPENAPI), "--output-path", "client"], tmp_path)
    unread = [line for line in text.splitlines() if line.startswith("WARNING")]
    assert unread == ["WARNING parsing GET /api/executions/openapi.yaml within description."]  # it takes no YAML
    use(new_server, tmp_path, PYTHON_CLIENT)


def test_a_client_by_openapi_generator(new_server: Callable[..., Server], tmp_path: Path) -> None:
    generator = program("openapi-generator-cli", "java")
    call([generator, "generate", "-i", str(OPENAPI), "-g", "python", "-o", "client"], tmp_path)
    use(new_server, tmp_path, OPENAPI_GENERATOR)


def test_spectral_finds_no_error(tmp_path: Path) -> None:
    (tmp_path / "rules.yaml").write_text('extends: ["spectral:oas"]\n')
    call([program("spectral"), "lint", str(OPENAPI), "--ruleset", "rules.yaml"], tmp_path)
