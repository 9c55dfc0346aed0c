"""One run of one notebook, as the API shows it.

An `Execution` belongs to the server's loop thread and only `nbexec.manager` changes it; what a run finds out
reaches it as events.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from dataclasses import asdict, dataclass, field
from typing import Any, Collection, Dict, Optional

INITIALIZING = "initializing"
EXECUTING = "executing"
COMPLETED = "completed"
_ERROR = "error: "
_ID = re.compile(r"[\w-]{1,100}", re.ASCII)
_END_OF_TIME = 1e12  # seconds since the epoch
# What the last event says that is in its record too; the rest is in the output notebook.
RECORDED_DETAILS = ("exited", "output_cut")


def error_status(message: str) -> str:
    """Return the status of an execution that ended with `message`."""
    return _ERROR + message


def error_of(status: str) -> str:
    """Return the message in such a status."""
    return status[len(_ERROR):]


@dataclass
class Execution:
    """The execution model of the API (reference, "Execution Model").

    Parameters
    ----------
    exec_id : str
        A UUID.
    path : str
        API path of the source notebook.
    params : dict
        The notebook parameters as they were given, as text.
    output_path : str, optional
        API path of the output notebook: the one asked for, at the end the real one.
    overwrite : bool
        Whether an existing output notebook may be replaced.
    jupyter_kernel : str, optional
        The kernel that was asked for.
    cell_timeout : int, optional
        Seconds that one cell may take.
    status : str
        ``initializing``, ``executing``, ``completed`` or ``error: <msg>``.
    progress : str, optional
        ``<current cell>/<all cells>``.
    last_cell_source : str, optional
        Source of the cell that was started last.
    started_at, completed_at : float, optional
        Seconds since the epoch.
    start_number, end_number : int, optional
        Numbers of the events `notebook_start` and of the last one; they are no part of the model.
    start_facts, end_facts : dict
        What these two events say besides that no model tells; no part of it either.
    """

    exec_id: str
    path: str
    params: Dict[str, str] = field(default_factory=dict)
    output_path: Optional[str] = None
    overwrite: bool = False
    jupyter_kernel: Optional[str] = None
    cell_timeout: Optional[int] = None
    status: str = INITIALIZING
    progress: Optional[str] = None
    last_cell_source: Optional[str] = None
    started_at: Optional[float] = None
    completed_at: Optional[float] = None
    start_number: Optional[int] = None
    end_number: Optional[int] = None
    start_facts: Dict[str, Any] = field(default_factory=dict)
    end_facts: Dict[str, Any] = field(default_factory=dict)

    @property
    def finished(self) -> bool:
        """Whether the status is final."""
        return self.status not in (INITIALIZING, EXECUTING)

    def model(self) -> Dict[str, Any]:
        """Return the JSON form; every key is always there."""
        model = asdict(self)
        for name in ("start_number", "end_number", "start_facts", "end_facts"):
            del model[name]
        return model


def is_text(value: object, or_none: bool = False) -> bool:
    """Whether a value is text, or nothing."""
    return isinstance(value, str) or (or_none and value is None)


def is_time(value: object, or_none: bool = False) -> bool:
    """Whether a value is a time in seconds since the epoch, or nothing."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return math.isfinite(value) and 0 <= value < _END_OF_TIME
    return or_none and value is None


def is_model(value: object) -> bool:
    """Whether a value that was read from somewhere is the model of an execution, with everything as it has to be."""
    if not isinstance(value, dict) or value.keys() != Execution("", "").model().keys():
        return False
    params, timeout, status = value["params"], value["cell_timeout"], value["status"]
    return (is_text(value["exec_id"]) and bool(_ID.fullmatch(value["exec_id"])) and is_text(value["path"])
            and isinstance(params, dict) and all(map(is_text, params.values()))
            and (timeout is None or type(timeout) is int) and isinstance(value["overwrite"], bool)
            and all(is_text(value[name], or_none=True) for name in
                    ("output_path", "jupyter_kernel", "progress", "last_cell_source"))
            and is_text(status) and _has_times_of(status, value["started_at"], value["completed_at"]))


def _has_times_of(status: str, started_at: object, completed_at: object) -> bool:
    """Whether an execution with such a status can have started and ended then."""
    if status == INITIALIZING:
        return started_at is None and completed_at is None
    if status == EXECUTING:
        return is_time(started_at) and completed_at is None
    is_final = status == COMPLETED or status.startswith(_ERROR)
    return is_final and is_time(started_at, or_none=True) and is_time(completed_at)


@dataclass
class RunArguments:
    """What a request wants to be run.

    Parameters
    ----------
    notebook : str
        API path of the source notebook.
    params : dict
        The notebook parameters, as text.
    output_path : str, optional
        API path that the output notebook is to have.
    overwrite : bool
        Whether a file that is there may be replaced.
    jupyter_kernel : str, optional
        Name of the kernel.
    cell_timeout : int, optional
        Seconds that one cell may take.
    failed_apart : bool
        Whether `output_path` is for the output of a complete run alone.
    """

    notebook: str
    params: Dict[str, str] = field(default_factory=dict)
    output_path: Optional[str] = None
    overwrite: bool = False
    jupyter_kernel: Optional[str] = None
    cell_timeout: Optional[int] = None
    failed_apart: bool = False

    def digest(self, without: Collection[str] = ()) -> str:
        """Return a text that is the same for the same arguments, and does not give them away.

        Parameters
        ----------
        without : collection of str
            Names of parameters whose values do not count. Few values are possible for some secrets, and all of them
            could be tried.
        """
        arguments = {**asdict(self), "params": {name: None if name in without else value
                                                for name, value in self.params.items()}}
        digest = hashlib.sha256(json.dumps(arguments, sort_keys=True).encode("ascii")).hexdigest()
        return " ".join([digest, *sorted(without)])

    def has_digest(self, digest: str) -> bool:
        """Whether these may be the arguments that `digest` was made of."""
        return self.digest(digest.split()[1:]) == digest
