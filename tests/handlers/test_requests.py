"""What a request may say, and how it is answered."""

from __future__ import annotations

import json
import os
import socket
import sys
from pathlib import Path
from typing import Any, Dict, Iterator, List, Optional, Tuple
from urllib.parse import unquote

import pytest
import requests
from helpers import (
    ORDINARY,
    STREAM,
    TOKEN,
    Event,
    Server,
    add_kernel,
    api_path,
    names,
    text_of,
    wait_for,
    write_notebook,
)
from nbformat import v4

FORM = "application/x-www-form-urlencoded"
JSON = "application/json"
NDJSON = "application/x-ndjson"
TRACED = "requests-traced"
FOREIGN = "requests-foreign"
MARKED = "requests-marked"
PARAMETERS = """# nbexec: params
count = 1
ratio = 0.5
flag = False
name = "a"
"""
SHOW = "print(repr((count, ratio, flag, name)))"
# A cell that ends when the test says so, by a file beside the notebook.
WAIT = """import os, time
deadline = time.monotonic() + 30
while not os.path.exists("go") and time.monotonic() < deadline:
    time.sleep(0.005)
"""


def executions(server: Server) -> List[Dict[str, Any]]:
    return list(server.get().json()["executions"])


@pytest.fixture(scope="module")
def trace(server: Server) -> Path:
    """Install a kernel that leaves a file behind when it is started, and return the path of that file."""
    trace = server.folder / "trace"
    script = server.folder / "traced.py"
    script.write_text(f"open({str(trace)!r}, 'a').close()\n"
                      "import runpy\nrunpy.run_module('ipykernel_launcher', run_name='__main__')\n")
    add_kernel(server, TRACED, [sys.executable, str(script), "-f", "{connection_file}"])
    return trace


@pytest.fixture(scope="module")
def kernels(server: Server) -> None:
    """Install a kernel of another language, which would say who it is, and a Python one that can be told by a mark."""
    add_kernel(server, FOREIGN, ORDINARY, language="R", env={"NBEXEC_TEST_MARK": FOREIGN})
    add_kernel(server, MARKED, ORDINARY, env={"NBEXEC_TEST_MARK": MARKED})


@pytest.fixture()
def source(folder: Path) -> Path:
    return write_notebook(folder / "a.ipynb", PARAMETERS, SHOW)


class Refusals:
    """Sends requests that must be refused without a trace."""

    def __init__(self, server: Server, folder: Path, trace: Path) -> None:
        self.server = server
        self.folder = folder
        self.trace = trace
        self.field: Optional[str] = None  # that the last error is about

    def send(self, status: int = 400, **kwargs: Any) -> str:
        """Return the message of the error."""
        if self.trace.exists():
            self.trace.unlink()
        before = executions(self.server), sorted(self.folder.rglob("*"))
        response = self.server.request("POST", **kwargs)
        assert response.status_code == status, response.text
        assert response.headers["Content-Type"] == JSON
        assert "Location" not in response.headers
        answer = response.json()
        assert set(answer) == {"message", "reason"}
        field = response.headers.get("X-Error-Field")
        self.field = None if field is None else unquote(field)
        assert (executions(self.server), sorted(self.folder.rglob("*"))) == before
        self.server.wait_until_quiet()
        assert not self.trace.exists()
        return str(answer["message"])

    def form(self, source: Path, status: int = 400, **fields: str) -> str:
        return self.send(status, data={"notebook": api_path(source), "jupyter_kernel": TRACED, **fields})


@pytest.fixture()
def refusals(server: Server, folder: Path, trace: Path) -> Refusals:
    return Refusals(server, folder, trace)


def shown(events: List[Event]) -> str:
    """Return what the last cell printed."""
    assert events[-1]["event"] == "notebook_complete", events[-1]
    ends = [event for event in events if event["event"] == "end"]
    return text_of(ends[-1]["cell"]).strip()


def test_the_traced_kernel_leaves_a_trace(server: Server, source: Path, trace: Path) -> None:
    """So that the tests below can tell that no kernel was started."""
    if trace.exists():
        trace.unlink()
    assert shown(server.run(source, jupyter_kernel=TRACED)) == "(1, 0.5, False, 'a')"
    assert trace.exists()


# -- how parameters are given ---------------------------------------------------------------------


def run(server: Server, **kwargs: Any) -> List[Event]:
    """Execute a notebook by a request as it is given, and return all events."""
    headers = {**STREAM, **kwargs.pop("headers", {})}
    response = server.request("POST", headers=headers, **kwargs)
    assert response.status_code == 202, response.text
    return [json.loads(line) for line in response.text.splitlines()]


@pytest.mark.parametrize("way", ["form", "json", "query", "form and query", "json and query"])
def test_parameters_are_taken_from_the_body_and_the_query(server: Server, source: Path, way: str) -> None:
    fields = {"notebook": api_path(source), "count": "7", "name": "ü ☃ +&=%"}
    some, others = {"notebook": fields["notebook"], "count": "7"}, {"name": fields["name"]}
    events = run(server, **{
        "form": {"data": fields}, "json": {"json": fields}, "query": {"params": fields},
        "form and query": {"data": some, "params": others}, "json and query": {"json": others, "params": some},
    }[way])
    assert shown(events) == "(7, 0.5, False, 'ü ☃ +&=%')"
    assert events[-1]["execution"]["params"] == {"count": "7", "name": "ü ☃ +&=%"}


def test_a_form_in_plain_utf_8_is_read(server: Server, source: Path) -> None:
    body = f"notebook={api_path(source)}&name=ü☃".encode()
    assert shown(run(server, data=body, headers={"Content-Type": FORM})) == "(1, 0.5, False, 'ü☃')"


def test_a_query_in_plain_utf_8_is_read(server: Server, source: Path) -> None:
    target = f"/api/executions?token={TOKEN}&notebook={api_path(source)}&name=ü☃"
    answer = server.raw(f"POST {target} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
                        .encode())
    assert answer.startswith(b"HTTP/1.1 202 ")
    model = json.loads(answer.partition(b"\r\n\r\n")[2])["execution"]
    assert model["params"] == {"name": "ü☃"}
    server.wait_until_final(model["exec_id"])


@pytest.mark.parametrize("content_type", [FORM, f"{FORM}; charset=utf-8", "APPLICATION/X-WWW-FORM-URLENCODED"])
def test_a_form_is_known_by_its_content_type_in_any_case(server: Server, source: Path, content_type: str) -> None:
    body = f"notebook={api_path(source)}&count=5"
    assert shown(run(server, data=body, headers={"Content-Type": content_type})) == "(5, 0.5, False, 'a')"


@pytest.mark.parametrize("content_type", [JSON, f"{JSON}; charset=utf-8", "Application/JSON"])
def test_json_is_known_by_its_content_type_in_any_case(server: Server, source: Path, content_type: str) -> None:
    body = json.dumps({"notebook": api_path(source), "count": 5})
    assert shown(run(server, data=body, headers={"Content-Type": content_type})) == "(5, 0.5, False, 'a')"


