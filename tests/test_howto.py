"""The pages in docs/howto: every command on them is run here, and what needs another system is at least parsed."""

from __future__ import annotations

import getpass
import json
import logging
import os
import re
import runpy
import shlex
import shutil
import subprocess
import sys
import types
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, NamedTuple, Sequence

import pytest
import requests
import yaml
from guide import DOCS, EXAMPLES, Command, blocks, commands, is_shell, run
from helpers import TOKEN, Server, free_port, wait_for, write_notebook
from hub import Hub, missing
from nbformat import v4
from relay import Relay

from nbexec.client import ApiError, CellRaisedError, StoppedError

PAGES = sorted(path.name for path in (DOCS / "howto").glob("*.rst"))
BIN = Path(sys.executable).parent
PATH = f"{BIN}:{os.environ['PATH']}:/usr/sbin:/usr/local/sbin"
REPORT = (v4.new_markdown_cell("# Report"), "# nbexec: params\nregion = 'all'\nyear = 2024",
          "assert region != 'Nowhere'\nprint(region, year)")
SLOW = ("# nbexec: params\nseconds = 20.0", "import time; time.sleep(seconds)")
# Commands that need a system which is not there in a test: services, containers, an installation of Airflow.
ELSEWHERE = ("dask", "./ssh_workers.sh", "helm", "kubectl", "python slurm_cluster.py",
             "systemctl", "journalctl", "loginctl", "docker", "nginx -t &&", "airflow", "actionlint", "promtool",
             "systemd-analyze", "python -m pip")


def needs(*programs: str) -> pytest.MarkDecorator:
    lacking = [program for program in programs if shutil.which(program, path=PATH) is None]
    return pytest.mark.skipif(bool(lacking), reason=f"not here: {', '.join(lacking)}")


class Reports(NamedTuple):
    """A folder with a report, as most pages have it, below the root directory of a server."""

    server: Server
    folder: Path

    @property
    def environment(self) -> Dict[str, str]:
        """What a user has in a terminal: the commands, a home, and the token of the server."""
        kept = {name: os.environ[name] for name in ("LANG", "PYTHONPATH", "TMPDIR") if name in os.environ}
        return {**kept, "PATH": PATH, "HOME": str(self.folder.parent), "TOKEN": TOKEN,
                "MPLBACKEND": "agg",
                "JUPYTER_RUNTIME_DIR": str(self.server.runtime_dir)}

    @property
    def changes(self) -> Dict[str, str]:
        return {"http://localhost:8888": self.server.url.rstrip("/")}

    def run(self, commands: Sequence[Command], **changes: str) -> List[str]:
        here = [command for command in commands if not command.text.startswith(ELSEWHERE)]
        return run(here, self.folder, self.environment, {**changes, **self.changes})


@pytest.fixture(scope="module")
def served(started: Callable[..., Server]) -> Server:
    return started("served", base_url="/jupyter/")


@pytest.fixture()
def reports(served: Server) -> Iterator[Reports]:
    """The folder is anew for each test; the root directory of the server is its home."""
    folder = served.root / "reports"
    (folder / "data").mkdir(parents=True)
    (folder / "data" / "orders.csv").write_text("date,shop\n")
    (folder / ".venv").symlink_to(sys.prefix)
    for place in (folder, served.root):
        write_notebook(place / "report.ipynb", *REPORT)
        write_notebook(place / "slow.ipynb", *SLOW)
    yield Reports(served, folder)
    for path in served.root.iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    served.delete()


@pytest.mark.parametrize("page", PAGES)
def test_every_command_is_one_of_a_shell_and_every_page_says_what_goes_wrong(page: str) -> None:
    assert [command.text for command in commands(f"howto/{page}") if not is_shell(command.text)] == []
    assert re.search("^What (goes wrong|it does when things go wrong)$", (DOCS / "howto" / page).read_text("utf-8"),
                     re.MULTILINE)


def test_every_page_is_tested_and_every_example_is_on_a_page() -> None:
    tests = Path(__file__).read_text("utf-8")
    assert [page for page in PAGES if f'"howto/{page}"' not in tests] == []
    shown = "".join(path.read_text("utf-8") for path in DOCS.rglob("*.rst"))
    files = [path.relative_to(EXAMPLES).as_posix() for path in EXAMPLES.glob("*/*") if path.parent.name != "data"]
    assert files and [file for file in files if f"examples/{file}" not in shown] == []


