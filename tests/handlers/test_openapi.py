"""The OpenAPI document is valid, describes all there is, and is true: a running server is held against it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Tuple, Type
from urllib.parse import urljoin

import pytest
import requests
import yaml
from helpers import TOKEN, TREE, Server, names, wait_for, write_notebook

import nbexec
from nbexec import events
from nbexec.annotations import Annotation
from nbexec.execution import COMPLETED, Execution
from nbexec.handlers import base, executions, statuses
from nbexec.handlers.events import event_routes
from nbexec.parameters import COMPUTED, NOWHERE, Parameter
from nbexec.run_arguments import HEADER_FIELDS, RESERVED, RunArguments

TESTS = TREE / "tests"
METHODS = {"get", "put", "post", "delete", "options", "head", "patch", "trace"}
DOCUMENT: Dict[str, Any] = yaml.safe_load(executions.OPENAPI.read_text("utf-8"))
SCHEMAS: Dict[str, Any] = DOCUMENT["components"]["schemas"]
EVENTS: Dict[str, str] = {**SCHEMAS["Event"]["discriminator"]["mapping"],
                          **SCHEMAS["Change"]["discriminator"]["mapping"]}
ROUTES = [*event_routes("/", None, None), *executions.routes("/", None, None)]  # type: ignore[arg-type]
STREAMS = ["followChanges", "followExecution"]  # Schemathesis waits for the end of an answer
needs_tools = pytest.mark.skipif(sys.version_info < (3, 11), reason="the tools need Python 3.11")


def operations() -> Iterator[Tuple[str, str, Dict[str, Any]]]:
    """Yield path, method and description of each operation."""
    for path, item in DOCUMENT["paths"].items():
        for method in METHODS & set(item):
            yield path, method, item[method]


def properties(name: str) -> Dict[str, Any]:
    return dict(SCHEMAS[name.rpartition("/")[2]]["properties"])


def handler_of(path: str) -> Type[base.ExecutionAPIHandler]:
    """Return what serves a path."""
    return next(handler for pattern, handler, _ in ROUTES if re.fullmatch(pattern, path))


def resolved(node: Dict[str, Any]) -> Dict[str, Any]:
    """Return a part of the document, or what it refers to."""
    found: Any = node
    if "$ref" in node:
        found = DOCUMENT
        for key in node["$ref"].split("/")[1:]:
            found = found[key]
    return dict(found)


def assert_valid(value: Any, schema: Dict[str, Any]) -> None:
    from openapi_schema_validator import OAS30Validator

    OAS30Validator({**schema, "components": DOCUMENT["components"]}).validate(value)


# -- the document ---------------------------------------------------------------------------------


@needs_tools
def test_the_document_is_valid() -> None:
    from openapi_spec_validator import OpenAPIV30SpecValidator

    assert [error.message for error in OpenAPIV30SpecValidator(DOCUMENT).iter_errors()] == []


def test_it_has_the_version_of_the_package() -> None:
    assert DOCUMENT["info"]["version"] == nbexec.__version__


@pytest.mark.parametrize("base", ["http://localhost:8888/", "https://example.org/user/ada/"])
def test_its_server_is_the_one_that_it_comes_from(base: str) -> None:
    server = urljoin(f"{base}api/executions/openapi.yaml", DOCUMENT["servers"][0]["url"])
    assert server.rstrip("/") + "/api/executions" == f"{base}api/executions"


def test_every_route_is_described_and_nothing_else() -> None:
    described: Dict[Type[base.ExecutionAPIHandler], List[str]] = {}
    for path, method, _ in operations():
        path = path.replace("{exec_id}", str(uuid.uuid4()))
        with_slash = executions.SlashHandler if path == "/api/executions" else handler_of(path)
        assert handler_of(f"{path}/") is with_slash
        described.setdefault(handler_of(path), []).append(method)
    known = {handler for _, handler, _ in ROUTES}
    assert set(described) == known - {executions.UnknownHandler, executions.SlashHandler}
    for handler, methods in described.items():
        assert sorted(methods) == sorted(method for method in METHODS if hasattr(handler, f"on_{method}"))


def test_every_field_of_a_request_is_described() -> None:
    assert set(properties("RunForm")) == set(RESERVED)
    assert set(properties("RunObject")) == set(RESERVED) - {"token"}
    parameters = map(resolved, DOCUMENT["paths"]["/api/executions"]["post"]["parameters"])
    headers = {parameter["name"] for parameter in parameters if parameter["in"] == "header"}
    assert {field.header for field in HEADER_FIELDS} - headers == set()


def test_every_field_of_the_models_is_described() -> None:
    choice = Parameter("x", "int", secret=True, accepted=Annotation(choices=(1, 2))).model()
    date = Parameter("x", "str", accepted=Annotation(("date",), takes_none=True)).model()
    executions = [Execution("", RunArguments("")).model(),
                  Execution("", RunArguments(""), requested_at=1.0, kernel="python3", where="a", parameters=[],
                            results={"rmse": 0.3}).model()]
    unset = [Parameter("x", "int", origin=origin) for origin in (COMPUTED, NOWHERE)]
    parameters = Parameter("x", "int").model(), {**choice, **date, **unset[0].model(), **unset[1].model()}
    effective = Parameter("x", "int").effective({}), {
        **unset[0].effective({}), **unset[1].effective({}), **Parameter("x", "int", secret=True).effective({})}
    for name, model, more in (("Execution", *executions), ("Parameter", *parameters),
                              ("EffectiveParameter", *effective)):
        assert set(SCHEMAS[name]["required"]) == set(model)
        assert set(properties(name)) == {*model, *more}
        assert [key for key, schema in properties(name).items() if not resolved(schema).get("description")] == []


def test_every_event_is_described() -> None:
    known = {value for name, value in vars(events).items() if name.isupper()} - {COMPLETED}
    assert known
    assert known - set(EVENTS) == set()
    assert all(properties(schema)["event"]["enum"] == [event] for event, schema in EVENTS.items())


def test_every_status_of_an_error_is_described() -> None:
    described = {int(status) for _, _, operation in operations() for status in operation["responses"]}
    assert set(statuses._STATUS.values()) - described == set()


@needs_tools
def test_every_example_is_valid() -> None:
    bodies = [body for _, _, operation in operations()
              for body in [operation.get("requestBody", {}), *map(resolved, operation["responses"].values())]]
    examples = [(resolved(example)["value"], media["schema"]) for body in bodies
                for media in body.get("content", {}).values() for example in media.get("examples", {}).values()]
    examples += [(schema["example"], schema) for schema in SCHEMAS.values() if "example" in schema]
    assert len(examples) > 20
    for value, schema in examples:
        assert_valid(value, schema)


# -- the server -----------------------------------------------------------------------------------


def test_the_document_is_served_to_who_has_the_token(server: Server) -> None:
    for path in ("/openapi.yaml", "/openapi.yaml/"):
        response = server.get(path)
        assert response.status_code == 200
        assert response.headers["Content-Type"] == "application/yaml"
        assert response.content == executions.OPENAPI.read_bytes()
        assert requests.get(server.api + path, timeout=60).status_code == 401
        for method in ("HEAD", "POST", "DELETE", "OPTIONS"):
            assert server.request(method, path).status_code == 405


def test_a_405_names_the_methods_of_the_route(server: Server) -> None:
    for path, item in DOCUMENT["paths"].items():
        described = METHODS & set(item)
        path = path.replace("/api/executions", "").replace("{exec_id}", str(uuid.uuid4()))
        for method in METHODS - described:
            response = server.request(method.upper(), path)
            assert response.status_code == 405
            assert set(response.headers["Allow"].lower().split(", ")) == described


def test_what_the_client_knows_is_not_sent_again(server: Server) -> None:
    response = server.get("/openapi.yaml")
    again = server.get("/openapi.yaml", headers={"If-None-Match": response.headers["ETag"]})
    assert (again.status_code, again.content) == (304, b"")


@needs_tools
@pytest.mark.parametrize("cells, ending", [(["print(1)", "1 + 1"], "notebook_complete"),
                                           (["print(1)", "1 / 0"], "notebook_error"), ([], "notebook_error")],
                         ids=["completes", "fails", "no notebook"])
def test_each_event_is_as_described(server: Server, folder: Path, cells: List[str], ending: str) -> None:
    source = folder / "a.ipynb"
    if cells:
        write_notebook(source, *cells)
    else:
        source.write_text("{")
    happened = server.run(source)
    assert names(happened)[-1] == ending
    for event in happened:
        assert_valid(event, {"$ref": "#/components/schemas/Event"})
        assert_valid(event, {"$ref": EVENTS[event["event"]]})
        assert set(event) - set(properties(EVENTS[event["event"]])) == set()
    model = server.model(happened[0]["exec_id"])
    assert_valid(model, {"$ref": "#/components/schemas/Execution"})


@needs_tools
def test_each_answer_of_a_limited_server_is_as_described(new_server: Callable[..., Server]) -> None:
    server = new_server("--NbExec.max_running=1", "--NbExec.max_queued=1", "--NbExec.output_limit=1000")
    write_notebook(server.root / "slow.ipynb", "import os, time\nwhile not os.path.exists('go'): time.sleep(0.005)",
                   "print('a' * 2000)")

    def post(key: str, status: int, **fields: str) -> requests.Response:
        response = server.request("POST", data={"notebook": "slow.ipynb", **fields}, headers={"Idempotency-Key": key})
        assert response.status_code == status, response.text
        described = resolved(DOCUMENT["paths"]["/api/executions"]["post"]["responses"][str(status)])
        assert_valid(response.json(), described["content"]["application/json"]["schema"])
        for name, header in described.get("headers", {}).items():
            assert name in response.headers
            assert re.search(resolved(header)["schema"].get("pattern", "[1-9]"), response.headers[name])
        return response

    started = [post("first", 202), post("second", 202)]
    assert [response.json()["event"] for response in started] == ["notebook_start", "notebook_queue"]
    post("third", 429)
    post("first", 409, cell_timeout="60")
    assert post("second", 200).json()["event"] == "notebook_queue"
    (server.root / "go").touch()
    for key in ("first", "second"):
        wait_for(lambda key=key: post(key, 200).json()["event"] == "notebook_complete")
    happened = server.run("slow.ipynb")
    assert happened[-1]["output_cut"]
    for event in happened:
        assert_valid(event, {"$ref": EVENTS[event["event"]]})
        assert set(event) - set(properties(EVENTS[event["event"]])) == set()


@needs_tools
def test_the_server_does_what_the_document_says(tmp_path: Path, new_server: Callable[..., Server]) -> None:
    """Schemathesis sends what the document allows, and what it does not, and compares the answers with it."""
    server = new_server()
    write_notebook(server.root / "report.ipynb", "# nbexec: params\nregion = 'all'\nyear = 2024", "region, year")
    write_notebook(server.root / "fails.ipynb", "print(1)", "1 / 0")
    (server.root / "broken.ipynb").write_text("{")
    (server.root / "results").mkdir()
    program = shutil.which("schemathesis", path=str(Path(sys.executable).parent))
    assert program
    done = subprocess.run(
        [program, "--config-file", str(TESTS / "schemathesis.toml"), "run", str(executions.OPENAPI),
         "--url", server.url, "--checks", "all", "--header", f"Authorization: token {TOKEN}", "--no-color",
         *[f"--exclude-operation-id={stream}" for stream in STREAMS]],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(TESTS), os.environ.get("PYTHONPATH", "")])},
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=250)
    text = done.stdout.decode("utf-8", "replace")
    assert done.returncode == 0, text
    assert f"Tested: {len(list(operations())) - len(STREAMS)}" in text
    assert "Traceback" not in server.log
    assert server.delete().status_code == 202
    server.wait_until_quiet()
    assert server.get().json() == {"executions": []}