def test_a_content_type_without_a_body_does_not_matter(server: Server, source: Path) -> None:
    events = run(server, params={"notebook": api_path(source)}, headers={"Content-Type": "text/plain"})
    assert shown(events) == "(1, 0.5, False, 'a')"


@pytest.mark.parametrize("name, written, value", [
    ("ratio", "1e400", "inf"), ("ratio", "-1E-2", "-0.01"), ("ratio", "1.10", "1.1"), ("ratio", "12", "12.0"),
    ("name", "1.10", "'1.10'"), ("name", "1e400", "'1e400'"), ("name", "-0.0", "'-0.0'"), ("name", "true", "'true'"),
    ("name", "123456789012345678901234567890.10", "'123456789012345678901234567890.10'"), ("name", '""', "''"),
    ("name", '"\\u00fc\\ud83d\\ude00"', "'ü😀'"), ("name", '" null"', "' null'"), ("name", "false", "'false'"),
    ("flag", "true", "True"), ("flag", "1", "True"), ("flag", '"False"', "False"), ("count", '"0x10"', "16"),
    ("count", "123456789012345678901234567890", "123456789012345678901234567890")])
def test_json_scalars_are_kept_as_written(server: Server, folder: Path, name: str, written: str, value: str) -> None:
    source = write_notebook(folder / "a.ipynb", PARAMETERS, f"print(repr({name}))")
    body = f'{{"notebook": {json.dumps(api_path(source))}, "{name}": {written}}}'
    events = run(server, data=body.encode(), headers={"Content-Type": JSON})
    text = json.loads(written) if written.startswith('"') else written
    assert events[0]["execution"]["params"] == {name: text}
    assert shown(events) == value


def test_the_arguments_of_the_api_may_be_json_scalars_too(server: Server, source: Path) -> None:
    fields = {"notebook": api_path(source), "cell_timeout": 60, "overwrite": True,
              "output_path": f"{source.parent.name}/b.ipynb"}
    model = run(server, json=fields)[-1]["execution"]
    assert (model["cell_timeout"], model["overwrite"], model["output_path"]) == (60, True, fields["output_path"])
    assert model["params"] == {}


@pytest.mark.parametrize("written, named", [
    ("null", "null"), ("[]", "[]"), ("[1, 2.50]", "[1, 2.50]"), ("{}", "{}"), ('{"a": 1.10}', '{"a": 1.10}'),
    ('"\\ud800"', "\\ud800")])
def test_other_json_values_are_400(refusals: Refusals, source: Path, written: str, named: str) -> None:
    for name in ("name", "notebook", "cell_timeout"):
        accepted = "any text" if name == "name" and written[0] != '"' else "text, a number, true or false"
        fields = {"notebook": api_path(source), "jupyter_kernel": TRACED, "count": 1}
        fields.pop(name, None)
        body = json.dumps(fields)[:-1] + f', "{name}": {written}}}'
        message = refusals.send(data=body, headers={"Content-Type": JSON})
        assert name in message
        assert named in message
        assert f"expected {accepted}" in message


@pytest.mark.parametrize("way", ["query", "form", "query and form", "json", "query and json"])
@pytest.mark.parametrize("name", ["count", "notebook", "overwrite", "unknown"])
def test_a_name_that_is_given_twice_is_400(refusals: Refusals, source: Path, way: str, name: str) -> None:
    notebook = api_path(source)
    fields = [("notebook", notebook), ("jupyter_kernel", TRACED)] if name != "notebook" else []
    one, two = (name, notebook if name == "notebook" else "1"), (name, notebook if name == "notebook" else "0")
    as_json = "{" + ", ".join(f"{json.dumps(key)}: {json.dumps(value)}" for key, value in (*fields, one, two)) + "}"
    message = refusals.send(**{
        "query": {"params": [*fields, one, two]}, "form": {"data": [*fields, one, two]},
        "query and form": {"params": [one], "data": [*fields, two]},
        "json": {"data": as_json, "headers": {"Content-Type": JSON}},
        "query and json": {"params": [one], "json": dict([*fields, two])},
    }[way])
    assert name in message
    assert one[1] in message and two[1] in message
    assert "once" in message


@pytest.mark.parametrize("content_type", [
    "text/plain", "multipart/form-data; boundary=x", "application/octet-stream", "application/json-seq",
    "application/x-www-form-urlencoded2", "text/json", ", application/json", ""])
def test_any_other_content_type_is_400(refusals: Refusals, source: Path, content_type: str) -> None:
    message = refusals.send(params={"jupyter_kernel": TRACED}, data=f"notebook={api_path(source)}",
                            headers={"Content-Type": content_type})
    assert repr(content_type) in message
    assert FORM in message and JSON in message


def test_a_body_without_content_type_is_400(refusals: Refusals, source: Path) -> None:
    message = refusals.send(params={"notebook": api_path(source)}, data=b"count=1")
    assert FORM in message and JSON in message


@pytest.mark.parametrize("body", [b"count=%FF", b"%FF=1", b"count=\xff", b"count=%ED%A0%80", b"\xfe\xff"])
def test_a_form_that_is_not_utf_8_is_400(refusals: Refusals, source: Path, body: bytes) -> None:
    message = refusals.send(params={"notebook": api_path(source)}, data=body, headers={"Content-Type": FORM})
    assert "form body" in message
    assert "UTF-8" in message


def test_a_query_that_is_not_utf_8_is_400(refusals: Refusals, source: Path) -> None:
    message = refusals.send(path=f"?notebook={api_path(source)}&jupyter_kernel={TRACED}&count=%FF")
    assert "query" in message
    assert "UTF-8" in message


@pytest.mark.parametrize("body", [
    b"{", b"{]", b'{"count": 1,}', b"{'count': 1}", b'{"count": 1}x', b"count=1", b'{"name": "\xff"}',
    b"\xff\xfe{\x00}\x00", b'{"count": 01}', b" ", b"[" * 900, b'{"count": 1e}'], ids=lambda body: repr(body)[:20])
def test_a_body_that_is_no_json_is_400(refusals: Refusals, source: Path, body: bytes) -> None:
    message = refusals.send(params={"notebook": api_path(source)}, data=body, headers={"Content-Type": JSON})
    assert "JSON body cannot be decoded" in message


@pytest.mark.parametrize("body", [b"[]", b"null", b'"notebook"', b"1", b"true", b'[{"count": 1}]', b"[" * 200_000],
                         ids=lambda body: repr(body)[:20])
def test_a_json_body_that_is_no_object_is_400(refusals: Refusals, source: Path, body: bytes) -> None:
    message = refusals.send(params={"notebook": api_path(source)}, data=body, headers={"Content-Type": JSON})
    assert "JSON body is not an object" in message


