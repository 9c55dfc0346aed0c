"""The command line, run as a user runs it: a process of its own, with a real notebook server or without one.

`TMPDIR` is different in each test and handed down to whatever the command starts: so a test can tell what is left.
"""

from __future__ import annotations

import http.server
import json
import shutil
import signal
import socketserver
import subprocess
import sys
import threading
import unicodedata
from pathlib import Path
from typing import Any, Dict, List
from urllib.parse import quote

import nbformat
import pytest
from command import IMPATIENT, Cli
from helpers import Server, wait_for, write_notebook

from nbexec import parameters
from nbexec.client import RESERVED, Client

PARAMS = "# nbexec: params\ncount = 1\nname = 'a'"


# -- helpers --------------------------------------------------------------------------------------


def outputs(path: Path) -> str:
    nb = nbformat.read(path, as_version=4)
    return "".join(output.get("text", "") for cell in nb.cells for output in cell.outputs)


# -- run, without a server or with one of its own --------------------------------------------------


@pytest.mark.parametrize("options", [[], ["--private"]], ids=["no server", "private"])
def test_run_prints_the_path_and_leaves_nothing(cli: Cli, options: List[str]) -> None:
    write_notebook(cli.work / "a.ipynb", PARAMS, "print(count + 1, name)")
    done = cli("run", "a.ipynb", "-p", "count", "-3", "--param", "name", "ä b", *options)
    assert (done.returncode, done.stdout) == (0, "a-Executed1.ipynb\n"), done.stderr
    assert outputs(cli.work / "a-Executed1.ipynb") == "-2 ä b\n"
    assert "[3/3] print(count + 1, name)" in done.stderr.splitlines()
    cli.check_nothing_is_left()


def test_run_of_a_failing_notebook_shows_the_error_and_keeps_the_output(cli: Cli) -> None:
    write_notebook(cli.work / "a.ipynb", "print('so far')", "raise ValueError('boom')")
    done = cli("run", "a.ipynb")
    assert (done.returncode, done.stdout) == (1, "a-Executed1.ipynb\n"), done.stderr
    assert "ValueError: boom" in done.stderr
    assert "Traceback (most recent call last)" in done.stderr
    assert "Output so far: a-Executed1.ipynb" in done.stderr
    assert outputs(cli.work / "a-Executed1.ipynb") == "so far\n"
    cli.check_nothing_is_left()


def test_run_writes_the_output_to_another_directory(cli: Cli) -> None:
    (cli.work / "in").mkdir()
    (cli.work / "out").mkdir()
    write_notebook(cli.work / "in" / "a.ipynb", "import os; print(os.path.basename(os.getcwd()))")
    done = cli("run", "in/a.ipynb", "--output", "out/b.ipynb")
    assert (done.returncode, done.stdout) == (0, f"{Path('out', 'b.ipynb')}\n"), done.stderr
    assert outputs(cli.work / "out" / "b.ipynb") == "in\n"


@pytest.mark.parametrize("where", ["no server", "private", "running", "http"])
def test_a_link_to_a_notebook_is_run_where_the_link_is(cli: Cli, server: Server, where: str) -> None:
    """By the command line, on whatever server, and over HTTP alike."""
    work = cli.work
    if where in ("running", "http"):
        work = server.root / f"links {where}"
        cli.environ["JUPYTER_RUNTIME_DIR"] = str(server.runtime_dir)
    (work / "deep").mkdir(parents=True)
    target = write_notebook(work / "deep" / "real.ipynb", "import os; print(os.getcwd(), os.path.exists('here'))")
    (work / "here").touch()
    (work / "link.ipynb").symlink_to(target)
    (work / "chain.ipynb").symlink_to("link.ipynb")
    for name in ("link", "chain"):
        if where == "http":
            path = server.root / server.run(work / f"{name}.ipynb")[-1]["execution"]["output_path"]
        else:
            done = cli("run", work / f"{name}.ipynb", *(["--private"] if where == "private" else []))
            assert done.returncode == 0, done.stderr
            path = cli.work / done.stdout.rstrip("\n")
        assert path == work / f"{name}-Executed1.ipynb"
        assert outputs(path) == f"{work} True\n"
    assert [path.name for path in (work / "deep").iterdir()] == ["real.ipynb"]


