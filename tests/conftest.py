"""One notebook server for all tests that do not need one of their own: a start takes seconds."""

from __future__ import annotations

import gc
import inspect
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any, Callable, Generator, Iterator, List

import pytest

# fixtures of the tests of the pages
from browser import (  # noqa: F401
    browsing,
    chromium,
    new_page,
    page,
    picture,
    shared_page,
    ui_folder,
    ui_server,
    watch,
)
from command import cli  # noqa: F401
from coroutines import run
from dask_cluster import DaskCluster, DaskServer
from encryption import certificates, encrypted  # noqa: F401
from helpers import EARLY, ORDINARY, STREAM, Server, add_kernel

for _number in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP):
    # Whoever starts the tests in the background may have had them ignored, and what is started here would too.
    if signal.getsignal(_number) is signal.SIG_IGN:
        signal.signal(_number, signal.default_int_handler if _number == signal.SIGINT else signal.SIG_DFL)


LONGEST = ["test_races.py", "test_tutorial.py", "test_random.py", "test_openapi.py"]
_FAILED = pytest.StashKey[bool]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--minutes", type=float, default=0.0,
                     help="how long the test of random requests and faults goes on; half a minute without it")
    parser.addoption("--engine", choices=["local", "dask"], default="local",
                     help="where the notebooks of the tests of a shared server run: here, or on a Dask cluster")
    parser.addoption("--screenshots", action="store_true", help="take the pictures of the documentation anew")


def pytest_collection_modifyitems(items: List[pytest.Item]) -> None:
    """Begin with the files whose tests take longest, so that no worker is left with one of them at the end."""
    items.sort(key=lambda item: item.path.name not in LONGEST)


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> None:
    """Run a test that is a coroutine function on an event loop of its own."""
    function = pyfuncitem.obj
    if inspect.iscoroutinefunction(function):
        pyfuncitem.obj = lambda **arguments: run(function(**arguments))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Generator[None, Any, Any]:
    """Note whether a test failed; let a report be sent by pytest-xdist if it has half of a surrogate pair in it."""
    report = yield
    item.stash[_FAILED] = item.stash.get(_FAILED, False) or report.failed
    report.sections = [(name, _sendable(text)) for name, text in report.sections]
    text = "" if report.longrepr is None else str(report.longrepr)
    if _sendable(text) != text:
        report.longrepr = _sendable(text)
    return report


def _sendable(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


@pytest.fixture(autouse=True)
def _where_it_applies(request: pytest.FixtureRequest) -> None:
    """Skip tests of what there is on the machine of the server only if notebooks run on a cluster, and vice versa."""
    engine = request.config.getoption("--engine")
    if request.node.get_closest_marker("local") and engine != "local":
        pytest.skip("about processes on the machine of the server")
    if request.node.get_closest_marker("cluster") and engine != "dask":
        pytest.skip("takes long; run pytest --engine=dask")


@pytest.fixture()
def no_collection() -> Iterator[None]:
    """Collect garbage before the test and not in it.

    For a test that nests values until a parser gives up: what is collected there can call nothing any more, and fails.
    """
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("server")
    if pytestconfig.getoption("--engine") == "local":
        server = Server(folder, module="notebook")
        yield server
        server.stop()
        return
    cluster = DaskCluster(folder / "dask")
    cluster.start_scheduler()
    cluster.start_worker("alice", 8)
    server = DaskServer(cluster, folder, module="notebook")
    yield server
    server.stop()
    cluster.stop()


@pytest.fixture()
def folder(server: Server, request: pytest.FixtureRequest) -> Iterator[Path]:
    """An empty folder below the root of the server, named after the test.

    What a test that has failed leaves running is ended, so that the next ones do not fail by it.
    """
    number = sum(1 for _ in server.root.iterdir())  # two names may be alike once they are cut
    folder = server.root / f"{re.sub(r'[^a-zA-Z0-9]+', '_', request.node.name)[:60]}_{number}"
    folder.mkdir()
    yield folder
    if request.node.stash[_FAILED]:
        server.delete(headers=STREAM)


@pytest.fixture(scope="session")
def ordinary_kernel(server: Server) -> str:
    """The name of a kernel like the default one which cannot be forked, but has to be started in the ordinary way."""
    return add_kernel(server, "ordinary", ORDINARY, env=EARLY)


@pytest.fixture()
def new_server(tmp_path: Path) -> Iterator[Callable[..., Server]]:
    """Start servers of the test's own; they are stopped, if they still run, at its end."""
    servers = []

    def start(*args: str, **kwargs: object) -> Server:
        server = Server(tmp_path / f"server{len(servers)}", *args, **kwargs)
        servers.append(server)
        return server

    yield start
    for server in servers:
        if server.process.poll() is None:
            server.stop()


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Server]]:
    """Start servers for several tests of a file; they are stopped after the last."""
    servers = []

    def start(name: str, *options: str, **kwargs: Any) -> Server:
        servers.append(Server(tmp_path_factory.mktemp(name), *options, **kwargs))
        return servers[-1]

    yield start
    for server in servers:
        server.stop()


@pytest.fixture(scope="module")
def other_python(tmp_path_factory: pytest.TempPathFactory) -> str:
    """An interpreter that is not the one of the server, and has the same packages."""
    folder = tmp_path_factory.mktemp("environment") / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    code = "import sysconfig; print(sysconfig.get_paths()['purelib'])"
    program = folder / "bin" / "python"
    theirs = subprocess.run([str(program), "-c", code], check=True, capture_output=True, text=True).stdout.strip()
    ours = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    (Path(theirs) / "ours.pth").write_text(ours)
    return str(program)