# -- 400 ------------------------------------------------------------------------------------------


def test_a_missing_notebook_is_400(refusals: Refusals) -> None:
    for fields in ({}, {"count": "1"}, {"Notebook": "a.ipynb"}):
        message = refusals.send(data=fields)
        assert message.startswith("notebook: expected the path of a notebook") and message.endswith(", got nothing")
    message = refusals.send(data={"notebook": ""})
    assert message.startswith("notebook: expected the path of a notebook") and message.endswith(", got ''")


@pytest.mark.parametrize("name, value, expected", [
    ("count", "abc", "int"), ("count", "1.5", "int"), ("count", "", "int"), ("count", "010", "int"),
    ("ratio", "abc", "float"), ("ratio", "", "float"), ("ratio", "1,5", "float"), ("ratio", "0x1", "float"),
    ("flag", "yes", "True, False, true, false, 1, 0"), ("flag", "", "True, False"), ("flag", "TRUE", "True, False"),
    ("flag", "2", "True, False")])
def test_a_value_that_does_not_fit_its_type_is_400(refusals: Refusals, source: Path, name: str, value: str,
                                                   expected: str) -> None:
    message = refusals.form(source, **{name: value})
    assert message.startswith(f"{name}: expected ") and message.endswith(f", got {value!r}")
    assert expected in message
    assert refusals.field == name


def test_an_unknown_parameter_is_400(refusals: Refusals, source: Path) -> None:
    message = refusals.form(source, cuont="1")
    assert message == ("unknown parameter 'cuont' (value '1'); this notebook defines count, ratio, flag, name; "
                       "did you mean count?")
    assert refusals.field == "cuont"
    message = refusals.form(source, Count="1", count="1")
    assert "unknown parameter 'Count' (value '1')" in message


def test_a_parameter_for_a_notebook_without_parameter_cell_is_400(refusals: Refusals, folder: Path) -> None:
    source = write_notebook(folder / "a.ipynb", "count = 1")
    message = refusals.form(source, count="2")
    assert "unknown parameter 'count' (value '2')" in message
    assert "no parameter cell" in message
    assert "# nbexec: params" in message


@pytest.mark.parametrize("name", ["a-b", "1st", "", " count", "count ", "a.b", "a b", "__import__('os')", "x\ny", "☃"])
def test_a_parameter_that_is_no_identifier_is_400(refusals: Refusals, source: Path, name: str) -> None:
    message = refusals.form(source, **{name: "1"})
    assert message == f"parameter name: expected a Python identifier, got {name!r}"
    assert refusals.field == (name or None)


@pytest.mark.parametrize("value", ["yes", "", "2", "t", "none", " true", "on", "01"])
def test_an_overwrite_that_is_neither_true_nor_false_is_400(refusals: Refusals, source: Path, value: str) -> None:
    message = refusals.form(source, overwrite=value, output_path=f"{source.parent.name}/b.ipynb")
    assert message == f"overwrite: expected true, false, 1 or 0, got {value!r}"


@pytest.mark.parametrize("value", ["true", "TRUE", "1"])
def test_overwrite_without_output_path_is_400(refusals: Refusals, source: Path, value: str) -> None:
    message = refusals.form(source, overwrite=value)
    assert message == f"overwrite: expected false, unless output_path is given, got {value!r}"


@pytest.mark.parametrize("value, meant", [
    ("true", True), ("True", True), ("tRUE", True), ("1", True), ("false", False), ("FALSE", False), ("0", False)])
def test_overwrite_is_taken_in_any_case(server: Server, folder: Path, value: str, meant: bool) -> None:
    source = write_notebook(folder / "a.ipynb")
    (folder / "out.ipynb").write_text("old")
    model = server.run(source, overwrite=value, output_path=f"{folder.name}/out.ipynb")[-1]["execution"]
    assert model["overwrite"] is meant
    assert model["output_path"] == f"{folder.name}/" + ("out.ipynb" if meant else "out-1.ipynb")
    assert ((folder / "out.ipynb").read_text() == "old") is not meant


@pytest.mark.parametrize("value", ["false", "0", "FALSE"])
def test_overwrite_false_needs_no_output_path(server: Server, folder: Path, value: str) -> None:
    source = write_notebook(folder / "a.ipynb")
    model = server.run(source, overwrite=value)[-1]["execution"]
    assert model["output_path"] == f"{folder.name}/a-Executed1.ipynb"


@pytest.mark.parametrize("value", ["0", "-1", "1.5", "abc", "", "1e3", "00", " 5", "5 ", "1_0", "0x10", "inf", "٣"])
def test_a_cell_timeout_that_is_no_positive_integer_is_400(refusals: Refusals, source: Path, value: str) -> None:
    message = refusals.form(source, cell_timeout=value)
    assert message == f"cell_timeout: expected a positive integer, got {value!r}"
    assert refusals.field == "cell_timeout"


def test_a_cell_timeout_of_any_size_is_taken(server: Server, folder: Path) -> None:
    source = write_notebook(folder / "a.ipynb", "print('in time')")
    for value in (60, 10**12, 10**400):
        events = server.run(source, cell_timeout=str(value))
        assert shown(events) == "in time"
        assert events[-1]["execution"]["cell_timeout"] == value


@pytest.mark.parametrize("value", ["no-such-kernel", "", "../python3", "python3/../python3", "a b", "☃", "x" * 300])
def test_an_unknown_kernel_is_400(refusals: Refusals, source: Path, value: str) -> None:
    message = refusals.form(source, jupyter_kernel=value)
    assert message.startswith("jupyter_kernel: expected an IPython kernel") and f", got {repr(value)[:150]}" in message
    assert "python3" in message and TRACED in message  # those that there are


def test_a_kernel_of_another_language_is_400(refusals: Refusals, kernels: None, source: Path) -> None:
    message = refusals.form(source, jupyter_kernel=FOREIGN)
    expected, _, given = message.partition(", got ")
    assert expected.startswith("jupyter_kernel: expected an IPython kernel") and given == repr(FOREIGN)
    assert MARKED in expected
    assert FOREIGN not in expected


def test_a_broken_kernelspec_is_400(refusals: Refusals, server: Server, source: Path) -> None:
    for name, content in (("requests-broken", "{"), ("requests-empty", "{}"), ("requests-list", "[]"),
                          ("requests-odd", '{"argv": "x", "language": 3, "display_name": null}')):
        directory = server.folder / "data" / "kernels" / name
        directory.mkdir()
        (directory / "kernel.json").write_text(content)
        try:
            assert refusals.form(source, jupyter_kernel=name).endswith(f", got {name!r}")
            assert refusals.field == "jupyter_kernel"
        finally:
            (directory / "kernel.json").unlink()
            directory.rmdir()


def test_a_definition_that_is_wrong_is_400(refusals: Refusals, folder: Path) -> None:
    source = write_notebook(folder / "a.ipynb", "# nbexec: params\n{'count': {'type': tuple}}")
    message = refusals.form(source, count="1")
    assert "'count': 'type' is not bool, int, float, str, list or dict" in message