# -- cron -----------------------------------------------------------------------------------------


def crontab_lines() -> List[str]:
    lines = (EXAMPLES / "cron" / "crontab").read_text("utf-8").splitlines()
    [block] = [block for block in blocks("howto/cron.rst", "text") if "curl" in block]
    return [line for line in (*lines, block) if not line.startswith("#") and not re.match(r"\w+=", line)]


def test_cron_takes_the_times() -> None:
    croniter = pytest.importorskip("croniter").croniter
    for line in crontab_lines():
        assert croniter.is_valid(" ".join(line.split()[:5]))
        assert not re.search(r"(?<!\\)%", line)


@needs("curl")
def test_cron(reports: Reports) -> None:
    shutil.copy(EXAMPLES / "cron" / "nightly.sh", reports.folder)
    reports.run(commands("howto/cron.rst"))
    for line in crontab_lines():
        command = line.split(maxsplit=5)[5].replace("\\%", "%")
        assert reports.run([Command(command, "")]) == [""], "cron would send mail"
    paths = [model["path"] for model in reports.server.get().json()["executions"]]
    assert paths == ["reports/report.ipynb", "report.ipynb"]


def test_cron_tells_of_a_failure(reports: Reports) -> None:
    script = (EXAMPLES / "cron" / "nightly.sh").read_text("utf-8")
    (reports.folder / "nightly.sh").write_text(script.replace("region North", "region Nowhere"))
    [output] = reports.run([Command('sh nightly.sh || test $? = 1', "")])
    assert "failed with exit code 1" in output and "AssertionError" in output
    assert [path.name[10:] for path in (reports.folder / "nightly").iterdir()] == ["-Failed.ipynb"]


# -- systemd --------------------------------------------------------------------------------------


def exec_start(unit: str, home: Path) -> str:
    text = (EXAMPLES / "systemd" / unit).read_text("utf-8").replace("\\\n", " ").replace("%h", str(home))
    return re.findall("^ExecStart=(.*)$", text, re.MULTILINE)[0]


