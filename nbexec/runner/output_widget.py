"""An output widget, as it would be in a page: it takes up the output of cells and tells the kernel what it has.

It keeps to what the model of the notebook page does, message by message, because it follows from that which of two
changes wins, the kernel's or the page's: one message at a time is on its way, what the page has changed meanwhile goes
with the next one, and of the kernel's echoes only that of the last message counts.
"""

from __future__ import annotations

from typing import Any, Callable, Dict, List, Optional

from .allowance import Allowance
from .displays import Content, Displays
from .outputs import OutputArea

CAPTURED = ("stream", "display_data", "execute_result", "error", "clear_output")
Send = Callable[[Dict[str, Any]], Optional[str]]


class OutputWidget:
    """An output widget.

    Parameters
    ----------
    displays : Displays
        Those of the notebook.
    send : callable
        Sends the kernel a change of the state and returns the id of the message, None if it cannot be sent.

    Attributes
    ----------
    msg_id : str
        The request whose output it takes up now.
    pending : str, optional
        Id of its message that the kernel is not yet done with.
    """

    def __init__(self, displays: Displays, send: Send) -> None:
        self._send = send
        self._area = OutputArea(displays, self._save)
        self._is_dirty = False
        self._held_back: Optional[List[Dict[str, Any]]] = None  # to be sent next, unless it is what there is
        self._expected_echo: Optional[str] = None
        self.msg_id = ""
        self.pending: Optional[str] = None

    def outputs(self) -> List[Dict[str, Any]]:
        """Return the outputs so far, as nbformat has them."""
        return list(self._area.as_list())

    def take(self, msg_type: str, content: Content, allowance: Allowance) -> None:
        """Take up one message of the iopub channel."""
        may_be_the_same = msg_type == "clear_output" or self._area.clears_next
        before = self._copy() if may_be_the_same else None
        self._area.handle(msg_type, content, allowance)
        if before is None or before != self._copy():
            self._save()

    def set(self, outputs: Any, allowance: Allowance, echo_of: Optional[str] = None) -> None:
        """Take over the outputs that the kernel has, or says to have got by a message."""
        if echo_of is not None and self._expected_echo is not None:
            if echo_of != self._expected_echo:
                return
            self._expected_echo = None
            if self._is_dirty:
                return
        if outputs != self._area.as_list():
            if self._is_dirty and self._held_back is None:
                self._held_back = self._copy()
            self._area.load(outputs, allowance)

    def answered(self) -> None:
        """The kernel is done with the message that was on its way."""
        self.pending = None
        if self._is_dirty:
            self._tell(self._area.as_list() if self._held_back is None else self._held_back)

    def _save(self) -> None:
        """Tell the kernel what there is, now or as soon as it is done with the last message."""
        if self.pending is None:
            self._tell(self._area.as_list())
        else:
            self._is_dirty, self._held_back = True, None

    def _tell(self, outputs: List[Any]) -> None:
        self._is_dirty, self._held_back = False, None
        self.pending = self._expected_echo = self._send({"outputs": outputs})

    def _copy(self) -> List[Dict[str, Any]]:
        """Return the outputs such that later changes of displays do not show in them."""
        return [{name: dict(value) if isinstance(value, dict) else value for name, value in output.items()}
                for output in self._area.as_list()]
