"""What a Prometheus is shown, and the examples for it."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Dict, List, Set

import pytest
import requests
from helpers import TREE, Server, wait_for, write_notebook

EXAMPLES = TREE / "examples" / "prometheus"
DOCS = TREE / "docs"
SLEEP = "import time; time.sleep(600)"
PROMTOOL = shutil.which("promtool")
needs_promtool = pytest.mark.skipif(PROMTOOL is None, reason="no promtool: apt-get install prometheus")


def metrics(server: Server) -> Dict[str, float]:
    """Return what Prometheus would read."""
    answer = requests.get(f"{server.url}metrics", headers={"Authorization": f"token {server.token}"}, timeout=30)
    assert answer.status_code == 200
    lines = [line.rpartition(" ") for line in answer.text.splitlines() if line.startswith("nbexec_")]
    return {name: float(value) for name, _, value in lines}


def test_the_metrics_need_the_token_in_the_way_of_the_example(server: Server) -> None:
    [kind] = re.findall(r"type: (\S+)", (EXAMPLES / "prometheus.yml").read_text("utf-8"))

    def status(authorization: str) -> int:
        headers = {"Authorization": authorization} if authorization else {}
        return requests.get(f"{server.url}metrics", headers=headers, timeout=30).status_code

    assert status(f"{kind} {server.token}") == 200
    # as docs/records.rst says
    assert [status(""), status(f"{kind} wrong"), status(f"Bearer {server.token}")] == [403, 403, 403]


def test_open_streams_are_counted(server: Server, folder: Path) -> None:
    before = metrics(server)
    exec_id = server.start_run(write_notebook(folder / "a.ipynb", SLEEP))
    path = f"/{exec_id}/events"
    with server.get(path, stream=True), server.get(path, stream=True):
        wait_for(lambda: metrics(server)["nbexec_streams"] == before["nbexec_streams"] + 2)
    wait_for(lambda: metrics(server)["nbexec_streams"] == before["nbexec_streams"])
    server.delete(f"/{exec_id}")


def names_in(text: str) -> Set[str]:
    return set(re.findall(r"nbexec_[a-z_]+", text))


def test_the_examples_and_the_docs_name_metrics_that_there_are(server: Server) -> None:
    shown = {name.partition("{")[0] for name in metrics(server)}
    dashboard = json.loads((EXAMPLES / "dashboard.json").read_text("utf-8"))
    used = {target["expr"] for panel in dashboard["panels"] for target in panel["targets"]}
    used.add((EXAMPLES / "alerts.yml").read_text("utf-8"))
    assert used and names_in(" ".join(used)) - shown == set()
    families = {re.sub(r"_(bucket|sum|count|created)$", "", name) for name in shown}
    documented = names_in((DOCS / "records.rst").read_text("utf-8"))
    assert {name for name in families if name.endswith("_total") or f"{name}_total" not in families} <= documented


@needs_promtool
@pytest.mark.parametrize("command", [["config", "prometheus.yml"], ["rules", "alerts.yml"]], ids=["config", "rules"])
def test_prometheus_takes_the_examples(tmp_path: Path, command: List[str]) -> None:
    folder = tmp_path / "prometheus"
    shutil.copytree(EXAMPLES, folder)
    (folder / "token").write_text("a token")
    kind, file = command
    done = subprocess.run([str(PROMTOOL), "check", kind, file], cwd=folder, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True)
    assert done.returncode == 0, done.stdout
    assert "SUCCESS" in done.stdout


def test_the_dashboard_has_a_server_and_a_title_for_each_panel() -> None:
    dashboard = json.loads((EXAMPLES / "dashboard.json").read_text("utf-8"))
    assert all(panel["title"] and panel["targets"] for panel in dashboard["panels"])
    assert len({panel["id"] for panel in dashboard["panels"]}) == len(dashboard["panels"])
    assert all("$instance" in target["expr"] for panel in dashboard["panels"] for target in panel["targets"])