@needs("systemd-analyze")
def test_systemd_takes_the_units(reports: Reports, tmp_path: Path) -> None:
    units = reports.folder.parent / ".config" / "systemd" / "user"
    shutil.copytree(EXAMPLES / "systemd", units)
    tmp_path.chmod(0o700)
    done = subprocess.run(["systemd-analyze", "--user", "verify", *map(str, units.iterdir())], text=True,
                          env={**reports.environment, "XDG_RUNTIME_DIR": str(tmp_path)}, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert (done.stdout, done.returncode) == ("", 0)


@needs("openssl")
def test_systemd(reports: Reports) -> None:
    command = exec_start("nightly-report.service", reports.folder.parent)
    reports.run([*commands("howto/systemd.rst"), Command(command, "")])
    assert (reports.folder / "nightly.ipynb").exists()
    secret = (reports.folder.parent / ".config" / "notebook-server.env")
    assert secret.stat().st_mode & 0o077 == 0 and re.fullmatch("JUPYTER_TOKEN=[0-9a-f]{64}\n", secret.read_text())


SERVERS = """
import json, sys
from notebook.notebookapp import NotebookApp
from nbexec.extension import NbExec
for arguments in json.loads(sys.argv[1]):
    app = NotebookApp()
    app.parse_command_line(arguments)
    nbexec = NbExec(config=app.config)
    print(app.ip, app.allow_remote_access, app.port, app.port_retries, app.token, nbexec.max_running)
    print(nbexec.database_filepath)
"""


def test_the_servers_of_systemd_and_docker_know_their_options() -> None:
    unit = shlex.split(exec_start("notebook-server.service", Path("/home/ann")))
    image = instruction("CMD")
    assert image[:2] == ["jupyter", "notebook"] == [Path(unit[0]).name, unit[1]]
    command = [sys.executable, "-W", "ignore", "-c", SERVERS, json.dumps([unit[2:], image[2:]])]
    done = subprocess.run(command, text=True, capture_output=True, env={**os.environ, "JUPYTER_TOKEN": "a-token"},
                          cwd="/")
    assert done.stdout.splitlines() == [
        "localhost False 8888 0 a-token 4", "/home/ann/.local/share/nbexec/executions.sqlite",
        "0.0.0.0 True 8888 0 a-token 0", ""], done.stderr


# -- make, a shell --------------------------------------------------------------------------------


@needs("make")
def test_make(reports: Reports) -> None:
    shutil.copy(EXAMPLES / "make" / "Makefile", reports.folder)
    reports.run(commands("howto/make.rst"))
    assert "North 2024" in (reports.folder / "out" / "North.html").read_text("utf-8")
    [output] = reports.run([Command("make REGIONS='North Nowhere' || test $? = 2", "")])
    assert "Error 1" in output
    assert [path.name for path in (reports.folder / "out").glob("Nowhere*")] == ["Nowhere-Failed.ipynb"]


@needs("curl", "jq")
def test_shell(reports: Reports) -> None:
    shutil.copy(EXAMPLES / "shell" / "run_regions.sh", reports.folder)
    script, named = "NBEXEC_TOKEN=$TOKEN sh", f"NBEXEC_SERVER={reports.server.url.rstrip('/')} NBEXEC_TOKEN=$TOKEN sh"
    reports.run(commands("howto/shell.rst"), **{script: named})
    failing = f"{named} run_regions.sh East Nowhere || test $? = 1"
    reports.run([Command(failing, "East\tcompleted\treport-Executed…\nNowhere\terror: …\treport-Executed…")])


# -- GitHub Actions -------------------------------------------------------------------------------

WORKFLOW = EXAMPLES / "github" / "report.yml"


def check_schema(name: str, file: Path) -> None:
    """Check a file by one of the schemas that come with check-jsonschema."""
    check_jsonschema = pytest.importorskip("check_jsonschema")
    import jsonschema

    folder = Path(check_jsonschema.__file__).parent / "builtin_schemas" / "vendor"
    schema = json.loads((folder / f"{name}.json").read_text("utf-8"))
    # YAML takes the key "on" of a workflow for true
    content = {"on" if key is True else key: value for key, value in yaml.safe_load(file.read_text("utf-8")).items()}
    jsonschema.validators.validator_for(schema)(schema).validate(content)


def test_the_workflow_is_one() -> None:
    assert commands("howto/github_actions.rst")
    check_schema("github-workflows", WORKFLOW)


@needs("actionlint")
def test_actionlint_finds_nothing_in_the_workflow() -> None:
    subprocess.run(["actionlint", str(WORKFLOW)], check=True)


def test_github_actions(reports: Reports) -> None:
    [job] = yaml.safe_load(WORKFLOW.read_text("utf-8"))["jobs"].values()
    steps = [step["run"] for step in job["steps"] if "run" in step and "pip install" not in step["run"]]
    reports.run([Command("export REGION=North", ""), *(Command(step, "") for step in steps)])
    assert "North 2024" in (reports.folder / "done" / "report.html").read_text("utf-8")


# -- Airflow --------------------------------------------------------------------------------------


class BaseOperator:
    """What the operator uses of Airflow's, where Airflow is not installed."""

    def __init__(self, task_id: str) -> None:
        self.log = logging.getLogger(task_id)


@pytest.fixture()
def operator(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    assert commands("howto/airflow.rst")
    if find_spec("airflow") is None:
        sdk = types.ModuleType("airflow.sdk")
        sdk.BaseOperator = BaseOperator  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "airflow", types.ModuleType("airflow"))
        monkeypatch.setitem(sys.modules, "airflow.sdk", sdk)
    namespace: Dict[str, Any] = {"__name__": "run_notebook"}
    exec((EXAMPLES / "airflow" / "run_notebook.py").read_text("utf-8"), namespace)
    return namespace["RunNotebookOperator"]


def task_instance(attempt: int = 1) -> Dict[str, Any]:
    return {"ti": types.SimpleNamespace(dag_id="reports", task_id="report", run_id="scheduled__2026-01-01T00:00:00Z",
                                        map_index=-1, try_number=attempt)}


def test_airflow_runs_a_notebook_once_in_each_try(reports: Reports, operator: Callable[..., Any]) -> None:
    task = operator(task_id="report", server=reports.server.url.rstrip("/"), token=TOKEN, notebook="report.ipynb",
                    parameters={"region": "North", "year": 2025}, output_path="north.ipynb")
    assert [task.execute(task_instance(attempt)) for attempt in (1, 1, 2)] == ["north.ipynb"] * 3
    assert len(reports.server.get().json()["executions"]) == 2
    assert "North 2025" in (reports.server.root / "north.ipynb").read_text("utf-8")


def test_airflow_goes_on_after_a_lost_connection(reports: Reports, operator: Callable[..., Any]) -> None:
    with Relay(reports.server.port, bytes_=lambda number: 1500 if number == 0 else 1e9) as relay:
        task = operator(task_id="report", server=f"{relay.url}jupyter", token=TOKEN, notebook="report.ipynb")
        assert task.execute(task_instance()) == "report-Executed1.ipynb"
        assert relay.cut
    assert len(reports.server.get().json()["executions"]) == 1


@pytest.mark.parametrize("region, message", [("Nowhere", "AssertionError"), (None, "unknown|parameter")])
def test_airflow_tells_what_failed(reports: Reports, operator: Callable[..., Any], region: Any, message: str) -> None:
    parameters = {"region": region} if region else {"no_such": "x"}
    task = operator(task_id="report", server=reports.server.url.rstrip("/"), token=TOKEN, notebook="report.ipynb",
                    parameters=parameters)
    with pytest.raises((ApiError, CellRaisedError), match=message):
        task.execute(task_instance())


def test_airflow_stops_what_it_has_started(reports: Reports, operator: Callable[..., Any]) -> None:
    task = operator(task_id="slow", server=reports.server.url.rstrip("/"), token=TOKEN, notebook="slow.ipynb")
    with ThreadPoolExecutor(1) as executor:
        execution = executor.submit(task.execute, task_instance())
        wait_for(lambda: task.execution, 60, "the execution to start")
        task.on_kill()
        with pytest.raises(StoppedError):
            execution.result(60)


# -- Docker ---------------------------------------------------------------------------------------


def instruction(name: str) -> List[str]:
    """Return the words of an instruction of the Dockerfile, in its form of JSON."""
    text = (EXAMPLES / "docker" / "Dockerfile").read_text("utf-8").replace("\\\n", " ")
    [words] = re.findall(rf"^{name} (?:--\S+ )*(?:CMD )?(\[.*\])$", text, re.MULTILINE)
    return [str(word) for word in json.loads(words)]


@needs("hadolint")
def test_the_dockerfile_is_one() -> None:
    assert commands("howto/docker.rst")
    # versions of packages of Debian are not pinned, and the user has a name
    command = ["hadolint", "--ignore", "DL3008", "--ignore", "DL3066", str(EXAMPLES / "docker" / "Dockerfile")]
    done = subprocess.run(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          env={**os.environ, "PATH": PATH})
    assert (done.stdout, done.returncode) == ("", 0)


def test_the_compose_file_is_one() -> None:
    check_schema("compose-spec", EXAMPLES / "docker" / "compose.yml")


# -- Dask -----------------------------------------------------------------------------------------

DASK = EXAMPLES / "dask"


def test_the_compose_file_of_a_cluster_is_one() -> None:
    assert commands("howto/dask_compose.rst")
    check_schema("compose-spec", DASK / "compose.yml")


def test_the_certificates_are_named_as_dask_reads_them() -> None:
    distributed = pytest.importorskip("distributed")
    from dask import config

    assert commands("howto/dask_ssh.rst") and commands("howto/dask_kubernetes.rst")
    environment = dict(line.split("=", 1) for line in (DASK / "tls.env").read_text().splitlines())
    for settings in (config.collect_env(environment), yaml.safe_load((DASK / "tls.yaml").read_text("utf-8"))):
        with config.set(config.merge(config.config, settings)):
            security = distributed.Security()
        files = [getattr(security, f"tls_{role}_{kind}") for role in ("scheduler", "worker", "client")
                 for kind in ("cert", "key")]
        assert all(file.endswith(("/cert.pem", "/key.pem")) for file in files)
        assert security.tls_ca_file.endswith("/ca.pem")
    compose = yaml.safe_load((DASK / "compose.yml").read_text("utf-8"))
    assert all(environment.items() <= service["environment"].items() for service in compose["services"].values())


def test_the_jobs_on_slurm_start_workers_of_nbexec() -> None:
    slurm = pytest.importorskip("dask_jobqueue.slurm")
    from distributed import Security

    assert commands("howto/dask_slurm.rst")
    options = runpy.run_path(str(DASK / "slurm_cluster.py"))["OPTIONS"]
    security = Security(tls_ca_file="/ca.pem", tls_worker_cert="/cert.pem", tls_worker_key="/key.pem")
    script = slurm.SLURMJob(scheduler="tls://login1:8786", name="a", **{**options, "security": security}).job_script()
    assert "--nthreads 8" in script and "--preload nbexec.dask_worker --lifetime 11h" in script
    assert "--tls-key /key.pem" in script and "#SBATCH -t 12:00:00" in script


def test_the_manifest_for_the_operator_is_one() -> None:
    operator = pytest.importorskip("dask_kubernetes.operator")
    import jsonschema

    folder = Path(operator.__file__).parent / "deployment" / "helm" / "dask-kubernetes-operator" / "crds"
    definition = yaml.safe_load((folder / "daskcluster.yaml").read_text("utf-8"))
    schema = definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    manifest = yaml.safe_load((DASK / "kubernetes.yml").read_text("utf-8"))
    jsonschema.Draft7Validator(schema).validate(manifest)


def test_the_script_for_ssh_is_one() -> None:
    subprocess.run(["bash", "-n", str(DASK / "ssh_workers.sh")], check=True)


@needs("curl")
def test_docker_asks_the_server(reports: Reports) -> None:
    curl = [command for command in commands("howto/docker.rst") if command.text.startswith("curl")]
    reports.run([Command("export JUPYTER_TOKEN=$TOKEN", ""), *curl])
    assert len(curl) == len(reports.server.get().json()["executions"]) == 1


def test_docker_sees_whether_the_server_is_well(reports: Reports) -> None:
    check = [word.replace("8888", str(reports.server.port)).replace("/api/", "/jupyter/api/")
             for word in instruction("HEALTHCHECK")]
    assert subprocess.run([sys.executable, *check[1:]]).returncode == 0
    check[-1] = check[-1].replace("/jupyter", "")
    assert subprocess.run([sys.executable, *check[1:]]).returncode == 1


# -- nginx ----------------------------------------------------------------------------------------


@pytest.fixture()
def nginx(reports: Reports, tmp_path: Path) -> Iterator[Dict[str, str]]:
    """Start nginx in front of the server; return what to write instead of what the page has."""
    program = shutil.which("nginx", path=PATH)
    if program is None or shutil.which("openssl") is None:
        pytest.skip("no nginx or no openssl: apt-get install nginx openssl")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
                    "-addext", "subjectAltName=DNS:localhost", "-keyout", "key.pem", "-out", "cert.pem"],
                   cwd=tmp_path, check=True, capture_output=True)
    ports = {name: str(free_port()) for name in ("http", "https")}
    changes = {"/etc/ssl/certs/example.org.pem": str(tmp_path / "cert.pem"), "listen 443": f"listen {ports['https']}",
               "/etc/ssl/private/example.org.key": str(tmp_path / "key.pem"), "listen 80": f"listen {ports['http']}",
               "8888": str(reports.server.port), "example.org": "localhost"}
    text = (EXAMPLES / "proxies" / "nginx-tls.conf").read_text("utf-8")
    for old, new in changes.items():
        text = text.replace(old, new)
    user = f"user {getpass.getuser()}; " if os.geteuid() == 0 else ""
    file = tmp_path / "nginx.conf"
    file.write_text(f"{user}pid {tmp_path}/pid; error_log {tmp_path}/errors;\nevents {{}}\nhttp {{ access_log off; "
                    f"client_body_temp_path {tmp_path}/body; proxy_temp_path {tmp_path}/temp;\n{text}\n}}\n")
    subprocess.run([program, "-t", "-c", str(file)], check=True, capture_output=True)
    process = subprocess.Popen([program, "-g", "daemon off;", "-c", str(file)])
    url = f"https://localhost:{ports['https']}/jupyter"

    def answers() -> bool:
        try:
            answer = requests.get(f"{url}/api/executions", verify=str(tmp_path / "cert.pem"), timeout=10)
            return answer.status_code == 401
        except requests.ConnectionError:
            assert process.poll() is None
            return False

    try:
        wait_for(answers, 30, "nginx to start")
        yield {"https://example.org/jupyter": url, "ca.pem": str(tmp_path / "cert.pem"), "http": ports["http"]}
    finally:
        process.terminate()
        process.wait(30)


