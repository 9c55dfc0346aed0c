"""One execution of one notebook, as the API shows it.

An `Execution` belongs to the server's loop thread. Only its `Lifecycle` changes it, or `Recovery` after the server was
started again.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from typing import Any, Dict, List, Mapping, Optional, Tuple

from .run_arguments import FORM_FIELDS, RunArguments

INITIALIZING = "initializing"
EXECUTING = "executing"
COMPLETED = "completed"
# States, in which lists are filtered; unlike the status, they are in one word.
WAITING, RUNNING, FAILED, STOPPED = "waiting", "running", "failed", "stopped"
STATES = (WAITING, RUNNING, COMPLETED, FAILED, STOPPED)
SHUT_DOWN = "the execution was shut down"
_ERROR = "error: "
_ID = re.compile(r"[\w-]{1,100}", re.ASCII)
_END_OF_TIME = 1e12  # seconds since the epoch
_EXCEPTION = ("ename", "evalue")  # that a cell has raised; its traceback is in the output notebook
# What the last event says that is in the record too.
RECORDED_DETAILS = ("kind", "exited", "output_cut", "results_omitted", "failed_cells", *_EXCEPTION)
END_DETAILS = (*RECORDED_DETAILS, "traceback")  # what runners tell for the last event
# The keys of a model that are only there when there is something to say.
OPTIONAL = ("requested_at", "kernel", "where", "parameters", "results")
_STATE = ("output_path", "status", "progress", "last_cell_source", "started_at", "completed_at")


def error_status(message: str) -> str:
    """Return the status of an execution that ended with `message`."""
    return _ERROR + message


def error_of(status: str) -> str:
    """Return the message in such a status."""
    return status[len(_ERROR):]


def split_details(recorded: Mapping[str, Any]) -> Tuple[Dict[str, Any], Dict[str, Any]]:
    """Return what the record of an execution knows of its last event: the exception of a cell, and the rest."""
    exception = {name: recorded[name] for name in _EXCEPTION if name in recorded}
    return exception, {name: value for name, value in recorded.items() if name not in exception}


@dataclass
class Execution:
    """One execution; its model is that of the API.

    Parameters
    ----------
    exec_id : str
        A UUID.
    arguments : RunArguments
        What was asked for, as it may be shown: without the values of secret parameters.
    output_path : str, optional
        API path of the output notebook: the requested one, in the end the real one.
    status : str
        ``initializing``, ``executing``, ``completed`` or ``error: <msg>``.
    progress : str, optional
        ``<current cell>/<all cells>``.
    last_cell_source : str, optional
        Source of the last cell that was started.
    started_at, completed_at : float, optional
        Seconds since the epoch.
    requested_at : float, optional
        When the request was made, in seconds since the epoch.
    kernel : str, optional
        The name of the kernel that it runs on, once that is chosen.
    where : str, optional
        The name of the worker that it runs on, if that is not the machine of the server.
    parameters : list of dict, optional
        The values of all parameters of the notebook, once that has been read.
    results : dict
        The values that the notebook has handed back, by name; the model has none before the end.
    start_number, end_number : int, optional
        Numbers of the event `notebook_start` and of the last one; they are not in the model.
    start_details, end_details : dict
        What these two events say that is not in the model.
    """

    exec_id: str
    arguments: RunArguments
    output_path: Optional[str] = None
    status: str = INITIALIZING
    progress: Optional[str] = None
    last_cell_source: Optional[str] = None
    started_at: Optional[float] = None
    completed_at: Optional[float] = None
    requested_at: Optional[float] = None
    kernel: Optional[str] = None
    where: Optional[str] = None
    parameters: Optional[List[Dict[str, Any]]] = None
    results: Dict[str, Any] = field(default_factory=dict)
    start_number: Optional[int] = None
    end_number: Optional[int] = None
    start_details: Dict[str, Any] = field(default_factory=dict)
    end_details: Dict[str, Any] = field(default_factory=dict)

    @property
    def path(self) -> str:
        """API path of the source notebook."""
        return self.arguments.notebook

    @property
    def finished(self) -> bool:
        """Whether the status is final."""
        return self.status not in (INITIALIZING, EXECUTING)

    def model(self) -> Dict[str, Any]:
        """Return the JSON form; every key is always there, but those of `OPTIONAL`."""
        model = {"exec_id": self.exec_id, **self.arguments.model()}
        for name in _STATE:
            model[name] = getattr(self, name)
        for name in OPTIONAL:
            value = getattr(self, name)
            if value not in (None, {}):
                model[name] = value
        return model

    @classmethod
    def from_model(cls, model: Mapping[str, Any], **more: Any) -> Execution:
        """Return the execution that has this model; `more` are attributes that are not in it."""
        state = {name: model[name] for name in _STATE}
        state.update((name, model[name]) for name in OPTIONAL if name in model)
        return cls(model["exec_id"], RunArguments.from_model(model), **state, **more)


def is_text(value: object, or_none: bool = False) -> bool:
    """Whether a value is a string, or None if that is allowed."""
    return isinstance(value, str) or (or_none and value is None)


def is_time(value: object, or_none: bool = False) -> bool:
    """Whether a value is a time in seconds since the epoch, or None if that is allowed."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return math.isfinite(value) and 0 <= value < _END_OF_TIME
    return or_none and value is None


def is_model(value: object) -> bool:
    """Whether a value from outside is a valid execution model."""
    if not isinstance(value, dict) or value.keys() - {*OPTIONAL} != Execution("", RunArguments("")).model().keys():
        return False
    params, status = value["params"], value["status"]
    return (isinstance(value.get("results", {}), dict) and is_time(value.get("requested_at"), or_none=True)
            and all(is_text(value.get(name), or_none=True) for name in ("kernel", "where"))
            and _are_parameters(value.get("parameters", []))
            and is_text(value["exec_id"]) and bool(_ID.fullmatch(value["exec_id"])) and is_text(value["path"])
            and isinstance(params, dict) and all(map(is_text, params.values()))
            and all(form_field.takes(value[form_field.name]) for form_field in FORM_FIELDS)
            and all(is_text(value[name], or_none=True) for name in ("progress", "last_cell_source"))
            and is_text(status) and _has_times_of(status, value["started_at"], value["completed_at"]))


def _are_parameters(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(item, dict) and is_text(item.get("name")) for item in value)


def _has_times_of(status: str, started_at: object, completed_at: object) -> bool:
    """Whether the times of an execution fit its status."""
    if status == INITIALIZING:
        return started_at is None and completed_at is None
    if status == EXECUTING:
        return is_time(started_at) and completed_at is None
    is_final = status == COMPLETED or status.startswith(_ERROR)
    return is_final and is_time(started_at, or_none=True) and is_time(completed_at)
