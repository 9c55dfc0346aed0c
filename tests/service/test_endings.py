"""How executions end, and that nothing of them is left."""

from __future__ import annotations

import gzip
import json
import os
import pty
import re
import signal
import threading
import time
from pathlib import Path
from typing import Callable, Dict, Iterator, List, NamedTuple

import psutil
import pytest
import requests
from helpers import PIDS, STREAM, Server, alive, begin, in_time, names, slowness, text_of, wait_for, write_notebook
from nbformat import v4

SO_FAR = "print('so far', flush=True)\n"
READY = "open('ready', 'w').close()\n"
SLEEP = "import time; time.sleep(600)"
WAIT = "import os, time\nwhile not os.path.exists('go'): time.sleep(0.02)"
STUBBORN = """
import signal, time
for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
    signal.signal(number, signal.SIG_IGN)
open('ready', 'w').close()
while True:
    try:
        time.sleep(600)
    except BaseException:
        pass
"""
# A child and a grandchild; both again, deaf to signals and in a session of their own; an orphan, a daemon.
FAMILY = """
import json, os, subprocess
def start(command, **options):
    child = subprocess.Popen(['sh', '-c', command], stdout=subprocess.PIPE, text=True, **options)
    return [child.pid, int(child.stdout.readline())]
family = (start('sleep 600 & echo $!; wait')
          + start('trap "" TERM INT HUP; sleep 600 & echo $!; wait', start_new_session=True)
          + start('sleep 600 & echo $!')[1:]
          + start('sleep 600 & echo $!', start_new_session=True)[1:])
for pid in family:
    os.kill(pid, 0)
with open('family.tmp', 'w') as file:
    json.dump(family, file)
os.rename('family.tmp', 'family')
"""


def ready(folder: Path, name: str = "ready") -> None:
    """Wait until a notebook says by a file that it has come so far."""
    wait_for((folder / name).exists, 60, f"the notebook to make the file {name}")


def family(folder: Path) -> List[int]:
    ready(folder, "family")
    pids = json.loads((folder / "family").read_text())
    assert len(pids) == 6
    return list(pids)


def all_gone(pids: List[int], timeout: float = 30) -> None:
    wait_for(lambda: not any(map(alive, pids)), timeout, "processes to be gone")


def shut_down(server: Server, exec_id: str, **headers: str) -> requests.Response:
    return server.request("POST", f"/{exec_id}", data={"action": "shutdown"}, headers=headers)


def output_text(server: Server, path: str, index: int) -> str:
    return text_of(server.output(path).cells[index])


# -- cell_timeout ---------------------------------------------------------------------------------


def test_cell_timeout_ends_the_execution(server: Server, folder: Path) -> None:
    source = write_notebook(folder / "a.ipynb", "print(1)", SO_FAR + SLEEP, "print(3)")
    events = server.run(source, cell_timeout=2)
    assert names(events) == ["notebook_start", "start", "end", "start", "end", "notebook_error"]
    error = events[-1]
    assert "cell_timeout (2 seconds" in error["error"] and "cell 2/3" in error["error"]
    assert error["execution"]["status"] == "error: " + error["error"]
    assert 2 <= error["timestamp"] - events[3]["timestamp"] < 2 + 3 * slowness(server)
    assert output_text(server, error["output_path"], 0) == "1\n"
    assert output_text(server, error["output_path"], 1) == "so far\n"
    server.wait_until_quiet()


@pytest.mark.parametrize("cell", [
    "import time\nwhile True:\n    try: time.sleep(600)\n    except KeyboardInterrupt: pass",
    "import re; re.match('(a+)+$', 'a' * 60 + 'b')",
    STUBBORN.replace("time.sleep(600)", "__import__('ctypes').PyDLL(None).sleep(600)"),
    "import os, signal; os.kill(os.getpid(), signal.SIGSTOP)",
], ids=["swallows-interrupt", "regular-expression", "deaf-with-gil", "stopped"])
def test_cell_timeout_of_a_stubborn_cell(server: Server, folder: Path, cell: str) -> None:
    begun = begin(server, folder, cell, cell_timeout=2)
    started = time.monotonic()
    error = list(begun.events)[-1]
    took = time.monotonic() - started
    assert in_time(server, took, 6)
    assert "cell 2/2 took longer than cell_timeout" in error["error"]
    assert output_text(server, begun.output, 0).split() == [str(begun.kernel), str(begun.runner)]
    all_gone([begun.kernel, begun.runner])


