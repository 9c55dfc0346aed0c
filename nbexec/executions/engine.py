"""Where executions run: what an engine can do, whichever it is."""

from __future__ import annotations

from typing import Any, Callable, Dict, List, Optional, Protocol, Tuple

from ..engines.local.connection import Connection
from ..files.end_notes import Notes
from ..protocol import RunRequest


class Engine(Protocol):
    """Starts runners: on this machine, or on others."""

    name: str  # as configured
    notes: Optional[Notes]  # where runners leave notes that this machine sees, if not beside the records
    is_prompt: bool  # whether a runner is there at once, without waiting for a machine
    on_slots: Callable[[int], None]  # called with how many executions may run at once, if that is not for us to say

    async def launch(self, needs_kernel: bool, spec: Optional[Dict[str, Any]] = None) -> Connection:
        """Start a runner and return the connection to it; the kernelspec is that of its kernel, if known.

        Raises
        ------
        RunnerDiedError
            It cannot be started.
        """
        ...

    def needs(self, spec: Optional[Dict[str, Any]]) -> Dict[str, float]:
        """Return what a kernel needs of the machine that it runs on."""
        ...

    async def adapted(self, request: RunRequest, content: bytes) -> Tuple[RunRequest, bytes]:
        """Return a request and the notebook as they have to be where runners are.

        Raises
        ------
        OSError
            The notebook cannot be read.
        """
        ...

    async def how_ended(self, connection: Connection) -> str:
        """Return in words how a runner has ended that is lost, as far as it is known; else nothing."""
        ...

    def for_workers(self, spec: Dict[str, Any]) -> Dict[str, Any]:
        """Return a kernelspec as runners need it."""
        ...

    def fork_server_for(self, spec: Dict[str, Any]) -> Optional[str]:
        """Return the address of a fork server for such kernels, None if there is none."""
        ...

    def problems(self) -> List[str]:
        """Return in words what is wrong with the machines that runners are on."""
        ...

    def state(self) -> Dict[str, Any]:
        """Return what there is to run executions on, as the API shows it: its `engine`, `workers`, `problems` …."""
        ...

    def close(self) -> None:
        """Make all runners save and exit, and wait for that; this works without a running loop."""
        ...
