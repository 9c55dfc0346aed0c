"""Who is let in, and what everybody else gets to see."""

from __future__ import annotations

import json
import re
import socket
import sys
import uuid
from pathlib import Path
from typing import Any, Callable, Dict, List, Tuple
from urllib.parse import quote

import psutil
import pytest
import requests
from helpers import STREAM, TOKEN, Server, wait_for, write_notebook
from notebook.auth.security import passwd

METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"]
UNKNOWN_ID = "98f9d56a-9547-4a30-8560-0f040d96d25b"
PATHS = ["", "/", "/parameters", "/parameters/", f"/{UNKNOWN_ID}", f"/{UNKNOWN_ID}/", f"/{UNKNOWN_ID}/deeper",
         "/parameters/deeper/still/", "//", "/%FF"]
FORM = "application/x-www-form-urlencoded"
JSON = "application/json"
HEADER = {"Authorization": f"token {TOKEN}"}
MEBIBYTE = 1 << 20
PASSWORD = "a-password-for-tests"
ORIGIN = "https://foreign.example"


def ask(server: Server, method: str, path: str = "", **kwargs: Any) -> requests.Response:
    """Send a request as it is, without a token of its own.

    Whatever the answer is, it sets no cookie and leads nowhere else.
    """
    kwargs.setdefault("timeout", 60)
    response = kwargs.pop("session", requests).request(method, server.api + path, allow_redirects=False, **kwargs)
    assert "Set-Cookie" not in response.headers
    assert not 300 <= response.status_code < 400
    return response


def assert_json_error(response: requests.Response, status: int) -> None:
    assert response.status_code == status, (response.request.method, response.url, response.text)
    assert response.headers["Content-Type"] == JSON
    assert int(response.headers["Content-Length"]) > 0
    if response.request.method != "HEAD":
        answer = response.json()
        assert set(answer) == {"message", "reason"}
        assert isinstance(answer["message"], str) and answer["message"]
        assert answer["reason"] is None or isinstance(answer["reason"], str)


def with_form(fields: Any) -> Dict[str, Any]:
    return {"data": fields, "headers": {"Content-Type": FORM}}


def split(answer: bytes) -> Tuple[int, Dict[str, str], Any]:
    """Return status, headers and JSON of the one answer that a raw connection gave."""
    head, _, body = answer.partition(b"\r\n\r\n")
    status, *lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
    return int(status.split()[1]), headers, json.loads(body[:int(headers["content-length"])])


@pytest.fixture(scope="module")
def open_server(started: Callable[..., Server]) -> Server:
    """Start a server which lets scripts of another site in, has its token from the environment, and logs all."""
    options = ("--debug", f"--NotebookApp.allow_origin={ORIGIN}")
    return started("open", *options, environment={"JUPYTER_TOKEN": TOKEN})


@pytest.fixture(scope="module")
def based_server(started: Callable[..., Server]) -> Server:
    """Start a server below a base URL, with a password besides the token, and a pattern of origins."""
    options = (f"--NotebookApp.password={passwd(PASSWORD)}", r"--NotebookApp.allow_origin_pat=https://\w+\.example")
    return started("based", *options, base_url="/some/base/")


@pytest.fixture(scope="module")
def password_server(started: Callable[..., Server]) -> Server:
    return started("password", f"--NotebookApp.password={passwd(PASSWORD)}", token="")


@pytest.fixture(scope="module")
def unprotected_server(started: Callable[..., Server]) -> Server:
    return started("unprotected", token="")


# -- 401 ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
def test_without_token_every_route_is_401(server: Server, method: str) -> None:
    for path in PATHS:
        assert_json_error(ask(server, method, path), 401)


@pytest.mark.parametrize("wrong", [
    {"params": {"token": "wrong"}},
    with_form({"token": "wrong"}),
    {"headers": {"Authorization": "token wrong"}},
    {"headers": {"Authorization": "Bearer wrong"}},
], ids=["query", "form", "token", "bearer"])
def test_with_a_wrong_token_every_route_is_401(server: Server, wrong: Dict[str, Any]) -> None:
    for method in METHODS:
        for path in PATHS:
            assert_json_error(ask(server, method, path, **wrong), 401)


