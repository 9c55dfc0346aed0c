"""An operator for Airflow that runs a notebook on a notebook server with nbexec.

It needs nothing in Airflow's environment but requests, which is there already.
"""

import json
import time
import uuid

import requests

try:
    from airflow.sdk import BaseOperator  # Airflow 3
except ImportError:
    from airflow.models import BaseOperator

LOST = (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError)


class RunNotebookOperator(BaseOperator):
    """Run a notebook and log its cells; fail if it fails. The result is the path of the output notebook."""

    template_fields = ("notebook", "parameters", "output_path", "token")

    def __init__(self, *, server, token, notebook, parameters=None, output_path=None, **kwargs):
        super().__init__(**kwargs)
        self.server, self.token = server, token
        self.notebook, self.parameters, self.output_path = notebook, parameters or {}, output_path
        self.exec_id = None

    def execute(self, context):
        """Run the notebook; Airflow calls this once in each try."""
        ti = context["ti"]
        this_try = f"{ti.dag_id} {ti.task_id} {ti.run_id} {ti.map_index} {ti.try_number}"
        key = str(uuid.uuid5(uuid.NAMESPACE_URL, this_try))
        body = {"notebook": self.notebook, **self.parameters}
        if self.output_path:
            body.update(output_path=self.output_path, overwrite=True)
        for attempt in range(8):
            try:
                return self._follow(body, key)
            except LOST:  # the key makes it safe to ask again: nothing is run twice
                self.log.warning("Lost the server; asking again in %d s.", 2**attempt)
                time.sleep(2**attempt)
        raise RuntimeError(f"no connection to {self.server}")

    def on_kill(self):
        """Shut the execution down; Airflow calls this when the task is stopped."""
        if self.exec_id:
            self._request(f"/{self.exec_id}", data={"action": "shutdown"})

    def _follow(self, body, key):
        headers = {"Idempotency-Key": key, "X-Response-Encoding": "chunked", "X-Heartbeat": "15"}
        with self._request("", json=body, headers=headers, stream=True) as response:
            for line in filter(None, response.iter_lines(chunk_size=None)):
                event = json.loads(line)
                self.exec_id = event["exec_id"]
                if event["event"] == "start":
                    self.log.info("Cell %s", event["progress"])
                elif event["event"] == "notebook_error":
                    raise RuntimeError(event["error"])
                elif event["event"] == "notebook_complete":
                    return event["execution"]["output_path"]
        raise requests.ConnectionError("the stream ended early")

    def _request(self, path, headers=None, **options):
        headers = {"Authorization": f"token {self.token}", **(headers or {})}
        response = requests.post(f"{self.server}/api/executions{path}", headers=headers, timeout=60, **options)
        if response.status_code == 429 or response.status_code >= 500:
            raise requests.ConnectionError(response.text)
        if not response.ok:
            raise RuntimeError(response.json()["message"])
        return response
