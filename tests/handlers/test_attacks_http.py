"""Attacks over HTTP, by somebody without a token, by somebody with one, and by pages of other origins.

Time is that of the server's processor, because a busy machine does not change it.
"""

from __future__ import annotations

import json
import re
import resource
import socket
import time
import uuid
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any, Dict, Iterator, List, Tuple
from urllib.parse import quote

import psutil
import pytest
import requests
from helpers import STREAM, TOKEN, Server, in_time, wait_for, write_notebook
from notebook.auth.security import passwd

from nbexec.handlers import base, strangers

FORM = "application/x-www-form-urlencoded"
JSON = "application/json"
MEBIBYTE = 1 << 20
GET = "GET /api/executions"
POST = "POST /api/executions"
PASSWORD = "a-password-for-tests"
UNKNOWN_ID = "98f9d56a-9547-4a30-8560-0f040d96d25b"


def head(line: str, *headers: str) -> bytes:
    lines = [f"{line} HTTP/1.1", "Host: localhost", "Connection: close", *headers, "", ""]
    return "\r\n".join(lines).encode("latin-1")


def form(body: bytes, *headers: str) -> bytes:
    return head(POST, f"Content-Type: {FORM}", f"Content-Length: {len(body)}", *headers) + body


def status_of(answer: bytes) -> int:
    return int(answer.split()[1]) if answer else 0


def costs(server: Server, request: bytes, times: int = 3) -> Iterator[Tuple[float, bytes]]:
    """Send a request some times, and yield what each took of the server's processor, in seconds, and the answer.

    The least counts: what earlier tests have left to do, and a collection of garbage, come once.
    """
    process = psutil.Process(server.process.pid)
    for _ in range(times):
        before = process.cpu_times()
        answer = server.raw(request)
        after = process.cpu_times()
        yield after.user + after.system - before.user - before.system, answer


# -- what costs time ------------------------------------------------------------------------------