def test_cell_timeout_may_be_longer_than_a_float(server: Server, folder: Path) -> None:
    events = server.run(write_notebook(folder / "a.ipynb", "print(1)"), cell_timeout=10**400)
    assert events[-1]["event"] == "notebook_complete"
    assert events[-1]["execution"]["cell_timeout"] == 10**400


def test_cell_timeout_counts_for_each_cell_anew(server: Server, folder: Path) -> None:
    cell = "import time; time.sleep(2.1)"
    events = server.run(write_notebook(folder / "a.ipynb", cell, cell), cell_timeout=4)
    assert events[-1]["timestamp"] - events[0]["timestamp"] > 4
    assert events[-1]["event"] == "notebook_complete"


# -- the kernel dies ------------------------------------------------------------------------------


@pytest.mark.parametrize("death, how", [
    ("import os; os._exit(3)", "exit code 3"),
    ("import os; os.kill(os.getpid(), 9)", "SIGKILL"),
    ("import os, signal; os.kill(os.getpid(), signal.SIGTERM); time.sleep(600)", "SIGTERM"),
    ("import ctypes; ctypes.string_at(0)", "SIGSEGV"),
    ("import os; os.abort()", "SIGABRT"),
], ids=["exit", "sigkill", "sigterm", "segfault", "abort"])
def test_death_of_the_kernel_is_an_error(server: Server, folder: Path, death: str, how: str) -> None:
    dying = f"{SO_FAR}import time; time.sleep(0.5)\nopen('ready', 'w').close()\n{death}"
    events = server.run(write_notebook(folder / "a.ipynb", "print(1)", dying, "print(3)"))
    assert names(events) == ["notebook_start", "start", "end", "start", "end", "notebook_error"]
    error = events[-1]
    assert re.search(f"kernel died .*{how}.* cell 2/3", error["error"])
    assert error["execution"]["status"] == "error: " + error["error"]
    assert error["timestamp"] - (folder / "ready").stat().st_mtime < 3 * slowness(server)
    assert output_text(server, error["output_path"], 0) == "1\n"
    assert output_text(server, error["output_path"], 1) == "so far\n"
    server.wait_until_quiet()


def test_kernel_killed_from_outside(server: Server, folder: Path) -> None:
    begun = begin(server, folder, SO_FAR + "import time; time.sleep(0.5)\n" + READY + SLEEP)
    ready(folder)
    killed = time.monotonic()
    os.kill(begun.kernel, signal.SIGKILL)
    error = list(begun.events)[-1]
    took = time.monotonic() - killed
    assert in_time(server, took, 3)
    assert re.search("kernel died .*SIGKILL.* cell 2/2", error["error"])
    assert output_text(server, begun.output, 1) == "so far\n"


def test_kernel_that_dies_between_cells(server: Server, folder: Path) -> None:
    dying = "import os\nget_ipython().kernel.io_loop.call_later(0, os._exit, 7)"
    events = server.run(write_notebook(folder / "a.ipynb", "print(1)", dying, SLEEP))
    assert re.search("kernel died .*exit code 7.* cell [23]/3", events[-1]["error"])
    assert output_text(server, events[-1]["output_path"], 0) == "1\n"


def test_kernel_that_was_stopped_is_noticed_when_killed(server: Server, folder: Path) -> None:
    begun = begin(server, folder, SLEEP)
    os.kill(begun.kernel, signal.SIGSTOP)
    wait_for(lambda: psutil.Process(begun.kernel).status() == psutil.STATUS_STOPPED)
    os.kill(begun.kernel, signal.SIGKILL)
    assert "kernel died" in list(begun.events)[-1]["error"]


def test_exit_in_the_last_cell_completes(server: Server, folder: Path) -> None:
    source = write_notebook(folder / "a.ipynb", "print(1)", SO_FAR + "exit()", v4.new_markdown_cell("The end."))
    events = server.run(source)
    assert events[-1]["event"] == "notebook_complete"
    assert output_text(server, events[-1]["execution"]["output_path"], 1) == "so far\n"
    server.wait_until_quiet()


