"""The outputs of the cells, put together from the messages of a kernel.

Work per message must not depend on how many came before: pieces of a stream are joined once, and displays that
share a display_id share their data, so that an update is one assignment.
"""

from __future__ import annotations

import json
from typing import Any, Dict, List, Optional

from nbformat import NotebookNode

from .notebooks import is_json

Message = Dict[str, Any]


class _Display:
    """The data and metadata that all displays with one display_id show."""

    def __init__(self) -> None:
        self.data: Dict[str, Any] = NotebookNode()
        self.metadata: Dict[str, Any] = NotebookNode()

    def set(self, content: Message) -> None:
        self.data.clear()
        self.data.update(_mime_bundle(content.get("data")))
        self.metadata.clear()
        self.metadata.update(_mapping(content.get("metadata")))


class Displays:
    """The displays of one notebook that can be updated, by display_id."""

    def __init__(self) -> None:
        self._displays: Dict[str, _Display] = {}

    def show(self, content: Message) -> _Display:
        """Return what a new display shows, and let earlier ones with the same display_id show it too."""
        display_id = _mapping(content.get("transient")).get("display_id")
        display = self._displays.setdefault(display_id, _Display()) if isinstance(display_id, str) else _Display()
        display.set(content)
        return display

    def update(self, content: Message) -> None:
        """Let all displays with this display_id show something else."""
        display = self._find(content)
        if display is not None:
            display.set(content)

    def data_of(self, content: Message) -> Dict[str, Any]:
        """Return what the display that a message is about shows now."""
        display = self._find(content)
        return {} if display is None else display.data

    def _find(self, content: Message) -> Optional[_Display]:
        return self._displays.get(str(_mapping(content.get("transient")).get("display_id")))


class CellOutputs:
    """The outputs of one cell.

    Parameters
    ----------
    displays : Displays
        Those of the notebook.
    limit : int
        Bytes that are kept, errors not counted; 0 is all.

    Attributes
    ----------
    cut : int
        Bytes that were not kept.
    """

    def __init__(self, displays: Displays, limit: int = 0) -> None:
        self._displays = displays
        self._limit = limit
        self._size = 0
        self.cut = 0
        self._outputs: List[NotebookNode] = []
        self._stream_name = ""
        self._pieces: List[str] = []
        self._clear_before_next = False

    def handle(self, msg_type: str, content: Message) -> None:
        """Take in one message of the iopub channel; messages that are no output are passed over."""
        if msg_type == "clear_output":
            self._clear(bool(content.get("wait")))
        elif msg_type == "update_display_data":
            if self._has_room(msg_type, content):
                self._displays.update(content)
        elif msg_type in _HANDLERS:
            self._clear_if_due()
            if self._has_room(msg_type, content):
                _HANDLERS[msg_type](self, content)

    def list_(self) -> List[NotebookNode]:
        """Return the outputs so far, as nbformat has them."""
        self._join()
        if not self.cut:
            return self._outputs
        note = (f"\n[nbexec: {self.cut} bytes of the output of this cell are missing here, because a cell may have "
                f"{self._limit} (c.NbExec.output_limit)]\n")
        return [*self._outputs, NotebookNode(output_type="stream", name="stderr", text=note)]

    def _has_room(self, msg_type: str, content: Message) -> bool:
        """Whether an output is to be kept; of a text that is too long the beginning is."""
        if not self._limit or msg_type == "error":
            return True
        if msg_type == "stream":
            content["text"] = self._cut_text(str(content.get("text", "")))
            return True
        size = len(json.dumps(content.get("data")))
        if msg_type == "update_display_data":
            size -= len(json.dumps(self._displays.data_of(content)))
        if self._size + size > self._limit:
            self.cut += max(0, size)
            return False
        self._size += size
        return True

    def _cut_text(self, text: str) -> str:
        encoded = text.encode("utf-8", "replace")
        room = self._limit - self._size
        if len(encoded) <= room:
            self._size += len(encoded)
            return text
        self._size = self._limit
        self.cut += len(encoded) - room
        return encoded[:room].decode("utf-8", "ignore")

    def _stream(self, content: Message) -> None:
        name = "stderr" if content.get("name") == "stderr" else "stdout"
        if name != self._stream_name:
            self._join()
            self._stream_name = name
        self._pieces.append(str(content.get("text", "")))

    def _join(self) -> None:
        """Close the stream output that is being collected."""
        text = "".join(self._pieces)
        if text and self._outputs and self._outputs[-1].get("name") == self._stream_name:
            self._outputs[-1]["text"] += text
        elif text:
            self._outputs.append(NotebookNode(output_type="stream", name=self._stream_name, text=text))
        self._pieces = []

    def _display(self, content: Message) -> None:
        display = self._displays.show(content)
        self._append(NotebookNode(output_type="display_data", data=display.data, metadata=display.metadata))

    def _result(self, content: Message) -> None:
        display = self._displays.show(content)
        self._append(NotebookNode(output_type="execute_result", execution_count=execution_count(content),
                                  data=display.data, metadata=display.metadata))

    def _error(self, content: Message) -> None:
        self._append(NotebookNode(output_type="error", ename=str(content.get("ename", "")),
                                  evalue=str(content.get("evalue", "")),
                                  traceback=[str(line) for line in content.get("traceback") or []]))

    def _append(self, output: NotebookNode) -> None:
        self._join()
        self._stream_name = ""
        self._outputs.append(output)

    def _clear(self, wait: bool) -> None:
        self._clear_before_next = True
        if not wait:
            self._clear_if_due()

    def _clear_if_due(self) -> None:
        if self._clear_before_next:
            self._clear_before_next = False
            self._pieces = []
            self._stream_name = ""
            self._outputs = []
            self._size = self.cut = 0


_HANDLERS = {
    "stream": CellOutputs._stream,
    "display_data": CellOutputs._display,
    "execute_result": CellOutputs._result,
    "error": CellOutputs._error,
}


def execution_count(content: Message) -> Optional[int]:
    """Return the count that a message names, None if it is none that nbformat takes."""
    count = content.get("execution_count")
    return count if isinstance(count, int) and not isinstance(count, bool) and count >= 0 else None


def _mapping(value: Any) -> Dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _mime_bundle(data: Any) -> Dict[str, Any]:
    """Return the data of a display such that it is valid nbformat whatever the notebook published."""
    return {str(mime): value if is_json(str(mime)) else _text(value) for mime, value in _mapping(data).items()}


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, list) and all(isinstance(part, str) for part in value):
        return "".join(value)
    return json.dumps(value)