# -- output_path ----------------------------------------------------------------------------------


def make_odd_files(folder: Path) -> None:
    (folder / "directory.ipynb").mkdir()
    (folder / ".hidden").mkdir()
    (folder / "directory").mkdir()
    (folder / "file").write_text("")
    (folder / "dangling.ipynb").symlink_to(folder / "nowhere" / "x.ipynb")
    (folder / "outside").mkdir()
    os.mkfifo(str(folder / "fifo.ipynb"))


@pytest.mark.parametrize("path, expected", [
    ("", ".ipynb"), (".ipynb", ".ipynb"), ("{folder}/.ipynb", ".ipynb"), ("{folder}/b", ".ipynb"),
    ("{folder}/b.txt", ".ipynb"), ("{folder}/b.IPYNB", ".ipynb"), ("{folder}/b.ipynb/", ".ipynb"),
    ("{folder}/b.ipynb ", ".ipynb"), ("{folder}/", ".ipynb"), ("/", ".ipynb"),
    ("{folder}/directory", ".ipynb"), ("{folder}/directory.ipynb", "directory"),
    ("{folder}/missing/b.ipynb", "existing directory"), ("{folder}/file/b.ipynb", "existing directory"),
    ("../b.ipynb", "server's root"), ("{folder}/../../b.ipynb", "server's root"), ("/../b.ipynb", "server's root"),
    ("../root-secret/b.ipynb", "server's root"), ("../root/{folder}/b.ipynb", "server's root"),
    ("{folder}/b\0.ipynb", "server's root"),
    ("{folder}/.b.ipynb", "hidden"), ("{folder}/.hidden/b.ipynb", "hidden"),
    ("{folder}/dangling.ipynb", "regular file"), ("{folder}/fifo.ipynb", "regular file"),
    ("{folder}/" + "b" * 300 + ".ipynb", "255 bytes"), ("b/" * 3000 + "b.ipynb", "path of a file"),
    ("{folder}/a.ipynb", "source notebook"), ("/{folder}/a.ipynb", "source notebook"),
    ("{folder}/./directory/..//a.ipynb", "source notebook")], ids=lambda text: text[:40].replace("\0", "NUL"))
@pytest.mark.parametrize("overwrite", ["false", "true"])
def test_an_output_path_that_cannot_be_is_400(refusals: Refusals, source: Path, path: str, expected: str,
                                              overwrite: str) -> None:
    make_odd_files(source.parent)
    (refusals.server.folder / "root-secret").mkdir(exist_ok=True)
    path = path.format(folder=source.parent.name)
    before = source.read_bytes()
    message = refusals.form(source, output_path=path, overwrite=overwrite)
    named, _, given = message.partition(", got ")
    assert named.startswith("output_path: expected ") and expected in named
    assert given.startswith(repr(path)[:150])
    assert refusals.field == "output_path"
    assert source.read_bytes() == before
    assert list((refusals.server.folder / "root-secret").iterdir()) == []
    assert not list(refusals.server.folder.glob("*.ipynb"))


@pytest.mark.parametrize("overwrite", ["false", "true"])
@pytest.mark.parametrize("link", ["symlink", "hard link", "symlink to its directory"])
def test_the_source_under_another_name_is_400(refusals: Refusals, source: Path, link: str, overwrite: str) -> None:
    folder = source.parent
    if link == "symlink":
        (folder / "other.ipynb").symlink_to("a.ipynb")
    elif link == "hard link":
        os.link(str(source), str(folder / "other.ipynb"))
    else:
        (folder / "other").symlink_to(".")
    path = f"{folder.name}/" + ("other/a.ipynb" if "directory" in link else "other.ipynb")
    before = source.read_bytes()
    message = refusals.form(source, output_path=path, overwrite=overwrite)
    assert message == f"output_path: expected a path other than that of the source notebook, got {path!r}"
    assert source.read_bytes() == before


def test_a_source_that_is_a_link_is_not_written_through_its_target(refusals: Refusals, source: Path) -> None:
    link = source.parent / "link.ipynb"
    link.symlink_to("a.ipynb")
    message = refusals.form(link, output_path=api_path(source), overwrite="true")
    assert "source notebook" in message


def test_a_leading_slash_of_output_path_is_dropped(server: Server, source: Path) -> None:
    path = f"{source.parent.name}/out.ipynb"
    start, *_, last = server.run(source, output_path=f"/{path}")
    assert start["execution"]["output_path"] == last["execution"]["output_path"] == path
    server.output(path)


# -- 404 ------------------------------------------------------------------------------------------

NOT_THERE = ["{folder}/missing.ipynb", "missing.ipynb", "{folder}/missing/a.ipynb", "{folder}", "{folder}/", "/",
             ".", "..", "{folder}/directory.ipynb", "{folder}/.hidden.ipynb", "{folder}/.hidden/a.ipynb",
             "{folder}/directory/../.hidden/a.ipynb", "../x.ipynb", "../root-secret/x.ipynb",
             "{folder}/../../root-secret/x.ipynb", "/../root-secret/x.ipynb", "../root/{folder}/a.ipynb",
             "{folder}/a.ipynb\0", "\0", "{folder}/fifo.ipynb", "{folder}/dangling.ipynb", "{folder}/a.ipynb/x.ipynb",
             "{folder}/" + "a" * 300 + ".ipynb", "a/" * 5000 + "a.ipynb", "{folder}\\a.ipynb", "~/a.ipynb", "☃.ipynb"]


def short(text: str) -> str:
    return text[:40].replace("\0", "NUL")


@pytest.fixture()
def crowded(server: Server, folder: Path) -> Iterator[Path]:
    """Return a folder with a notebook and with what looks like one; other notebooks are out of reach."""
    write_notebook(folder / "a.ipynb", "1")
    make_odd_files(folder)
    write_notebook(folder / ".hidden.ipynb", "1")
    write_notebook(folder / ".hidden" / "a.ipynb", "1")
    (server.folder / "root-secret").mkdir(exist_ok=True)
    write_notebook(server.folder / "root-secret" / "x.ipynb", "1")
    write_notebook(server.folder / "x.ipynb", "1")
    yield folder
    (server.folder / "root-secret" / "x.ipynb").unlink()
    (server.folder / "x.ipynb").unlink()


@pytest.mark.parametrize("path", NOT_THERE, ids=short)
def test_a_notebook_that_is_out_of_reach_is_404(refusals: Refusals, crowded: Path, path: str) -> None:
    path = path.format(folder=crowded.name)
    message = refusals.send(404, data={"notebook": path, "jupyter_kernel": TRACED})
    assert f"notebook {repr(path)[:150]}" in message
    assert "path of a notebook" in message


