"""An operator for Airflow that runs a notebook on a notebook server with nbexec.

It needs nbexec in Airflow's environment, but not what a notebook server needs: ``pip install --no-deps``.
"""

import uuid

from nbexec.client import Client

try:
    from airflow.sdk import BaseOperator  # Airflow 3
except ImportError:
    from airflow.models import BaseOperator


class RunNotebookOperator(BaseOperator):
    """Run a notebook and log its cells; fail if it fails. The result is the path of the output notebook."""

    template_fields = ("notebook", "parameters", "output_path", "token")

    def __init__(self, *, server, token, notebook, parameters=None, output_path=None, **kwargs):
        super().__init__(**kwargs)
        self.server, self.token = server, token
        self.notebook, self.parameters, self.output_path = notebook, parameters, output_path
        self.execution = None

    def execute(self, context):
        """Run the notebook; Airflow calls this once in each try."""
        ti = context["ti"]
        this_try = f"{ti.dag_id} {ti.task_id} {ti.run_id} {ti.map_index} {ti.try_number}"
        options = {"output_path": self.output_path, "overwrite": True} if self.output_path else {}
        with Client(self.server, self.token, retries=8) as client:
            self.execution = client.submit(
                self.notebook,
                self.parameters,
                idempotency_key=str(uuid.uuid5(uuid.NAMESPACE_URL, this_try)),  # it is started once in each try
                **options,
            )
            for event in self.execution.events():
                if event["event"] == "start":
                    self.log.info("Cell %s", event["progress"])
            return self.execution.result().output_path

    def on_kill(self):
        """Shut the execution down; Airflow calls this when the task is stopped."""
        if self.execution:
            self.execution.shutdown()