@pytest.mark.parametrize("value", [
    "", "token", "token ", TOKEN, f"Basic {TOKEN}", f"token{TOKEN}", f"token {TOKEN}x", f"token {TOKEN[:-1]}",
    f"token {TOKEN.upper()}", f"token {TOKEN} {TOKEN}", f"token {TOKEN}, token {TOKEN}", f"token={TOKEN}",
    f'Bearer "{TOKEN}"', "token \xff"])
def test_a_header_that_is_not_exactly_the_token_is_401(server: Server, value: str) -> None:
    assert_json_error(ask(server, "GET", headers={"Authorization": value.encode("latin-1")}), 401)


@pytest.mark.parametrize("query", [
    "token=", "token", f"Token={TOKEN}", f"TOKEN={TOKEN}", f"token={TOKEN}%20", f"token={TOKEN}%00",
    f"token[]={TOKEN}", f"token={TOKEN.upper()}", f"x=1;token={TOKEN}", "token=%FF", "token=%", f"token={TOKEN}%FF",
    "token=%ED%A0%80"])
def test_a_parameter_that_is_not_exactly_the_token_is_401(server: Server, query: str) -> None:
    assert_json_error(ask(server, "GET", f"?{query}"), 401)
    assert_json_error(ask(server, "POST", **with_form(query)), 401)


def test_a_token_that_is_given_twice_is_401(server: Server) -> None:
    twice = f"token={TOKEN}&token={TOKEN}"
    assert_json_error(ask(server, "GET", f"?{twice}"), 401)
    assert_json_error(ask(server, "GET", **with_form(twice)), 401)
    assert_json_error(ask(server, "POST", f"?token={TOKEN}", **with_form({"token": TOKEN})), 401)
    request = f"GET /api/executions HTTP/1.1\r\nHost: localhost\r\nAuthorization: token {TOKEN}\r\n" \
              f"Authorization: token {TOKEN}\r\nConnection: close\r\n\r\n"
    assert split(server.raw(request.encode()))[0] == 401


@pytest.mark.parametrize("other", ["wrong", "", "%FF"])
def test_tokens_that_contradict_each_other_are_401(server: Server, other: str) -> None:
    right, wrong = f"token={TOKEN}", f"token={other}"
    header = {"Authorization": f"token {other}"}
    for query in (f"{right}&{wrong}", f"{wrong}&{right}"):
        assert_json_error(ask(server, "GET", f"?{query}"), 401)
        assert_json_error(ask(server, "POST", **with_form(query)), 401)
    for one, two in ((right, wrong), (wrong, right)):
        assert_json_error(ask(server, "POST", f"?{one}", **with_form(two)), 401)
    assert_json_error(ask(server, "GET", f"?{right}", headers=header), 401)
    assert_json_error(ask(server, "GET", f"?{wrong}", headers=HEADER), 401)
    assert_json_error(ask(server, "POST", data=wrong, headers={**HEADER, "Content-Type": FORM}), 401)
    assert_json_error(ask(server, "POST", data=right, headers={**header, "Content-Type": FORM}), 401)


@pytest.mark.parametrize("credentials", [{}, {"Authorization": "token wrong"}], ids=["none", "wrong"])
def test_an_outsider_learns_nothing(server: Server, folder: Path, credentials: Dict[str, str]) -> None:
    source = write_notebook(folder / "a.ipynb", "1")
    write_notebook(folder / ".hidden.ipynb", "1")
    exec_id = server.start_run(source)
    server.wait_until_final(exec_id)
    before = server.get().json()
    there, hidden, missing = (f"{folder.name}/{name}" for name in ("a.ipynb", ".hidden.ipynb", "missing.ipynb"))
    requests_: List[Tuple[str, str, Dict[str, Any]]] = [
        (method, f"/{name}", {}) for method in ("GET", "POST", "DELETE", "PUT") for name in (exec_id, UNKNOWN_ID)]
    requests_ += [("GET", "/parameters", {"params": {"notebook": path}}) for path in (there, hidden, missing, "")]
    requests_ += [("POST", "", {"data": {"notebook": path}}) for path in (there, hidden, missing, "")]
    requests_ += [("POST", f"/{name}", {"data": {"action": action}})
                  for name in (exec_id, UNKNOWN_ID) for action in ("shutdown", "unknown")]
    requests_ += [("POST", "", {"data": body, "headers": {"Content-Type": kind}}) for kind, body in (
        ("text/plain", b"a"), ("multipart/form-data; boundary=x", b"a"), (FORM, b"notebook=%FF"), (FORM, b"\xff\xfe"),
        (FORM, b"notebook=a&notebook=b"), (FORM, b"a" * (MEBIBYTE + 1)), (JSON, b"{"), (JSON, b"\xff"), (JSON, b"[]"),
        (JSON, b'{"notebook": null}'), (JSON, b" " * (MEBIBYTE + 1)))]
    requests_ += [("GET", "/parameters?notebook=%FF", {}), ("DELETE", "", {}), ("PATCH", "/deeper/still", {}),
                  ("GET", "", {"headers": {"Host": "foreign.example"}}),
                  ("POST", "", {"headers": {"Host": "foreign.example"}, "data": {"notebook": there}}),
                  ("GET", "", {"headers": {"Origin": ORIGIN}}),
                  ("POST", "", {"headers": STREAM, "data": {"notebook": there}})]
    answers = set()
    for method, path, kwargs in requests_:
        kwargs["headers"] = {**kwargs.get("headers", {}), **credentials}
        response = ask(server, method, path, **kwargs)
        assert_json_error(response, 401)
        headers = {name: value for name, value in response.headers.items() if name not in ("Date", "Connection")}
        answers.add((json.dumps(headers, sort_keys=True), response.content))
    assert len(answers) == 1
    assert server.get().json() == before
    assert list(folder.glob("a-Executed*")) == [folder / "a-Executed1.ipynb"]


