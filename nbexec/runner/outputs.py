"""The outputs of a cell or of an output widget, put together from the messages of a kernel.

Work per message must not depend on how many came before: pieces of a stream are joined once.
"""

from __future__ import annotations

import json
from typing import Any, Callable, Dict, List, Optional

from nbformat import NotebookNode

from .allowance import Allowance, Shares
from .displays import Content, Display, Displays, as_text


class OutputArea:
    """The outputs of one cell, or of one output widget.

    Parameters
    ----------
    displays : Displays
        Those of the notebook.
    on_display_change : callable
        Called when a display that is here was changed, from anywhere.

    Attributes
    ----------
    generation : int
        Is another one when something that was there has been changed or taken away.
    clears_next : bool
        Whether the next output replaces the present ones.
    """

    def __init__(self, displays: Displays, on_display_change: Callable[[], None] = lambda: None) -> None:
        self._displays = displays
        self._on_display_change = on_display_change
        self._shares = Shares()
        self.generation = 0
        self.clears_next = False
        self._outputs: List[NotebookNode] = []
        self._shown: Dict[Display, None] = {}
        self._stream_name = ""
        self._pieces: List[str] = []
        self._pieces_length = 0

    def handle(self, msg_type: str, content: Content, allowance: Allowance) -> None:
        """Take in one message of the iopub channel; messages that are no output are passed over.

        Parameters
        ----------
        msg_type : str
            Its type.
        content : dict
            Its content.
        allowance : Allowance
            That of the cell which has caused it.
        """
        if msg_type == "clear_output":
            self._clear(bool(content.get("wait")))
        elif msg_type == "update_display_data":
            if self._has_room(msg_type, content, allowance):
                self._displays.update(content)
        elif msg_type in _HANDLERS:
            self._clear_if_due()
            if msg_type == "stream":
                content = dict(content, text=self._shares.take_text(allowance, str(content.get("text", ""))))
            if self._has_room(msg_type, content, allowance):
                _HANDLERS[msg_type](self, content)

    def load(self, outputs: Any, allowance: Allowance) -> None:
        """Have these outputs in the place of all that are here; they cannot be updated by a display_id."""
        self._clear(wait=False)
        for output in outputs if isinstance(outputs, (list, tuple)) else []:
            if isinstance(output, dict) and output.get("output_type") in _HANDLERS:
                self.handle(output["output_type"], dict(output, transient=None), allowance)

    def display_changed(self) -> None:
        """Note that a display which is here shows something else."""
        self.generation += 1
        self._on_display_change()

    def as_list(self) -> List[NotebookNode]:
        """Return the outputs so far, as nbformat has them."""
        self._join()
        cut = self._shares.cut
        if not cut:
            return self._outputs
        note = (f"\n[nbexec: {cut} bytes of output were discarded, because the limit per cell is {self._shares.limit} "
                "bytes (c.NbExec.output_limit)]\n")
        return [*self._outputs, NotebookNode(output_type="stream", name="stderr", text=note)]

    # -- as they are now, while more may come; pieces of text are not joined for it -----------------

    def count(self) -> int:
        """Return how many outputs there are."""
        return len(self._outputs) + (self._pieces_length > 0 and not self._continues(len(self._outputs) - 1))

    def is_text(self, index: int) -> bool:
        """Whether an output belongs to a stream."""
        return index == len(self._outputs) or self._outputs[index]["output_type"] == "stream"

    def name(self, index: int) -> str:
        """Return the name of the stream."""
        return self._stream_name if index == len(self._outputs) else str(self._outputs[index]["name"])

    def at(self, index: int) -> NotebookNode:
        """Return an output that does not belong to a stream."""
        return self._outputs[index]

    def length(self, index: int) -> int:
        """Return the number of characters in a stream output, 0 for another output."""
        if not self.is_text(index):
            return 0
        joined = len(self._outputs[index]["text"]) if index < len(self._outputs) else 0
        is_open = index == len(self._outputs) or self._continues(index)
        return joined + (self._pieces_length if is_open else 0)

    def text(self, index: int, begin: int, limit: int) -> str:
        """Return the text of a stream from `begin` on, of that not more than the last `limit` characters."""
        wanted = min(self.length(index) - begin, limit)
        parts: List[str] = []
        have = 0
        if index == len(self._outputs) or self._continues(index):
            for piece in reversed(self._pieces):
                if have >= wanted:
                    break
                parts.append(piece)
                have += len(piece)
        if have < wanted:
            text = self._outputs[index]["text"]
            parts.append(text[max(0, len(text) - (wanted - have)):])
        joined = "".join(reversed(parts))
        return joined[len(joined) - wanted:]

    def _continues(self, index: int) -> bool:
        """Whether an output belongs to the stream that is being collected."""
        return (self._pieces_length > 0 and 0 <= index == len(self._outputs) - 1
                and self._outputs[index].get("name") == self._stream_name)

    def _has_room(self, msg_type: str, content: Content, allowance: Allowance) -> bool:
        """Whether to keep an output; text that is too long is cut elsewhere."""
        if not allowance.limit or msg_type in ("error", "stream"):
            return True
        size = len(json.dumps(content.get("data")))
        if msg_type == "update_display_data":
            size -= len(json.dumps(self._displays.data_of(content)))
        return self._shares.take(allowance, size)

    def _stream(self, content: Content) -> None:
        name = "stderr" if content.get("name") == "stderr" else "stdout"
        if name != self._stream_name:
            self._join()
            self._stream_name = name
        text = str(content.get("text", ""))
        self._pieces.append(text)
        self._pieces_length += len(text)

    def _join(self) -> None:
        """Close the stream output that is being collected."""
        text = "".join(self._pieces)
        if text and self._outputs and self._outputs[-1].get("name") == self._stream_name:
            self._outputs[-1]["text"] += text
        elif text:
            self._outputs.append(NotebookNode(output_type="stream", name=self._stream_name, text=text))
        self._pieces = []
        self._pieces_length = 0

    def _display(self, content: Content) -> None:
        display = self._show(content)
        self._append(NotebookNode(output_type="display_data", data=display.data, metadata=display.metadata))

    def _result(self, content: Content) -> None:
        display = self._show(content)
        self._append(NotebookNode(output_type="execute_result", execution_count=execution_count(content),
                                  data=display.data, metadata=display.metadata))

    def _show(self, content: Content) -> Display:
        display = self._displays.show(content, self)
        self._shown[display] = None
        return display

    def _error(self, content: Content) -> None:
        self._append(NotebookNode(output_type="error", ename=str(content.get("ename", "")),
                                  evalue=str(content.get("evalue", "")),
                                  traceback=lines(content.get("traceback"))))

    def _append(self, output: NotebookNode) -> None:
        self._join()
        self._stream_name = ""
        self._outputs.append(output)

    def _clear(self, wait: bool) -> None:
        if wait:
            self._clear_if_due()
        self.clears_next = True
        if not wait:
            self._clear_if_due()

    def _clear_if_due(self) -> None:
        if self.clears_next:
            self.clears_next = False
            self.generation += 1
            self._pieces = []
            self._pieces_length = 0
            self._stream_name = ""
            self._outputs = []
            for display in self._shown:
                del display.areas[self]
            self._shown = {}
            self._shares.give_back()


_HANDLERS = {
    "stream": OutputArea._stream,
    "display_data": OutputArea._display,
    "execute_result": OutputArea._result,
    "error": OutputArea._error,
}


def execution_count(content: Content) -> Optional[int]:
    """Return the execution count in a message, or None if nbformat does not accept it."""
    count = content.get("execution_count")
    return count if isinstance(count, int) and not isinstance(count, bool) and count >= 0 else None


def lines(traceback: Any) -> List[str]:
    """Return the lines of a traceback, whatever a message has in their place."""
    if isinstance(traceback, list):
        return [as_text(line) for line in traceback]
    return [traceback] if isinstance(traceback, str) else []
