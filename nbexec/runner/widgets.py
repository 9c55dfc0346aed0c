"""The widgets of a notebook: their state, as a page would save it, and what its output widgets take up.

A message of a widget may hold anything: what is not as it should be is passed over.
"""

from __future__ import annotations

import base64
import json
from typing import Any, Callable, Dict, List, Optional

from nbformat import NotebookNode

from ..files.notebooks import WIDGET_STATE
from ..kernels.messages import KernelMessage
from .allowance import Allowance
from .displays import Displays
from .output_widget import OutputWidget
from .outputs import OutputArea
from .widget_text import texts_of

_TARGET = "jupyter.widget"
_NAMES = ("model_name", "model_module", "model_module_version")


class WidgetModel:
    """The state of one widget.

    Parameters
    ----------
    output : OutputWidget, optional
        What it does besides if it is an output widget.
    """

    def __init__(self, output: Optional[OutputWidget] = None) -> None:
        self.output = output
        self._state: Dict[str, Any] = {}
        self._buffers: Dict[str, bytes] = {}  # by their paths, as JSON

    def update(self, state: Dict[str, Any], paths: Any, buffers: List[bytes]) -> None:
        """Take over a change of the state; its binary parts stand beside it, with their paths."""
        paths = [path for path in paths if isinstance(path, list) and path] if isinstance(paths, list) else []
        changed = {*state, *(str(path[0]) for path in paths)}
        self._state = {name: value for name, value in self._state.items() if name not in changed}
        self._state.update(state)
        self._buffers = {path: buffer for path, buffer in self._buffers.items()
                         if str(json.loads(path)[0]) not in changed}
        self._buffers.update(zip(map(json.dumps, paths), buffers))

    def saved(self) -> Optional[Dict[str, Any]]:
        """Return what a notebook has of the widget, None if nobody could make a widget of it."""
        names = {name: self._state.get(f"_{name}") for name in _NAMES}
        if not all(isinstance(name, str) for name in names.values()):
            return None
        outputs = {} if self.output is None else {"outputs": self.output.outputs()}
        saved = {**names, "state": {**self._state, **outputs}}
        if self._buffers:
            saved["buffers"] = [_saved_buffer(path, buffer) for path, buffer in self._buffers.items()]
        return saved

    def shown(self) -> Dict[str, Any]:
        """Return the state as it is now, without its binary parts."""
        return self._state if self.output is None else {**self._state, "outputs": self.output.outputs()}


def _saved_buffer(path: str, buffer: bytes) -> Dict[str, Any]:
    return {"encoding": "base64", "path": json.loads(path), "data": base64.b64encode(buffer).decode("ascii")}


class Widgets:
    """The widgets of one notebook.

    Parameters
    ----------
    displays : Displays
        Those of the notebook.
    send : callable
        Sends the kernel a change of the state of the widget with this id; returns the id of the message, or None if it
        cannot be sent.
    """

    def __init__(self, displays: Displays, send: Callable[[str, Dict[str, Any]], Optional[str]]) -> None:
        self._displays = displays
        self._send = send
        self._models: Dict[str, WidgetModel] = {}
        self._has_had_any = False
        self._takers: Dict[str, List[OutputWidget]] = {}  # of the output of a request, the last one counts

    @property
    def is_waiting(self) -> bool:
        """Whether the kernel has something to do for a widget."""
        return any(output.pending for output in self._outputs())

    def give_up(self) -> None:
        """Wait for no answer of the kernel any more."""
        for output in self._outputs():
            output.pending = None

    def answered(self, msg_id: Optional[str]) -> None:
        """The kernel is done with a request."""
        for output in self._outputs():
            if msg_id is not None and output.pending == msg_id:
                output.answered()

    def taker(self, msg_id: Optional[str]) -> Optional[OutputWidget]:
        """Return the widget that takes up the output of a request now."""
        takers = self._takers.get(msg_id or "")
        return takers[-1] if takers and takers[-1] in self._outputs() else None

    def handle(self, message: KernelMessage, allowance: Allowance) -> None:
        """Take in one message of a comm, which a cell with this allowance has caused."""
        comm_id, data = message.content.get("comm_id"), message.content.get("data")
        if not isinstance(comm_id, str) or not isinstance(data, dict):
            return
        if message.type == "comm_open" and message.content.get("target_name") == _TARGET:
            self._open(comm_id, data)
        if message.type == "comm_close":
            self._models.pop(comm_id, None)
        elif comm_id in self._models and isinstance(data.get("state"), dict):
            is_echo = data.get("method") == "echo_update"
            self._update(self._models[comm_id], data, message, allowance, message.parent_id if is_echo else None)

    def metadata(self) -> Dict[str, Any]:
        """Return the widget metadata of the notebook; empty if it has no widgets."""
        state = {comm_id: model.saved() for comm_id, model in self._models.items()}
        state = {comm_id: saved for comm_id, saved in state.items() if saved is not None}
        return {WIDGET_STATE: {"state": state, "version_major": 2, "version_minor": 0}} if state else {}

    def texts_of(self, area: OutputArea) -> Dict[str, str]:
        """Return what the widgets in an output area show, as text, by their ids."""
        if not self._has_had_any:
            return {}
        views = [area.at(index) for index in range(area.count()) if not area.is_text(index)]
        return texts_of(views, self._state_of)

    def _state_of(self, comm_id: str) -> Optional[Dict[str, Any]]:
        model = self._models.get(comm_id)
        return None if model is None else model.shown()

    def _outputs(self) -> List[OutputWidget]:
        return [model.output for model in self._models.values() if model.output is not None]

    def _open(self, comm_id: str, data: Dict[str, Any]) -> None:
        state = data.get("state")
        is_output = isinstance(state, dict) and (state.get("_model_module"), state.get("_model_name")) == (
            "@jupyter-widgets/output", "OutputModel")
        output = OutputWidget(self._displays, lambda change: self._send(comm_id, change)) if is_output else None
        self._models[comm_id] = WidgetModel(output)
        self._has_had_any = True

    def _update(self, model: WidgetModel, data: Dict[str, Any], message: KernelMessage, allowance: Allowance,
                echo_of: Optional[str]) -> None:
        state = data["state"]
        model.update(state, data.get("buffer_paths"), message.buffers)
        if model.output is not None:
            if "outputs" in state:
                model.output.set(state["outputs"], allowance, echo_of)
            if message.type == "comm_msg" and isinstance(state.get("msg_id"), str):
                self._listen(model.output, state["msg_id"])

    def _listen(self, output: OutputWidget, msg_id: str) -> None:
        """Let a widget take up the output of another request, or of none any more."""
        if msg_id == output.msg_id:
            return
        if self._takers.get(output.msg_id):
            self._takers[output.msg_id].pop()
        if msg_id:
            self._takers.setdefault(msg_id, []).append(output)
        output.msg_id = msg_id


def saved_states(nb: NotebookNode) -> Dict[str, Dict[str, Any]]:
    """Return the states of the widgets that a notebook has, by their ids, with `_model_name`."""
    widgets = nb["metadata"].get("widgets")
    saved = widgets.get(WIDGET_STATE) if isinstance(widgets, dict) else None
    models = saved.get("state") if isinstance(saved, dict) else None
    return {comm_id: {**model["state"], "_model_name": model.get("model_name")} for comm_id, model in models.items()
            if isinstance(model, dict) and isinstance(model.get("state"), dict)} if isinstance(models, dict) else {}
