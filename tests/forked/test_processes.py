"""A forked kernel is one like any other: what a notebook sees of it, and what it must not see."""

from __future__ import annotations

import base64
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Set

import pytest
from helpers import (
    EARLY,
    ORDINARY,
    PIDS,
    STREAM,
    Event,
    Server,
    add_kernel,
    alive,
    begin,
    names,
    spares_of,
    text_of,
    wait_for,
    write_notebook,
)
from nbformat import v4

Facts = Dict[str, Dict[str, Any]]

# What a kernel is like, as far as it is the same each time: a line for each fact.
FACTS = {
    "module name": "__name__, sys.modules['__main__'].__dict__ is globals(), sys.modules['__main__'].__spec__",
    "names": "sorted(name for name in globals() if not name.startswith('_i') and name not in imported)",
    "builtins": "sorted(dir(builtins))",
    "working directory": "os.getcwd()",
    "arguments": "[os.path.basename(argument) for argument in sys.argv]",
    "interpreter": "sys.executable, sys.prefix, str(sys.flags), sys.warnoptions, sys.getdlopenflags()",
    "path": "sys.path, [str(type(hook)) for hook in sys.path_hooks]",
    "limits": "sys.getrecursionlimit(), sys.getswitchinterval(), [resource.getrlimit(n) for n in range(8)]",
    "memory": "gc.isenabled(), gc.get_threshold(), gc.get_debug()",
    "tracing": "sys.gettrace(), sys.getprofile(), faulthandler.is_enabled()",
    "hooks": "[kind(hook) for hook in (sys.excepthook, sys.displayhook, sys.unraisablehook, threading.excepthook)]",
    "signals": "{number.name: kind(signal.getsignal(number)) for number in signal.Signals}",
    "signal mask": "signal.set_wakeup_fd(-1), sorted(signal.pthread_sigmask(signal.SIG_BLOCK, []))",
    "signals of children": "subprocess.check_output('grep Sig[BIC] /proc/self/status', shell=True, text=True)",
    "environment": "{name: len(value) if name in of_run else value for name, value in os.environ.items() "
                   "if name not in known}",
    "parent": "os.environ['JPY_PARENT_PID'] == str(os.getppid())",
    "session": "os.getsid(0) == os.getpid() == os.getpgrp()",
    "children": "open(f'/proc/self/task/{os.getpid()}/children').read()",
    "user": "os.getuid(), os.getgid(), os.getgroups(), os.nice(0), sorted(os.sched_getaffinity(0))",
    "umask": "[os.umask(0o77), os.umask(0o77), os.umask(mask)]",
    "process attributes": "[prctl(option) for option in (2, 3, 7, 21, 37, 39)]",
    "modules": "sorted(set(modules) - {name for name in modules if name.partition('.')[0] == 'debugpy'})",
    "submodules": "submodules",
    "loggers": "sorted(logging.root.manager.loggerDict)",
    "warnings": "[str(filter) for filter in warnings.filters]",
    "finders": "[kind(finder) for finder in sys.meta_path]",
    "at exit": "atexit._ncallbacks()",
    "command": "[os.path.basename(argument) for argument in getattr(sys, 'orig_argv', [])], sys._xoptions",
    "application": "sorted(get_ipython().config), type(get_ipython().parent.parent).__name__",
    "locale": "locale.getlocale(), locale.setlocale(locale.LC_ALL), time.tzname",
    "temporary files": "tempfile.gettempdir()",
    "sockets": "socket.getdefaulttimeout()",
    "event loop": "kind(asyncio.get_event_loop_policy()), kind(asyncio.get_running_loop())",
    "multiprocessing": "multiprocessing.get_start_method(), multiprocessing.current_process().name, "
                       "multiprocessing.parent_process(), multiprocessing.active_children()",
    "threads": "threading.current_thread() is threading.main_thread(), threading.get_native_id() == os.getpid(), "
               "threading.main_thread().native_id == os.getpid(), "
               "sorted({thread.name.split('-')[0] for thread in threading.enumerate()} - {'Thread'})",
    # One that looks each second whether the parent is still there is not in a forked kernel: the system sees to that.
    "number of threads": "len(os.listdir('/proc/self/task')) - "
                         "sum(type(thread).__name__ == 'ParentPollerUnix' for thread in threading.enumerate())",
    "descriptors": "descriptors()",
    "root logger": "logging.root.level, str(logging.root.handlers), logging.root.disabled, "
                   "logging.root.manager.disable, logging.raiseExceptions, kind(logging.getLoggerClass())",
    "standard streams": "[(file.fileno(), file.isatty(), file.encoding, file.errors) "
                        "for file in (sys.__stdin__, sys.__stdout__, sys.__stderr__)], "
                        "[kind(file) for file in (sys.stdin, sys.stdout, sys.stderr)]",
    "IPython": "{kind: len(magics) for kind, magics in get_ipython().magics_manager.lsmagic().items()}, "
               "sorted(get_ipython().extension_manager.loaded), get_ipython().history_manager.hist_file, "
               "get_ipython().execution_count, repr(get_ipython().history_manager.dir_hist), "
               "get_ipython().starting_dir, get_ipython().profile_dir.location, get_ipython().colors, "
               "[type(thing).__name__ for thing in (get_ipython(), get_ipython().kernel, get_ipython().compile)]",
}
COLLECT = f"""
imported = set(globals())
modules = list(__import__('sys').modules)
submodules = {{}}
for name in modules:
    package = __import__('sys').modules[name]
    if hasattr(package, '__path__'):
        submodules[name] = sorted(key for key, value in vars(package).items() if type(value) is type(__builtins__))
import asyncio, atexit, builtins, ctypes, faulthandler, gc, json, locale, logging, multiprocessing, os, resource
import signal, socket, subprocess, sys, tempfile, threading, time, warnings
imported = set(globals()) - imported
known = ('JPY_PARENT_PID', 'PYTHONUNBUFFERED', 'OF_THE_SPEC')
of_run = ('NBEXEC_EXEC_ID', 'NBEXEC_NOTEBOOK')
mask = os.umask(0)
os.umask(mask)
def kind(value):
    return getattr(value, '__qualname__', type(value).__qualname__)
def prctl(option):
    value = ctypes.c_int()
    return ctypes.CDLL(None).prctl(option, ctypes.byref(value), 0, 0, 0), value.value
def descriptors():
    places = []
    for name in os.listdir('/proc/self/fd'):
        try:
            places.append(os.readlink(f'/proc/self/fd/{{name}}'))
        except FileNotFoundError:
            pass  # the one by which they are listed
    return sorted({{os.path.basename(place).partition('[')[0] for place in places}})
imported |= {{'descriptors', 'modules', 'submodules', 'name', 'package', 'known', 'of_run', 'mask', 'kind', 'prctl',
             'facts', 'fact', 'code'}}
facts = {{}}
for fact, code in {FACTS!r}.items():
    facts[fact] = eval(code)
print(json.dumps(facts, default=str, sort_keys=True))
"""


