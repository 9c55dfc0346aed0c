"""Real proxies in front of a server, with the configurations of docs/proxies.rst."""

from __future__ import annotations

import getpass
import glob
import json
import shutil
import signal
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Callable, Dict, Iterator, List, NamedTuple

import pytest
import requests
from helpers import STREAM, TOKEN, TREE, Server, free_port, wait_for, write_notebook

EXAMPLES = TREE / "examples" / "proxies"
HEADERS = {"Authorization": f"token {TOKEN}"}
WAIT = "import os, time\nwhile not os.path.exists('seen'): time.sleep(0.01)"
COMPRESSING = """
    compression algo gzip
    compression type application/json application/x-ndjson text/event-stream
"""
CADDY = ["run", "--adapter", "caddyfile", "--config"]
ALONE = "{\n\tadmin off\n\tauto_https off\n}\n"


class Proxy(NamedTuple):
    """How to start a proxy: its program, its arguments, and what its configuration needs besides."""

    program: str
    arguments: List[str]
    file: str
    complete: Callable[[str, Path], str] = lambda text, folder: text


def apache(text: str, folder: Path) -> str:
    modules = glob.glob("/usr/lib/apache2/modules") + glob.glob("/usr/lib*/httpd/modules")
    names = ("mpm_event", "authz_core", "proxy", "proxy_http", "env")
    lines = [f"LoadModule {name}_module {modules[0]}/mod_{name}.so" for name in names] if modules else []
    return "\n".join([f"ServerRoot {folder}", "ServerName localhost", f"PidFile {folder}/pid",
                      f"ErrorLog {folder}/errors", *lines, text])


PROXIES: Dict[str, Proxy] = {
    "nginx": Proxy("nginx", ["-g", "daemon off;", "-c"], "nginx.conf", lambda text, folder: (
        f"user {getpass.getuser()}; pid {folder}/pid; error_log {folder}/errors;\nevents {{}}\n"
        f"http {{ access_log off; client_body_temp_path {folder}/body; proxy_temp_path {folder}/temp;\n{text}\n}}")),
    "haproxy": Proxy("haproxy", ["-f"], "haproxy.cfg"),
    "haproxy that compresses": Proxy("haproxy", ["-f"], "haproxy.cfg", lambda text, folder: text.replace(
        "    option http-no-delay", f"{COMPRESSING}    option http-no-delay")),
    "caddy": Proxy("caddy", CADDY, "Caddyfile", lambda text, folder: ALONE + text),
    "caddy that compresses": Proxy("caddy", CADDY, "Caddyfile", lambda text, folder: (
        ALONE + text.replace(":8080 {", ":8080 {\n\tencode gzip"))),
    "apache": Proxy("apache2", ["-X", "-f"], "apache.conf", apache),
}


@pytest.fixture(scope="module")
def behind(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("behind"), base_url="/jupyter/")
    yield server
    server.stop()


@pytest.fixture(params=list(PROXIES))
def api(behind: Server, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[str]:
    """Start a proxy in front of the server; return the URL of the API there."""
    proxy, port = PROXIES[request.param], free_port()
    program = shutil.which(proxy.program, path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")
    if program is None:
        pytest.skip(f"no {proxy.program}: apt-get install {proxy.program}")
    text = (EXAMPLES / proxy.file).read_text("utf-8")
    text = proxy.complete(text, tmp_path).replace("8888", str(behind.port)).replace("8080", str(port))
    file = tmp_path / proxy.file
    file.write_text(text)
    with open(tmp_path / "log", "wb") as log:
        process = subprocess.Popen([program, *proxy.arguments, str(file)], stdout=log, stderr=log, cwd=tmp_path)
    url = f"http://127.0.0.1:{port}/jupyter/api/executions"

    def answers() -> bool:
        assert process.poll() is None, (tmp_path / "log").read_text()
        try:
            return requests.get(url, timeout=10).status_code == 401
        except requests.RequestException:
            return False

    try:
        wait_for(answers, 30, "the proxy to start")
        yield url
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


def test_events_come_as_they_happen(api: str, behind: Server) -> None:
    """The notebook waits until the event of its first cell has been seen."""
    folder = behind.root / str(time.monotonic_ns())
    folder.mkdir()
    write_notebook(folder / "a.ipynb", WAIT, "print('x' * 200)", "1")
    headers = {**HEADERS, **STREAM, "Accept-Encoding": "gzip"}
    seen = []
    with requests.post(api, data={"notebook": f"{folder.name}/a.ipynb"}, headers=headers, stream=True,
                       timeout=60) as response:
        assert response.status_code == 202
        assert "Content-Encoding" not in response.headers
        for line in response.iter_lines(chunk_size=None):
            seen.append(json.loads(line)["event"])
            if seen == ["notebook_start", "start"]:
                (folder / "seen").touch()
    assert seen == ["notebook_start", *["start", "end"] * 3, "notebook_complete"]


@pytest.mark.parametrize("size", [1_500_000, 8_000_000])
@pytest.mark.parametrize("content_type", ["application/json", "application/x-www-form-urlencoded"])
@pytest.mark.parametrize("status, headers", [(413, HEADERS), (401, {})], ids=["413", "401"])
def test_a_body_that_is_refused_does_not_look_like_a_fault(api: str, size: int, content_type: str, status: int,
                                                          headers: Dict[str, str]) -> None:
    body = b"a" * size

    def post(_: int) -> int:
        answer = requests.post(api, data=body, headers={**headers, "Content-Type": content_type}, timeout=60)
        assert answer.headers["Content-Type"] == "application/json"
        return answer.status_code

    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(post, range(12))) == {status}