def test_a_client_that_reuses_its_connection_is_answered_each_time(server: Server) -> None:
    with requests.Session() as session:
        for number in range(20):
            assert_json_error(ask(server, METHODS[number % len(METHODS)], session=session), 401)
            assert_json_error(ask(server, "FOO", session=session), 405)
            assert ask(server, "GET", session=session, headers=HEADER).status_code == 200


# -- ways in --------------------------------------------------------------------------------------


@pytest.mark.parametrize("method, path, status", [
    ("GET", "", 200), ("GET", "/", 200), ("GET", f"/{UNKNOWN_ID}", 404), ("DELETE", f"/{UNKNOWN_ID}", 404),
    ("POST", f"/{UNKNOWN_ID}/", 404), ("POST", "", 400), ("GET", "/parameters", 400), ("GET", "/parameters/", 400),
    ("GET", "/deeper/still", 404), ("POST", "/deeper/still/", 404), ("DELETE", "//", 404), ("GET", "/%FF", 404),
    ("PUT", "", 405), ("PATCH", f"/{UNKNOWN_ID}", 405), ("POST", "/parameters", 405), ("DELETE", "/parameters", 405),
    ("HEAD", "", 405), ("OPTIONS", "", 405), ("OPTIONS", "/parameters", 405), ("PUT", "/deeper", 405)])
@pytest.mark.parametrize("way", [
    {"params": {"token": TOKEN}},
    with_form({"token": TOKEN}),
    {"headers": {"Authorization": f"token {TOKEN}"}},
    {"headers": {"Authorization": f"Bearer {TOKEN}"}},
], ids=["query", "form", "token", "bearer"])
def test_the_token_is_taken_from_query_form_or_header(server: Server, method: str, path: str, status: int,
                                                      way: Dict[str, Any]) -> None:
    response = ask(server, method, path, **way)
    assert response.status_code == status
    if status != 200:
        assert_json_error(response, status)


@pytest.mark.parametrize("scheme", ["token", "Token", "TOKEN", "bearer", "Bearer", "BEARER", "token  "])
def test_the_scheme_of_the_header_may_be_in_any_case(server: Server, scheme: str) -> None:
    assert ask(server, "GET", headers={"Authorization": f"{scheme} {TOKEN}"}).status_code == 200


@pytest.mark.parametrize("content_type", [FORM, f"{FORM}; charset=UTF-8", "Application/X-WWW-Form-URLEncoded"])
def test_a_form_is_known_by_its_content_type(server: Server, content_type: str) -> None:
    response = ask(server, "GET", data={"token": TOKEN}, headers={"Content-Type": content_type})
    assert response.status_code == 200


def test_a_token_in_the_form_starts_an_execution(server: Server, folder: Path) -> None:
    write_notebook(folder / "a.ipynb", "1")
    response = ask(server, "POST", data={"token": TOKEN, "notebook": f"{folder.name}/a.ipynb"})
    assert response.status_code == 202
    exec_id = response.json()["execution"]["exec_id"]
    assert server.wait_until_final(exec_id)["params"] == {}
    assert ask(server, "DELETE", f"/{exec_id}", data={"token": TOKEN}).status_code == 202
    assert ask(server, "GET", f"/{exec_id}", data={"token": TOKEN}).status_code == 404