# The ways in which a kernel comes into being, as the log names them, beside the ordinary one.
WAYS = ["kept ready", "forked", "forked from its own interpreter"]
ORDINARILY = "started by its command line"


@pytest.fixture(scope="module")
def facts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Facts]:
    """What kernels say of themselves, by the ways in which they came into being."""
    server = Server(tmp_path_factory.mktemp("facts"), spares=True)
    folder = server.root / "facts"
    folder.mkdir()
    source = write_notebook(folder / "a.ipynb", COLLECT)
    add_kernel(server, "ordinary", ORDINARY, env=EARLY)
    add_kernel(server, "with_variable", ORDINARY, env={"OF_THE_SPEC": "yes"})
    found: Facts = {"folder": {"path": str(folder)}}

    def ask(kernel: str, way: str) -> bool:
        """Run on a kernel, and return whether one has come into being in this way; that depends on the moment."""
        events = server.run(source, jupyter_kernel=kernel)
        assert events[-1]["event"] == "notebook_complete", events[-1]
        line = [line for line in server.log.splitlines() if " runs on kernel " in line][-1]
        found.setdefault(line.rpartition(": ")[2].rstrip("."), json.loads(text_of(events[2]["cell"])))
        return way in found

    wait_for(lambda: spares_of(server, 1) and ask("python3", WAYS[0]), 60, "a kernel that was kept ready")
    wait_for(lambda: ask("python3", WAYS[1]), 60, "a kernel when none was ready")
    assert ask("ordinary", ORDINARILY)
    wait_for(lambda: ask("with_variable", WAYS[2]), 60, "a kernel of another fork server")
    yield found
    server.stop()


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("fact", sorted(FACTS))
def test_forked_kernel_is_like_an_ordinary_one(facts: Facts, fact: str, way: str) -> None:
    """In everything: no difference is allowed but the variable by which one of them is another kernel."""
    assert facts[way][fact] == facts[ORDINARILY][fact]