def test_exit_before_the_last_cell_ends_the_notebook_well(server: Server, folder: Path) -> None:
    farewell = "import atexit; atexit.register(lambda: open('ready', 'w').close())"
    events = server.run(write_notebook(folder / "a.ipynb", farewell, SO_FAR + "exit()", "print(3)"))
    assert names(events) == ["notebook_start", "start", "end", "start", "end", "notebook_complete"]
    assert events[-1]["exited"] is True and events[-1]["execution"]["progress"] == "2/3"
    assert output_text(server, events[-1]["execution"]["output_path"], 1) == "so far\n"
    ready(folder)


# -- the runner or the fork server dies -----------------------------------------------------------


@pytest.mark.parametrize("fork_server", [True, False])
def test_the_error_names_the_signal_that_killed_the_runner(new_server: Callable[..., Server],
                                                           fork_server: bool) -> None:
    server = new_server(f"--NbExec.fork_server={fork_server}")
    for number in (signal.SIGKILL, signal.SIGSEGV, signal.SIGABRT):
        begun = begin(server, server.root, SLEEP)
        os.kill(begun.runner, number)
        last = list(begun.events)[-1]
        assert last["error"] == f"the runner process died: killed by signal {int(number)}, {number.name}"
        rebuilt = server.output(last["output_path"])
        assert text_of(rebuilt.cells[0]).split() == [str(begun.kernel), str(begun.runner)]
        assert rebuilt.cells[1].outputs == [] and "start_time" in rebuilt.cells[1].metadata.nbexec
        assert rebuilt.metadata.nbexec.partial and rebuilt.metadata.kernelspec.name == "python3"


def test_killed_runner_leaves_an_error_and_no_process(server: Server, folder: Path) -> None:
    begun = begin(server, folder, FAMILY + SLEEP)
    below = family(folder)
    os.kill(begun.runner, signal.SIGKILL)
    error = list(begun.events)[-1]
    assert error["event"] == "notebook_error" and "died" in error["error"]
    assert server.model(begun.exec_id)["status"] == "error: " + error["error"]
    all_gone([begun.kernel, *below])
    wait_for(lambda: not list(server.temporary.glob("nbexec-*/*[0-9]")), 10, "its folder to be gone")
    assert server.run(write_notebook(folder / "b.ipynb", "1"))[-1]["event"] == "notebook_complete"


def test_killed_fork_server_is_replaced(new_server: Callable[..., Server]) -> None:
    server = new_server()
    begun = begin(server, server.root, SO_FAR + WAIT, "print('still here')")
    fork_server = server.fork_server()
    fork_server.kill()
    wait_for(lambda: not alive(fork_server.pid))
    next_run = server.run(write_notebook(server.root / "b.ipynb", "print(1)"))
    assert next_run[-1]["event"] == "notebook_complete"
    assert alive(begun.kernel) and alive(begun.runner)
    (server.root / "go").touch()
    assert list(begun.events)[-1]["event"] == "notebook_complete"
    assert output_text(server, begun.output, 2) == "still here\n"
    all_gone([begun.kernel, begun.runner])
    new_fork_server = next(child for child in psutil.Process(server.process.pid).children() if alive(child.pid))
    server.stop(signal.SIGKILL)
    all_gone([new_fork_server.pid])
    assert list(server.temporary.glob("nbexec-*")) == []


# -- shutdown -------------------------------------------------------------------------------------


def test_shutdown_ends_the_execution(server: Server, folder: Path) -> None:
    begun = begin(server, folder, SO_FAR + READY + SLEEP, "print(3)")
    ready(folder)
    response = shut_down(server, begun.exec_id)
    assert (response.status_code, response.json()["execution"]["exec_id"]) == (202, begun.exec_id)
    final = server.wait_until_final(begun.exec_id)
    assert re.match("error: .*shut down", final["status"])
    assert final["output_path"] == begun.output
    assert list(begun.events)[-1]["execution"] == final
    assert output_text(server, begun.output, 0).split() == [str(begun.kernel), str(begun.runner)]
    assert output_text(server, begun.output, 1) == "so far\n"
    all_gone([begun.kernel, begun.runner])