LONG_REQUESTS: Dict[str, bytes] = {
    "spaces in the header": head(GET, "Authorization: token a" + " " * 60_000 + "b"),
    "spaces before the token": head(GET, "Authorization: token" + " " * 60_000 + "a"),
    "tabs in the header": head(GET, "Authorization: Bearer a" + "\t " * 30_000 + "b"),
    "odd spaces in the header": head(GET, "Authorization: token a" + "\xa0\x85" * 30_000 + "b"),
    "many headers": head(GET, *["Authorization: token a"] * 2000),
    "long token": head(GET, "Authorization: token " + "a" * 60_000),
    "many fields in the query": head(GET + "?" + "a=&" * 900 + "token=" + "%41" * 20_000),
    "too many fields in the query": head(GET + "?" + "a&" * 30_000),
    "encoded query": head(GET + "?token=" + "%41" * 21_000),
    "encoded path": head(GET + "/" + "%25" * 21_000),
    "tokens in the path": head(GET + "/" + "token=" * 10_000),
    "encoded tokens in the path": head(GET + "/" + "token%253D" * 6000),
    "slashes": head(GET + "/" * 60_000),
    "referer": head(GET, "Referer: http://localhost/?next=" + "%2525" * 12_000),
    "tokens in the referer": head(GET, "Referer: http://localhost/?" + "token=a&" * 7000),
    "cookies": head(GET, 'Cookie: a="' + "\\0" * 30_000),
    "origin": head(GET, "Origin: https://" + "a." * 30_000),
    "content type": head(POST, "Content-Type: " + " ;" * 30_000, "Content-Length: 0"),
    "form of many fields": form(b"a&" * (MEBIBYTE // 2)),
    "form of many values": form(b"a=b&" * (MEBIBYTE // 4)),
    "form of many tokens": form(b"token=b&" * (MEBIBYTE // 8)),
    "form of separators": form(b"&" * MEBIBYTE),
    "form with an encoded value": form(b"token=" + b"%41" * (MEBIBYTE // 3 - 10)),
    "form with an encoded name": form(b"%41" * (MEBIBYTE // 3)),
    "form with encoded values": form(b"&".join([b"token=" + b"%41" * 300] * 999)),
    "form of other bytes": form(b"token=" + b"%ff" * (MEBIBYTE // 3 - 10)),
    "deep JSON": head(POST, f"Content-Type: {JSON}", f"Content-Length: {MEBIBYTE}") + b"[" * MEBIBYTE,
}


@pytest.mark.parametrize("kind", LONG_REQUESTS)
def test_no_request_without_token_holds_the_server_up(server: Server, kind: str) -> None:
    server.raw(head(GET))
    seconds, answers = zip(*costs(server, LONG_REQUESTS[kind], 5))
    assert {status_of(answer) for answer in answers} <= {0, 400, 401}
    assert in_time(server, min(seconds), 0.05)


WIDE_BODIES: Dict[str, bytes] = {
    "JSON of depth 480": b'{"notebook": ' + b"[" * 480 + b"]" * 480 + b"}",
    "JSON of depth 480 in objects": b'{"a":' * 480 + b"1" + b"}" * 480,
    "JSON of depth 100000": b'{"notebook": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "open JSON of any depth": b'{"a":' * 200_000,
    "wide array": b'{"notebook": [' + b"1," * (MEBIBYTE // 2 - 50) + b"1]}",
    "wide array of objects": b'{"notebook": [' + b"{}," * (MEBIBYTE // 3 - 50) + b"{}]}",
    "wide array of numbers": b'{"notebook": [' + b"1e5," * (MEBIBYTE // 4 - 50) + b"1]}",
    "only an array": b"[" + b"[]," * (MEBIBYTE // 3 - 50) + b"[]]",
    "wide object": b"{" + b",".join(b'"a%d":1' % number for number in range(80_000)) + b"}",
    "one name again and again": b"{" + b'"a":1,' * (MEBIBYTE // 6 - 10) + b'"a":1}',
    "wide object in an object": b'{"a":{' + b'"":1,' * (MEBIBYTE // 5 - 10) + b'"":1}}',
    "big number": b'{"notebook": "a.ipynb", "cell_timeout": ' + b"9" * (MEBIBYTE - 100) + b"}",
    "big number of a parameter": b'{"notebook": "%s", "count": ' + b"9" * (MEBIBYTE - 200) + b"}",
    "big fraction": b'{"notebook": "a.ipynb", "cell_timeout": 1.' + b"9" * (MEBIBYTE - 100) + b"}",
    "spaces": b'{"notebook":' + b" " * (MEBIBYTE - 100) + b"}",
    "half a surrogate": b'{"notebook": "' + b"\\ud800" * (MEBIBYTE // 6 - 20) + b'"}',
}


@pytest.mark.parametrize("kind", WIDE_BODIES)
def test_no_json_body_holds_the_server_up_or_fails_it(server: Server, folder: Path, kind: str) -> None:
    source = write_notebook(folder / "a.ipynb", "# nbexec: params\ncount = 1")
    body = WIDE_BODIES[kind].replace(b"%s", f"{folder.name}/{source.name}".encode())
    executions = server.get().json()["executions"]
    data = head(POST, f"Authorization: token {TOKEN}", f"Content-Type: {JSON}", f"Content-Length: {len(body)}") + body
    seconds, answers = zip(*costs(server, data))
    assert {status_of(answer) for answer in answers} == {400}
    assert max(map(len, answers)) < 3000
    assert in_time(server, min(seconds), 0.3)
    assert len(server.get().json()["executions"]) == len(executions)


@pytest.mark.parametrize("body", [
    b"&".join(b"a%d=1" % number for number in range(80_000)), b"a=1&" * (MEBIBYTE // 4), b"&" * MEBIBYTE,
    b"notebook=a.ipynb&count=" + b"9" * (MEBIBYTE - 100), b"notebook=" + b"%5B" * (MEBIBYTE // 3 - 10),
    b"&".join(b"a" + b"%5Ba%5D" * 140 + b"%d=1" % number for number in range(999)), b"%41" * (MEBIBYTE // 3)],
    ids=["fields", "one name", "separators", "number", "brackets", "deep names", "encoded name"])
def test_no_form_holds_the_server_up_or_fails_it(server: Server, body: bytes) -> None:
    seconds, answers = zip(*costs(server, form(body, f"Authorization: token {TOKEN}")))
    assert {status_of(answer) for answer in answers} <= {400, 404}
    assert max(map(len, answers)) < 3000
    assert in_time(server, min(seconds), 0.3)


# -- what was meant well --------------------------------------------------------------------------


def test_a_multipart_form_is_told_how_to_be_sent(server: Server) -> None:
    fields = {"notebook": (None, "a.ipynb"), "token": (None, TOKEN)}
    answer = requests.post(server.api, files=fields, timeout=60)
    assert answer.status_code == 401 and FORM in answer.json()["message"] and "curl -F" in answer.json()["message"]
    answer = server.request("POST", files=fields)
    assert answer.status_code == 400
    assert all(word in answer.json()["message"] for word in ("multipart/form-data", FORM, JSON, "-d instead of -F"))


# -- what costs memory ----------------------------------------------------------------------------


def open_half(server: Server, data: bytes, number: int) -> Iterator[socket.socket]:
    """Yield connections that have sent a request, or a part of one."""
    for _ in range(number):
        sock = socket.create_connection(("127.0.0.1", server.port), 60)
        with suppress(OSError):  # the server has heard enough
            sock.sendall(data)
        yield sock


HALF_REQUESTS: Dict[str, bytes] = {
    "nothing": b"",
    "head": b"POST /api/executions HTTP/1.1\r\nHost: localhost\r\n",
    "small form": head(POST, f"Content-Type: {FORM}", "Content-Length: 1000") + b"a" * 500,
    "large form": head(POST, f"Content-Type: {FORM}", f"Content-Length: {MEBIBYTE}") + b"a" * (MEBIBYTE - 9),
    "form in chunks": head(POST, f"Content-Type: {FORM}", "Transfer-Encoding: chunked") + b"80000\r\n" + b"a" * 9**6,
    "JSON": head(POST, f"Content-Type: {JSON}", f"Content-Length: {MEBIBYTE}") + b"a" * (MEBIBYTE - 9),
    "page token": head("POST /nbexec/token", f"Content-Type: {FORM}", f"Content-Length: {MEBIBYTE}") + b"a" * 900_000,
    "JavaScript": head("GET /nbextensions/nbexec/tree.js", f"Content-Length: {MEBIBYTE}") + b"a" * 900_000,
    "preflight": head("OPTIONS /api/executions", "Origin: https://a.example", "Access-Control-Request-Method: GET",
                      f"Content-Length: {MEBIBYTE}") + b"a" * (MEBIBYTE - 9),
}


@pytest.fixture(scope="module")
def based_server(started: Any) -> Server:
    """Start a server below a base URL, which logs all, believes its proxy, and lets some other sites in."""
    return started("based", "--debug", "--NotebookApp.trust_xheaders=True",
                   f"--NotebookApp.password={passwd(PASSWORD)}",
                   r"--NotebookApp.allow_origin_pat=https://\w+\.example\.com", base_url="/some/base/")


@pytest.mark.parametrize("kind", HALF_REQUESTS)
def test_half_requests_without_token_cost_little(based_server: Server, kind: str) -> None:
    data = HALF_REQUESTS[kind].replace(b" /api", b" /some/base/api").replace(b" /nb", b" /some/base/nb")
    process = psutil.Process(based_server.process.pid)
    for sock in open_half(based_server, data, 100):  # what a first request brings in is not what these hold
        sock.close()
    assert based_server.get().status_code == 200
    before = process.memory_info().rss
    with ExitStack() as stack:
        for sock in open_half(based_server, data, 300):
            stack.enter_context(sock)
        assert based_server.get().status_code == 200
        assert process.memory_info().rss - before < 30 * MEBIBYTE


def test_half_forms_do_not_keep_others_from_giving_the_token_in_a_form(server: Server) -> None:
    before = psutil.Process(server.process.pid).num_fds()
    with ExitStack() as stack:
        for sock in open_half(server, HALF_REQUESTS["small form"], strangers._MOST + 100):
            stack.enter_context(sock)
        response = requests.post(server.api, data={"token": TOKEN}, timeout=60)
        assert response.status_code == 400 and "notebook: expected" in response.json()["message"]
        wait_for(lambda: psutil.Process(server.process.pid).num_fds() < before + strangers._MOST + 50)


@pytest.mark.parametrize("kind", ["head", "head of a form"])
def test_large_heads_of_which_the_rest_does_not_come_cost_little(server: Server, kind: str) -> None:
    start = HALF_REQUESTS["small form"].replace(b"\r\n\r\n", b"\r\nX-Large: " + b"a" * 60_000 + b"\r\n\r\n")
    data = start if kind == "head of a form" else start[:60_000]
    before = psutil.Process(server.process.pid).num_fds()
    with ExitStack() as stack:
        for sock in open_half(server, data, 300):
            stack.enter_context(sock)
        assert server.get().status_code == 200
        wait_for(lambda: psutil.Process(server.process.pid).num_fds() < before + 150)  # they are not kept


@pytest.fixture(scope="module")
def hasty_server(started: Any) -> Server:
    """Start a server that waits for bodies not as long as others do."""
    return started("hasty", config="from nbexec.handlers import base\nbase._BODY_SECONDS = 3")


@pytest.mark.parametrize("credentials, status", [("", 401), (f"Authorization: token {TOKEN}\r\n", 408)])
def test_a_body_that_does_not_come_is_not_waited_for(hasty_server: Server, credentials: str, status: int) -> None:
    assert 10 < base._BODY_SECONDS < 60
    data = f"POST /api/executions HTTP/1.1\r\nHost: localhost\r\n{credentials}Content-Type: {FORM}\r\n" \
           "Content-Length: 100\r\n\r\nnotebook="
    begun = time.monotonic()
    answer = hasty_server.raw(data.encode(), timeout=120)
    assert status_of(answer) == status
    assert time.monotonic() - begun > 2
    assert b"Connection: close" in answer


# -- few descriptors ------------------------------------------------------------------------------


@pytest.fixture()
def narrow_server(tmp_path: Path) -> Iterator[Server]:
    """A server that may have 256 descriptors."""
    server = Server(tmp_path)
    resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE, (256, 256))
    yield server
    server.stop()


@pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="needs Linux, to limit the descriptors of a process")
def test_streams_leave_descriptors_for_others(narrow_server: Server) -> None:
    server = narrow_server
    source = write_notebook(server.root / "a.ipynb", "1", UNTIL_GO)
    exec_id = server.start_run(source)
    size = len(server.log)
    with ExitStack() as stack:
        ask = f"GET /api/executions/{exec_id}/events HTTP/1.1\r\nHost: localhost\r\n" \
              f"Authorization: token {TOKEN}\r\n\r\n"
        socks = [stack.enter_context(sock) for sock in open_half(server, ask.encode(), 400)]
        answers = [sock.recv(1 << 12) for sock in socks]
        statuses = [status_of(answer) for answer in answers]
        assert set(statuses) == {200, 429} and 50 < statuses.count(200) < 150
        assert all(b"Retry-After: " in answer and b"Connection: close" in answer for answer in answers
                   if status_of(answer) == 429)
        assert server.get().status_code == 200
        write_notebook(server.root / "b.ipynb", "1")
        assert server.wait_until_final(server.start_run("b.ipynb"))["status"] == "completed"
        refused = server.request("POST", data={"notebook": "b.ipynb"}, headers=STREAM)
        assert refused.status_code == 429 and "streams may be open" in refused.json()["message"]
        assert len(server.get().json()["executions"]) == 2
    assert len(server.log) - size < 200_000
    (server.root / "go").touch()
    wait_for(lambda: server.request("POST", data={"notebook": "b.ipynb"}, headers=STREAM).status_code == 202)
    server.wait_until_final(exec_id)


@pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="needs Linux, to limit the descriptors of a process")
@pytest.mark.parametrize("data", [b"", b"GET / HTTP/1.1\r\n"], ids=["nothing", "half a head"])
def test_connections_without_a_request_leave_descriptors_for_others(narrow_server: Server, data: bytes) -> None:
    server = narrow_server
    size = len(server.log)
    write_notebook(server.root / "a.ipynb", "1")
    with ExitStack() as stack:
        for sock in open_half(server, data, 400):
            stack.enter_context(sock)
        for _ in range(3):
            assert server.get().status_code == 200
        assert server.wait_until_final(server.start_run("a.ipynb"))["status"] == "completed"
    assert server.get().status_code == 200
    assert len(server.log) - size < 20_000


# -- readers that do not read ---------------------------------------------------------------------

UNTIL_GO = "import os, time\nopen('there', 'w').close()\nwhile not os.path.exists('go'):\n    time.sleep(0.02)"
KINDS = ["lines", "server-sent events", "HTTP/1.0", "replay", "replayed server-sent events", "live output", "changes"]


def idle_reader(server: Server, path: str, kind: str) -> socket.socket:
    """Return a connection that asks for a stream and reads nothing of it but its beginning."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 14)
    sock.settimeout(60)
    sock.connect(("127.0.0.1", server.port))
    version = "1.0" if kind == "HTTP/1.0" else "1.1"
    accept = "text/event-stream" if "server-sent" in kind else "*/*"
    sock.sendall(f"GET /api/executions{path} HTTP/{version}\r\nHost: localhost\r\nAuthorization: token {TOKEN}\r\n"
                 f"Accept: {accept}\r\n\r\n".encode())
    assert b" 200 " in sock.recv(200)
    return sock


@pytest.mark.parametrize("kind", KINDS)
def test_thirty_readers_of_an_event_of_20_megabytes_that_do_not_read_cost_little(server: Server, folder: Path,
                                                                                 kind: str) -> None:
    """Under "changes" it is the source of a cell, which the model has too."""
    large = {"live output": "from IPython.display import HTML, display\nfor i in range(40):\n"
                            "    display(HTML(f'{i}' + '<' * 240_000)); time.sleep(0.05)\n",
             "changes": f"x = {'x' * 20_000_000!r}\n"}.get(kind, "print('x' * 20_000_000)\n")
    source = write_notebook(folder / "a.ipynb", "import time", large, UNTIL_GO)
    process, most = psutil.Process(server.process.pid), 0
    exec_id = "" if kind in ("live output", "changes") else server.start_run(source)
    if exec_id:
        wait_for((folder / "there").exists, 60)
    if "replay" in kind:
        (folder / "go").touch()
        server.wait_until_final(exec_id)
    before = process.memory_info().rss
    with ExitStack() as stack:
        if kind == "live output":
            exec_id = server.start_run(source)
            wait_for(lambda: server.model(exec_id)["progress"] in ("2/3", "3/3"), 60)
        path = "/events" if kind == "changes" else f"/{exec_id}/events?outputs={int(kind == 'live output')}"
        for _ in range(30):
            stack.enter_context(idle_reader(server, path, kind))
        exec_id = exec_id or server.start_run(source)
        until = time.monotonic() + 3
        while time.monotonic() < until or not (folder / "there").exists():
            most = max(most, process.memory_info().rss - before)
            time.sleep(0.02)
        assert server.get(f"/{UNKNOWN_ID}").status_code == 404
    (folder / "go").touch()
    assert server.wait_until_final(exec_id)["status"] == "completed"
    server.delete(f"/{exec_id}")
    limit = 200 if kind == "changes" else 40  # there are some copies of that on the way into the model
    assert most < limit * MEBIBYTE, f"{most / MEBIBYTE:.0f} MiB"


@pytest.mark.parametrize("kind", ["lines", "server-sent events", "HTTP/1.0"])
@pytest.mark.parametrize("moment", ["while it runs", "afterwards"])
def test_a_large_event_comes_whole_and_in_one_piece(server: Server, folder: Path, kind: str, moment: str) -> None:
    source = write_notebook(folder / "a.ipynb", "print('ä' * 3_000_000)", "print('y' * 100_000)", UNTIL_GO)
    exec_id = server.start_run(source)
    wait_for(lambda: server.model(exec_id)["progress"] == "3/3", 60)
    if moment == "afterwards":
        (folder / "go").touch()
        server.wait_until_final(exec_id)
    with idle_reader(server, f"/{exec_id}/events", kind) as sock:
        (folder / "go").touch()
        received = b"".join(iter(lambda: sock.recv(1 << 20), b"")) if kind == "HTTP/1.0" else _until_last_chunk(sock)
    text = received.decode("ascii")
    lines = [line.partition("data: ")[2] if "server-sent" in kind else line for line in text.splitlines()]
    told = [json.loads(line) for line in lines if line.startswith("{")]
    printed = [event["cell"]["outputs"][0]["text"] for event in told if event["event"] == "end" and
               event["cell"]["outputs"]]
    assert [event["seq"] for event in told][-1] == 8
    assert [len(text) for text in printed] == [3_000_001, 100_001]
    server.wait_until_final(exec_id)


def _until_last_chunk(sock: socket.socket) -> bytes:
    """Return what comes, without the frames of the chunks; each but the empty ones is one event."""
    file = sock.makefile("rb")
    while file.readline().strip():  # what is left of the head
        pass
    chunks = []
    while True:
        size = int(file.readline(), 16)
        chunk = file.read(size)
        assert file.read(2) == b"\r\n"
        if not size:
            return b"".join(chunks)
        assert chunk.count(b'"event": ') <= 1 and chunk.endswith(b"\n")
        chunks.append(chunk)


# -- what the log must not have -------------------------------------------------------------------


def spellings(secret: str) -> List[str]:
    """Return how a secret may stand in a URL."""
    once = "".join(f"%{byte:02x}" for byte in secret.encode())
    return [secret, once, quote(once, safe=""), secret[:5] + once[15:], once.upper().replace("%", "%25")]


def has(text: str, secret: str) -> bool:
    for _ in range(5):
        if secret in text:
            return True
        text = requests.utils.unquote(text)
    return False


@pytest.mark.parametrize("kind", ["server token", "page token"])
def test_no_secret_is_in_any_line_of_the_log(based_server: Server, kind: str) -> None:
    server = based_server
    header = {"Authorization": f"token {TOKEN}"}
    page_token = requests.post(f"{server.url}nbexec/token", headers=header, timeout=60).json()["token"]
    secret = TOKEN if kind == "server token" else page_token
    for spelled in spellings(secret):
        for path in (f"api/executions/{spelled}", f"api/executions?x={spelled}", f"api/executions?token%3D{spelled}",
                     f"api/executions?a=token%3D{spelled}%26b", f"api/executions?token={spelled}",
                     f"api/executions?%74oken={spelled}", f"nbexec/token?{spelled}", f"nbexec/token/{spelled}",
                     f"nbextensions/nbexec/{spelled}", f"files/{spelled}", f"api/contents/{spelled}?content=%FF",
                     f"api/kernels/{spelled}", f"login?next={spelled}", f"no/such/{spelled}", f"tree?a={spelled}"):
            for method in ("GET", "POST", "FOO"):
                requests.request(method, server.url + path, timeout=60, allow_redirects=False)
        referer = {"Referer": f"{server.url}tree?a={spelled}", "User-Agent": spelled}
        requests.get(f"{server.url}api/kernels/{spelled}", headers={**referer, **header}, timeout=60)
        requests.get(server.api, headers=referer, timeout=60)
        server.get("/parameters", params={"notebook": spelled})
        server.raw(f"GET /{spelled} HTTP/9.9\r\n\r\n".encode())
    last = str(uuid.uuid4())
    server.get(f"/{last}")
    wait_for(lambda: last in server.log)
    lines = server.log[server.log.index("is running at"):].splitlines()
    assert [line for line in lines if has(line, secret)] == []
    assert sum("[secret]" in line for line in lines) > 50


class ServerWithoutConfiguredToken(Server):
    """It makes a token by itself, and has to tell it."""

    def start(self) -> None:
        self._options = [option for option in self._options if not option.startswith("--NotebookApp.token")]
        super().start()


def test_the_server_still_tells_its_owner_how_to_log_in(tmp_path: Path) -> None:
    server = ServerWithoutConfiguredToken(tmp_path)
    try:
        (token,) = set(re.findall(r"token=([0-9a-f]{48})", server.log))
        requests.get(f"{server.url}no/such/{token}", timeout=60)
        wait_for(lambda: "no/such" in server.log)
        assert token not in server.log[server.log.index("no/such"):]
        assert requests.get(server.api, headers={"Authorization": f"token {token}"}, timeout=60).status_code == 200
    finally:
        server.stop()


def test_no_control_character_of_a_stranger_is_in_the_log(based_server: Server) -> None:
    server = based_server
    marks = [f"mark{number}" for number in range(4)]
    for mark, text in zip(marks, ("\x9b31m", "\x85", "\x7f", "\x90")):
        server.raw(b"GET /some/base/api/executions/%b HTTP/1.0\r\nReferer: %b\r\n\r\n"
                   % ((mark + text).encode("latin-1"), text.encode("latin-1")))
        server.raw(b"GET /no/such/%b HTTP/1.0\r\nReferer: %b\r\n\r\n"
                   % ((mark + text).encode("latin-1"), text.encode("latin-1")))
        server.get("/parameters", params={"notebook": mark + text + "\x1b[2J"})
    wait_for(lambda: all(mark in server.log for mark in marks))
    assert re.findall("[\0-\x08\x0b-\x1a\x1c-\x1f\x7f-\x9f]", server.log) == []
    assert "\x1b[2J" not in server.log


# -- pages of other origins -----------------------------------------------------------------------


@pytest.fixture(scope="module")
def logged_in(based_server: Server) -> requests.Session:
    session = requests.Session()
    session.get(f"{based_server.url}login", timeout=60)
    data = {"password": PASSWORD, "_xsrf": session.cookies["_xsrf"]}
    session.post(f"{based_server.url}login", data=data, timeout=60)
    session.headers["X-XSRFToken"] = session.cookies["_xsrf"]
    return session


@pytest.mark.parametrize("origin", [
    "https://good.example.com.evil.org", "https://good.example.com:443.evil.org", "https://good.example.community",
    "https://good.example.com/", "https://good.example.com@evil.org", "xhttps://good.example.com",
    "https://" + "a" * 500 + ".example.com"])
def test_a_pattern_of_origins_is_for_the_whole_origin(based_server: Server, logged_in: requests.Session,
                                                      origin: str) -> None:
    wants = {"Origin": origin, "Access-Control-Request-Method": "GET"}
    for answer, status in ((based_server.get(headers={"Origin": origin}), 200),
                           (requests.options(based_server.api, headers=wants, timeout=60), 401),
                           (logged_in.post(f"{based_server.url}nbexec/token", headers=wants, timeout=60), 404)):
        assert answer.status_code == status
        assert "Access-Control-Allow-Origin" not in answer.headers


def test_an_origin_that_the_pattern_means_is_let_in(based_server: Server, logged_in: requests.Session) -> None:
    wants = {"Origin": "https://good.example.com", "Access-Control-Request-Method": "GET"}
    for answer, status in ((based_server.get(headers=wants), 200),
                           (requests.options(based_server.api, headers=wants, timeout=60), 204),
                           (logged_in.post(f"{based_server.url}nbexec/token", headers=wants, timeout=60), 200)):
        assert answer.status_code == status
        assert answer.headers["Access-Control-Allow-Origin"] == "https://good.example.com"


# -- who has done what ----------------------------------------------------------------------------


def audited(server: Server, exec_id: str) -> List[Dict[str, Any]]:
    lines = [json.loads(line.split("audit ", 1)[1]) for line in server.log.splitlines() if "] audit {" in line]
    return [line for line in lines if exec_id in (line.get("exec_id"), *line.get("exec_ids", []))]


def test_the_log_tells_who_has_started_stopped_and_deleted_what(based_server: Server) -> None:
    server = based_server
    write_notebook(server.root / "a.ipynb", "# nbexec: params\nx = 1", "import time; time.sleep(60)")
    header = {"Authorization": f"token {TOKEN}"}
    page_token = requests.post(f"{server.url}nbexec/token", headers=header, timeout=60).json()["token"]
    page = {"Authorization": f"token {page_token}"}
    forwarded = {"X-Forwarded-For": "10.1.2.3, 10.4.5.6", **page}
    started = requests.post(server.api, data={"notebook": "a.ipynb", "x": "424242"}, headers=forwarded, timeout=60)
    exec_id = started.json()["execution"]["exec_id"]
    server.post(f"/{exec_id}", action="shutdown")
    server.delete(f"/{exec_id}", headers={"X-Real-Ip": "10.7.8.9"})
    last = server.start_run("a.ipynb", x="424242")
    server.delete()
    wait_for(lambda: len(audited(server, last)) == 2)
    start, stop, delete = audited(server, exec_id)
    assert start == {"action": "start", "address": "10.4.5.6", "credential": "page token", "exec_id": exec_id,
                     "path": "a.ipynb"}
    assert stop == {"action": "shutdown", "address": "127.0.0.1", "credential": "server token", "exec_id": exec_id}
    assert (delete["action"], delete["address"]) == ("delete", "10.7.8.9")
    assert [line["action"] for line in audited(server, last)] == ["start", "delete"]
    assert "424242" not in server.log


def test_an_address_is_not_believed_without_a_proxy(server: Server, folder: Path) -> None:
    exec_id = server.start_run(write_notebook(folder / "a.ipynb", "1"))
    server.delete(f"/{exec_id}", headers={"X-Forwarded-For": "10.1.2.3", "X-Real-Ip": "10.1.2.3"})
    wait_for(lambda: len(audited(server, exec_id)) == 2)
    assert {line["address"] for line in audited(server, exec_id)} == {"127.0.0.1"}


def test_who_was_refused_has_done_nothing(server: Server) -> None:
    exec_id = str(uuid.uuid4())
    server.delete(f"/{exec_id}")
    server.post(f"/{exec_id}", action="shutdown")
    server.post(notebook="missing.ipynb")
    requests.delete(server.api, timeout=60)
    last = str(uuid.uuid4())
    server.get(f"/{last}")
    wait_for(lambda: last in server.log)
    assert audited(server, exec_id) == []
    assert "missing.ipynb" not in "".join(line for line in server.log.splitlines() if "] audit " in line)
