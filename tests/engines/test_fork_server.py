"""What starts executions fast: the fork server, spares and preloaded modules; and that nobody can tell."""

from __future__ import annotations

import json
import os
import shutil
import signal
import stat
import sys
import threading
import time
from pathlib import Path
from typing import Any, Callable, Dict, List

import psutil
import pytest
from helpers import (
    EARLY,
    ORDINARY,
    STREAM,
    TREE,
    Server,
    add_kernel,
    alive,
    names,
    spares_of,
    text_of,
    wait_for,
    write_notebook,
)

PIDS = "import os; print(os.getpid(), os.getppid(), flush=True)"


def run_of(events: List[Dict[str, Any]]) -> List[int]:
    """Return the pids of kernel and runner from the events of a notebook that prints them."""
    assert events[-1]["event"] == "notebook_complete", events[-1]
    return [int(pid) for pid in text_of(next(e for e in events if e["event"] == "end")["cell"]).split()]


@pytest.fixture(scope="module")
def spare_server(tmp_path_factory: pytest.TempPathFactory) -> Any:
    server = Server(tmp_path_factory.mktemp("spares"), "--NbExec.spares=2", "--NbExec.spare_age=7200", spares=True)
    yield server
    server.stop()


def test_a_spare_is_used_once_and_made_again(spare_server: Server) -> None:
    source = write_notebook(spare_server.root / "pids.ipynb", PIDS)
    before = {runner.pid for runner in spares_of(spare_server, 2)}
    kernel, runner = run_of(spare_server.run(source))
    assert runner in before
    wait_for(lambda: not alive(runner), what="the runner to go")
    after = {runner.pid for runner in spares_of(spare_server, 2)}
    assert runner not in after
    assert len(before & after) == 1
    assert not alive(kernel)


def test_a_look_into_a_notebook_takes_no_spare(spare_server: Server) -> None:
    source = write_notebook(spare_server.root / "looked-at.ipynb", PIDS)
    before = {runner.pid for runner in spares_of(spare_server, 2)}
    for _ in range(2):
        answer = spare_server.get("/parameters", params={"notebook": source.name})
        assert answer.json() == {"parameters": []}
    wait_for(lambda: len(spare_server.fork_server().children()) == 2, what="the runners that looked to go")
    assert {runner.pid for runner in spares_of(spare_server, 2)} == before


SEEN = """
import os, sys, random, uuid, tempfile, json
print(json.dumps({
    "cwd": os.getcwd(), "path": sys.path, "argv": len(sys.argv), "modules": "numpy" in sys.modules,
    "environment": {k: len(v) if k == "NBEXEC_EXEC_ID" else v for k, v in sorted(os.environ.items())
                    if k not in ("JPY_PARENT_PID",)},
    "dh": list(map(str, _dh)), "starting_dir": get_ipython().starting_dir, "count": get_ipython().execution_count,
    "main": __name__, "startup": globals().get("startup_cwd"), "names": sorted(n for n in dir() if n[0] != "_"),
}))
"""


def test_executions_do_not_take_over_the_niceness_of_their_server_twice(new_server: Callable[..., Server]) -> None:
    server = new_server()
    server.stop()
    (server.config_dir / "jupyter_notebook_config.py").write_text("import os\nos.nice(7)\n")
    server.start()
    code = "import os; print(os.nice(0), open('/proc/self/autogroup').read().split()[-1])"
    source = write_notebook(server.root / "nice.ipynb", code)
    add_kernel(server, "other", ORDINARY, env={"OF_THE_SPEC": "yes"})
    add_kernel(server, "early", ORDINARY, env=EARLY)
    for kernel in ("python3", "early", "other", "other"):  # forked, started, and the last forked elsewhere
        assert text_of(server.run(source, jupyter_kernel=kernel)[2]["cell"]) == "12 5\n", kernel
        if kernel == "other":
            wait_for(lambda: "There is a fork server for" in server.log, 60, "the fork server")


def test_a_notebook_cannot_tell_a_spare_from_a_fresh_start(spare_server: Server) -> None:
    startup = spare_server.folder / "ipython" / "profile_default" / "startup"
    startup.mkdir(parents=True, exist_ok=True)
    (startup / "10.py").write_text("import os\nstartup_cwd = os.getcwd()\n")
    folder = spare_server.root / "somewhere"
    folder.mkdir()
    source = write_notebook(folder / "seen.ipynb", SEEN)
    spares_of(spare_server, 2)
    seen = [json.loads(text_of(spare_server.run(source)[2]["cell"])) for _ in range(4)]  # two spares, two without
    assert seen[0] == seen[1] == seen[2] == seen[3]
    assert seen[0]["cwd"] == seen[0]["starting_dir"] == seen[0]["startup"] == seen[0]["dh"][0] == str(folder)
    (startup / "10.py").unlink()


