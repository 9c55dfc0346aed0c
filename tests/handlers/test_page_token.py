"""The token for pages that have none, and the files of the pages."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any, Dict, Iterator, Tuple
from unittest.mock import patch

import pytest
import requests
from helpers import Server, write_notebook
from notebook.auth.security import passwd

from nbexec.handlers import page_tokens
from nbexec.handlers.page_tokens import LIFETIME, Login, PageTokens
from nbexec.handlers.pages import STATIC

PASSWORD = "a-password-for-tests"
Browser = Tuple[Server, requests.Session, Dict[str, str]]


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dict[str, Server]]:
    """Start the kinds of servers whose pages have no token."""
    started = {
        "password": Server(tmp_path_factory.mktemp("password"), f"--NotebookApp.password={passwd(PASSWORD)}", token="",
                           base_url="/some/base/"),
        "unprotected": Server(tmp_path_factory.mktemp("unprotected"), token="")}
    yield started
    for server in started.values():
        server.stop()


def browse(server: Server, password: str = "") -> Browser:
    """Return what a browser has that has opened the login page, and has logged in if there is a password."""
    session = requests.Session()
    session.get(f"{server.url}login", timeout=60)
    if password:
        answer = session.post(f"{server.url}login", timeout=60, allow_redirects=False,
                              data={"password": password, "_xsrf": session.cookies["_xsrf"]})
        assert answer.status_code == 302
    session.get(f"{server.url}tree", timeout=60)
    return server, session, {"X-XSRFToken": session.cookies["_xsrf"]}


@pytest.fixture(scope="module")
def page(servers: Dict[str, Server]) -> Browser:
    return browse(servers["password"], PASSWORD)


def ask(page: Browser, headers: Dict[str, str]) -> requests.Response:
    server, session, _ = page
    return session.post(f"{server.url}nbexec/token", headers=headers, timeout=60, allow_redirects=False)


def token_of(page: Browser) -> str:
    response = ask(page, page[2])
    assert response.status_code == 200, response.text
    return str(response.json()["token"])


def use(server: Server, header: str, method: str = "GET", path: str = "", **kwargs: Any) -> requests.Response:
    return requests.request(method, server.api + path, headers={"Authorization": header}, timeout=60, **kwargs)


# -- who gets one ---------------------------------------------------------------------------------


def test_who_is_logged_in_gets_a_token_that_opens_the_api(page: Browser) -> None:
    server, _, headers = page
    response = ask(page, headers)
    assert response.status_code == 200
    assert set(response.json()) == {"token", "expires_in"} and response.json()["expires_in"] == LIFETIME
    assert response.headers["Cache-Control"] == "no-store, no-transform"
    token = response.json()["token"]
    for header in (f"token {token}", f"Bearer {token}"):
        assert use(server, header).json() == {"executions": []}
    write_notebook(server.root / "a.ipynb", "1")
    answer = use(server, f"token {token}", "POST", data={"notebook": "a.ipynb"})
    exec_id = answer.json()["execution"]["exec_id"]
    events = use(server, f"token {token}", path=f"/{exec_id}/events").text
    assert "notebook_complete" in events and token not in events
    assert use(server, f"token {token}", "DELETE").status_code == 202
    assert token not in server.log


def test_a_server_without_authentication_gives_one_to_every_page_of_its_own(servers: Dict[str, Server]) -> None:
    page = browse(servers["unprotected"])
    assert use(page[0], f"token {token_of(page)}").status_code == 200
    assert ask(page, {}).status_code == 403


def test_who_has_the_token_of_the_server_gets_one_too(server: Server) -> None:
    header = {"Authorization": f"token {server.token}"}
    response = requests.post(f"{server.url}nbexec/token", headers=header, timeout=60)
    assert use(server, f"token {response.json()['token']}").status_code == 200


def test_nobody_else_gets_one(page: Browser) -> None:
    server, _, headers = page
    stranger = browse(server)
    assert ask(stranger, stranger[2]).status_code == 403
    assert ask(stranger, {}).status_code == 403
    assert ask(page, {}).status_code == 403  # no proof that it is a page of this server
    assert ask(page, {"X-XSRFToken": "0" * 32}).status_code == 403
    assert ask(page, {**headers, "Origin": "https://foreign.example"}).status_code == 404
    assert ask(page, {**headers, "Origin": re.sub("/some/base/", "", server.url)}).status_code == 200
    for method in ("GET", "PUT", "DELETE"):
        response = page[1].request(method, f"{server.url}nbexec/token", headers=headers, timeout=60)
        assert response.status_code == 405 and "nbexec-page" not in response.text


def test_who_is_refused_before_the_end_of_the_request_is_told_that_the_connection_closes(page: Browser) -> None:
    """Or the next request, over the same connection, gets no answer."""
    for _ in range(20):
        refused = ask(page, {})
        assert refused.status_code == 403 and refused.headers["Connection"] == "close"
    assert "Connection" not in ask(page, page[2]).headers


# -- what it is good for --------------------------------------------------------------------------


def test_it_opens_nothing_but_the_api(page: Browser) -> None:
    server, token = page[0], token_of(page)
    header = {"Authorization": f"token {token}"}
    for path in ("api/contents", "api/kernels", "api/sessions", "api/status", "metrics", "nbexec/token"):
        for method in ("GET", "POST"):
            response = requests.request(method, server.url + path, headers=header, timeout=60, allow_redirects=False)
            assert response.status_code in (302, 403, 405), (method, path)
    assert requests.get(f"{server.url}api/contents", params={"token": token}, timeout=60).status_code == 403


def test_it_counts_in_the_header_alone(page: Browser) -> None:
    server, token = page[0], token_of(page)
    assert requests.get(server.api, params={"token": token}, timeout=60).status_code == 401
    assert requests.post(server.api, data={"token": token, "notebook": "a.ipynb"}, timeout=60).status_code == 401
    assert use(server, f"token {token}", params={"token": token}).status_code == 401
    assert requests.get(server.api, cookies={"token": token}, timeout=60).status_code == 401


def test_a_token_that_was_changed_is_refused(page: Browser, servers: Dict[str, Server]) -> None:
    server, token = page[0], token_of(page)
    for wrong in (token[:-1], token + "0", token.upper(), token[:-1] + ("1" if token[-1] == "0" else "0"), f"x{token}",
                  f"{token} {token}", token.rsplit("-", 1)[1], "nbexec-page-" + "0" * 64):
        assert use(server, f"token {wrong}").status_code == 401, wrong
    assert use(servers["unprotected"], f"token {token}").status_code == 401
    assert use(server, f"token {token}").status_code == 200


def test_a_token_ends_with_its_time_and_with_its_process() -> None:
    tokens = PageTokens()
    token = tokens.issue(Login("one"))
    assert tokens.accept(token) == Login("one") and not PageTokens().accept(token)
    now = time.monotonic()
    for seconds, good in ((LIFETIME - 5, True), (LIFETIME + 1, False)):
        with patch.object(page_tokens.time, "monotonic", return_value=now + seconds):
            assert bool(tokens.accept(token)) == good


def test_no_more_than_so_many_tokens_are_kept() -> None:
    tokens = PageTokens()
    with patch.object(page_tokens, "_MOST", 3):
        issued = [tokens.issue(Login(str(number))) for number in range(5)]
    assert [bool(tokens.accept(token)) for token in issued] == [False, False, True, True, True]


def test_a_token_ends_with_its_login(servers: Dict[str, Server]) -> None:
    server = servers["password"]
    page, other = browse(server, PASSWORD), browse(server, PASSWORD)
    tokens, others = [token_of(page), token_of(page)], token_of(other)
    assert page[1].get(f"{server.url}logout", timeout=60).status_code == 200
    assert [use(server, f"token {token}").status_code for token in (*tokens, others)] == [401, 401, 200]
    again = browse(server, PASSWORD)
    assert use(server, f"token {token_of(again)}").status_code == 200


def test_who_is_not_logged_in_logs_nobody_out(page: Browser) -> None:
    server, token = page[0], token_of(page)
    requests.get(f"{server.url}logout", timeout=60)
    browse(server)[1].get(f"{server.url}logout", timeout=60)
    assert use(server, f"token {token}").status_code == 200


# -- the files of the pages -----------------------------------------------------------------------


@pytest.fixture(scope="module")
def script() -> Path:
    return min(STATIC.glob("*.js"))


def test_the_pages_get_the_files_of_the_package(page: Browser, script: Path) -> None:
    response = requests.get(f"{page[0].url}nbextensions/nbexec/{script.name}?v=20240101", timeout=60)
    assert response.status_code == 200 and response.content == script.read_bytes()
    assert "javascript" in response.headers["Content-Type"]
    assert response.headers["X-Content-Type-Options"] == "nosniff"


def test_no_file_is_used_without_asking_whether_it_is_still_the_same(page: Browser, script: Path) -> None:
    url = f"{page[0].url}nbextensions/nbexec/{script.name}"
    first = requests.get(url, timeout=60)
    assert first.headers["Cache-Control"] == "no-cache" and "Last-Modified" not in first.headers
    again = requests.get(url, headers={"If-None-Match": first.headers["ETag"]}, timeout=60)
    assert (again.status_code, again.content) == (304, b"")
    assert requests.get(url, headers={"If-None-Match": '"another"'}, timeout=60).status_code == 200
    since = {"If-Modified-Since": "Thu, 31 Dec 2099 00:00:00 GMT"}
    assert requests.get(url, headers=since, timeout=60).status_code == 200


@pytest.mark.parametrize("path", ["", "no-such.js", "../pages.py", "..%2fpages.py", "%2e%2e/pages.py",
                                  "/etc/passwd", "%00.js"])
def test_there_is_nothing_else(page: Browser, path: str) -> None:
    answer = page[0].raw(f"GET /some/base/nbextensions/nbexec/{path} HTTP/1.0\r\nHost: localhost\r\n\r\n".encode())
    assert int(answer.split()[1]) in (400, 403, 404) and b"PageTokens" not in answer and b"root:" not in answer
