"""Which server the command line uses, what it says about it, and in which words it speaks of its options."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Dict, List

import pytest
from command import Cli
from helpers import Server, write_notebook

from nbexec.client import ApiError, Client

PARAMS = "# nbexec: params\nx = 1\ny = ''"


def on(server: Server) -> List[str]:
    return ["--server", server.url, "--token", server.token]


# -- which server ---------------------------------------------------------------------------------


def test_run_says_where_it_runs(cli: Cli, server: Server, folder: Path) -> None:
    write_notebook(folder / "a.ipynb", "1")
    found = cli("run", folder / "a.ipynb", JUPYTER_RUNTIME_DIR=str(server.runtime_dir))
    assert found.stderr.startswith(f"Running on {server.url} ({sys.executable})\n"), found.stderr
    named = cli("run", f"{folder.name}/a.ipynb", *on(server))
    assert named.stderr.startswith(f"Running on {server.url}\n"), named.stderr


def test_run_points_out_a_server_of_another_environment(cli: Cli, server: Server, folder: Path,
                                                        tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", "--system-site-packages", tmp_path], check=True)
    other = tmp_path / "bin" / "python"
    site = Path(pytest.__file__).parent.parent
    write_notebook(folder / "a.ipynb", "1")
    done = subprocess.run([other, "-m", "nbexec.cli", "run", folder / "a.ipynb"], cwd=cli.work, text=True,
                          timeout=100,
                          env={**cli.environ, "JUPYTER_RUNTIME_DIR": str(server.runtime_dir), "PYTHONPATH": str(site)
                               + ":" + str(Path(sys.modules["nbexec"].__file__ or "").parent.parent)},
                          capture_output=True)
    assert done.returncode == 0, done.stderr
    assert f"({sys.executable}; --private uses the Python of this command)" in done.stderr


def test_the_variable_names_the_server_as_the_option_does(cli: Cli, server: Server, folder: Path) -> None:
    write_notebook(folder / "a.ipynb", PARAMS)
    write_notebook(cli.work / "here.ipynb", "1")
    variables = {"NBEXEC_SERVER": server.url, "NBEXEC_TOKEN": server.token}
    done = cli("run", f"{folder.name}/a.ipynb", "-p", "x=2", **variables)
    assert (done.returncode, done.stdout) == (0, f"{folder.name}/a-Executed1.ipynb\n"), done.stderr
    assert done.stderr.startswith(f"Running on {server.url} (NBEXEC_SERVER)\n")
    assert json.loads(cli("params", f"{folder.name}/a.ipynb", "--json", **variables).stdout)["parameters"]
    assert cli("run", "here.ipynb", **variables).returncode == 2
    assert cli("run", "--private", "here.ipynb", **variables).returncode == 0
    done = cli("run", f"{folder.name}/a.ipynb", NBEXEC_SERVER=server.url)
    assert done.returncode == 2 and "pass --token or set NBEXEC_TOKEN" in done.stderr


def test_a_private_server_may_be_asked_for(cli: Cli, server: Server, folder: Path) -> None:
    write_notebook(folder / "a.ipynb", "1")
    before = server.get().json()
    done = cli("run", "--private", folder / "a.ipynb", JUPYTER_RUNTIME_DIR=str(server.runtime_dir))
    assert done.returncode == 0, done.stderr
    assert done.stderr.startswith(f"Running on a private server ({sys.executable})\n")
    assert server.get().json() == before
    cli.check_nothing_is_left()
    done = cli("run", "--private", "a.ipynb", *on(server))
    assert done.returncode == 2 and "cannot be combined" in done.stderr


def test_a_link_is_run_beside_itself(cli: Cli, server: Server, folder: Path) -> None:
    (folder / "real").mkdir()
    (folder / "links").mkdir()
    write_notebook(folder / "real" / "a.ipynb", "import os; print(os.path.basename(os.getcwd()))")
    (folder / "links" / "b.ipynb").symlink_to(folder / "real" / "a.ipynb")
    for environ in ({"JUPYTER_RUNTIME_DIR": str(server.runtime_dir)}, {}):
        output = folder / "links" / "b-Executed1.ipynb"
        done = cli("run", folder / "links" / "b.ipynb", **environ)
        assert (done.returncode, done.stdout) == (0, f"{output}\n"), done.stderr
        assert "links\\n" in output.read_text()
        output.unlink()


# -- words ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("options, says, not_says", [
    (["--output", "x.txt"], "Error: --output: expected the path of a file that ends in .ipynb, got 'x.txt'",
     "output_path"),
    (["--kernel", "nope"], "Error: --kernel: expected an IPython kernel", "jupyter_kernel"),
    (["--timeout", "1h"], "'--timeout': expected a positive integer (seconds), got '1h'", "cell_timeout"),
    (["--timeout", "0"], "'--timeout': expected a positive integer", "cell_timeout"),
    (["--timeout", "1.5"], "'--timeout': expected a positive integer", "cell_timeout"),
    (["-p", "cell_timeout", "1"], "cell_timeout is reserved", "--timeout"),
    (["-p", "y", "output_path", "-p", "x", "output_path"], "Error: x: expected", "--output"),
    (["-p", "x"], "expected NAME VALUE or NAME=VALUE", "requires 2 arguments"),
    (["-p"], "expected NAME VALUE or NAME=VALUE", "requires 2 arguments"),
])
def test_messages_name_options(cli: Cli, server: Server, folder: Path, options: List[str], says: str, not_says: str,
                               ) -> None:
    write_notebook(folder / "a.ipynb", PARAMS)
    done = cli("run", f"{folder.name}/a.ipynb", *on(server), *options)
    assert (done.returncode, done.stdout) == (2, "")
    assert says in done.stderr and not_says not in done.stderr


def test_the_client_names_the_field_that_is_refused(server: Server, folder: Path) -> None:
    write_notebook(folder / "a.ipynb", PARAMS)
    for field, params, options in (("cell_timeout", {}, {"cell_timeout": -1}), ("é", {"é": "1"}, {})):
        with Client(server.url, server.token) as client, pytest.raises(ApiError) as caught:
            list(client.stream(f"{folder.name}/a.ipynb", params, **options))
        assert (caught.value.status, caught.value.field) == (400, field)


def test_a_timeout_is_told_with_its_cell(cli: Cli, server: Server, folder: Path) -> None:
    write_notebook(folder / "a.ipynb", "import time; time.sleep(100)")
    done = cli("run", f"{folder.name}/a.ipynb", *on(server), "--timeout", "1")
    assert done.returncode == 5 and "cell 1/1 took longer than cell_timeout (1 second)" in done.stderr


@pytest.mark.parametrize("options, expected", [
    (["-p", "x=3"], "3 ''"), (["-px=3"], "3 ''"), (["--param=x=3"], "3 ''"), (["--param", "x=3"], "3 ''"),
    (["-p", "x", "3"], "3 ''"), (["-px", "3"], "3 ''"), (["--param=x", "3"], "3 ''"),
    (["-p", "y=a=b"], "1 'a=b'"), (["-p", "y", "a=b"], "1 'a=b'"), (["-p", "y=", "-p", "x=-2"], "-2 ''"),
    (["-p", "y", "-p", "-p", "x", "-1"], "-1 '-p'"), (["-p", "y=-p x=2"], "1 '-p x=2'"),
    (["--output", "out/-p.ipynb", "-p", "x=4"], "4 ''"), (["-p", "y", "--", "--", "-p"], None)])
def test_a_parameter_is_given_in_one_word_or_in_two(cli: Cli, server: Server, folder: Path, options: List[str],
                                                    expected: str) -> None:
    (folder / "out").mkdir()
    write_notebook(folder / "a.ipynb", PARAMS, "print(x, repr(y), end='|')")
    if options[0] == "--output":
        options = ["--output", f"{folder.name}/{options[1]}", *options[2:]]
    done = cli("run", f"{folder.name}/a.ipynb", *on(server), *options)
    if expected is None:
        assert done.returncode == 2 and "] -p: error: " in done.stderr  # it is another notebook
        return
    assert done.returncode == 0, done.stderr
    assert f"{expected}|" in (server.root / done.stdout.strip()).read_text()


# -- TLS ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["--cacert", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"])
@pytest.mark.parametrize("named", [True, False], ids=["named", "found"])
def test_an_authority_of_ones_own_is_believed(cli: Cli, encrypted: Server, certificates: Path, way: str, named: bool,
                                              ) -> None:
    authority = str(certificates / "ca.pem")
    environ: Dict[str, str] = {"JUPYTER_RUNTIME_DIR": str(encrypted.runtime_dir)}
    options = ["--cacert", authority] if way == "--cacert" else []
    environ.update({"REQUESTS_CA_BUNDLE": str(certificates / "cert.pem")} if options else {way: authority})
    where = ["a.ipynb", *on(encrypted)] if named else [str(encrypted.root / "a.ipynb")]
    done = cli("run", *where, *options, **environ)
    assert done.returncode == 0, done.stderr
    assert f"Running on {encrypted.url}" in done.stderr


def test_what_is_wrong_with_a_certificate_is_said(cli: Cli, encrypted: Server, certificates: Path) -> None:
    found = {"JUPYTER_RUNTIME_DIR": str(encrypted.runtime_dir)}
    for command in ("run", "params"):
        done = cli(command, "a.ipynb", *on(encrypted))
        assert done.returncode == 2 and "is not trusted" in done.stderr and "--cacert" in done.stderr
    done = cli("run", encrypted.root / "a.ipynb", **found)
    assert done.returncode == 0, done.stderr
    assert f"Skipping {encrypted.url}" in done.stderr and "--cacert" in done.stderr
    assert "Running without a server" in done.stderr
    doctor = cli("doctor", **found)
    line = next(line for line in doctor.stdout.splitlines() if encrypted.url in line)
    assert line.startswith("problem") and "--cacert" in line and "restart" not in line.lower()
    doctor = cli("doctor", "--cacert", certificates / "ca.pem", **found)
    line = next(line for line in doctor.stdout.splitlines() if encrypted.url in line)
    assert line.startswith("ok"), line


@pytest.mark.parametrize("content", [None, "no certificate"])
def test_a_file_without_an_authority_is_named(cli: Cli, encrypted: Server, tmp_path: Path, content: str) -> None:
    file = tmp_path / "bundle.pem"
    if content:
        file.write_text(content)
    for options, environ in ((["--cacert", str(file)], {}), ([], {"REQUESTS_CA_BUNDLE": str(file)})):
        done = cli("run", "a.ipynb", *on(encrypted), *options, **environ)
        assert (done.returncode, done.stdout) == (2, "") and str(file) in done.stderr, done.stderr


def test_a_proxy_of_the_environment_does_not_come_between(cli: Cli, encrypted: Server, certificates: Path) -> None:
    done = cli("params", "a.ipynb", "--json", *on(encrypted), "--cacert", certificates / "ca.pem",
               https_proxy="http://127.0.0.1:9")
    assert done.returncode == 0, done.stderr