def test_facts_are_what_a_notebook_expects(facts: Facts) -> None:
    """Not just the same everywhere."""
    forked = facts["forked"]
    assert set(forked) == set(FACTS)
    assert forked["module name"] == ["__main__", True, None]
    assert forked["working directory"] == facts["folder"]["path"]
    assert "IPKernelApp" in forked["application"][0]
    assert not {name.partition(".")[0] for name in forked["modules"]} & {"nbexec", "nbformat", "nbconvert", "jinja2"}
    assert "" in forked["path"][0]
    assert [forked["signals"][name] for name in ("SIGTERM", "SIGCHLD", "SIGHUP")] == ["Handlers"] * 3
    assert forked["signals"]["SIGINT"] == "default_int_handler"
    assert forked["signal mask"] == [-1, []]
    assert forked["parent"] is forked["session"] is True
    assert forked["children"] == ""


def run_cells(server: Server, folder: Path, *cells: Any, **data: Any) -> List[Event]:
    """Run a notebook that has to complete and return the `end` events of its cells."""
    events = server.run(write_notebook(folder / "a.ipynb", *cells), **data)
    assert events[-1]["event"] == "notebook_complete", events[-1]
    return [event for event in events if event["event"] == "end"]


def printed(server: Server, folder: Path, *cells: str, **data: Any) -> List[str]:
    """Run a notebook that has to complete and return what each cell printed."""
    return [text_of(event["cell"]).strip() for event in run_cells(server, folder, *cells, **data)]


# -- each kernel is a new one ---------------------------------------------------------------------


def test_kernels_are_never_used_twice(server: Server, folder: Path) -> None:
    leave = "import builtins, os, sys\nbuiltins.left = sys.left = os.environ['LEFT'] = 'left'\n" + PIDS
    find = "print('left' in dir(builtins), hasattr(sys, 'left'), 'LEFT' in os.environ)"
    first, _ = printed(server, folder, leave, "1")
    second, found = printed(server, folder, "import builtins, os, sys\n" + PIDS, find)
    assert set(first.split()).isdisjoint(second.split())
    assert found == "False False False"


def test_fork_server_stays_as_it_was(server: Server, folder: Path) -> None:
    fork_server = server.fork_server()
    run_cells(server, folder, "import threading\nthreading.Timer(0.1, print).start()")
    assert fork_server.num_threads() == 1
    wait_for(lambda: not fork_server.children(), 15, "all processes to be gone and buried")


@pytest.mark.parametrize("random", [
    "__import__('random').random()", "__import__('uuid').uuid4()", "__import__('uuid').uuid1()",
    "__import__('secrets').token_hex()", "__import__('tempfile').mktemp()", "__import__('numpy').random.rand()",
    "__import__('numpy').random.default_rng().random()",
    "__import__('multiprocessing').current_process().authkey.hex()",
])
def test_random_values_differ_between_executions(server: Server, folder: Path, random: str) -> None:
    values = [printed(server, folder, f"print({random})")[0] for _ in range(2)]
    assert values[0] and values[0] != values[1]


# -- what it must not have ------------------------------------------------------------------------


def descriptors(pid: int) -> Set[str]:
    found = set()
    for name in os.listdir(f"/proc/{pid}/fd"):
        try:
            found.add(os.readlink(f"/proc/{pid}/fd/{name}"))
        except FileNotFoundError:
            pass  # just closed
    return found


DEVICES = {os.devnull, "/dev/urandom"}  # older releases of ZeroMQ keep the second one open


def test_kernel_has_no_descriptor_of_another_process(server: Server, folder: Path) -> None:
    begun = begin(server, folder, "import time; time.sleep(600)")
    own = descriptors(begun.kernel)
    assert any(name.startswith("socket:") for name in own)
    for other in (server.process.pid, server.fork_server().pid, begun.runner):
        shared = {name for name in own & descriptors(other) if not name.endswith("/stderr")}  # which its runner reads
        assert {name for name in shared if not name.startswith("anon_inode:")} <= DEVICES
    files = {name for name in own if name.startswith("/")}
    assert {name for name in files if not name.startswith(str(server.temporary / "nbexec-"))} <= DEVICES
    server.delete(f"/{begun.exec_id}", headers=STREAM)


