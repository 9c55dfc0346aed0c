"""Notebooks executed with parameters, over HTTP; what is read from a parameter cell is in test_parameters.py."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Dict, List

import pytest
import requests
from helpers import STREAM, Event, Server, names, text_of, write_notebook
from nbformat import v4
from nbformat.sign import NotebookNotary

DEFINITION = """# nbexec: params
count = 1
{
    'flag': {'type': bool, 'desc': 'A flag'},
    'count': dict(type=int, examples=['1', '0x10']),
    'ratio': {'type': float},
    'name': {'type': str, 'desc': 'Ä name', 'examples': ['a', 'b']},
}"""
SHOW = "print(repr(flag), repr(count), repr(ratio), repr(name))"


def tagged(source: str, *tags: str) -> Any:
    return v4.new_code_cell(source, metadata={"tags": list(tags)})


def write_defined(folder: Path) -> Path:
    return write_notebook(folder / "a.ipynb", v4.new_markdown_cell("# Title"), DEFINITION, SHOW)


def post(server: Server, source: Path, **params: str) -> requests.Response:
    return server.post(notebook=source.relative_to(server.root).as_posix(), **params)


def parameters(server: Server, source: Path) -> requests.Response:
    return server.get("/parameters", params={"notebook": source.relative_to(server.root).as_posix()})


def output_cells(server: Server, events: List[Event]) -> List[Dict[str, Any]]:
    assert names(events)[-1] == "notebook_complete", events[-1]
    return list(server.output(events[-1]["execution"]["output_path"]).cells)


def recorded(server: Server) -> List[str]:
    return [model["exec_id"] for model in server.get().json()["executions"]]


# -- injection ------------------------------------------------------------------------------------


def test_values_reach_the_notebook_with_their_types(server: Server, folder: Path) -> None:
    params = {"flag": "true", "count": "0x1F", "ratio": "1e-3", "name": "ä 'b' \"c\"\n{d}\\"}
    events = server.run(write_defined(folder), **params)
    assert names(events)[-1] == "notebook_complete"
    assert text_of(events[-2]["cell"]) == f"True 31 0.001 {params['name']!r}\n"


def test_params_of_the_model_are_the_strings_that_were_given(server: Server, folder: Path) -> None:
    params = {"flag": "1", "count": "0x1F", "ratio": " inf ", "name": ""}
    events = server.run(write_defined(folder), **params)
    assert events[0]["execution"]["params"] == events[-1]["execution"]["params"] == params
    assert server.model(events[0]["exec_id"])["params"] == params


def test_one_cell_is_injected_right_below_the_parameter_cell(server: Server, folder: Path) -> None:
    source = write_defined(folder)
    events = server.run(source, count="5", flag="0", ratio="nan", name="x")
    assert [event["progress"] for event in events[1:-1]] == [f"{number}/4" for number in (2, 2, 3, 3, 4, 4)]
    cells = output_cells(server, events)
    assert [cell["source"] for cell in cells[:2] + cells[3:]] == ["# Title", DEFINITION, SHOW]
    assert cells[2]["metadata"]["tags"] == ["injected-parameters"]
    del cells[2]["metadata"]["papermill"]  # which only the file has
    assert cells[2] == events[4]["cell"]
    values: Dict[str, Any] = {}
    exec(cells[2]["source"], values)
    assert (values["count"], values["flag"], values["name"]) == (5, False, "x")
    assert len(json.loads(source.read_text())["cells"]) == 3


def test_nothing_is_injected_if_no_parameter_is_given(server: Server, folder: Path) -> None:
    source = write_notebook(folder / "a.ipynb", "# nbexec: params\ncount = 1", "count")
    events = server.run(source)
    assert [cell["source"] for cell in output_cells(server, events)] == ["# nbexec: params\ncount = 1", "count"]
    assert events[-1]["execution"]["progress"] == "2/2"
    assert events[-1]["execution"]["params"] == {}


def test_inf_and_nan_work(server: Server, folder: Path) -> None:
    source = write_notebook(folder / "a.ipynb", "# nbexec: params\nx = 0.0\ny = 0.0\nz = 0.0", "print(x, y, z)")
    events = server.run(source, x="inf", y="-Infinity", z="nan")
    assert text_of(events[-2]["cell"]) == "inf -inf nan\n"


@pytest.mark.parametrize("value", ["'); open('made', 'w'); ('", "\nopen('made', 'w')", "__import__('os')._exit(1)",
                                   "\\'\"\"\"'''\u2028{}%s!ls", "%%bash\ntouch made", "\U0001f600"])
def test_no_value_becomes_code(server: Server, folder: Path, value: str) -> None:
    source = write_notebook(folder / "a.ipynb", "# nbexec: params\nname = ''", "print(ascii(name))")
    events = server.run(source, name=value)
    assert names(events)[-1] == "notebook_complete"
    assert text_of(events[-2]["cell"]) == ascii(value) + "\n"
    assert {path.name for path in folder.iterdir()} == {"a.ipynb", "a-Executed1.ipynb"}


@pytest.mark.parametrize("cell", [
    v4.new_code_cell("# nbexec: params\nx: float = 1"), tagged("x: float = 1", "params"),
    tagged("x: float = 1", "other", "parameters")])
def test_each_kind_of_parameter_cell_is_found(server: Server, folder: Path, cell: Any) -> None:
    source = write_notebook(folder / "a.ipynb", "x = 'above'", cell, "x")
    events = server.run(source, x="2")
    assert events[-2]["cell"]["outputs"][0]["data"]["text/plain"] == "2.0"


def test_an_output_notebook_can_be_executed_again_with_other_values(server: Server, folder: Path) -> None:
    first = server.run(write_defined(folder), flag="1", count="1", ratio="1", name="first")
    again = server.run(first[-1]["execution"]["output_path"], flag="0", count="2", ratio="2", name="second")
    assert text_of(again[-2]["cell"]) == "False 2 2.0 'second'\n"
    assert again[-1]["execution"]["progress"] == "4/4"


def test_parameters_may_be_given_as_json(server: Server, folder: Path) -> None:
    source = write_defined(folder)
    values = {"flag": True, "count": 3, "ratio": 1.50, "name": "n"}
    body = {"notebook": source.relative_to(server.root).as_posix(), **values}
    response = server.request("POST", json=body, headers=STREAM)
    events = [json.loads(line) for line in response.text.splitlines()]
    assert events[0]["execution"]["params"] == {"flag": "true", "count": "3", "ratio": "1.5", "name": "n"}
    assert text_of(events[-2]["cell"]) == "True 3 1.5 'n'\n"


def test_no_value_of_an_earlier_run_comes_after_a_new_one(server: Server, folder: Path) -> None:
    old = [tagged("# Parameters\nn = 99\n", "injected-parameters") for _ in range(2)]
    heading = v4.new_markdown_cell("a heading")
    source = write_notebook(folder / "a.ipynb", old[0], tagged("n = 1", "parameters"), heading, old[1], "print(n)")
    events = server.run(source, n="2")
    assert text_of(events[-2]["cell"]) == "2\n"
    assert sum("injected-parameters" in cell["metadata"].get("tags", []) for cell in output_cells(server, events)) == 1
    assert text_of(server.run(source)[-2]["cell"]) == "99\n"


def test_an_annotation_says_what_is_accepted(server: Server, folder: Path) -> None:
    source = write_notebook(folder / "a.ipynb", tagged(
        "%%time\n%load_ext autoreload\nfrom typing import Literal, Optional\nn: Optional[int] = 5\n"
        "mode: Literal['a', 'b'] = 'a'", "parameters"), "print(repr(n), repr(mode))")
    events = server.run(source, n="6", mode="b")
    assert text_of(events[-2]["cell"]) == "6 'b'\n"
    listed = {parameter["name"]: parameter for parameter in parameters(server, source).json()["parameters"]}
    assert listed["n"]["type"] == "int" and listed["mode"]["choices"] == ["a", "b"]
    response = post(server, source, mode="c")
    assert response.status_code == 400
    assert all(word in response.json()["message"] for word in ("mode", "'c'", "a, b"))


@pytest.mark.parametrize("tag", ["papermill-error-cell-tag", "papermill-error-cell"])
def test_what_papermill_said_of_a_failure_is_taken_out(server: Server, folder: Path, tag: str) -> None:
    marks = [v4.new_markdown_cell(f"<span id='papermill-error-cell'>{text}</span>", metadata={"tags": [tag]})
             for text in ("An Exception was encountered at 'In [2]'.", "Execution using papermill encountered an …")]
    code = tagged("print(2)", "papermill-error-cell")
    source = write_notebook(folder / "a.ipynb", marks[0], "print(1)", marks[1], code)
    before = source.read_bytes()
    events = server.run(source)
    assert [cell["source"] for cell in output_cells(server, events)] == ["print(1)", "print(2)"]
    assert events[-1]["execution"]["progress"] == "2/2" and source.read_bytes() == before


# -- refusals -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name, value, accepted", [
    ("flag", "yes", "True"), ("flag", "", "false"), ("count", "1.5", "int(value, 0)"), ("count", "010", "0x2a"),
    ("ratio", "a", "float(value)"), ("ratio", "0x1p3", "1e-3")])
def test_a_value_that_does_not_fit_its_type_is_refused(server: Server, folder: Path, name: str, value: str,
                                                       accepted: str) -> None:
    before = recorded(server)
    response = post(server, write_defined(folder), **{name: value})
    assert response.status_code == 400
    message = response.json()["message"]
    assert name in message and repr(value) in message and accepted in message
    assert recorded(server) == before
    assert {path.name for path in folder.iterdir()} == {"a.ipynb"}


def test_an_unknown_parameter_is_refused(server: Server, folder: Path) -> None:
    before = recorded(server)
    response = post(server, write_defined(folder), cuont="5")
    assert response.status_code == 400
    assert all(word in response.json()["message"] for word in ("cuont", "'5'", "did you mean count", "ratio"))
    assert recorded(server) == before


@pytest.mark.parametrize("name", ["a b", "1a", "a.b", "", "a-b", "x\n"])
def test_a_name_that_is_no_identifier_is_refused(server: Server, folder: Path, name: str) -> None:
    response = post(server, write_defined(folder), **{name: "5"})
    assert response.status_code == 400
    assert "identifier" in response.json()["message"]


def test_a_notebook_without_parameter_cell_accepts_no_parameters(server: Server, folder: Path) -> None:
    before = recorded(server)
    source = write_notebook(folder / "a.ipynb", "x = 1")
    response = post(server, source, x="5")
    assert response.status_code == 400
    assert "# nbexec: params" in response.json()["message"]
    assert "parameters" in response.json()["message"]
    assert recorded(server) == before
    assert names(server.run(source))[-1] == "notebook_complete"


@pytest.mark.parametrize("definition", [
    "{'output_path': {'type': str}}", "{'x': {'type': tuple}}", "{'x': {}}", "{'x': 5}",
    "dict(x=dict(type=int, no=1))"])
def test_a_wrong_definition_is_refused_with_what_is_accepted(server: Server, folder: Path, definition: str) -> None:
    before = recorded(server)
    source = write_notebook(folder / "a.ipynb", "# nbexec: params\n" + definition)
    for response in (post(server, source, x="5"), parameters(server, source)):
        assert response.status_code == 400
        assert "'type'" in response.json()["message"]
    assert recorded(server) == before


# -- GET /api/executions/parameters ---------------------------------------------------------------


def test_parameters_are_listed_as_they_are_defined(server: Server, folder: Path) -> None:
    response = parameters(server, write_defined(folder))
    assert response.status_code == 200
    assert response.json() == {"parameters": [
        {"name": "flag", "type": "bool", "default": None, "desc": "A flag", "examples": []},
        {"name": "count", "type": "int", "default": 1, "desc": "", "examples": ["1", "0x10"]},
        {"name": "ratio", "type": "float", "default": None, "desc": "", "examples": []},
        {"name": "name", "type": "str", "default": None, "desc": "Ä name", "examples": ["a", "b"]}]}


def test_parameters_of_plain_assignments_are_listed(server: Server, folder: Path) -> None:
    source = write_notebook(folder / "a.ipynb", tagged("a = 1\nb: float = 2\nc = [1]\nd = f()", "parameters"))
    assert [(parameter["name"], parameter["type"], parameter["default"])
            for parameter in parameters(server, source).json()["parameters"]] == [
                ("a", "int", 1), ("b", "float", 2), ("c", "list", [1])]


def test_a_notebook_without_parameter_cell_has_none(server: Server, folder: Path) -> None:
    assert parameters(server, write_notebook(folder / "a.ipynb", "x = 1")).json() == {"parameters": []}


def test_listing_parameters_needs_a_notebook_that_is_there(server: Server, folder: Path) -> None:
    assert server.get("/parameters").status_code == 400
    assert parameters(server, folder / "no such.ipynb").status_code == 404
    (folder / "broken.ipynb").write_text("{")
    response = parameters(server, folder / "broken.ipynb")
    assert response.status_code == 400
    assert "not a notebook" in response.json()["message"]


def test_no_code_of_the_notebook_runs_to_read_its_parameters(server: Server, folder: Path) -> None:
    made = folder / "made"
    act = f"open({str(made)!r}, 'w')"
    source = write_notebook(folder / "a.ipynb", act, f"# nbexec: params\nx = 1\ny = {act}\n!touch {made}\n%run x",
                            f"{act}")
    listed = parameters(server, source)
    assert listed.status_code == 200
    assert [parameter["name"] for parameter in listed.json()["parameters"]] == ["x"]
    assert post(server, source, x="no int").status_code == 400
    server.wait_until_quiet()
    assert not made.exists()


def test_listing_parameters_records_no_execution_and_leaves_nothing(server: Server, folder: Path) -> None:
    before = recorded(server)
    assert parameters(server, write_defined(folder)).status_code == 200
    assert recorded(server) == before
    server.wait_until_quiet()
    assert {path.name for path in folder.iterdir()} == {"a.ipynb"}


# -- lists, dicts and null ------------------------------------------------------------------------

STRUCTURED = ("from typing import Dict, List, Optional\nxs = []\nlimits: Dict[str, float] = {}\n"
              "n: Optional[int] = 1\nname = ''")
SHOW_STRUCTURED = "print([xs, limits, n, name])"


def write_structured(folder: Path) -> Path:
    return write_notebook(folder / "a.ipynb", tagged(STRUCTURED, "parameters"), SHOW_STRUCTURED)


def post_json(server: Server, source: Path, **values: Any) -> requests.Response:
    body = json.dumps({"notebook": source.relative_to(server.root).as_posix(), **values})
    return server.request("POST", data=body, headers={"Content-Type": "application/json", **STREAM})


@pytest.mark.parametrize("way", ["form", "query"])
def test_lists_dicts_and_null_are_written_as_json(server: Server, folder: Path, way: str) -> None:
    source = write_structured(folder)
    params = {"xs": '["a", {"b": [null]}, Infinity]', "limits": '{"low": 1}', "n": "null"}
    fields = {"notebook": source.relative_to(server.root).as_posix(), **params}
    response = server.request("POST", headers=STREAM, **({"data": fields} if way == "form" else {"params": fields}))
    events = [json.loads(line) for line in response.text.splitlines()]
    assert text_of(events[-2]["cell"]) == "[['a', {'b': [None]}, inf], {'low': 1.0}, None, '']\n"
    assert events[-1]["execution"]["params"] == params


def test_a_json_body_carries_them_as_they_are(server: Server, folder: Path) -> None:
    response = post_json(server, write_structured(folder), xs=[1, 2.50, "[3]", None], limits={"low": 0.1}, n=None)
    events = [json.loads(line) for line in response.text.splitlines()]
    assert text_of(events[-2]["cell"]) == "[[1, 2.5, '[3]', None], {'low': 0.1}, None, '']\n"
    params = {"xs": '[1, 2.5, "[3]", null]', "limits": '{"low": 0.1}', "n": "null"}
    assert events[-1]["execution"]["params"] == server.model(events[0]["exec_id"])["params"] == params


@pytest.mark.parametrize("values, message", [
    ({"xs": {}}, "xs: expected a list in JSON"), ({"xs": None}, "xs: expected a list in JSON"),
    ({"limits": {"low": "0.1"}}, 'limits["low"]: expected a number, got "0.1"'),
    ({"n": [1]}, "n: expected an int"),
    ({"name": [1]}, "name: expected any text, got [1]"), ({"name": {}}, "name: expected any text, got {}"),
    ({"name": None}, "name: expected any text, got null")])
def test_what_does_not_fit_is_400(server: Server, folder: Path, values: Dict[str, Any], message: str) -> None:
    before = recorded(server)
    response = post_json(server, write_structured(folder), **values)
    assert response.status_code == 400, response.text
    assert response.json()["message"].startswith(message)
    assert response.headers["X-Error-Field"] == next(iter(values))
    assert recorded(server) == before


def test_no_text_in_a_list_becomes_code(server: Server, folder: Path) -> None:
    text = "'); open('made', 'w'); ('\n%%bash\ntouch made\u2028\\"
    response = post_json(server, write_structured(folder), xs=[text, {text: text}])
    events = [json.loads(line) for line in response.text.splitlines()]
    assert text_of(events[-2]["cell"]) == f"[{[text, {text: text}]!r}, {{}}, 1, '']\n"
    assert {path.name for path in folder.iterdir()} == {"a.ipynb", "a-Executed1.ipynb"}


def test_a_list_as_large_as_it_may_be_arrives(server: Server, folder: Path) -> None:
    source = write_notebook(folder / "a.ipynb", tagged("xs = []", "parameters"), "print(len(xs), sum(xs))")
    response = post_json(server, source, xs=list(range(30_000)))
    events = [json.loads(line) for line in response.text.splitlines()]
    assert text_of(events[-2]["cell"]) == f"30000 {sum(range(30_000))}\n"
    refused = post_json(server, source, xs=list(range(60_000)))
    assert refused.status_code == 400 and "250,000" in refused.json()["message"]


def test_all_parameter_cells_define_and_values_come_below_the_last(server: Server, folder: Path) -> None:
    source = write_notebook(folder / "a.ipynb", tagged("a = 1", "parameters"), "between = a",
                            "# nbexec: params\nb = 2\na = 3", "print(a, b, between)")
    events = server.run(source, a="10", b="20")
    assert text_of(events[-2]["cell"]) == "10 20 1\n"
    assert output_cells(server, events)[3]["metadata"]["tags"] == ["injected-parameters"]
    listed = parameters(server, source).json()["parameters"]
    assert [(each["name"], each["default"]) for each in listed] == [("a", 3), ("b", 2)]


def test_a_list_of_a_caller_leaves_the_output_without_trust(server: Server, folder: Path) -> None:
    notary = NotebookNotary(data_dir=str(server.folder / "data"))
    source = write_structured(folder)
    for params, is_trusted in (({"xs": "[1]"}, False), ({"limits": '{"a": 1}'}, False), ({"n": "null"}, True)):
        path = server.run(source, **params)[-1]["execution"]["output_path"]
        assert notary.check_signature(server.output(path)) is is_trusted