@pytest.mark.parametrize("kwargs", [
    {"json": {"token": TOKEN, "notebook": "a.ipynb"}},
    {"data": f"token={TOKEN}", "headers": {"Content-Type": JSON}},
    {"data": f"token={TOKEN}", "headers": {"Content-Type": "text/plain"}},
    {"data": f"token={TOKEN}".encode()},
    {"files": {"token": (None, TOKEN)}},
    {"headers": {"Cookie": f"token={TOKEN}"}},
    {"headers": {"X-XSRFToken": TOKEN}},
    {"headers": {"token": TOKEN}},
    {"auth": ("token", TOKEN)},
], ids=["json", "form-as-json", "form-as-text", "form-without-type", "multipart", "cookie", "xsrf", "header", "basic"])
def test_a_token_anywhere_else_is_no_way_in(server: Server, kwargs: Dict[str, Any]) -> None:
    assert_json_error(ask(server, "POST", **kwargs), 401)


def test_a_token_in_the_json_body_does_not_disturb(server: Server) -> None:
    response = ask(server, "POST", json={"token": "wrong", "notebook": "missing.ipynb"}, headers=HEADER)
    assert_json_error(response, 404)


# -- cookies --------------------------------------------------------------------------------------


def log_in(server: Server, secret: str) -> requests.Session:
    """Log in as a browser does, and return the session with its cookies."""
    session = requests.Session()
    session.get(f"{server.url}login", timeout=60)
    session.post(f"{server.url}login", data={"_xsrf": session.cookies["_xsrf"], "password": secret}, timeout=60)
    assert session.get(f"{server.url}api/contents", timeout=60).status_code == 200
    return session


@pytest.mark.parametrize("name, secret", [
    ("server", TOKEN), ("open_server", TOKEN), ("based_server", PASSWORD), ("password_server", PASSWORD)])
def test_the_cookie_of_a_login_never_counts(request: pytest.FixtureRequest, name: str, secret: str) -> None:
    server = request.getfixturevalue(name)
    session = log_in(server, secret)
    cookies = session.cookies.get_dict()
    page = {"X-XSRFToken": cookies["_xsrf"], "Referer": f"{server.url}tree", "Origin": server.url.rstrip("/")}
    for headers in ({}, page):
        for method in METHODS:
            for path in PATHS:
                assert_json_error(ask(server, method, path, session=session, headers=headers), 401)
    assert session.cookies.get_dict() == cookies


def test_no_cookie_is_set_for_who_has_the_token(server: Server) -> None:
    session = requests.Session()
    for _ in range(2):
        assert ask(server, "GET", session=session, params={"token": TOKEN}).status_code == 200
        assert ask(server, "POST", session=session, data={"token": TOKEN}).status_code == 400
    assert not session.cookies


def test_a_foreign_login_cookie_does_not_disturb(server: Server) -> None:
    headers = {**HEADER, "Cookie": 'username-127-0-0-1="2|1:0|broken"; _xsrf=2|broken; \xff=;;'}
    assert ask(server, "GET", headers=headers).status_code == 200


# -- origins --------------------------------------------------------------------------------------


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "garbage"])
@pytest.mark.parametrize("name", ["server", "open_server"])
def test_a_foreign_origin_does_not_matter_to_who_has_the_token(request: pytest.FixtureRequest, name: str,
                                                               origin: str) -> None:
    server = request.getfixturevalue(name)
    headers = {"Origin": origin, "Referer": "https://evil.example/page", "Sec-Fetch-Site": "cross-site",
               "Sec-Fetch-Mode": "no-cors"}
    for way in ({"headers": {**HEADER, **headers}}, {"headers": headers, "data": {"token": TOKEN}}):
        assert ask(server, "GET", **way).status_code == 200
        assert_json_error(ask(server, "POST", **way), 400)
        assert_json_error(ask(server, "DELETE", f"/{UNKNOWN_ID}", **way), 404)
    assert_json_error(ask(server, "GET", headers=headers), 401)


def test_without_allow_origin_no_other_site_may_read_the_answer(server: Server) -> None:
    response = ask(server, "GET", headers={**HEADER, "Origin": ORIGIN})
    assert response.status_code == 200
    assert "Access-Control-Allow-Origin" not in response.headers


