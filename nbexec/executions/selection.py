"""Which executions a list shows: a filter over their models, an order, and a page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, FrozenSet, List, Mapping, NamedTuple, Optional

from ..execution import COMPLETED, EXECUTING, FAILED, INITIALIZING, RUNNING, SHUT_DOWN, STOPPED, WAITING, error_status

_STATE_OF = {INITIALIZING: WAITING, EXECUTING: RUNNING, COMPLETED: COMPLETED, error_status(SHUT_DOWN): STOPPED}


class ExecutionPage(NamedTuple):
    """A part of a list: models as JSON, and the number of the last one if there are more."""

    models: List[str]
    last: Optional[int]


@dataclass(frozen=True)
class Selection:
    """What to list.

    Parameters
    ----------
    text : str
        What the path, the error, the id or a value has to contain, in upper or lower case.
    states : frozenset of str
        Some of `STATES`; empty for all.
    notebook : str, optional
        Path of the source notebook.
    since, until : float, optional
        Bounds on the time of the request, in seconds since the epoch; `until` is excluded.
    newest_first : bool
        The order.
    limit : int, optional
        How many at most.
    after : int, optional
        The number of the last execution that was listed before.
    """

    text: str = ""
    states: FrozenSet[str] = frozenset()
    notebook: Optional[str] = None
    since: Optional[float] = None
    until: Optional[float] = None
    newest_first: bool = False
    limit: Optional[int] = None
    after: Optional[int] = None

    @property
    def has_filter(self) -> bool:
        """Whether a model has to be looked at to know whether it is listed."""
        return bool(self.text or self.states or self.notebook is not None
                    or self.since is not None or self.until is not None)

    def takes(self, model: Mapping[str, Any]) -> bool:
        """Whether an execution with this model is listed."""
        if self.states and state_of(model) not in self.states:
            return False
        if self.notebook is not None and model["path"] != self.notebook:
            return False
        return self._is_in_time(model) and self.text.casefold() in _text_of(model)

    def _is_in_time(self, model: Mapping[str, Any]) -> bool:
        moment = model.get("requested_at") or model["started_at"] or model["completed_at"] or 0.0
        return (self.since is None or moment >= self.since) and (self.until is None or moment < self.until)


def state_of(model: Mapping[str, Any]) -> str:
    """Return the state of an execution in a word, one of `STATES`."""
    return _STATE_OF.get(model["status"], FAILED)


def _text_of(model: Mapping[str, Any]) -> str:
    """Return the text that is searched."""
    names = ("exec_id", "path", "output_path", "status", "kernel")
    texts = [str(model.get(name) or "") for name in names]
    return "\n".join([*texts, *(f"{name}={value}" for name, value in model["params"].items())]).casefold()