@needs("curl")
def test_nginx(reports: Reports, nginx: Dict[str, str]) -> None:
    url, certificate = nginx["https://example.org/jupyter"], nginx["ca.pem"]
    plain = requests.get(f"http://localhost:{nginx.pop('http')}/jupyter/tree", allow_redirects=False, timeout=30)
    assert (plain.status_code, plain.headers["Location"]) == (301, "https://localhost/jupyter/tree")
    write_notebook(reports.server.root / "slow.ipynb", "# nbexec: params\nseconds = 20", "open('first', 'w').close()",
                   "import os, time\nwhile not os.path.exists('seen'): time.sleep(0.01)")
    headers = {"Authorization": f"token {TOKEN}", "X-Response-Encoding": "chunked"}
    with requests.post(f"{url}/api/executions", data={"notebook": "slow.ipynb"}, headers=headers, stream=True,
                       verify=certificate, timeout=60) as response:
        for line in response.iter_lines(chunk_size=None):
            event = json.loads(line)
            if event["event"] == "start" and event["progress"] == "3/3":
                (reports.server.root / "seen").touch()
    assert event["event"] == "notebook_complete"
    reports.run([Command(f"export CURL_CA_BUNDLE={certificate}", ""), *commands("howto/nginx.rst")], **nginx)


