"""What the cells of a notebook show, put together from the messages of its kernel."""

from __future__ import annotations

import logging
from typing import Any, Dict, List, Optional

from nbformat import NotebookNode

from ..kernels.client import IOPUB, SHELL, KernelClient
from ..kernels.messages import KernelMessage
from ..secret_values import SecretValues
from .allowance import Allowance
from .displays import Displays
from .failures import ANYWHERE, Failure, ShownErrors
from .live_output import LiveOutput
from .named_results import NamedResults
from .output_widget import CAPTURED
from .outputs import OutputArea, execution_count
from .widgets import Widgets

_log = logging.getLogger("nbexec")
_DISPLAYS = ("display_data", "update_display_data", "execute_result")


class NotebookOutputs:
    """The outputs of all cells, and the widgets.

    Parameters
    ----------
    nb : NotebookNode
        The notebook.
    client : KernelClient
        Tells the kernel what its widgets have.
    output_limit : int
        Bytes of output of one cell that are kept; 0 is all.
    live : LiveOutput
        Tells the output of a cell while it runs.
    secrets : SecretValues
        What must not be shown.

    Attributes
    ----------
    widgets : Widgets
        The widgets of the notebook.
    results : NamedResults
        The values that it hands back.
    """

    def __init__(self, nb: NotebookNode, client: KernelClient, output_limit: int, live: LiveOutput,
                 secrets: SecretValues) -> None:
        self._nb = nb
        self._client = client
        self._limit = output_limit
        self._live = live
        self._secrets = secrets
        self._displays = Displays()
        self._shown_errors = ShownErrors()
        self._areas: Dict[int, OutputArea] = {}
        self._allowances: Dict[int, Allowance] = {}
        self._index_of: Dict[str, int] = {}  # of the cell that a request belongs to
        self._hidden: Optional[str] = None  # the request whose outputs are not shown
        self._index = 0
        self.widgets = Widgets(self._displays, self._send_state)
        self.results = NamedResults()

    def begin(self, index: int) -> None:
        """Take in the output of this cell from now on."""
        self._index = index
        self._areas[index] = OutputArea(self._displays)

    def begin_live(self) -> None:
        """Have the output of the current cell told while it runs."""
        self._live.begin(self._areas[self._index], self.widget_texts)

    def expect(self, msg_id: str) -> None:
        """Note that a request belongs to the current cell."""
        self._index_of[msg_id] = self._index

    def hide(self, msg_id: str) -> None:
        """Show nothing that comes of a request: a traceback would have secret values."""
        self._hidden = msg_id

    def current(self) -> List[NotebookNode]:
        """Return the outputs of the current cell so far."""
        return self._areas[self._index].as_list()

    def widget_texts(self) -> Dict[str, str]:
        """Return what the widgets in the outputs of the current cell show, as text, by their ids."""
        return self.widgets.texts_of(self._areas[self._index])

    def new_error(self) -> Optional[Failure]:
        """Return the first exception that the current cell shows, and that was not shown before."""
        return self._shown_errors.new_one(self._nb.cells[self._index], self.current(), self._index)

    def take_all(self, messages: List[KernelMessage]) -> None:
        """Put messages where they belong."""
        for message in messages:
            self.take(message)

    def take(self, message: KernelMessage) -> Optional[str]:
        """Put a message where it belongs; return the id of the request that it says is done.

        Output of a thread may come long after the end of its cell, and still belongs to it. What belongs to no
        cell goes to the current one rather than nowhere.
        """
        if message.channel != IOPUB:
            return None
        if message.type == "status":
            return self._take_status(message)
        if message.parent_id is None or message.parent_id != self._hidden:
            self._take_content(message, self._index_of.get(message.parent_id or "", self._index))
        return None

    def _take_status(self, message: KernelMessage) -> Optional[str]:
        if message.content.get("execution_state") != "idle":
            return None
        self.widgets.answered(message.parent_id)
        return message.parent_id

    def _take_content(self, message: KernelMessage, index: int) -> None:
        if message.type == "error":
            message.content = self._secrets.mask_error(message.content)
        if message.type == "execute_input":
            self._nb.cells[index]["execution_count"] = execution_count(message.content)
        elif message.type.startswith("comm_"):
            self.widgets.handle(message, self._allowance(index))
            self._live.note()
        else:
            self._put(message, index)

    def _put(self, message: KernelMessage, index: int) -> None:
        """Give output to the widget that takes it up, else to its cell; an update of displays is about all of them."""
        if message.type in _DISPLAYS:
            self.results.take(message.content.get("data"))
        taker = self.widgets.taker(message.parent_id)
        if message.type == "error":
            self._shown_errors.note(message.content, index if taker is None else ANYWHERE)
        if taker is not None and message.type in CAPTURED:
            taker.take(message.type, message.content, self._allowance(index))
            self._live.note()
        elif index in self._areas:
            self._areas[index].handle(message.type, message.content, self._allowance(index))
            self._live.note()

    def _allowance(self, index: int) -> Allowance:
        return self._allowances.setdefault(index, Allowance(self._limit))

    def _send_state(self, comm_id: str, state: Dict[str, Any]) -> Optional[str]:
        """Tell the kernel of a change of a widget, as a page does; return the id of the message."""
        data = {"method": "update", "state": state, "buffer_paths": []}
        try:
            msg_id = self._client.send(SHELL, "comm_msg", {"comm_id": comm_id, "data": data})
        except ValueError as error:
            _log.warning("The state of a widget cannot be sent to the kernel: %s.", error)
            return None
        self.expect(msg_id)
        return msg_id

    def finish(self) -> Dict[str, int]:
        """Put into the notebook what came after the ends of cells, and the state of the widgets.

        Returns how many bytes of output were cut, by the numbers of the cells.
        """
        for index, area in self._areas.items():
            self._nb.cells[index]["outputs"] = area.as_list()
        widgets = self.widgets.metadata()
        if widgets:
            self._nb.metadata.setdefault("widgets", NotebookNode()).update(widgets)
        return {str(index + 1): allowance.cut for index, allowance in self._allowances.items() if allowance.cut}