@pytest.mark.parametrize("cell", [SLEEP, STUBBORN], ids=["obedient", "stubborn"])
def test_chunked_shutdown_waits_for_the_kernel(server: Server, folder: Path, cell: str) -> None:
    begun = begin(server, folder, READY + cell)
    ready(folder)
    response = shut_down(server, begun.exec_id, **STREAM)
    assert not alive(begun.kernel)
    assert response.status_code == 202
    assert response.json() == {"execution": server.model(begun.exec_id)}
    assert "shut down" in response.json()["execution"]["status"]


@pytest.mark.parametrize("cell, status", [("1", "completed"), ("1 / 0", "error: An error occurred")],
                         ids=["completed", "failed"])
def test_shutdown_of_a_finished_execution(server: Server, folder: Path, cell: str, status: str) -> None:
    final = server.run(write_notebook(folder / "a.ipynb", cell))[-1]["execution"]
    assert final["status"].startswith(status)
    assert shut_down(server, final["exec_id"]).status_code == 202
    response = shut_down(server, final["exec_id"], **STREAM)
    assert (response.status_code, response.json()) == (202, {"execution": final})
    assert server.model(final["exec_id"]) == final


def test_shutdown_of_a_completed_execution_waits_for_its_kernel(server: Server, folder: Path) -> None:
    slow = f"import atexit, time\natexit.register(time.sleep, 600)\n{PIDS}"
    *_, end, complete = server.run(write_notebook(folder / "a.ipynb", slow))
    kernel = int(text_of(end["cell"]).split()[0])
    assert alive(kernel)
    response = shut_down(server, complete["exec_id"], **STREAM)
    assert not alive(kernel)
    assert response.json() == {"execution": complete["execution"]}


def test_shutdown_while_the_kernel_starts(server: Server, folder: Path, ordinary_kernel: str) -> None:
    exec_id = server.start_run(write_notebook(folder / "a.ipynb", READY), jupyter_kernel=ordinary_kernel)
    model = shut_down(server, exec_id, **STREAM).json()["execution"]
    assert "shut down" in model["status"]
    server.wait_until_quiet()
    assert not (folder / "ready").exists()
    assert server.output(model["output_path"]).cells[0]["outputs"] == []


@pytest.mark.parametrize("data", [{}, {"action": ""}, {"action": "restart"}])
def test_shutdown_is_the_only_action(server: Server, folder: Path, data: Dict[str, str]) -> None:
    exec_id = server.run(write_notebook(folder / "a.ipynb", "1"))[-1]["exec_id"]
    response = server.post(f"/{exec_id}", **data)
    assert response.status_code == 400
    assert "action" in response.json()["message"] and "shutdown" in response.json()["message"]


def test_unknown_ids_are_not_found(server: Server, folder: Path) -> None:
    for exec_id in ("7ad17453-f9d0-4a7d-8f5b-c9f5022ad6ad", "no-uuid", "%2e%2e", "%FF"):
        assert server.get(f"/{exec_id}").status_code == 404
        assert server.delete(f"/{exec_id}").status_code == 404
        assert shut_down(server, exec_id).status_code == 404
        assert shut_down(server, exec_id, **STREAM).status_code == 404


# -- delete ---------------------------------------------------------------------------------------


def test_deleted_execution_is_gone_at_once(server: Server, folder: Path) -> None:
    """While its runner stands still, and with it all that goes on below."""
    begun = begin(server, folder, SLEEP)
    os.kill(begun.runner, signal.SIGSTOP)
    response = server.delete(f"/{begun.exec_id}")
    assert (response.status_code, response.content) == (202, b"")
    assert alive(begun.kernel)
    assert server.get(f"/{begun.exec_id}").status_code == 404
    assert begun.exec_id not in [model["exec_id"] for model in server.get().json()["executions"]]
    assert server.delete(f"/{begun.exec_id}").status_code == 404
    assert shut_down(server, begun.exec_id).status_code == 404
    os.kill(begun.runner, signal.SIGCONT)
    all_gone([begun.kernel, begun.runner])
    assert server.get(f"/{begun.exec_id}").status_code == 404