# -- Prometheus -----------------------------------------------------------------------------------


@needs("curl")
def test_prometheus(reports: Reports) -> None:
    reports.run(commands("howto/prometheus.rst"))
    token = reports.folder / "token"
    assert token.read_text() == TOKEN and token.stat().st_mode & 0o077 == 0


def expressions() -> Iterator[str]:
    dashboard = json.loads((EXAMPLES / "prometheus" / "dashboard.json").read_text("utf-8"))
    for panel in dashboard["panels"]:
        yield from (target["expr"].replace("$__rate_interval", "5m") for target in panel["targets"])
    rules = yaml.safe_load((EXAMPLES / "prometheus" / "alerts.yml").read_text("utf-8"))
    yield from (rule["expr"] for group in rules["groups"] for rule in group["rules"])


def test_the_dashboard_and_the_alerts_are_promql() -> None:
    parser = pytest.importorskip("promql_parser")
    assert [parser.parse(expression) for expression in expressions()]


# -- JupyterHub -----------------------------------------------------------------------------------


@needs("curl", "jq")
@pytest.mark.skipif(missing() is not None, reason=str(missing()))
def test_jupyterhub(tmp_path: Path) -> None:
    example = (EXAMPLES / "jupyterhub" / "jupyterhub_config.py").read_text("utf-8")
    more = f"""
theirs = dict(c.Spawner.environment), list(c.Spawner.args)
{example}
c.Spawner.environment = {{**theirs[0], **c.Spawner.environment}}
c.Spawner.args = [*theirs[1], *c.Spawner.args]
c.Authenticator.allowed_users = {{"ann"}}  # so that she is known before she has logged in
c.JupyterHub.load_roles.append({{"name": "tokens", "services": ["nightly"], "scopes": ["tokens"]}})
"""
    (tmp_path / "nightly.token").write_text("a" * 40 + "\n")
    hub = Hub(tmp_path, more)
    try:
        write_notebook(hub.root / "report.ipynb", *REPORT)
        of_all = commands("howto/jupyterhub.rst")
        of_ann = [of_all.pop(0), of_all.pop(0)]  # Ann's server has to be started first
        changes = {"http://localhost:8000": hub.url.rstrip("/")}
        run(of_all, tmp_path, {**os.environ, "HOME": str(tmp_path)}, changes)
        token = requests.post(f"{hub.url}hub/api/users/ann/tokens", headers={"Authorization": f"token {'a' * 40}"},
                              timeout=60).json()["token"]
        run(of_ann, tmp_path, {**os.environ, "HOME": str(tmp_path), "TOKEN": token}, changes)
        metrics = requests.get(f"{hub.url}user/ann/metrics", allow_redirects=False, timeout=60)
        assert metrics.status_code == 403
    finally:
        hub.stop()