def test_with_allow_origin_that_site_may_read_every_answer(open_server: Server) -> None:
    for method, path, headers in (("GET", "", HEADER), ("POST", "", HEADER), ("GET", f"/{UNKNOWN_ID}", HEADER),
                                  ("PUT", "", HEADER), ("GET", "", {})):
        response = ask(open_server, method, path, headers={**headers, "Origin": ORIGIN})
        assert response.headers["Access-Control-Allow-Origin"] == ORIGIN
        assert "Access-Control-Allow-Credentials" not in response.headers


def test_with_allow_origin_pat_those_sites_may_read_the_answer(based_server: Server) -> None:
    response = ask(based_server, "GET", headers={**HEADER, "Origin": ORIGIN})
    assert response.headers["Access-Control-Allow-Origin"] == ORIGIN
    response = ask(based_server, "GET", headers={**HEADER, "Origin": "https://foreign.test"})
    assert response.status_code == 200
    assert "Access-Control-Allow-Origin" not in response.headers


def test_a_preflight_tells_what_a_script_may_send(open_server: Server) -> None:
    wants = {"Origin": ORIGIN, "Access-Control-Request-Method": "DELETE",
             "Access-Control-Request-Headers": "authorization,content-type,x-response-encoding"}
    answers = set()
    for path in PATHS:
        response = ask(open_server, "OPTIONS", path, headers=wants)
        assert response.status_code == 204
        assert response.content == b""
        assert response.headers["Access-Control-Allow-Origin"] == ORIGIN
        methods = response.headers["Access-Control-Allow-Methods"].split(", ")
        assert {"GET", "POST", "DELETE"} <= set(methods)
        allowed = {name.lower() for name in response.headers["Access-Control-Allow-Headers"].split(", ")}
        assert {"authorization", "content-type", "x-response-encoding"} <= allowed
        answers.add(json.dumps({**response.headers, "Date": ""}, sort_keys=True))
    assert len(answers) == 1  # nothing is learned from it


def test_a_preflight_is_401_without_allow_origin(server: Server) -> None:
    wants = {"Origin": ORIGIN, "Access-Control-Request-Method": "DELETE"}
    assert_json_error(ask(server, "OPTIONS", headers=wants), 401)


def test_what_is_no_preflight_is_401_with_allow_origin_too(open_server: Server) -> None:
    assert_json_error(ask(open_server, "OPTIONS", headers={"Origin": ORIGIN}), 401)
    wants = {"Origin": ORIGIN, "Access-Control-Request-Method": "DELETE"}
    for method in ("GET", "POST", "DELETE"):
        assert_json_error(ask(open_server, method, headers=wants), 401)


def test_after_a_preflight_a_script_runs_a_notebook(open_server: Server) -> None:
    write_notebook(open_server.root / "cors.ipynb", "1")
    response = ask(open_server, "POST", data={"notebook": "cors.ipynb"},
                   headers={**HEADER, **STREAM, "Origin": ORIGIN, "Sec-Fetch-Site": "cross-site"})
    assert response.status_code == 202
    assert response.headers["Access-Control-Allow-Origin"] == ORIGIN
    assert json.loads(response.text.splitlines()[-1])["event"] == "notebook_complete"


# -- the Host header: a foreign name that was made to lead to this machine ------------------------


@pytest.mark.parametrize("method, path", [("GET", ""), ("POST", ""), ("DELETE", ""), ("GET", "/parameters"),
                                          ("GET", f"/{UNKNOWN_ID}"), ("PUT", "/deeper")])
def test_a_foreign_host_is_turned_away_even_with_the_token(server: Server, method: str, path: str) -> None:
    foreign = {"Host": f"foreign.example:{server.port}"}
    for way in ({"headers": {**HEADER, **foreign}}, {"headers": foreign, "data": {"token": TOKEN}}):
        assert_json_error(ask(server, method, path, **way), 403)
    assert_json_error(ask(server, method, path, headers=foreign), 401)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.0.0.1:1234", "[::1]:8888"])
def test_the_names_of_this_machine_are_let_in(server: Server, host: str) -> None:
    assert ask(server, "GET", headers={**HEADER, "Host": host}).status_code == 200


# -- servers without a token ----------------------------------------------------------------------