def test_deleted_execution_writes_its_output_and_ends_its_stream(server: Server, folder: Path) -> None:
    begun = begin(server, folder, SO_FAR + READY + SLEEP)
    ready(folder)
    response = server.delete(f"/{begun.exec_id}", headers=STREAM)
    assert not alive(begun.kernel)
    assert (response.status_code, response.content) == (202, b"")
    error = list(begun.events)[-1]
    assert error["event"] == "notebook_error" and "deleted" in error["error"]
    assert error["output_path"] == begun.output
    assert output_text(server, begun.output, 1) == "so far\n"


def test_delete_of_a_finished_execution(server: Server, folder: Path) -> None:
    final = server.run(write_notebook(folder / "a.ipynb", "print(1)"))[-1]["execution"]
    assert server.delete(f"/{final['exec_id']}").status_code == 202
    assert server.get(f"/{final['exec_id']}").status_code == 404
    assert output_text(server, final["output_path"], 0) == "1\n"


def test_delete_waits_for_the_kernel_of_a_completed_execution(server: Server, folder: Path) -> None:
    slow = f"import atexit, time\natexit.register(time.sleep, 600)\n{PIDS}"
    *_, end, complete = server.run(write_notebook(folder / "a.ipynb", slow))
    kernel = int(text_of(end["cell"]).split()[0])
    assert alive(kernel)
    assert server.delete(f"/{complete['exec_id']}", headers=STREAM).status_code == 202
    assert not alive(kernel)


def test_delete_all(server: Server, folder: Path) -> None:
    server.run(write_notebook(folder / "done.ipynb", "1"))
    begun = []
    for name in ("obedient", "stubborn"):
        (folder / name).mkdir()
        begun.append(begin(server, folder / name, SO_FAR + READY + (STUBBORN if name == "stubborn" else SLEEP)))
        ready(folder / name)
    response = server.delete(headers=STREAM)
    assert not any(alive(run.kernel) for run in begun)
    assert (response.status_code, response.content) == (202, b"")
    assert server.get().json() == {"executions": []}
    for run in begun:
        assert list(run.events)[-1]["event"] == "notebook_error"
        assert output_text(server, run.output, 1) == "so far\n"
    server.wait_until_quiet()


def test_delete_all_without_waiting(server: Server, folder: Path) -> None:
    begun = begin(server, folder, SLEEP)
    os.kill(begun.runner, signal.SIGSTOP)
    assert server.delete().status_code == 202
    assert server.get().json() == {"executions": []}
    assert alive(begun.kernel)
    os.kill(begun.runner, signal.SIGCONT)
    server.wait_until_quiet()
    assert server.get().json() == {"executions": []}


@pytest.mark.local
def test_delete_all_does_not_miss_one_that_is_starting(server: Server, folder: Path) -> None:
    source = write_notebook(folder / "a.ipynb", READY)
    path = source.relative_to(server.root).as_posix()
    answers: List[requests.Response] = []
    posts = [threading.Thread(target=lambda: answers.append(server.post(notebook=path))) for _ in range(5)]
    process = psutil.Process(server.process.pid)
    server.run(source)
    (folder / "ready").unlink()
    server.wait_until_quiet()
    server.delete()
    before = len(process.net_connections("unix"))
    os.kill(server.fork_server().pid, signal.SIGSTOP)
    try:
        for post in posts:
            post.start()
        # Each has a pipe whose other end waits for the fork server.
        wait_for(lambda: len(process.net_connections("unix")) == before + len(posts), what="the requests to be there")
        assert server.delete().status_code == 202
        assert answers == []
    finally:
        os.kill(server.fork_server().pid, signal.SIGCONT)
    for post in posts:
        post.join(60)
    events = [answer.json() for answer in answers]
    assert [answer.status_code for answer in answers] == [202] * len(posts)
    assert all(event["event"] == "notebook_error" and "deleted" in event["error"] for event in events)
    assert server.get().json() == {"executions": []}
    server.wait_until_quiet()
    assert not (folder / "ready").exists()


def test_delete_kills_a_runner_that_does_not_react(server: Server, folder: Path) -> None:
    begun = begin(server, folder, FAMILY + SLEEP)
    below = family(folder)
    os.kill(begun.runner, signal.SIGSTOP)
    assert server.delete(f"/{begun.exec_id}", headers=STREAM).status_code == 202
    all_gone([begun.runner, begun.kernel])
    assert list(begun.events)[-1]["event"] == "notebook_error"
    all_gone(below)