def test_runner_has_only_its_own_pipe(server: Server, folder: Path) -> None:
    (folder / "other").mkdir()
    runs = [begin(server, place, "import time; time.sleep(600)") for place in (folder, folder / "other")]
    first, second, fork_server, main = (
        {name for name in descriptors(pid) if name.startswith(("socket:", "pipe:"))}
        for pid in (runs[0].runner, runs[1].runner, server.fork_server().pid, server.process.pid))
    assert first and second and fork_server
    assert first.isdisjoint(second | fork_server | main) and second.isdisjoint(fork_server | main)
    for run in runs:
        server.delete(f"/{run.exec_id}", headers=STREAM)


# -- modules --------------------------------------------------------------------------------------


def test_module_beside_the_notebook_can_be_imported(server: Server, folder: Path) -> None:
    (folder / "beside.py").write_text("VALUE = 'from beside'")
    assert printed(server, folder, "import beside; print(beside.VALUE)") == ["from beside"]


@pytest.mark.parametrize("name", ["bs4", "nbformat", "jsonschema", "nbclient", "nbexec"])
@pytest.mark.parametrize("form", ["module", "package"])
def test_module_beside_the_notebook_comes_first(server: Server, folder: Path, name: str, form: str) -> None:
    """Also if nbexec has imported another one of this name for its own use."""
    file = folder / (f"{name}.py" if form == "module" else f"{name}/__init__.py")
    file.parent.mkdir(exist_ok=True)
    file.touch()
    assert printed(server, folder, f"import {name}; print({name}.__file__)") == [str(file)]


OWN = ["secrets", "six", "jinja2", "attr", "typing_extensions", "notebook", "html", "bs4", "nbformat", "jsonschema",
       "markupsafe", "mistune", "psutil", "zmq", "array", "nbexec", "requests", "yaml", "fastjsonschema", "shutil"]


@pytest.mark.parametrize("way", ["sys.path.insert(0, {!r})", "os.chdir({!r})", "sys.path.append({!r})"])
def test_own_modules_are_found_where_an_ordinary_kernel_finds_them(
        server: Server, folder: Path, ordinary_kernel: str, way: str) -> None:
    own = folder / "own"
    own.mkdir()
    for name in OWN:
        (own / f"{name}.py").write_text("KEY = 'own'")
    code = (f"import importlib, os, sys\n{way.format(str(own))}\nfor name in {OWN}:\n    try:\n"
            "        print(name, getattr(importlib.import_module(name), 'KEY', 'not own'))\n"
            "    except Exception as error:\n        print(name, error)")
    found, ordinary = (printed(server, folder, code, jupyter_kernel=kernel)[0].splitlines()
                       for kernel in ("python3", ordinary_kernel))
    assert found == ordinary
    assert "jinja2 own" in found or "append" in way


def test_a_version_that_the_notebook_installs_is_the_one_it_imports(server: Server, folder: Path) -> None:
    """As after "%pip install": the module that only nbexec needs was loaded before, in another version."""
    package = folder / "installed" / "jinja2"
    package.mkdir(parents=True)
    cells = [f"import sys; sys.path.insert(0, {str(package.parent)!r})\n"
             f"open({str(package / '__init__.py')!r}, 'w').write('__version__ = \"0.1\"')",
             "import jinja2; print(jinja2.__version__)"]
    assert printed(server, folder, *cells)[1] == "0.1"


def test_what_nobody_has_imported_is_not_there(server: Server, folder: Path, ordinary_kernel: str) -> None:
    """A module of a package that only an import of nbexec has bound to the package."""
    code = ("import concurrent.futures, html, os, sys, urllib, xml\n"
            "for name in ('urllib.request', 'xml.dom', 'html.parser', 'concurrent.futures.process', 'os.path'):\n"
            "    package, _, module = name.rpartition('.')\n    print(name, module in vars(sys.modules[package]))")
    found, ordinary = (printed(server, folder, code, jupyter_kernel=kernel) for kernel in ("python3", ordinary_kernel))
    assert found == ordinary