@pytest.mark.parametrize("path", NOT_THERE, ids=short)
def test_parameters_of_a_notebook_that_is_out_of_reach_are_404(server: Server, crowded: Path, path: str) -> None:
    path = path.format(folder=crowded.name)
    response = server.get("/parameters", params={"notebook": path})
    assert response.status_code == 404
    assert f"notebook {repr(path)[:150]}" in response.json()["message"]


@pytest.mark.parametrize("written", ["/{}", "///{}", "./{}", "x/../{}", "{}"])
def test_a_path_is_made_plain(server: Server, source: Path, written: str) -> None:
    path = api_path(source)
    assert {event["execution"]["path"] for event in server.run(written.format(path)) if "execution" in event} == {path}


# -- kernels --------------------------------------------------------------------------------------


def mark(server: Server, folder: Path, own: str, **fields: str) -> str:
    """Run a notebook that names the kernel `own` for itself, and return the mark of the kernel that ran it."""
    metadata = {"kernelspec": {"name": own, "display_name": own}} if own else {}
    cell = "import os; print(os.environ.get('NBEXEC_TEST_MARK'))"
    source = write_notebook(folder / "a.ipynb", cell, metadata=metadata)
    events = server.run(source, **fields)
    assert events[-1]["execution"]["jupyter_kernel"] == fields.get("jupyter_kernel")
    return shown(events)


def test_the_kernel_is_the_one_that_is_asked_for(server: Server, kernels: None, folder: Path) -> None:
    assert mark(server, folder, "python3", jupyter_kernel=MARKED) == MARKED
    assert mark(server, folder, MARKED, jupyter_kernel="python3") == "None"


def test_else_the_kernel_is_the_one_that_the_notebook_names(server: Server, kernels: None, folder: Path) -> None:
    assert mark(server, folder, MARKED) == MARKED


@pytest.mark.parametrize("own", ["", "no-such-kernel", "../evil", "☃"])
def test_else_the_kernel_is_the_default(server: Server, kernels: None, folder: Path, own: str) -> None:
    assert mark(server, folder, own) == "None"


def test_the_default_is_that_of_the_server(server: Server, new_server: Any, folder: Path) -> None:
    other = new_server(f"--MappingKernelManager.default_kernel_name={MARKED}")
    add_kernel(other, MARKED, ORDINARY, env={"NBEXEC_TEST_MARK": MARKED})
    assert mark(other, other.root, "") == MARKED
    assert mark(other, other.root, "no-such-kernel") == MARKED


def test_the_working_directory_is_that_of_the_source(server: Server, folder: Path) -> None:
    (folder / "deeper").mkdir()
    source = write_notebook(folder / "deeper" / "a.ipynb", "import os; print(os.getcwd())")
    events = server.run(source, output_path=f"{folder.name}/out.ipynb")
    assert shown(events) == os.path.realpath(str(folder / "deeper"))


# -- 202 ------------------------------------------------------------------------------------------


def test_the_answer_does_not_wait_for_the_kernel(server: Server, folder: Path) -> None:
    script = folder / "slow.py"
    script.write_text(f"import os\nos.chdir({str(folder)!r})\n{WAIT}"
                      "import runpy\nrunpy.run_module('ipykernel_launcher', run_name='__main__')\n")
    kernel = add_kernel(server, "requests-slow", [sys.executable, str(script), "-f", "{connection_file}"])
    source = write_notebook(folder / "a.ipynb", "1")
    response = server.post(notebook=api_path(source), jupyter_kernel=kernel)
    assert response.status_code == 202
    assert response.headers["Content-Type"] == JSON
    assert response.json()["event"] == "notebook_start"
    exec_id = response.json()["execution"]["exec_id"]
    assert response.headers["Location"] == f"/api/executions/{exec_id}"
    assert server.model(exec_id)["status"] == "executing"
    (folder / "go").touch()
    assert server.wait_until_final(exec_id)["status"] == "completed"


@pytest.mark.parametrize("value", ["chunked", "Chunked", "CHUNKED"])
def test_a_stream_is_asked_for_in_any_case(server: Server, folder: Path, value: str) -> None:
    source = write_notebook(folder / "a.ipynb", "1")
    response = server.request("POST", data={"notebook": api_path(source)}, headers={"X-Response-Encoding": value})
    assert response.status_code == 202
    assert response.headers["Content-Type"] == NDJSON
    events = [json.loads(line) for line in response.text.splitlines()]
    assert names(events) == ["notebook_start", "start", "end", "notebook_complete"]
    assert response.headers["Location"] == f"/api/executions/{events[0]['exec_id']}"


@pytest.mark.parametrize("headers", [{}, {"X-Response-Encoding": ""}, {"X-Response-Encoding": "gzip"},
                                     {"Accept-Encoding": "chunked"}])
def test_any_other_response_encoding_is_no_stream(server: Server, folder: Path, headers: Dict[str, str]) -> None:
    source = write_notebook(folder / "a.ipynb", WAIT)
    response = server.request("POST", data={"notebook": api_path(source)}, headers=headers)
    assert response.status_code == 202
    assert response.headers["Content-Type"] == JSON
    assert response.json()["event"] == "notebook_start"
    (folder / "go").touch()
    server.wait_until_final(response.json()["exec_id"])


class Stream:
    """A client with a socket of its own, which reads when it is told to.

    Parameters
    ----------
    server : Server
        Whom it talks to.
    source : Path
        The notebook that it wants to be executed.
    version : str
        The version of HTTP that it speaks.
    headers : str
        More headers, each with its line end.
    """

    def __init__(self, server: Server, source: Path, version: str = "1.1", headers: str = "") -> None:
        body = f"notebook={api_path(source)}"
        self.socket = socket.socket()
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 14)
        self.socket.settimeout(60)
        self.socket.connect(("127.0.0.1", server.port))
        self.file = self.socket.makefile("rb")
        self.socket.sendall(f"POST /api/executions?token={TOKEN} HTTP/{version}\r\nHost: localhost\r\n"
                            f"X-Response-Encoding: chunked\r\nContent-Type: {FORM}\r\n{headers}"
                            f"Content-Length: {len(body)}\r\n\r\n{body}".encode())

    def __enter__(self) -> Stream:
        return self

    def __exit__(self, *args: object) -> None:
        self.file.close()
        self.socket.close()

    def head(self) -> Tuple[str, Dict[str, str]]:
        """Read the status line and the headers."""
        status = self.file.readline().decode().strip()
        lines = iter(lambda: self.file.readline().decode("latin-1").strip(), "")
        return status, {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}

    def chunk(self) -> bytes:
        """Read one chunk; the last is empty."""
        size = int(self.file.readline(), 16)
        data = self.file.read(size)
        assert self.file.read(2) == b"\r\n"
        return data

    def event(self) -> Event:
        """Read one chunk, which has to be one event."""
        chunk = self.chunk()
        assert chunk.endswith(b"\n")
        assert chunk.count(b"\n") == 1
        event: Event = json.loads(chunk)
        return event

    def events(self) -> Iterator[Event]:
        """Read the events to the end."""
        while True:
            event = self.event()
            yield event
            if event["event"] in ("notebook_complete", "notebook_error"):
                assert self.chunk() == b""
                return