# -- the kernel ends gracefully -------------------------------------------------------------------


@pytest.mark.parametrize("how", ["forked", "ordinary"])
@pytest.mark.parametrize("last", ["1", "1 / 0"], ids=["completed", "failed"])
def test_kernel_ends_gracefully(server: Server, folder: Path, ordinary_kernel: str, how: str, last: str) -> None:
    data = {"jupyter_kernel": ordinary_kernel} if how == "ordinary" else {}
    source = write_notebook(folder / "a.ipynb", """
import atexit
def farewell():
    with open('farewell', 'w') as file:
        file.write('bye')
atexit.register(farewell)
left_open = open('left_open', 'w')
left_open.write('flushed')
import subprocess
child = subprocess.Popen(['sleep', '600'])
""", "open('left_open').read()", last)
    events = server.run(source, **data)
    assert events[-1]["event"] == ("notebook_complete" if last == "1" else "notebook_error")
    assert events[4]["cell"]["outputs"][0]["data"]["text/plain"] == "''"
    server.wait_until_quiet(8)  # sooner than it would be killed
    assert (folder / "farewell").read_text() == "bye"
    assert (folder / "left_open").read_text() == "flushed"


AT_THE_END = """
import ctypes, gzip, library, tempfile
library.compressed = gzip.open('compressed.gz', 'wt')
library.compressed.write('flushed')
class Last:
    def __init__(self, name):
        self.name = name
        self.myself = self if name == 'cycle' else None
    def __del__(self):
        with open(self.name, 'w') as file:
            file.write('bye')
last, cycle = Last('global'), Last('cycle')
Last('result')
""", """
scratch = tempfile.NamedTemporaryFile(dir='.', prefix='scratch')
libc = ctypes.CDLL(None)
libc.fopen.restype = ctypes.c_void_p
libc.fputs(b'flushed', ctypes.c_void_p(libc.fopen(b'by_c', b'w')))
import threading
threading.Thread(target=lambda: (threading.main_thread().join(), open('thread', 'w').close())).start()
"""


@pytest.mark.parametrize("how", ["forked", "ordinary"])
def test_the_end_of_a_kernel_is_that_of_any_python_program(server: Server, folder: Path, ordinary_kernel: str,
                                                           how: str) -> None:
    data = {"jupyter_kernel": ordinary_kernel} if how == "ordinary" else {}
    (folder / "library.py").write_text("compressed = None")
    source = write_notebook(folder / "a.ipynb", *AT_THE_END)
    assert server.run(source, **data)[-1]["event"] == "notebook_complete"
    server.wait_until_quiet()
    files = {path.name for path in folder.iterdir()} - {"library.py", "__pycache__", "a.ipynb", "a-Executed1.ipynb"}
    assert files == {"compressed.gz", "global", "cycle", "result", "by_c", "thread"}
    assert gzip.open(folder / "compressed.gz", "rt").read() == "flushed"
    assert (folder / "by_c").read_text() == "flushed"
    assert (folder / "global").read_text() == "bye"


def test_complete_does_not_wait_for_the_kernel_to_end(server: Server, folder: Path) -> None:
    source = write_notebook(folder / "a.ipynb", f"""
import atexit
@atexit.register
def farewell():
    open('ready', 'w').close()
    {WAIT.replace(chr(10), chr(10) + "    ")}
    open('done', 'w').close()
""")
    assert server.run(source)[-1]["event"] == "notebook_complete"
    ready(folder)
    assert not (folder / "done").exists()
    (folder / "go").touch()
    ready(folder, "done")
    server.wait_until_quiet()


@pytest.fixture(scope="module")
def impatient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("impatient"), "--NbExec.shutdown_timeout=0.5",
                    "--NotebookApp.shutdown_no_activity_timeout=6")
    yield server
    server.stop()