@pytest.mark.skipif(not shutil.which("make"), reason="this is about make, which is not installed")
def test_make_runs_a_failed_notebook_again(cli: Cli) -> None:
    (cli.work / "Makefile").write_text(
        f"out.ipynb: a.ipynb\n\t{sys.executable} -m nbexec run $< --output $@ --overwrite --failed-apart\n")
    write_notebook(cli.work / "a.ipynb", "print('so far')", "import os; assert os.path.exists('good')")

    def make() -> subprocess.CompletedProcess[str]:
        return subprocess.run(["make", "out.ipynb"], cwd=cli.work, env=cli.environ, capture_output=True, text=True,
                              stdin=subprocess.DEVNULL, timeout=100)

    for _ in range(2):
        done = make()
        assert done.returncode == 2 and "Output so far: out-Failed.ipynb" in done.stderr
        assert outputs(cli.work / "out-Failed.ipynb") == "so far\n" and not (cli.work / "out.ipynb").exists()
    (cli.work / "good").touch()
    assert make().returncode == 0 and outputs(cli.work / "out.ipynb") == "so far\n"
    assert "is up to date" in make().stdout


def test_run_ignores_what_a_configuration_says_about_access(cli: Cli) -> None:
    (cli.config / "jupyter_notebook_config.py").write_text(
        "c.NotebookApp.token = ''\nc.NotebookApp.password_required = True\nc.NotebookApp.password = 'sha1:a:b'\n"
        "c.NotebookApp.certfile = '/missing'\nc.NotebookApp.base_url = '/elsewhere/'\n"
        "c.NotebookApp.notebook_dir = '/'\nc.FileContentsManager.root_dir = '/'\n")
    write_notebook(cli.work / "a.ipynb", "1")
    done = cli("run", "a.ipynb", "--private")
    assert (done.returncode, done.stdout) == (0, "a-Executed1.ipynb\n"), done.stderr


def test_run_loads_no_other_extension(cli: Cli) -> None:
    (cli.config / "jupyter_notebook_config.json").write_text(
        json.dumps({"NotebookApp": {"nbserver_extensions": {"leaves_a_trace": True}}}))
    (cli.config / "leaves_a_trace.py").write_text(f"open({str(cli.config / 'trace')!r}, 'w').close()")
    write_notebook(cli.work / "a.ipynb", "1")
    done = cli("run", "a.ipynb", "--private", PYTHONPATH=cli.with_modules_of_config())
    assert done.returncode == 0, done.stderr
    assert not (cli.config / "trace").exists()


@pytest.mark.parametrize("options", [[], ["--private"]], ids=["no server", "private"])
def test_run_keeps_the_token_from_the_notebook(cli: Cli, options: List[str]) -> None:
    write_notebook(cli.work / "a.ipynb", "import os; print(sorted(n for n in os.environ if 'TOKEN' in n))")
    assert cli("run", "a.ipynb", *options, JUPYTER_TOKEN="t").returncode == 0
    assert "JUPYTER_TOKEN" not in outputs(cli.work / "a-Executed1.ipynb")


def test_run_shows_the_log_of_a_server_that_does_not_start(cli: Cli) -> None:
    broken = cli.config / "notebook"
    broken.mkdir()
    (broken / "__init__.py").write_text("raise SystemExit('out of luck')")
    write_notebook(cli.work / "a.ipynb", "1")
    done = cli("run", "a.ipynb", "--private", PYTHONPATH=cli.with_modules_of_config())
    assert (done.returncode, done.stdout) == (8, "")
    assert "exited with code 1" in done.stderr
    assert "out of luck" in done.stderr
    cli.check_nothing_is_left()