def test_each_event_is_one_line_in_one_chunk(server: Server, folder: Path) -> None:
    source = write_notebook(folder / "a.ipynb", "print('a\\r\\n\\u2028ü')", "print('x' * 3_000_000)", "1 / 0")
    with Stream(server, source) as stream:
        status, headers = stream.head()
        assert status == "HTTP/1.1 202 Accepted"
        assert headers["content-type"] == NDJSON
        assert headers["transfer-encoding"] == "chunked"
        assert "content-length" not in headers
        events = list(stream.events())
    assert names(events) == ["notebook_start", *["start", "end"] * 3, "notebook_error"]
    assert text_of(events[2]["cell"]) == "a\r\n\u2028ü\n"
    assert len(text_of(events[4]["cell"])) == 3_000_001


def test_events_come_as_they_happen(server: Server, folder: Path) -> None:
    source = write_notebook(folder / "a.ipynb", "print(1)", WAIT, "print(2)")
    with Stream(server, source) as stream:
        stream.head()
        events = [stream.event() for _ in range(4)]
        assert names(events) == ["notebook_start", "start", "end", "start"]  # the second cell waits for this test
        exec_id = events[0]["exec_id"]
        assert server.model(exec_id)["status"] == "executing"
        assert server.model(exec_id)["progress"] == "2/3"
        (folder / "go").touch()
        assert names(list(stream.events())) == ["end", "start", "end", "notebook_complete"]


