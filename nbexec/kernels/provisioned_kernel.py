"""A kernel that one of jupyter_client's provisioners starts, on this machine or elsewhere."""

from __future__ import annotations

import subprocess
from typing import Any, Dict

from ..errors import KernelDiedError, KernelProgramError
from .client import KernelClient
from .kernel import Kernel
from .plan import KernelPlan
from .provisioned_process import ProvisionedProcess
from .watched import Watched, serve


class ProvisionedKernel(Kernel):
    """A kernel whose kernelspec names a provisioner. It never runs in any other way."""

    def _launch(self, plan: KernelPlan) -> None:
        self.how_started = f"started by the provisioner {plan.provisioner}"
        self._name = plan.provisioner
        self._provisioned = ProvisionedProcess(_spec_of(plan), self._files.path, self._children)
        self._process = self._provisioned
        self._provisioned.launch(cwd=plan.cwd, stdout=subprocess.DEVNULL, stderr=self._files.errors)

    def wait_until_ready(self, watched: Watched, deadline: float) -> None:
        """Wait until the provisioner has started the kernel."""
        while not self._provisioned.is_launched():
            serve(watched, deadline)
        self.check()
        self.connection = self._provisioned.connection

    def check(self) -> None:
        """Raise KernelDiedError if the kernel has ended, or its provisioner has failed."""
        super().check()
        failure = self._provisioned.failure
        if isinstance(failure, ImportError):
            raise KernelProgramError(f"the provisioner {self._name!r} cannot be loaded: {failure}")
        if failure is not None:
            raise KernelDiedError(f"the provisioner {self._name!r} failed: {type(failure).__name__}: {failure}")

    def request_shutdown(self, client: KernelClient) -> None:
        """Ask the kernel to end, and tell its provisioner so."""
        super().request_shutdown(client)
        self._provisioned.shutdown_requested()


def _spec_of(plan: KernelPlan) -> Dict[str, Any]:
    """Return the kernelspec for jupyter_client; it names the provisioner, also one that is a default of the server."""
    metadata = plan.spec.get("metadata") or {}
    config = (metadata.get("kernel_provisioner") or {}).get("config") or {}
    stanza = {"provisioner_name": plan.provisioner, "config": config}
    env = {name: str(value) for name, value in (plan.spec.get("env") or {}).items()}
    env.update((name, value.replace("$", "$$")) for name, value in plan.run_variables.items())  # no references
    return {**plan.spec, "argv": plan.argv(), "env": env, "metadata": {**metadata, "kernel_provisioner": stanza}}
