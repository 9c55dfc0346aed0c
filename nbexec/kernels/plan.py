"""What kind of kernel is wanted."""

from __future__ import annotations

import os
import re
import sys
from dataclasses import dataclass, field, replace
from typing import Any, Dict, List, Optional

from .interpreters import OWN_NAMES, origin_of, own_origin, provisioner_of, variables_of

# A second kernel that saves its history to the same file would wait for the first one's lock.
IPYKERNEL_ARGUMENTS = ["--HistoryManager.hist_file=:memory:", "--IPythonKernel._execute_sleep=0"]


@dataclass
class KernelPlan:
    """What kind of kernel is wanted.

    Parameters
    ----------
    spec : dict
        The kernelspec: `name`, `argv`, `env`, `resource_dir`, `interrupt_mode`, `metadata`, `provisioner`.
    cwd : str
        Working directory of the kernel.
    fork_server : str, optional
        The address of a fork server for kernels of this kernelspec's interpreter, if that is not ours.
    run_variables : dict
        The variables that tell the notebook about its run.
    """

    spec: Dict[str, Any]
    cwd: str
    fork_server: Optional[str] = None
    run_variables: Dict[str, str] = field(default_factory=dict)

    @property
    def provisioner(self) -> str:
        """The name of jupyter_client's provisioner that starts the kernel; empty if nbexec does."""
        return provisioner_of(self.spec)

    @property
    def interrupt_mode(self) -> str:
        """How a cell is interrupted: by a `signal` or by a `message`."""
        return str(self.spec.get("interrupt_mode", "signal"))

    def environment(self) -> Dict[str, str]:
        """Return the variables that the kernelspec sets, its references to others resolved, and those of the run."""
        return {**variables_of(self.spec, os.environ), **self.run_variables}

    def is_own(self) -> bool:
        """Whether a process forked from this one is what the kernelspec describes."""
        return origin_of(self.spec, os.environ) == own_origin()

    def without_fork_server(self) -> KernelPlan:
        """Return the plan for another attempt, which must not fail for the same reason."""
        return replace(self, fork_server=None)

    def command(self, connection_file: str) -> List[str]:
        """Return the command line of an ordinary start."""
        known = {"connection_file": connection_file, "prefix": sys.prefix,
                 "resource_dir": self.spec.get("resource_dir", "")}
        argv = [re.sub(r"\{(\w+)\}", lambda found: known.get(found[1], found[0]), part)
                for part in self.argv()]
        if argv[0] in OWN_NAMES:
            argv[0] = sys.executable
        return argv

    def argv(self) -> List[str]:
        """Return the command line of the kernelspec, with the arguments that nbexec adds."""
        return [*self.spec["argv"], *(IPYKERNEL_ARGUMENTS if self.is_ipykernel() else [])]

    def is_ipykernel(self) -> bool:
        """Whether the kernel takes the arguments of ipykernel."""
        return any(module in self.spec["argv"] for module in ("ipykernel_launcher", "ipykernel"))