def test_kernel_that_takes_too_long_to_end_is_killed(impatient: Server) -> None:
    slow = f"import atexit, time\natexit.register(time.sleep, 600)\n{PIDS}"
    *_, end, complete = impatient.run(write_notebook(impatient.root / "a.ipynb", slow))
    kernel, runner = map(int, text_of(end["cell"]).split())
    all_gone([kernel, runner])
    assert impatient.model(complete["exec_id"]) == complete["execution"]


def test_a_run_is_activity(impatient: Server) -> None:
    def last_activity() -> str:
        status = requests.get(f"{impatient.url}api/status?token={impatient.token}", timeout=10)
        return str(status.json()["last_activity"])

    exec_id = impatient.start_run(write_notebook(impatient.root / "b.ipynb", SLEEP))
    first = last_activity()
    second = wait_for(lambda: max(last_activity(), first) != first and last_activity(), 20, "activity")
    wait_for(lambda: last_activity() > second, 20, "more activity")
    shut_down(impatient, exec_id, **STREAM)


# -- input ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("cell", ["input()", "import getpass; getpass.getpass()"])
def test_asking_for_input_is_an_error_in_the_cell(server: Server, folder: Path, cell: str) -> None:
    events = server.run(write_notebook(folder / "a.ipynb", "print(1)", cell, "print(3)"))
    assert names(events) == ["notebook_start", "start", "end", "start", "end", "notebook_error"]
    assert events[-1]["ename"] == "StdinNotImplementedError"
    assert events[4]["cell"]["outputs"][0]["ename"] == "StdinNotImplementedError"
    assert events[4]["cell"]["metadata"]["nbexec"]["duration"] < 10


def test_stdin_is_empty(server: Server, folder: Path) -> None:
    cells = ["import sys; print(repr(sys.stdin.read()))", "import subprocess; subprocess.run('cat', check=True)"]
    events = server.run(write_notebook(folder / "a.ipynb", *cells))
    assert events[-1]["event"] == "notebook_complete"
    assert text_of(events[2]["cell"]) == "''\n"


# -- nothing is left ------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["complete", "fail", "time-out", "die", "exit", "shutdown", "delete", "ordinary"])
def test_no_child_of_a_notebook_is_left(server: Server, folder: Path, ordinary_kernel: str, how: str) -> None:
    last = {"complete": "1", "ordinary": "1", "fail": "1 / 0", "die": "import os; os._exit(1)", "exit": "exit()"}
    data = {"time-out": {"cell_timeout": "3"}, "ordinary": {"jupyter_kernel": ordinary_kernel}}.get(how, {})
    begun = begin(server, folder, FAMILY, last.get(how, SLEEP), **data)
    below = family(folder)
    if how == "shutdown":
        shut_down(server, begun.exec_id)
    elif how == "delete":
        server.delete(f"/{begun.exec_id}")
    event = list(begun.events)[-1]
    completes = how in ("complete", "ordinary", "exit")
    assert event["event"] == ("notebook_complete" if completes else "notebook_error")
    all_gone([begun.kernel, begun.runner, *below])
    server.wait_until_quiet()


def test_server_does_not_grow(server: Server, folder: Path) -> None:
    good = write_notebook(folder / "good.ipynb", "print(1)")
    bad = write_notebook(folder / "bad.ipynb", "1 / 0")
    (folder / "broken.ipynb").write_text("{")
    process, fork_server = psutil.Process(server.process.pid), server.fork_server()

    def run(times: int) -> None:
        for _ in range(times):
            server.run(good)
            server.run(bad)
            server.post(notebook=f"{folder.name}/broken.ipynb")
            shut_down(server, server.start_run(good), **STREAM)
            assert server.post(notebook=f"{folder.name}/good.ipynb", jupyter_kernel="none").status_code == 400
        server.wait_until_quiet()
        server.delete()

    def used() -> List[int]:
        return [process.num_fds(), process.num_threads(), fork_server.num_fds(), fork_server.num_threads()]

    run(2)
    before = used()
    run(12)
    wait_for(lambda: all(now <= then for now, then in zip(used(), before)), 10, f"{used()} to be {before} again")


# -- the server ends ------------------------------------------------------------------------------


class PlainServer(Server):
    """A server without nbexec."""

    def start(self) -> None:
        # It may be enabled where the tests run, so leaving the option out does not do.
        self._options = [option.replace("'nbexec': True", "'nbexec': False") for option in self._options]
        super().start()

    def _answers(self) -> bool:
        assert self.process.poll() is None, self.log
        try:
            return requests.get(self.api, timeout=10).status_code == 404
        except requests.RequestException:
            return False