@pytest.mark.parametrize("name", ["password_server", "unprotected_server"])
def test_a_server_without_token_lets_nobody_in_and_says_to_set_one(request: pytest.FixtureRequest, name: str) -> None:
    server = request.getfixturevalue(name)
    for kwargs in ({}, {"params": {"token": ""}}, with_form("token="), {"headers": {"Authorization": "token "}},
                   {"params": {"token": PASSWORD}}, {"headers": {"Authorization": f"Bearer {PASSWORD}"}}):
        for method, path in (("GET", ""), ("POST", ""), ("DELETE", ""), ("GET", "/parameters"),
                             ("GET", f"/{UNKNOWN_ID}"), ("GET", "/deeper/still"), ("PUT", "")):
            response = ask(server, method, path, **kwargs)
            assert_json_error(response, 401)
            assert "set c.NotebookApp.token" in response.json()["message"]


@pytest.mark.parametrize("name", ["password_server", "unprotected_server"])
def test_a_server_without_token_warns_at_its_start(request: pytest.FixtureRequest, name: str) -> None:
    log = request.getfixturevalue(name).log
    assert re.search(r"^\[W .*can use nbexec, because the server has no token", log, re.MULTILINE)
    assert log.index("because the server has no token") < log.index("is running at")


def test_a_server_with_a_token_does_not_warn(server: Server, based_server: Server) -> None:
    assert "because the server has no token" not in server.log + based_server.log


# -- the token shows nowhere ----------------------------------------------------------------------


def test_the_token_is_in_no_line_of_the_log(open_server: Server) -> None:
    spelled = "".join(f"%{byte:02x}" for byte in TOKEN.encode())
    queries = [f"?token={TOKEN}", f"?token={spelled}", f"?%74oken={TOKEN}", f"?token={TOKEN}&token={TOKEN}",
               f"?a=b;token={TOKEN}", f"?Token={TOKEN}", f"?notebook=%FF&token={TOKEN}", f"?token={TOKEN}?x",
               f"/token={TOKEN}", f"/&token={TOKEN}", f"/{UNKNOWN_ID}?token={TOKEN}", f"/deeper/still?token={TOKEN}"]
    referers = [f"{open_server.url}tree?token={TOKEN}",
                f"{open_server.url}login?next={quote(f'/tree?token={TOKEN}', safe='')}"]
    for query in queries:
        for method in METHODS:
            ask(open_server, method, query)
    for referer in referers:
        ask(open_server, "GET", headers={"Referer": referer})
        ask(open_server, "GET", f"/{UNKNOWN_ID}?token={TOKEN}", headers={"Referer": referer})
    ask(open_server, "GET", f"?token={TOKEN}", headers={"Host": "foreign.example"})
    ask(open_server, "POST", data={"token": TOKEN, "notebook": "missing.ipynb"})
    ask(open_server, "POST", data={"token": TOKEN, "unknown": TOKEN})
    ask(open_server, "POST", json={"token": [TOKEN]}, headers=HEADER)
    ask(open_server, "POST", f"?token={TOKEN}", data=b"a" * (MEBIBYTE + 1))
    open_server.raw(f"FOO /api/executions?token={TOKEN} HTTP/1.1\r\nHost: localhost\r\nReferer: {referers[0]}\r\n"
                    "Connection: close\r\n\r\n".encode())
    last = str(uuid.uuid4())
    ask(open_server, "GET", f"/{last}", headers=HEADER)
    wait_for(lambda: last in open_server.log)
    log = open_server.log
    lines = [line for line in log[log.index("is running at"):].splitlines()]
    for status in (200, 400, 401, 403, 404, 405, 413):
        assert any(f" {status} " in line and "/api/executions" in line for line in lines), status
    shown = [line for line in lines if TOKEN in line or spelled in line]
    assert shown == []