@pytest.mark.parametrize("number, code", [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_shuts_the_run_down(cli: Cli, number: int, code: int) -> None:
    write_notebook(cli.work / "a.ipynb", "print('so far')", "import time; open('begun', 'w').close(); time.sleep(600)")
    with cli.start("run", "a.ipynb") as process:
        assert process.stderr is not None
        assert any("[2/2]" in line for line in process.stderr)
        wait_for((cli.work / "begun").exists, what="the second cell to run, not only to be compiled")
        process.send_signal(number)
        stdout, stderr = process.communicate(timeout=60)
    assert (process.returncode, stdout) == (code, "a-Executed1.ipynb\n"), stderr
    assert outputs(cli.work / "a-Executed1.ipynb") == "so far\n"
    cli.check_nothing_is_left()


def test_ctrl_c_while_the_server_starts_leaves_nothing(cli: Cli) -> None:
    write_notebook(cli.work / "a.ipynb", "1")
    with cli.start("run", "a.ipynb", "--private") as process:
        wait_for(lambda: list(cli.temporary.glob("nbexec-*/log")), what="a server to be started")
        process.send_signal(signal.SIGINT)
        stdout, stderr = process.communicate(timeout=60)
    assert (process.returncode, stdout) == (130, ""), stderr
    cli.check_nothing_is_left()


def test_ctrl_c_before_the_kernel_starts_leaves_nothing(cli: Cli) -> None:
    write_notebook(cli.work / "a.ipynb", "import time; time.sleep(600)")
    with cli.start("run", "a.ipynb") as process:
        wait_for(cli.processes_of_runs, what="the fork server to be started")
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130, stderr
    cli.check_nothing_is_left()


# -- run, on a server that is there ---------------------------------------------------------------


def test_run_finds_a_running_server(cli: Cli, server: Server) -> None:
    directory = server.root / "found"
    directory.mkdir()
    write_notebook(directory / "a.ipynb", "1")
    done = cli("run", directory / "a.ipynb", JUPYTER_RUNTIME_DIR=str(server.runtime_dir))
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{(directory / 'a-Executed1.ipynb').resolve()}\n"
    with Client(server.url, server.token) as api:
        assert "found/a.ipynb" in [execution.model["path"] for execution in api.executions()]


def test_run_needs_no_server_for_what_the_running_one_hides(cli: Cli, server: Server) -> None:
    directory = server.root / ".hidden"
    directory.mkdir()
    write_notebook(directory / "a.ipynb", "1")
    done = cli("run", directory / "a.ipynb", JUPYTER_RUNTIME_DIR=str(server.runtime_dir))
    assert done.returncode == 0, done.stderr
    assert (directory / "a-Executed1.ipynb").exists() and "Running without a server" in done.stderr


@pytest.mark.parametrize("way", ["option", "variable", "url"])
def test_run_on_a_server_prints_the_path_there(cli: Cli, server: Server, way: str) -> None:
    write_notebook(server.root / f"{way}.ipynb", PARAMS, "print(count)")
    environ = {"http_proxy": "http://127.0.0.1:9", "NBEXEC_TOKEN": server.token if way == "variable" else "wrong"}
    url = f"{server.url}?token={quote(server.token)}" if way == "url" else server.url
    options = ["--token", server.token] if way == "option" else []
    done = cli("run", f"{way}.ipynb", "-p", "count", "7", "--output", f"{way}-out.ipynb", "--server", url, *options,
               **environ)
    assert (done.returncode, done.stdout) == (0, f"{way}-out.ipynb\n"), done.stderr
    assert outputs(server.root / f"{way}-out.ipynb") == "7\n"


def test_run_with_a_wrong_token_exits_2(cli: Cli, server: Server) -> None:
    done = cli("run", "any.ipynb", "--server", server.url, "--token", "wrong")
    assert (done.returncode, done.stdout) == (2, "")
    assert "Error: " in done.stderr


def test_run_with_a_value_that_does_not_fit_exits_2(cli: Cli, server: Server) -> None:
    write_notebook(server.root / "unfit.ipynb", PARAMS)
    done = cli("run", "unfit.ipynb", "-p", "count", "many", "--server", server.url, "--token", server.token)
    assert (done.returncode, done.stdout) == (2, "")
    assert "count" in done.stderr
    assert "'many'" in done.stderr


def test_run_of_a_missing_notebook_exits_2(cli: Cli, server: Server) -> None:
    for options in ([], ["--server", server.url, "--token", server.token]):
        done = cli("run", "missing.ipynb", *options)
        assert (done.returncode, done.stdout) == (2, "")
        assert "missing.ipynb" in done.stderr


# -- run, refused before it starts ----------------------------------------------------------------


@pytest.mark.parametrize("options, says", [
    (["-p", "count", "1", "-p", "count", "2"], "count is given twice"),
    (["-p", "token", "1"], "token is reserved"),
    (["--overwrite"], "--overwrite needs --output"),
    (["--failed-apart"], "--failed-apart needs --output"),
    (["--timeout", "0"], "--timeout"),
    (["--output", "missing/b.ipynb"], "the directory missing does not exist"),
    (["--server", "http://127.0.0.1:9/"], "--token"),
    (["--server", "127.0.0.1:9", "--token", "t"], "expected the http:// or https:// URL"),
])
def test_run_refuses_bad_usage(cli: Cli, options: List[str], says: str) -> None:
    write_notebook(cli.work / "a.ipynb", PARAMS)
    done = cli("run", "a.ipynb", *options)
    assert (done.returncode, done.stdout) == (2, "")
    assert says in " ".join(done.stderr.split())


def test_run_says_that_no_server_answers(cli: Cli) -> None:
    done = cli("run", "a.ipynb", "--server", "http://127.0.0.1:9/", "--token", "t")
    assert (done.returncode, done.stdout) == (8, "")
    assert "no response from http://127.0.0.1:9/" in done.stderr


def test_the_names_that_the_client_reserves_are_those_of_the_server() -> None:
    assert set(RESERVED) == parameters.RESERVED


class CutStream(socketserver.StreamRequestHandler):
    """Answers as a server that dies in the middle of a run."""

    def handle(self) -> None:
        while self.rfile.readline().strip():
            pass
        line = json.dumps({"event": "notebook_start", "exec_id": "some-id", "execution": {}}).encode() + b"\n"
        self.wfile.write(b"HTTP/1.1 202 Accepted\r\nTransfer-Encoding: chunked\r\n\r\n")
        self.wfile.write(b"%x\r\n%s\r\n" % (len(line), line))


def test_run_says_so_when_the_stream_is_cut(cli: Cli) -> None:
    with socketserver.TCPServer(("127.0.0.1", 0), CutStream) as cut:
        threading.Thread(target=lambda: (cut.handle_request(), cut.server_close()), daemon=True).start()
        done = cli("run", "a.ipynb", "--server", f"http://127.0.0.1:{cut.server_address[1]}/", "--token", "t",
                   **cli.with_code(IMPATIENT))
    assert (done.returncode, done.stdout) == (3, "")
    assert "execution some-id" in done.stderr


# -- params ---------------------------------------------------------------------------------------


COUNT: Dict[str, Any] = {
    "name": "count", "type": "int", "default": 3, "desc": "How [bold]many[/bold]", "examples": ["1"]}
DEFINITION = "count = 3\n{'count': {'type': int, 'desc': 'How [bold]many[/bold]', 'examples': ['1']}}"


def test_params_shows_a_table(cli: Cli) -> None:
    write_notebook(cli.work / "a.ipynb", f"# nbexec: params\n{DEFINITION}")
    done = cli("params", "a.ipynb")
    assert done.returncode == 0, done.stderr
    row = next(line for line in done.stdout.splitlines() if "count" in line)
    assert [cell.strip() for cell in row.strip("│").split("│")] == ["count", "int", "3", "How [bold]many[/bold]", "1"]


def test_params_prints_json(cli: Cli) -> None:
    write_notebook(cli.work / "a.ipynb", f"# nbexec: params\n{DEFINITION}")
    done = cli("params", "a.ipynb", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"parameters": [COUNT]}


def test_params_of_a_server_is_the_same(cli: Cli, server: Server) -> None:
    write_notebook(server.root / "params.ipynb", f"# nbexec: params\n{DEFINITION}")
    done = cli("params", "params.ipynb", "--json", "--server", server.url, "--token", server.token)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"parameters": [COUNT]}


def test_params_tells_how_to_define_some(cli: Cli) -> None:
    write_notebook(cli.work / "a.ipynb", "1")
    done = cli("params", "a.ipynb")
    assert done.returncode == 0, done.stderr
    assert "# nbexec: params" in done.stdout


@pytest.mark.parametrize("content, says", [(None, "does not exist"), ("{", "not a notebook")])
def test_params_of_no_notebook_exits_2(cli: Cli, content: str, says: str) -> None:
    if content is not None:
        (cli.work / "a.ipynb").write_text(content)
    done = cli("params", "a.ipynb")
    assert (done.returncode, done.stdout) == (2, "")
    assert says in done.stderr


# -- text that others wrote -----------------------------------------------------------------------


STEERING = "\x1b]0;title\x07 \x9b31m \u202e \x7f \r \u2028"  # none of which may reach a terminal
SHOWN = r"\x1b]0;title\x07 \x9b31m \u202e \x7f \r \u2028"
HOSTILE = f"a{STEERING}\nb.ipynb"


def check_harmless(done: subprocess.CompletedProcess[str]) -> None:
    text = done.stdout + done.stderr
    assert [char for char in text if char not in "\n\t" and unicodedata.category(char) in ("Cc", "Cf", "Zl")] == []


def test_run_shows_paths_and_errors_without_what_steers_a_terminal(cli: Cli) -> None:
    write_notebook(cli.work / HOSTILE, "# \x9b31m \u202e \x7f", f"raise ValueError({STEERING + 'x'!r})")
    done = cli("run", HOSTILE)
    assert done.returncode == 1
    assert done.stdout == f"a{SHOWN}\\nb-Executed1.ipynb\n"
    assert "ValueError: " in done.stderr and r"\u202e \x7f \r \u2028x" in done.stderr
    assert f"Output so far: a{SHOWN}" in done.stderr
    check_harmless(done)


@pytest.mark.parametrize("arguments", [
    ["run", f"missing{HOSTILE}"], ["params", f"missing{HOSTILE}"], ["run", "a.ipynb", HOSTILE],
    ["run", "a.ipynb", "--output", f"no{HOSTILE}/b.ipynb"], [HOSTILE], ["run", f"--x{HOSTILE}"],
    ["run", "a.ipynb", "-p", HOSTILE, "1"], ["run", "a.ipynb", "--server", f"http://{HOSTILE}/", "--token", "t"]])
def test_errors_repeat_names_as_they_can_be_shown(cli: Cli, arguments: List[str]) -> None:
    write_notebook(cli.work / "a.ipynb", PARAMS)
    done = cli(*arguments)
    assert done.returncode == 2 and "Error: " in done.stderr, done.stderr
    assert len(done.stderr.splitlines()) <= 5
    check_harmless(done)


def test_params_and_doctor_show_names_as_they_can_be_shown(cli: Cli) -> None:
    write_notebook(cli.work / "a.ipynb", f"# nbexec: params\na = {STEERING!r}\n"
                                         f"{{'a': {{'type': str, 'desc': {STEERING!r}, 'examples': [{STEERING!r}]}}}}")
    check_harmless(cli("params", "a.ipynb", COLUMNS="500"))
    as_json = cli("params", "a.ipynb", "--json")
    check_harmless(as_json)
    assert json.loads(as_json.stdout)["parameters"][0]["desc"] == STEERING
    kernel = cli.config / "kernels" / "odd"
    kernel.mkdir(parents=True)
    (kernel / "kernel.json").write_text(json.dumps({"argv": ["x", HOSTILE], "language": HOSTILE, "display_name": "x"}))
    done = cli("doctor", JUPYTER_PATH=str(cli.config))
    assert f"language is a{SHOWN}\\nb.ipynb" in done.stdout
    check_harmless(done)


def test_a_path_goes_to_a_stdout_of_any_encoding(cli: Cli) -> None:
    write_notebook(cli.work / "€.ipynb", "1")
    done = cli("run", "€.ipynb", PYTHONIOENCODING="latin-1")
    assert (done.returncode, done.stdout) == (0, "\\u20ac-Executed1.ipynb\n"), done.stderr


# -- the token ------------------------------------------------------------------------------------


TOKEN = "a-token-of-more-than-a-few-letters"


class Parrot(http.server.BaseHTTPRequestHandler):
    """Is no nbexec, and repeats what it hears."""

    def do_GET(self) -> None:
        body = json.dumps({"message": f"what is {self.headers['Authorization']}"}).encode()
        self.send_response(403, f"no {self.headers['Authorization']}")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET

    def log_message(self, *args: Any) -> None:
        pass


@pytest.mark.parametrize("url", [
    "http://127.0.0.1:9/?token={}", "ftp://127.0.0.1/?token={}", "127.0.0.1:9?token={}", "http://u:{}@127.0.0.1:9/",
    "http://u:{}@exa\u2100mple.com/", "u:{}@127.0.0.1", "http://[::1?token={}", "http://127.0.0.1:x/?token={}#{}",
    "http://127.0.0.1:9/?token={}%0aX", "{parrot}?token={}"])
@pytest.mark.parametrize("command", ["run", "params"])
def test_no_error_shows_the_token(cli: Cli, url: str, command: str) -> None:
    with http.server.HTTPServer(("127.0.0.1", 0), Parrot) as parrot:
        threading.Thread(target=parrot.serve_forever, daemon=True).start()
        url = url.replace("{parrot}", f"http://127.0.0.1:{parrot.server_port}/").replace("{}", TOKEN)
        done = cli(command, "a.ipynb", "--server", url, NBEXEC_TOKEN=TOKEN)
        parrot.shutdown()
    assert done.returncode in (2, 8) and "Error: " in done.stderr, done.stderr
    assert TOKEN not in done.stdout + done.stderr


def test_a_token_may_come_with_the_end_of_its_line(cli: Cli, server: Server) -> None:
    done = cli("params", "missing.ipynb", "--server", server.url, "--token", f"{server.token}\n")
    assert "missing.ipynb" in done.stderr
    done = cli("params", "missing.ipynb", "--server", server.url, "--token", f"{TOKEN}\nx")
    assert done.returncode == 2 and "line break" in done.stderr and TOKEN not in done.stderr


def test_version_and_help_are_there(cli: Cli) -> None:
    assert cli("--version").stdout.startswith("nbexec, version ")
    assert "params" in cli("--help").stdout


def test_help_imports_nothing_that_is_slow(cli: Cli) -> None:
    done = subprocess.run([sys.executable, "-X", "importtime", "-m", "nbexec.cli", "--help"], env=cli.environ,
                          capture_output=True, text=True, timeout=100)
    modules = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    slow = {"asyncio", "jupyter_core", "nbexec.client", "nbformat", "requests", "rich", "yaml"}
    assert "nbexec.cli.main" in modules and modules & slow == set()