def test_spares_differ_in_what_is_random(spare_server: Server) -> None:
    code = "import random, uuid, secrets, tempfile\nprint(random.random(), uuid.uuid4(), tempfile.mktemp())"
    source = write_notebook(spare_server.root / "random.ipynb", code)
    spares_of(spare_server, 2)
    values = [text_of(spare_server.run(source)[2]["cell"]) for _ in range(4)]
    assert len(set(values)) == 4


def test_a_kernelspec_may_name_the_folder_for_temporary_files(spare_server: Server) -> None:
    folder = spare_server.folder / "scratch"
    folder.mkdir()
    kernel = add_kernel(spare_server, "scratch", ORDINARY, env={"TMPDIR": str(folder)})
    source = write_notebook(spare_server.root / "scratch.ipynb", "import tempfile; print(tempfile.gettempdir())")
    spares_of(spare_server, 2)
    assert text_of(spare_server.run(source, jupyter_kernel=kernel)[2]["cell"]) == f"{folder}\n"
    assert "scratch: kept ready" in spare_server.log


def test_a_spare_of_no_use_is_replaced_by_an_ordinary_kernel(spare_server: Server) -> None:
    directory = spare_server.folder / "data" / "kernels" / "early"
    directory.mkdir(parents=True, exist_ok=True)
    spec = {"argv": [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"], "display_name": "Early",
            "language": "python", "env": {"PYTHONHASHSEED": "7"}}
    (directory / "kernel.json").write_text(json.dumps(spec))
    source = write_notebook(spare_server.root / "early.ipynb", "print(hash('x'))")
    spares_of(spare_server, 2)
    texts = {text_of(spare_server.run(source, jupyter_kernel="early")[2]["cell"]) for _ in range(2)}
    assert len(texts) == 1


def test_killed_spares_do_no_harm(spare_server: Server) -> None:
    source = write_notebook(spare_server.root / "after.ipynb", PIDS)
    runners = spares_of(spare_server, 2)
    kernels = [kernel for runner in runners for kernel in runner.children()]
    runners[0].kill()
    kernels[1].kill()
    wait_for(lambda: not any(alive(process.pid) for process in runners + kernels), what="the spares to go")
    run_of(spare_server.run(source))
    spares_of(spare_server, 2)


def test_the_fork_server_is_started_again_when_it_dies(spare_server: Server) -> None:
    source = write_notebook(spare_server.root / "again.ipynb", PIDS)
    spares_of(spare_server, 2)
    old = spare_server.fork_server().pid
    os.kill(old, signal.SIGKILL)
    wait_for(lambda: not alive(old), what="the fork server to die")
    run_of(spare_server.run(source))
    assert spare_server.fork_server().pid != old
    spares_of(spare_server, 2)


def test_executions_about_to_start_survive_the_death_of_the_fork_server(spare_server: Server) -> None:
    """They wait in the socket of the fork server, which is gone with it."""
    source = write_notebook(spare_server.root / "waiting.ipynb", PIDS)
    spares_of(spare_server, 2)
    stopped = spare_server.fork_server()
    stopped.suspend()
    exec_ids: List[str] = []
    threads = [threading.Thread(target=lambda: exec_ids.append(spare_server.start_run(source))) for _ in range(4)]
    for thread in threads:
        thread.start()
    time.sleep(1)
    assert len(exec_ids) < 4  # spares are taken, and the others wait
    stopped.kill()
    for thread in threads:
        thread.join()
    assert {spare_server.wait_until_final(exec_id)["status"] for exec_id in exec_ids} == {"completed"}
    assert len(exec_ids) == 4
    spares_of(spare_server, 2)


def test_installed_packages_are_seen_by_the_next_execution(spare_server: Server) -> None:
    """The fork server has an older one loaded, so another has to take its place."""
    import traitlets

    packages = Path(traitlets.__file__).parent.parent
    spares_of(spare_server, 2)
    old = spare_server.fork_server().pid
    marker = packages / "nbexec_test_marker.py"
    try:
        marker.write_text("value = 42\n")
        source = write_notebook(spare_server.root / "marker.ipynb", "import nbexec_test_marker as m; print(m.value)")
        events = spare_server.run(source)
        assert text_of(events[2]["cell"]) == "42\n"
        wait_for(lambda: not alive(old), what="the old fork server to go")
    finally:
        marker.unlink()


def test_a_running_execution_outlives_its_fork_server(new_server: Callable[..., Server]) -> None:
    server = new_server("--NbExec.max_forks=2")
    wait = "import os, time\nwhile not os.path.exists('go'):\n    time.sleep(0.05)"
    exec_id = server.start_run(write_notebook(server.root / "long.ipynb", wait))
    quick = write_notebook(server.root / "quick.ipynb", PIDS)
    first = server.fork_server().pid
    for _ in range(3):
        run_of(server.run(quick))
    assert len(psutil.Process(server.process.pid).children()) >= 2
    assert alive(first)
    (server.root / "go").touch()
    assert server.wait_until_final(exec_id)["status"] == "completed"
    wait_for(lambda: not alive(first), what="the retired fork server to go")


def test_the_folder_of_a_retired_fork_server_stays_the_users_own(new_server: Callable[..., Server]) -> None:
    """Another fork server uses it; made anew by a name that is known, it would not be safe."""
    server = new_server("--NbExec.max_forks=1")
    source = write_notebook(server.root / "pids.ipynb", PIDS)
    [place] = server.temporary.glob("nbexec-*")
    known = place.stat()
    first = server.fork_server().pid
    for _ in range(4):
        run_of(server.run(source))
        wait_for(lambda: len(psutil.Process(server.process.pid).children()) == 1, what="the retired fork server to go")
        assert [path.stat().st_ino for path in server.temporary.glob("nbexec-*")] == [known.st_ino]
    assert not alive(first)
    shutil.rmtree(place)  # as those do who clean up in /tmp
    run_of(server.run(source))
    [place] = server.temporary.glob("nbexec-*")
    assert stat.S_IMODE(place.stat().st_mode) == 0o700
    server.stop()
    assert list(server.temporary.glob("nbexec-*")) == []


def test_executions_leave_the_processor_to_the_server(new_server: Callable[..., Server]) -> None:
    code = "import os; print(os.nice(0), open('/proc/self/autogroup').read().split()[-1])"
    for niceness in (5, 11):
        options = [] if niceness == 5 else [f"--NbExec.niceness={niceness}"]  # 5 is the default
        server = new_server(*options)
        source = write_notebook(server.root / "nice.ipynb", code)
        assert text_of(server.run(source)[2]["cell"]) == f"{niceness} {niceness}\n"
        assert psutil.Process(server.process.pid).nice() == 0
        server.stop()


# -- preloading ------------------------------------------------------------------------------------


# A module that wants to know, when it is imported, where it is, and asks in all the ways that are usual.
ASKS = """
import builtins, os, sys
from IPython import get_ipython
shell = get_ipython()
seen = [type(shell).__name__, type(shell).__module__, 'IPKernelApp' in shell.config, hasattr(shell, 'kernel'),
        hasattr(builtins, '__IPYTHON__'), hasattr(builtins, 'get_ipython'), hasattr(builtins, 'display'),
        sys.stdout.isatty(), sys.stderr.isatty(), os.path.basename(sys.argv[0]), sys.argv[1], hasattr(sys, 'ps1'),
        sys.modules['__main__'].__name__, hasattr(sys.modules['__main__'], '__file__'), os.environ['MPLBACKEND'],
        os.environ['TERM'], 'JPY_PARENT_PID' in os.environ,
        shell.user_ns['__name__'], shell.colors, 'nbconvert' in sys.modules]
calls = []
shell.events.register('post_run_cell', lambda result: calls.append(result.result))
class Shown:
    pass
shell.display_formatter.formatters['text/html'].for_type(Shown, lambda shown: '<b>shown</b>')
shell.register_magic_function(lambda line: line.upper(), magic_name='shout')
"""


@pytest.fixture(scope="module")
def preloading(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("preloading")
    modules = folder / "modules"
    modules.mkdir()
    (modules / "starts_threads.py").write_text(
        "import threading, time\nthreading.Thread(target=time.sleep, args=[1000], daemon=True).start()\n")
    (modules / "is_broken.py").write_text("raise RuntimeError('out of order')\n")
    (modules / "ends_it_all.py").write_text("import os\nos._exit(3)\n")
    (modules / "editable.py").write_text("value = 1\n")
    (modules / "asks.py").write_text(ASKS)
    names = ["numpy", "pandas", "matplotlib.pyplot", "matplotlib_inline.backend_inline", "starts_threads", "is_broken",
             "ends_it_all", "no_such_module", "editable", "asks"]
    server = Server(folder / "server", *[f"--NbExec.preload_modules={name}" for name in names], spares=True,
                    environment={"PYTHONPATH": os.pathsep.join([str(modules), os.environ.get("PYTHONPATH", "")])})
    yield server
    server.stop()


def test_modules_are_there_from_the_start(preloading: Server) -> None:
    code = "import sys; print({'numpy', 'pandas', 'matplotlib.pyplot', 'editable'} - set(sys.modules))"
    source = write_notebook(preloading.root / "there.ipynb", code)
    assert text_of(preloading.run(source)[2]["cell"]) == "set()\n", preloading.log


def test_what_cannot_be_preloaded_is_named_in_the_log(preloading: Server) -> None:
    wait_for(lambda: "Preloaded " in preloading.log, 60, "the report")
    for name, reason in (("starts_threads", "starts threads"), ("is_broken", "out of order"),
                         ("ends_it_all", "ends the process"), ("no_such_module", "No module named")):
        line = next(line for line in preloading.log.splitlines() if f"Module {name} is not preloaded" in line)
        assert reason in line


def test_random_numbers_of_numpy_differ(preloading: Server) -> None:
    source = write_notebook(preloading.root / "numpy.ipynb", "import numpy; print(numpy.random.rand())")
    assert len({text_of(preloading.run(source)[2]["cell"]) for _ in range(4)}) == 4


def test_figures_are_shown(preloading: Server) -> None:
    source = write_notebook(preloading.root / "figure.ipynb", "import matplotlib.pyplot as plt; plt.plot([1, 2])")
    for _ in range(2):
        outputs = preloading.run(source)[2]["cell"]["outputs"]
        assert any("image/png" in output.get("data", {}) for output in outputs)


CHOICES = """
import asks, json, matplotlib, matplotlib.pyplot as plt, matplotlib_inline.backend_inline, numpy, pandas
from pandas._config import config
print(json.dumps([asks.seen, asks.shell is get_ipython(), pandas.get_option('display.max_columns'),
      {name: repr(pandas.get_option(name)) for name in config._registered_options},
      {name: repr(value) for name, value in numpy.get_printoptions().items()},
      {name: repr(value) for name, value in matplotlib.rcParams.items()},
      matplotlib.get_backend(), plt.isinteractive(),
      {name: [callback.__qualname__ for callback in callbacks]
       for name, callbacks in get_ipython().events.callbacks.items()},
      {kind: sorted(map(str, [*formatter.type_printers, *formatter.deferred_printers]))
       for kind, formatter in get_ipython().display_formatter.formatters.items()}]))
"""


def test_a_preloaded_module_sees_what_it_would_see_in_an_ordinary_kernel(preloading: Server) -> None:
    """Where it asks once, it decides for good how things are shown."""
    add_kernel(preloading, "not_preloaded", ORDINARY, env=EARLY)
    cells = [CHOICES, "asks.Shown()", "print(asks.calls[-1], get_ipython().run_line_magic('shout', 'now'))",
             "pandas.DataFrame([range(40)])"]
    source = write_notebook(preloading.root / "choices.ipynb", *cells)

    def seen(kernel: str) -> List[Any]:
        cells = [event["cell"] for event in preloading.run(source, jupyter_kernel=kernel) if event["event"] == "end"]
        assert "<b>shown</b>" in str(cells[1]["outputs"])
        return [json.loads(text_of(cells[0])), text_of(cells[2]).split()[-1], cells[3]["outputs"]]

    ordinary = seen("not_preloaded")
    assert ordinary[0][0][0] == "ZMQInteractiveShell" and ordinary[0][2] == 20
    spares_of(preloading, 1)
    assert seen("python3") == ordinary
    assert seen("python3") == ordinary


def test_settings_of_matplotlib_beside_the_notebook_hold(preloading: Server) -> None:
    folder = preloading.root / "with_settings"
    folder.mkdir()
    (folder / "matplotlibrc").write_text("lines.linewidth: 17\nbackend: svg\n")
    code = "import matplotlib; print(matplotlib.rcParams['lines.linewidth'], matplotlib.get_backend())"
    source = write_notebook(folder / "a.ipynb", code)
    add_kernel(preloading, "not_preloaded", ORDINARY, env=EARLY)
    found = [text_of(preloading.run(source, jupyter_kernel=name)[2]["cell"]) for name in ("python3", "not_preloaded")]
    assert found[0] == found[1] and found[0].startswith("17.0 ")


def test_a_changed_module_is_seen_by_the_next_execution(preloading: Server) -> None:
    source = write_notebook(preloading.root / "editable.ipynb", "import editable; print(editable.value)")
    assert text_of(preloading.run(source)[2]["cell"]) == "1\n"
    module = preloading.folder.parent / "modules" / "editable.py"
    module.write_text("value = 2222\n")
    os.utime(module, (time.time() + 5, time.time() + 5))
    assert text_of(preloading.run(source)[2]["cell"]) == "2222\n"


def test_multiprocessing_and_blas_work(preloading: Server) -> None:
    code = ("import multiprocessing, numpy\nwith multiprocessing.get_context('fork').Pool(2) as pool:\n"
            "    print(pool.map(abs, [-1, -2]))\nones = numpy.ones((400, 400))\nprint(float((ones @ ones)[0, 0]))")
    source = write_notebook(preloading.root / "work.ipynb", code)
    assert text_of(preloading.run(source)[2]["cell"]) == "[1, 2]\n400.0\n"


EXAMPLES = TREE / "examples"


@pytest.mark.parametrize("name, params", [("report.ipynb", {}), ("report.ipynb", {"region": "North", "top_n": "4"}),
                                          ("fails.ipynb", {}), ("slow.ipynb", {"seconds": "1"})])
def test_the_examples_come_out_the_same(server: Server, preloading: Server, name: str, params: Dict[str, str]) -> None:
    def outputs(server: Server) -> List[Any]:
        folder = server.root / "examples"
        if not folder.exists():
            shutil.copytree(EXAMPLES, folder)
        events = server.run(folder / name, **params)
        return [[stable(output) for output in event["cell"]["outputs"]] for event in events if event["event"] == "end"]

    assert outputs(server) == outputs(preloading)


def stable(output: Dict[str, Any]) -> Any:
    """Return an output without what differs in every run: nothing does but the progress of time."""
    return {key: value for key, value in output.items() if key != "execution_count"}


def test_without_a_fork_server_everything_works_too(new_server: Callable[..., Server]) -> None:
    server = new_server("--NbExec.fork_server=False")
    assert not psutil.Process(server.process.pid).children()
    source = write_notebook(server.root / "plain.ipynb", PIDS)
    run_of(server.run(source))
    assert server.request("DELETE", headers=STREAM).status_code == 202


@pytest.mark.parametrize("what", ["run", "parameters", "check"])
def test_a_stopped_fork_server_holds_nobody_up_for_long(new_server: Callable[..., Server], what: str) -> None:
    server = new_server("--NbExec.max_running=1")
    source = write_notebook(server.root / "a.ipynb", "# nbexec: params\nx = 1", "print(x)")
    if what == "check":  # of a request that has to wait
        running = server.start_run(write_notebook(server.root / "sleep.ipynb", "import time; time.sleep(600)"))
        wait_for(lambda: server.model(running)["progress"])
    stopped = server.fork_server()
    stopped.suspend()
    try:
        if what == "run":
            assert names(server.run(source))[-1] == "notebook_complete"
        elif what == "parameters":
            answer = server.get("/parameters", params={"notebook": "a.ipynb"})
            assert answer.json()["parameters"][0]["name"] == "x"
        else:
            answer = server.post(notebook="a.ipynb", y="1")
            assert answer.status_code == 400 and "y" in answer.json()["message"]
        assert "it does not react" in server.log
        wait_for(lambda: server.fork_server().pid != stopped.pid)
    finally:
        stopped.resume()
    wait_for(lambda: not alive(stopped.pid) or what == "check", what="the stopped fork server to go")


def test_a_spare_that_was_stopped_is_replaced(spare_server: Server) -> None:
    source = write_notebook(spare_server.root / "stopped.ipynb", PIDS)
    spares = spares_of(spare_server, 2)
    for spare in spares:
        spare.suspend()
    assert text_of(spare_server.run(source)[2]["cell"]).split()[1] not in [str(spare.pid) for spare in spares]
    for spare in spares:
        if alive(spare.pid):
            spare.resume()


def test_a_server_whose_fork_server_was_stopped_ends_as_usual(new_server: Callable[..., Server]) -> None:
    server = new_server()
    server.run(write_notebook(server.root / "a.ipynb", "1"))
    server.fork_server().suspend()
    server.stop()
    assert list(server.temporary.glob("nbexec-*")) == []