@pytest.fixture(scope="module")
def kernels(open_server: Server) -> List[str]:
    """Return the names of a kernel that is forked and one that is not."""
    kernel = open_server.folder / "data" / "kernels" / "spawned"
    kernel.mkdir(parents=True)
    argv = [sys.executable, "-X", "utf8", "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    (kernel / "kernel.json").write_text(json.dumps({"argv": argv, "display_name": "Spawned", "language": "python"}))
    return ["python3", "spawned"]


@pytest.mark.parametrize("number", [0, 1], ids=["forked", "spawned"])
def test_the_token_is_in_no_event_model_output_or_environment(open_server: Server, kernels: List[str],
                                                              number: int) -> None:
    name = f"token{number}.ipynb"
    write_notebook(open_server.root / name, "x = 1  # nbexec: params", "# nbexec: params\nx = 1",
                   "import os, sys\nprint(dict(os.environ), sys.argv, globals())")
    fields = {"notebook": name, "token": TOKEN, "x": "2", "jupyter_kernel": kernels[number]}
    response = ask(open_server, "POST", data=fields, headers=STREAM)
    assert response.text.count("\n") > 3
    assert "JUPYTER_RUNTIME_DIR" in response.text  # the environment is in there
    exec_id = json.loads(response.text.splitlines()[-1])["execution"]["exec_id"]
    model = ask(open_server, "GET", f"/{exec_id}", params={"token": TOKEN})
    output = (open_server.root / model.json()["execution"]["output_path"]).read_text("utf-8")
    assert "JUPYTER_RUNTIME_DIR" in output
    all_models = ask(open_server, "GET", headers=HEADER).text
    for text in (response.text, str(response.headers), model.text, all_models, output):
        assert TOKEN not in text
    assert model.json()["execution"]["params"] == {"x": "2"}


def test_the_token_is_in_no_error(server: Server) -> None:
    for kwargs in ({"params": {"token": TOKEN}}, {"data": {"token": TOKEN, "overwrite": "x"}},
                   {"params": {"token": TOKEN}, "json": {"token": TOKEN}},
                   {"params": {"token": TOKEN}, "json": {"x": None}},
                   {"params": {"token": TOKEN}, "data": b"%FF", "headers": {"Content-Type": FORM}},
                   {"params": [("token", TOKEN), ("token", TOKEN)]}, {"data": f"token={TOKEN}x"}):
        response = ask(server, "POST", **kwargs)
        assert response.status_code in (400, 401)
        assert TOKEN not in response.text


# -- methods --------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["FOO", "PROPFIND", "TRACE", "get"])
def test_an_unknown_method_is_405(server: Server, method: str) -> None:
    for path in PATHS:
        for header in ("Accept: */*", f"Authorization: token {TOKEN}"):
            lines = [f"{method} /api/executions{path} HTTP/1.1", "Host: localhost", "Connection: close", header]
            status, headers, answer = split(server.raw("\r\n".join([*lines, "", ""]).encode()))
            assert status == 405
            assert headers["content-type"] == JSON
            assert "set-cookie" not in headers
            assert set(answer) == {"message", "reason"}


# -- bodies that are too large --------------------------------------------------------------------


def chunked(body: bytes, size: int = 1 << 16) -> bytes:
    pieces = (body[start:start + size] for start in range(0, len(body), size))
    return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


def post(server: Server, body: bytes, content_type: str, *headers: str, way: str = "length",
         credentials: bool = False) -> Tuple[int, Dict[str, str], Any]:
    """Send a body in one of three ways and return what comes back."""
    size = f"Content-Length: {len(body)}" if way == "length" else "Transfer-Encoding: chunked"
    lines = ["POST /api/executions HTTP/1.1", "Host: localhost", "Connection: close", size, *headers]
    lines += [f"Content-Type: {content_type}"] if content_type else []
    lines += [f"Authorization: token {TOKEN}"] if credentials else []
    sent = body if way == "length" else chunked(body, 1 << 16 if way == "chunks" else len(body))
    return split(server.raw("\r\n".join(lines).encode() + b"\r\n\r\n" + sent))


@pytest.mark.parametrize("way", ["length", "chunks", "one chunk"])
@pytest.mark.parametrize("kind", [FORM, JSON])
def test_a_body_of_one_mebibyte_is_read(server: Server, kind: str, way: str) -> None:
    start, end = (b"notebook=", b"") if kind == FORM else (b'{"notebook": "', b'"}')
    body = start + b"a" * (MEBIBYTE - len(start + end)) + end
    assert len(body) == MEBIBYTE
    status, _, answer = post(server, body, kind, way=way, credentials=True)
    assert status == 404
    assert "notebook" in answer["message"]


@pytest.mark.parametrize("size", [MEBIBYTE + 1, 2 * MEBIBYTE, 2 * MEBIBYTE + 1, 8 * MEBIBYTE])
@pytest.mark.parametrize("way", ["length", "chunks", "one chunk"])
@pytest.mark.parametrize("kind", [FORM, JSON, "text/plain", ""])
def test_a_larger_body_is_refused_and_an_outsider_gets_401(server: Server, kind: str, way: str, size: int) -> None:
    body = b"notebook=" + b"a" * (size - 9)
    status, headers, answer = post(server, body, kind, way=way, credentials=True)
    assert status in (400, 413)
    assert headers["content-type"] == JSON
    assert str(MEBIBYTE) in answer["message"]
    status, headers, answer = post(server, body, kind, way=way)
    assert status == 401
    assert headers["content-type"] == JSON
    assert set(answer) == {"message", "reason"}


def test_a_token_in_a_form_that_is_too_large_is_not_looked_for(server: Server) -> None:
    body = f"token={TOKEN}&notebook=".encode()
    for way in ("length", "chunks"):
        assert post(server, body + b"a" * MEBIBYTE, FORM, way=way)[0] == 401


def test_who_asks_before_sending_is_told_at_once(server: Server) -> None:
    request = "POST /api/executions HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Type: {}\r\n" \
              "Content-Length: {}\r\nConnection: close\r\n{}\r\n"
    for kind, size, header, expected in ((FORM, 100 * MEBIBYTE, "", 401), (JSON, 10, "", 401),
                                         (FORM, 2 * MEBIBYTE, f"Authorization: token {TOKEN}\r\n", 413)):
        status, _, _ = split(server.raw(request.format(kind, size, header).encode()))
        assert status == expected


@pytest.mark.parametrize("way", ["length", "chunked"])
@pytest.mark.parametrize("kind", [FORM, JSON, "multipart/form-data; boundary=x", ""])
def test_a_huge_body_of_an_outsider_costs_no_memory(server: Server, kind: str, way: str) -> None:
    size = 100 * MEBIBYTE
    lines = ["POST /api/executions HTTP/1.1", "Host: localhost", f"Content-Type: {kind}",
             f"Content-Length: {size}" if way == "length" else "Transfer-Encoding: chunked", "", ""]
    piece = b"a" * MEBIBYTE if way == "length" else b"%x\r\n%s\r\n" % (MEBIBYTE, b"a" * MEBIBYTE)
    process = psutil.Process(server.process.pid)
    before = most = process.memory_info().rss
    with socket.create_connection(("127.0.0.1", server.port), 60) as connection:
        try:
            connection.sendall("\r\n".join(lines).encode())
            for _ in range(size // MEBIBYTE):
                connection.sendall(piece)
                most = max(most, process.memory_info().rss)
        except (BrokenPipeError, ConnectionResetError):
            pass
    assert ask(server, "GET", headers=HEADER).status_code == 200  # by now it has taken in what it takes
    most = max(most, process.memory_info().rss)
    assert most - before < 20 * MEBIBYTE


# -- below a base URL -----------------------------------------------------------------------------


def test_below_a_base_url_the_routes_are_the_same(based_server: Server) -> None:
    write_notebook(based_server.root / "a.ipynb", "# nbexec: params\nx = 1")
    response = ask(based_server, "POST", data={"notebook": "a.ipynb"}, headers=HEADER)
    assert response.status_code == 202
    exec_id = response.json()["execution"]["exec_id"]
    assert response.headers["Location"] == f"/some/base/api/executions/{exec_id}"
    url = f"http://127.0.0.1:{based_server.port}{response.headers['Location']}"
    assert requests.get(url, headers=HEADER, timeout=60).json()["execution"]["exec_id"] == exec_id
    based_server.wait_until_final(exec_id)
    parameters = ask(based_server, "GET", "/parameters", params={"notebook": "a.ipynb"}, headers=HEADER).json()
    assert [parameter["name"] for parameter in parameters["parameters"]] == ["x"]
    assert [model["exec_id"] for model in ask(based_server, "GET", headers=HEADER).json()["executions"]] == [exec_id]
    assert ask(based_server, "POST", f"/{exec_id}", data={"action": "shutdown"}, headers=HEADER).status_code == 202
    assert ask(based_server, "DELETE", f"/{exec_id}", headers=HEADER).status_code == 202
    assert ask(based_server, "DELETE", headers=HEADER).status_code == 202


def test_below_a_base_url_every_route_is_401_without_token(based_server: Server) -> None:
    for method in METHODS:
        for path in PATHS:
            assert_json_error(ask(based_server, method, path), 401)


def test_beside_the_base_url_there_is_no_api(based_server: Server) -> None:
    url = f"http://127.0.0.1:{based_server.port}/api/executions"
    assert requests.get(url, headers=HEADER, timeout=60).status_code == 404