def test_installed_modules_can_be_imported(server: Server, folder: Path) -> None:
    (folder / "bs4").mkdir()  # a folder that is no package
    cells = ["import bs4, nbformat, nbexec", "print(bs4.BeautifulSoup('<p>1', 'html.parser'), nbformat.v4.nbformat)"]
    assert printed(server, folder, *cells)[1] == "<p>1</p> 4"


# -- what notebooks do ----------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_multiprocessing(server: Server, folder: Path, method: str) -> None:
    (folder / "work.py").write_text("import os\ndef square(x):\n    return x * x, os.getpid()")
    cell = f"""
import multiprocessing, os, work
with multiprocessing.get_context({method!r}).Pool(1) as pool:
    results = pool.map(work.square, range(4))
print([square for square, _ in results], os.getpid() in {{pid for _, pid in results}})
"""
    assert printed(server, folder, cell) == ["[0, 1, 4, 9] False"]


def test_multiprocessing_forks_functions_of_the_notebook(server: Server, folder: Path) -> None:
    cell = """
import multiprocessing
def work(queue):
    queue.put('from the child')
context = multiprocessing.get_context('fork')
queue = context.Queue()
child = context.Process(target=work, args=[queue])
child.start()
print(queue.get())
child.join()
print(child.exitcode)
"""
    assert printed(server, folder, cell) == ["from the child\n0"]


def test_process_that_was_not_joined_does_not_hold_up_the_end(server: Server, folder: Path) -> None:
    cell = f"""
import atexit, multiprocessing, time
atexit.register(lambda: open('farewell', 'w').close())
child = multiprocessing.get_context('fork').Process(target=time.sleep, args=[600])
child.start()
{PIDS}
"""
    kernel = int(printed(server, folder, cell)[0].split()[0])
    wait_for(lambda: not alive(kernel), 30, "the kernel to end by itself")
    assert (folder / "farewell").exists()


def test_fork_in_a_cell(server: Server, folder: Path) -> None:
    cell = """
import os
pid = os.fork()
if pid == 0:
    os._exit(7)
print(os.waitpid(pid, 0)[1] >> 8)
"""
    assert printed(server, folder, cell, "print('goes on')") == ["7", "goes on"]


def test_subprocesses_and_their_exit_codes(server: Server, folder: Path) -> None:
    cells = ["import os, subprocess, sys; print(subprocess.run('exit 3', shell=True).returncode)",
             "print(os.system('exit 4') >> 8)",
             "print(subprocess.check_output([sys.executable, '-c', 'import sys; print(sys.prefix)'], text=True))",
             "print(sys.prefix)",
             "!echo shell"]
    codes = printed(server, folder, *cells)
    assert codes[:2] == ["3", "4"]
    assert codes[2] == codes[3] != ""
    assert codes[4] == "shell"


# Commands that would wait for somebody to type.
ASKING = ["!cat", f"!{sys.executable} -c 'input()'", f"!{sys.executable} -c 'import getpass; getpass.getpass()'",
          "!bash -c 'read a; read b'", "!cat /dev/tty", "!read -s -p password: x < /dev/tty", "x = !cat", "!!cat",
          "%sx cat", "%system cat", "%%bash\ncat", "%pip uninstall papermill-or-what", "import os; os.system('cat')",
          "os.popen('cat').read()", "import subprocess; subprocess.run('cat')",
          f"subprocess.run([{sys.executable!r}, '-c', 'import getpass; getpass.getpass()'])",
          "input()", "import getpass; getpass.getpass()"]


@pytest.mark.parametrize("forked", [True, False], ids=["forked", "ordinary"])
def test_commands_that_ask_get_end_of_file(server: Server, folder: Path, ordinary_kernel: str, forked: bool) -> None:
    cells = [v4.new_code_cell(source, metadata={"tags": ["raises-exception"]}) for source in ASKING]
    ends = run_cells(server, folder, *cells, cell_timeout=30, jupyter_kernel="python3" if forked else ordinary_kernel)
    assert len(ends) == len(ASKING)
    assert "EOFError" in text_of(ends[1]["cell"]) and "EOFError" in text_of(ends[2]["cell"])


def test_commands_still_have_a_terminal_and_an_exit_code(server: Server, folder: Path) -> None:
    cells = ["!test -t 1 && echo a terminal", "!sh -c 'exit 3'\nprint(_exit_code)",
             "import pexpect\nchild = pexpect.spawn('cat')\nchild.sendline('typed')\nprint(child.expect('typed'))"]
    assert printed(server, folder, *cells) == ["a terminal", "3", "0"]