@pytest.fixture()
def plain_server(tmp_path: Path) -> Iterator[Server]:
    server = PlainServer(tmp_path / "plain")
    yield server
    if server.process.poll() is None:
        server.stop()


class Busy(NamedTuple):
    pids: List[int]
    outputs: List[str]


def make_busy(server: Server) -> Busy:
    """Let four executions run, among them one with children, one that is stubborn and one that only has yet to end."""
    cells = {"family": FAMILY + READY + SLEEP, "stubborn": STUBBORN, "sleeper": READY + SLEEP}
    pids = [server.fork_server().pid]
    for name, cell in cells.items():
        (server.root / name).mkdir()
        begun = begin(server, server.root / name, SO_FAR + "import time; time.sleep(0.3)\n" + cell)
        pids += [begun.kernel, begun.runner]
        ready(server.root / name)
    slow = f"import atexit, time\natexit.register(time.sleep, 600)\n{PIDS}"
    end = server.run(write_notebook(server.root / "slow.ipynb", slow))[-2]
    pids += [int(pid) for pid in text_of(end["cell"]).split()] + family(server.root / "family")
    assert all(map(alive, pids))
    return Busy(pids, [f"{name}/a-Executed1.ipynb" for name in cells])


def check_nothing_is_left(server: Server, busy: Busy) -> None:
    all_gone(busy.pids, 10)
    for output in busy.outputs:
        assert output_text(server, output, 1) == "so far\n"
    assert list(server.temporary.glob("nbexec-*")) == []
    assert list(server.root.rglob(".nbexec*")) == []


def handled_signals(server: Server) -> Dict[str, str]:
    """Return the masks of the signals that a process blocks, ignores and catches."""
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    return dict(re.findall(r"(Sig(?:Blk|Ign|Cgt)):\s*(\w+)", status))


def last_words(server: Server) -> List[str]:
    """Return what the log says from the signal on, without the times."""
    lines = [re.sub(r"\d\d:\d\d:\d\d\.\d+ ", "", line) for line in server.log.splitlines()]
    return lines[next(number for number, line in enumerate(lines) if "received signal" in line):]


def test_sigterm_ends_server_and_executions(new_server: Callable[..., Server], plain_server: Server) -> None:
    server = new_server()
    busy = make_busy(server)
    assert handled_signals(server) == handled_signals(plain_server)
    code = server.stop()
    check_nothing_is_left(server, busy)
    assert plain_server.stop() == code
    assert last_words(server) == last_words(plain_server)


def test_two_sigints_end_server_and_executions(new_server: Callable[..., Server]) -> None:
    terminal, stdin = pty.openpty()
    server = new_server(stdin=stdin)
    busy = make_busy(server)
    server.process.send_signal(signal.SIGINT)
    wait_for(lambda: "interrupted" in server.log)
    assert all(map(alive, busy.pids))
    assert server.stop(signal.SIGINT) == 0
    check_nothing_is_left(server, busy)
    os.close(terminal)
    os.close(stdin)


def test_killed_server_leaves_nothing(new_server: Callable[..., Server]) -> None:
    server = new_server()
    busy = make_busy(server)
    server.stop(signal.SIGKILL)
    check_nothing_is_left(server, busy)


def test_killed_server_without_fork_server_leaves_nothing(new_server: Callable[..., Server]) -> None:
    server = new_server("--NbExec.fork_server=False")
    begun = begin(server, server.root, SO_FAR + FAMILY + SLEEP)
    pids = [begun.kernel, begun.runner, *family(server.root)]
    server.stop(signal.SIGKILL)
    check_nothing_is_left(server, Busy(pids, [begun.output]))


def test_runners_are_not_in_the_session_of_the_server(server: Server, folder: Path) -> None:
    begun = begin(server, folder, SLEEP)
    sessions = {os.getsid(pid) for pid in (server.fork_server().pid, begun.runner, begun.kernel)}
    assert os.getsid(server.process.pid) not in sessions
    shut_down(server, begun.exec_id, **STREAM)