def test_the_connection_can_be_used_again_after_a_stream(server: Server, folder: Path) -> None:
    source = write_notebook(folder / "a.ipynb", "1")
    with Stream(server, source) as stream:
        stream.head()
        exec_id = list(stream.events())[-1]["exec_id"]
        target = f"/api/executions/{exec_id}?token={TOKEN}"
        stream.socket.sendall(f"GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        status, headers = stream.head()
        assert status == "HTTP/1.1 200 OK"
        assert json.loads(stream.file.read(int(headers["content-length"])))["execution"]["exec_id"] == exec_id


@pytest.mark.parametrize("connection", ["", "Connection: close\r\n", "Connection: keep-alive\r\n"])
def test_an_http_1_0_client_gets_the_lines_and_then_the_end(server: Server, folder: Path, connection: str) -> None:
    source = write_notebook(folder / "a.ipynb", "print(1)", WAIT)
    with Stream(server, source, "1.0", connection) as stream:
        status, headers = stream.head()
        assert status.split()[1] == "202"
        assert headers["content-type"] == NDJSON
        assert "transfer-encoding" not in headers
        events = [json.loads(stream.file.readline()) for _ in range(4)]
        (folder / "go").touch()
        stream.socket.settimeout(15)
        events += [json.loads(line) for line in stream.file.read().splitlines()]  # up to the end of the connection
    assert names(events) == ["notebook_start", *["start", "end"] * 2, "notebook_complete"]


def test_an_http_1_0_client_gets_the_first_event(server: Server, folder: Path) -> None:
    source = write_notebook(folder / "a.ipynb", "1")
    answer = server.raw(f"POST /api/executions?token={TOKEN}&notebook={api_path(source)} HTTP/1.0\r\n"
                        "Host: localhost\r\nContent-Length: 0\r\n\r\n".encode())
    event = json.loads(answer.partition(b"\r\n\r\n")[2])
    assert event["event"] == "notebook_start"
    assert server.wait_until_final(event["exec_id"])["status"] == "completed"


@pytest.mark.parametrize("way", ["close", "reset", "half-close"])
def test_a_client_that_goes_away_does_not_stop_the_execution(server: Server, folder: Path, way: str) -> None:
    source = write_notebook(folder / "a.ipynb", WAIT, "print('x' * 1_000_000)", "print('to the end')")
    with Stream(server, source) as stream:
        stream.head()
        exec_id = stream.event()["exec_id"]
        if way == "half-close":
            stream.socket.shutdown(socket.SHUT_WR)
        elif way == "reset":
            stream.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        if way != "half-close":
            stream.file.close()
            stream.socket.close()
        wait_for(lambda: server.model(exec_id)["progress"] == "1/3")
        (folder / "go").touch()
        model = server.wait_until_final(exec_id)
    assert model["status"] == "completed"
    assert "to the end" in (server.root / model["output_path"]).read_text()


def test_a_client_that_goes_away_without_a_stream_does_not_matter(server: Server, folder: Path) -> None:
    source = write_notebook(folder / "a.ipynb", WAIT)
    exec_id = server.start_run(source)  # its connection is closed by now
    (folder / "go").touch()
    assert server.wait_until_final(exec_id)["status"] == "completed"


def test_a_client_that_does_not_read_does_not_slow_the_execution(server: Server, folder: Path) -> None:
    """Its events, 30 MB of them, are more than any socket buffer takes."""
    source = write_notebook(folder / "a.ipynb", *["print('x' * 1_000_000)"] * 30)
    with Stream(server, source) as stream:
        exec_id = wait_for(lambda: [model["exec_id"] for model in executions(server)
                                    if model["path"] == api_path(source)])[0]
        model = server.wait_until_final(exec_id)
        assert model["status"] == "completed"
        server.wait_until_quiet()
        stream.head()
        events = list(stream.events())
    assert names(events) == ["notebook_start", *["start", "end"] * 30, "notebook_complete"]
    assert all(len(text_of(event["cell"])) == 1_000_001 for event in events if event["event"] == "end")
    assert events[-1]["execution"] == model


# -- files that are no notebooks ------------------------------------------------------------------

BROKEN = [b"", b"no JSON", b"{}", b"[]", b"null", b'{"nbformat": 4}', b'{"cells": []}', b"\xff\xfe\x00", b"{" * 100,
          b'{"nbformat": 99, "nbformat_minor": 0, "cells": [], "metadata": {}}', b"[" * 100_000,
          b'{"nbformat": "4", "nbformat_minor": 0, "cells": [], "metadata": {}}',
          b'{"nbformat": 4, "nbformat_minor": 5, "cells": {}, "metadata": {}}',
          b'{"nbformat": 4, "nbformat_minor": 5, "cells": [1], "metadata": {}}',
          b'{"nbformat": 4, "nbformat_minor": 5, "cells": [{"cell_type": "odd", "metadata": {}, "source": ""}], '
          b'"metadata": {}}']


@pytest.mark.parametrize("content", BROKEN, ids=lambda content: repr(content)[:30])
def test_a_file_that_is_no_notebook_is_recorded_as_an_error(server: Server, folder: Path, content: bytes) -> None:
    (folder / "a.ipynb").write_bytes(content)
    response = server.post(notebook=f"{folder.name}/a.ipynb")
    assert response.status_code == 202
    assert response.headers["Content-Type"] == JSON
    plain = response.json()
    events = server.run(f"{folder.name}/a.ipynb")
    assert names([plain]) == names(events) == ["notebook_error"]
    for event in (plain, *events):
        model = event["execution"]
        assert model["status"].startswith("error: ")
        assert model["status"] == f"error: {event['error']}"
        assert "not a" in event["error"] and "notebook" in event["error"]
        assert model["output_path"] is None
        assert event["output_path"] is None
        assert model["started_at"] is None
        assert model["progress"] is None
        assert server.model(event["exec_id"]) == model
        assert model in executions(server)
    assert response.headers["Location"] == f"/api/executions/{plain['exec_id']}"
    assert list(folder.iterdir()) == [folder / "a.ipynb"]


@pytest.mark.parametrize("content", BROKEN, ids=lambda content: repr(content)[:30])
def test_parameters_of_a_file_that_is_no_notebook_are_400(server: Server, folder: Path, content: bytes) -> None:
    (folder / "a.ipynb").write_bytes(content)
    response = server.get("/parameters", params={"notebook": f"{folder.name}/a.ipynb"})
    assert response.status_code == 400
    assert "not a" in response.json()["message"] and "notebook" in response.json()["message"]


def test_a_notebook_of_nbformat_3_is_upgraded_and_run(server: Server, folder: Path) -> None:
    cell = {"cell_type": "code", "language": "python", "collapsed": False, "metadata": {}, "outputs": [],
            "input": ["print('three')"], "prompt_number": 7}
    title = {"cell_type": "heading", "level": 1, "metadata": {}, "source": ["Title"]}
    content = {"nbformat": 3, "nbformat_minor": 0, "metadata": {"name": ""},
               "worksheets": [{"metadata": {}, "cells": [title, cell]}]}
    (folder / "a.ipynb").write_text(json.dumps(content))
    events = server.run(f"{folder.name}/a.ipynb")
    assert shown(events) == "three"
    assert [event["progress"] for event in events[1:3]] == ["2/2", "2/2"]
    output = server.output(events[-1]["execution"]["output_path"])
    assert output.nbformat == 4
    assert output.cells[0].source == "# Title"
    assert json.loads((folder / "a.ipynb").read_text()) == content


@pytest.mark.parametrize("minor", [0, 1, 2, 3, 4])
def test_an_older_notebook_of_nbformat_4_is_upgraded_and_run(server: Server, folder: Path, minor: int) -> None:
    cell = {"cell_type": "code", "metadata": {}, "outputs": [], "source": "print('four')", "execution_count": None}
    content = {"nbformat": 4, "nbformat_minor": minor, "metadata": {}, "cells": [cell]}
    (folder / "a.ipynb").write_text(json.dumps(content))
    events = server.run(f"{folder.name}/a.ipynb")
    assert shown(events) == "four"
    server.output(events[-1]["execution"]["output_path"])


# -- the other routes -----------------------------------------------------------------------------


def test_get_lists_the_executions_in_their_order(server: Server, folder: Path) -> None:
    source = write_notebook(folder / "a.ipynb", "1")
    before = executions(server)
    exec_ids = [server.start_run(source) for _ in range(3)]
    models = [server.wait_until_final(exec_id) for exec_id in exec_ids]
    response = server.get()
    assert response.status_code == 200
    assert response.headers["Content-Type"].startswith(JSON)
    assert response.json() == {"executions": [*before, *models]}
    assert server.get("/").json() == response.json()


def test_get_shows_one_execution(server: Server, folder: Path) -> None:
    exec_id = server.run(write_notebook(folder / "a.ipynb", "1"))[0]["exec_id"]
    response = server.get(f"/{exec_id}")
    assert response.status_code == 200
    assert response.headers["Content-Type"].startswith(JSON)
    assert set(response.json()) == {"execution"}
    assert response.json()["execution"]["exec_id"] == exec_id
    assert server.get(f"/{exec_id}/").json() == response.json()


@pytest.mark.parametrize("exec_id", ["98f9d56a-9547-4a30-8560-0f040d96d25b", "x", "%FF", "%00", "..%2F", "☃",
                                     "a" * 1000])
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_an_unknown_id_is_404(server: Server, method: str, exec_id: str) -> None:
    for fields in ({}, {"action": "shutdown"}, {"action": "unknown"}):
        response = server.request(method, f"/{exec_id}", data=fields)
        assert response.status_code == 404
        assert response.headers["Content-Type"] == JSON
        assert set(response.json()) == {"message", "reason"}
        assert "does not exist" in response.json()["message"]


@pytest.mark.parametrize("fields, value", [
    ({}, "nothing"), ({"action": ""}, "''"), ({"action": "restart"}, "'restart'"),
    ({"action": "SHUTDOWN"}, "'SHUTDOWN'"), ({"Action": "shutdown"}, "nothing")])
def test_an_unknown_action_is_400(server: Server, folder: Path, fields: Dict[str, str], value: str) -> None:
    exec_id = server.start_run(write_notebook(folder / "a.ipynb", WAIT))
    for kwargs in ({"data": fields}, {"json": fields}, {"params": fields}):
        response = server.request("POST", f"/{exec_id}", **kwargs)
        assert response.status_code == 400
        message = response.json()["message"]
        assert message == f"action: expected 'shutdown', got {value}"
        assert response.headers["X-Error-Field"] == "action"
    assert server.model(exec_id)["status"] == "executing"
    (folder / "go").touch()
    assert server.wait_until_final(exec_id)["status"] == "completed"


@pytest.mark.parametrize("kwargs", [
    {"data": "{", "headers": {"Content-Type": JSON}}, {"data": "action=%FF", "headers": {"Content-Type": FORM}},
    {"data": "action=shutdown", "headers": {"Content-Type": "text/plain"}}, {"json": {"action": None}},
    {"params": {"action": "shutdown"}, "data": {"action": "shutdown"}}],
    ids=["json", "form", "content type", "null", "twice"])
def test_a_request_for_an_action_that_cannot_be_read_is_400(server: Server, folder: Path,
                                                            kwargs: Dict[str, Any]) -> None:
    exec_id = server.start_run(write_notebook(folder / "a.ipynb", WAIT))
    assert server.request("POST", f"/{exec_id}", **kwargs).status_code == 400
    assert server.model(exec_id)["status"] == "executing"
    (folder / "go").touch()
    assert server.wait_until_final(exec_id)["status"] == "completed"


@pytest.mark.parametrize("kwargs", [{"data": {"action": "shutdown"}}, {"json": {"action": "shutdown"}},
                                    {"params": {"action": "shutdown"}}], ids=["form", "json", "query"])
def test_shutdown_may_be_asked_for_in_any_way(server: Server, folder: Path, kwargs: Dict[str, Any]) -> None:
    exec_id = server.start_run(write_notebook(folder / "a.ipynb", WAIT))
    response = server.request("POST", f"/{exec_id}", **kwargs)
    assert response.status_code == 202
    assert response.json()["execution"]["exec_id"] == exec_id
    assert "shut down" in server.wait_until_final(exec_id)["status"]


def test_parameters_are_listed_with_all_their_fields(server: Server, folder: Path) -> None:
    source = write_notebook(
        folder / "a.ipynb", "count = 3\nratio = 1.5", v4.new_markdown_cell("Parameters"),
        "# nbexec: params\nname = 'x'\n"
        "{'count': {'type': int, 'desc': 'How many', 'examples': ['1', '2']}, 'ratio': dict(type=float),\n"
        " 'name': {'type': str, 'desc': ''}, 'flag': {'type': 'bool'}}")
    before = executions(server)
    response = server.get("/parameters", params={"notebook": f"/{api_path(source)}"})
    assert response.status_code == 200
    assert response.headers["Content-Type"].startswith(JSON)
    assert response.json() == {"parameters": [
        {"name": "count", "type": "int", "default": 3, "desc": "How many", "examples": ["1", "2"]},
        {"name": "ratio", "type": "float", "default": 1.5, "desc": "", "examples": []},
        {"name": "name", "type": "str", "default": "x", "desc": "", "examples": []},
        {"name": "flag", "type": "bool", "default": None, "desc": "", "examples": []}]}
    assert server.get("/parameters/", params={"notebook": api_path(source)}).json() == response.json()
    assert executions(server) == before


def test_a_notebook_without_parameter_cell_has_an_empty_list(server: Server, folder: Path) -> None:
    source = write_notebook(folder / "a.ipynb", "count = 3")
    assert server.get("/parameters", params={"notebook": api_path(source)}).json() == {"parameters": []}


def test_a_default_that_is_not_known_is_told_from_none(server: Server, folder: Path) -> None:
    source = write_notebook(folder / "a.ipynb", "# nbexec: params\nx = y = z = None\ny = 1 + int('2')\noverwrite = 1\n"
                                                "{'x': {'type': str}, 'y': {'type': int}, 'w': {'type': int}}")
    plain = server.get("/parameters", params={"notebook": api_path(source)}).json()
    answer = server.get("/parameters", params={"notebook": api_path(source), "details": "true"}).json()
    marks = {parameter["name"]: sorted(parameter.keys() & {"computed", "required"})
             for parameter in answer["parameters"]}
    assert marks == {"x": [], "y": ["computed"], "w": ["required"]}
    assert answer["reserved"] == ["overwrite"]
    for parameter in answer["parameters"]:
        parameter.pop("computed", None), parameter.pop("required", None)
    assert plain == {"parameters": answer["parameters"]}


def test_the_model_has_the_values_of_all_parameters(server: Server, folder: Path) -> None:
    more = "names = ['a']\nbig = float('inf')\nlast = 1\nlast = 1 + 1"
    source = write_notebook(folder / "a.ipynb", PARAMETERS + more, "1")
    first, *_, last = server.run(source, count="0x2", ratio="0.5", names="[\"b\"]")
    assert first["execution"]["parameters"] == last["execution"]["parameters"] == [
        {"name": "count", "type": "int", "value": 2, "changed": True},
        {"name": "ratio", "type": "float", "value": 0.5, "changed": False},
        {"name": "flag", "type": "bool", "value": False, "changed": False},
        {"name": "name", "type": "str", "value": "a", "changed": False},
        {"name": "names", "type": "list", "value": ["b"], "changed": True},
        {"name": "last", "type": "int", "value": None, "changed": False, "computed": True}]
    assert first["execution"]["kernel"] == "python3" and first["execution"]["jupyter_kernel"] is None
    assert first["execution"]["requested_at"] <= first["execution"]["started_at"]


def test_the_model_hides_secrets_and_shortens_long_defaults(server: Server, folder: Path) -> None:
    cell = (f"# nbexec: params\nkey = 'hush1'\nlong = {'x' * 30_000!r}\n"
            "{'key': {'type': str, 'secret': True}, 'long': {'type': str}}")
    source = write_notebook(folder / "a.ipynb", cell, "1")
    for given, is_changed in (({}, False), ({"key": "hush2"}, True)):
        model = server.run(source, **given)[-1]["execution"]
        assert "hush" not in json.dumps(model)
        assert model["parameters"][0] == {"name": "key", "type": "str", "value": "********", "changed": is_changed,
                                          "secret": True}
        assert len(model["parameters"][1]["value"]) < 21_000


def test_a_notebook_whose_parameters_cannot_be_read_runs_and_shows_none(server: Server, folder: Path) -> None:
    source = write_notebook(folder / "a.ipynb", "# nbexec: params\n{'x': {'type': tuple}}")
    model = server.run(source)[-1]["execution"]
    assert model["status"] == "completed" and "parameters" not in model


def test_parameters_need_a_notebook(server: Server) -> None:
    for query in ({}, {"notebook": ""}, {"Notebook": "a.ipynb"}):
        response = server.get("/parameters", params=query)
        assert response.status_code == 400
        assert "notebook" in response.json()["message"]
        assert "path of a notebook" in response.json()["message"]


def test_parameters_of_a_definition_that_is_wrong_are_400(server: Server, folder: Path) -> None:
    source = write_notebook(folder / "a.ipynb", "# nbexec: params\n{'count': {'type': tuple}}")
    response = server.get("/parameters", params={"notebook": api_path(source)})
    assert response.status_code == 400
    assert set(response.json()) == {"message", "reason"}
    assert "'count': 'type' is not bool, int, float, str, list or dict" in response.json()["message"]


def test_parameters_run_nothing(server: Server, folder: Path) -> None:
    source = write_notebook(folder / "a.ipynb", f"# nbexec: params\nx = 1\nopen({str(folder / 'ran')!r}, 'w').close()")
    assert server.get("/parameters", params={"notebook": api_path(source)}).status_code == 200
    server.wait_until_quiet()
    assert not (folder / "ran").exists()


def test_a_question_about_parameters_that_cannot_be_read_is_400(server: Server, source: Path) -> None:
    for query in ("?notebook=%FF", f"?notebook={api_path(source)}&notebook={api_path(source)}"):
        assert server.get(f"/parameters{query}").status_code == 400


def test_the_server_still_answers_after_odd_requests(server: Server, crowded: Path) -> None:
    """A FIFO that is opened for reading would hold up the whole server."""
    server.get("/parameters", params={"notebook": f"{crowded.name}/fifo.ipynb"})
    server.post(notebook=f"{crowded.name}/fifo.ipynb")
    server.post(notebook=f"{crowded.name}/a.ipynb", output_path=f"{crowded.name}/fifo.ipynb")
    assert requests.get(f"{server.url}api/status", headers={"Authorization": f"token {TOKEN}"}, timeout=30).ok