def test_threads(server: Server, folder: Path) -> None:
    cell = """
import concurrent.futures, threading
with concurrent.futures.ThreadPoolExecutor(4) as pool:
    print(sum(pool.map(lambda x: x * x, range(10))))
thread = threading.Thread(target=print, args=['from a thread'])
thread.start()
thread.join()
"""
    assert printed(server, folder, cell) == ["285\nfrom a thread"]


def test_interrupt_raises_keyboard_interrupt(server: Server, folder: Path) -> None:
    cell = """
import os, signal, time
try:
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(600)
except KeyboardInterrupt:
    print('interrupted')
"""
    assert printed(server, folder, cell) == ["interrupted"]


def test_signals_can_be_handled(server: Server, folder: Path) -> None:
    cell = """
import os, signal, time
heard = []
for number in (signal.SIGTERM, signal.SIGALRM, signal.SIGCHLD, signal.SIGUSR1):
    signal.signal(number, lambda number, frame: heard.append(number))
    os.kill(os.getpid(), number)
    time.sleep(0)
print(heard == [signal.SIGTERM, signal.SIGALRM, signal.SIGCHLD, signal.SIGUSR1])
"""
    assert printed(server, folder, cell) == ["True"]


def test_unhandled_sigterm_ends_the_kernel(server: Server, folder: Path) -> None:
    begun = begin(server, folder, "import time; time.sleep(600)")
    os.kill(begun.kernel, signal.SIGTERM)
    assert "SIGTERM" in list(begun.events)[-1]["error"]


def test_top_level_await_and_subprocesses_of_asyncio(server: Server, folder: Path) -> None:
    cells = ["import asyncio; await asyncio.sleep(0); print('awaited')",
             "child = await asyncio.create_subprocess_exec('sh', '-c', 'echo out; exit 5', stdout=-1)\n"
             "print((await child.communicate())[0].decode().strip(), child.returncode)",
             "task = asyncio.ensure_future(asyncio.sleep(0, 'later'))",
             "print(await task)"]
    assert printed(server, folder, *cells) == ["awaited", "out 5", "", "later"]


def test_logging_is_that_of_a_new_python(server: Server, folder: Path) -> None:
    cells = ["import logging; logging.warning('first'); logging.info('silent')",
             "logging.basicConfig(level='INFO', force=True); logging.info('second')"]
    ends = run_cells(server, folder, *cells)
    assert [text_of(end["cell"], "stderr") for end in ends] == ["WARNING:root:first\n", "INFO:root:second\n"]


def test_matplotlib_draws_inline(server: Server, folder: Path) -> None:
    ends = run_cells(server, folder, "import matplotlib.pyplot as plt\nplt.plot([1, 2, 3]);")
    images = [output["data"] for output in ends[0]["cell"]["outputs"] if output["output_type"] == "display_data"]
    assert len(images) == 1
    assert base64.b64decode(images[0]["image/png"]).startswith(b"\x89PNG")


def test_many_runs_at_once_do_not_mix(server: Server, folder: Path) -> None:
    streams = []
    for number in range(6):
        (folder / str(number)).mkdir()
        source = write_notebook(folder / str(number) / "a.ipynb",
                                f"import os, time; time.sleep(0.2); print({number}, os.path.basename(os.getcwd()))")
        streams.append(server.stream(notebook=source.relative_to(server.root).as_posix()))
    events = [list(stream) for stream in streams]
    assert [names(one)[-1] for one in events] == ["notebook_complete"] * 6
    assert [text_of(one[2]["cell"]) for one in events] == [f"{number} {number}\n" for number in range(6)]


@pytest.mark.parametrize("fork_server", [True, False])
def test_a_long_path_of_temporary_files_does_not_matter(
        new_server: Callable[..., Server], tmp_path: Path, fork_server: bool) -> None:
    """The path of a Unix socket may have about a hundred bytes."""
    long = tmp_path / ("long" * 25)
    long.mkdir()
    server = new_server(f"--NbExec.fork_server={fork_server}", environment={"TMPDIR": str(long)})
    source = write_notebook(server.root / "a.ipynb", "import tempfile; print(tempfile.gettempdir())")
    assert text_of(server.run(source)[2]["cell"]) == f"{long}\n"
    server.wait_until_quiet()
    server.stop()
    assert list(long.glob("nbexec-*")) == []
