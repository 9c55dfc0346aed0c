"""What the processes of an execution start with: no secret of the server, and no code that lies about."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, Callable, Iterator, List

import pytest
from helpers import EARLY, ORDINARY, Server, add_kernel, text_of, wait_for, write_notebook

NAMES = ["JUPYTER_TOKEN", "JUPYTER_GATEWAY_AUTH_TOKEN", "NBEXEC_TOKEN", "JUPYTERHUB_API_TOKEN", "JUPYTERHUB_CRYPT_KEY",
         "JUPYTERHUB_COOKIE_SECRET", "JPY_API_TOKEN", "JPY_COOKIE_SECRET", "CONFIGPROXY_AUTH_TOKEN"]
SECRETS = {name: f"a secret in {name}" for name in NAMES}
SEEN = """
import os
pid, found = os.getpid(), [value for value in os.environ.values() if 'a secret' in value]
while pid != %d:
    with open(f'/proc/{pid}/environ') as file:
        found += [(pid, variable) for variable in file.read().split(chr(0)) if 'a secret' in variable]
    with open(f'/proc/{pid}/stat') as file:
        pid = int(file.read().rpartition(')')[2].split()[1])
print(found)
"""
HOSTILE = """
import os
with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), 'was-here'), 'a') as file, \\
     open('/proc/self/cmdline') as command:
    file.write(command.read().replace(chr(0), ' ').replace(chr(10), ' ') + chr(10))
"""
# What Python and the programs of nbexec import first.
COMMON = ["json", "socket", "types", "linecache", "tokenize", "re", "os", "functools", "select", "zmq", "ipykernel",
          "ipykernel_launcher", "IPython", "traitlets", "tornado", "psutil", "nbformat", "nbconvert", "nbexec"]


def printed(server: Server, source: Path, **data: Any) -> List[str]:
    events = server.run(source, **data)
    assert events[-1]["event"] == "notebook_complete", events[-1]
    return [text_of(event["cell"]).strip() for event in events if event["event"] == "end"]


@pytest.fixture(scope="module", params=[True, False], ids=["fork server", "no fork server"])
def secretive(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("secretive"), f"--NbExec.fork_server={request.param}", environment=SECRETS)
    yield server
    server.stop()


def start_with_other(server: Server, python: str) -> None:
    """Give the server a kernel of another interpreter, and its fork server time to come up."""
    add_kernel(server, "other", [python, *ORDINARY[1:]])
    server.run(write_notebook(server.root / "first.ipynb", "1"), jupyter_kernel="other")
    if "--NbExec.fork_server=False" not in " ".join(server._options):
        wait_for(lambda: "There is a fork server for" in server.log, 60, "the fork server")


def test_no_process_of_an_execution_has_a_secret_of_the_server(secretive: Server, other_python: str) -> None:
    add_kernel(secretive, "early", ORDINARY, env=EARLY)
    start_with_other(secretive, other_python)
    source = write_notebook(secretive.root / "seen.ipynb", SEEN % secretive.process.pid)
    for kernel in ("python3", "python3", "early", "other", "other"):
        assert printed(secretive, source, jupyter_kernel=kernel) == ["[]"], kernel


def test_variables_are_passed_on_if_the_owner_says_so(new_server: Callable[..., Server]) -> None:
    server = new_server("--NbExec.pass_variables=JUPYTERHUB_API_TOKEN", environment=SECRETS)
    code = f"import os; print([name for name in {NAMES} if name in os.environ])"
    assert printed(server, write_notebook(server.root / "a.ipynb", code)) == ["['JUPYTERHUB_API_TOKEN']"]


def victims(folder: Path) -> List[str]:
    """Return the commands of the processes that have run what lies in a folder."""
    file = folder / "was-here"
    return file.read_text().splitlines() if file.exists() else []


@pytest.mark.parametrize("safe_path", ["", "1"])
def test_modules_in_the_directory_of_the_server_are_not_imported(
        new_server: Callable[..., Server], other_python: str, safe_path: str) -> None:
    server = new_server("--NbExec.max_forks=1", environment={"PYTHONSAFEPATH": safe_path}, module="notebook")
    for name in COMMON:
        (server.folder / f"{name}.py").write_text(HOSTILE)
    start_with_other(server, other_python)
    source = write_notebook(server.root / "a.ipynb", "print(1)")
    for kernel in ("python3", "python3", "other"):
        assert printed(server, source, jupyter_kernel=kernel) == ["1"]
    # The server itself was started with "-m", which means just that.
    assert [command for command in victims(server.folder) if " -m notebook " not in command] == []


def test_doctor_imports_nothing_from_where_it_is_called(
        new_server: Callable[..., Server], other_python: str, tmp_path: Path) -> None:
    server = new_server()
    add_kernel(server, "other", [other_python, *ORDINARY[1:]])
    for name in COMMON:
        (tmp_path / f"{name}.py").write_text(HOSTILE)
    found = subprocess.run(
        [str(Path(sys.executable).parent / "nbexec"), "doctor"], cwd=tmp_path, text=True, capture_output=True,
        env={**os.environ, "JUPYTER_DATA_DIR": str(server.folder / "data")})
    assert f"kernel other: forked by a fork server of {other_python}" in found.stdout
    assert victims(tmp_path) == []


@pytest.mark.parametrize("path", ["lib", "lib:", ":lib"])
def test_the_path_of_imports_is_that_of_an_ordinary_kernel(new_server: Callable[..., Server], path: str) -> None:
    """Relative entries are meant from where a kernel starts, which is the folder of the notebook."""
    server = new_server(environment={"PYTHONPATH": path})
    add_kernel(server, "early", ORDINARY, env=EARLY)
    folder = server.root / "somewhere"
    (folder / "lib").mkdir(parents=True)
    (folder / "lib" / "in_lib.py").write_text("value = 42")
    code = "import in_lib, json, sys\nprint(json.dumps([in_lib.value, sys.path]))"
    source = write_notebook(folder / "a.ipynb", code)
    found = [json.loads(printed(server, source, jupyter_kernel=kernel)[0]) for kernel in ("python3", "early")]
    assert found[0] == found[1]
    assert found[0][0] == 42


def test_what_children_print_is_kept_without_a_port(new_server: Callable[..., Server]) -> None:
    """Much of it, from several at once, and from pools: a socket of our own takes it in."""
    server = new_server()
    code = ("import multiprocessing, os\ndef say(number):\n    print('x' * 1000 + f' {number}\\n', end='')\n"
            "with multiprocessing.get_context('fork').Pool(4) as pool:\n    pool.map(say, range(400), 1)\n"
            "    pool.close()\n    pool.join()")
    lines = printed(server, write_notebook(server.root / "a.ipynb", code))[0].splitlines()
    assert sorted(lines) == sorted(f"{'x' * 1000} {number}" for number in range(400))
