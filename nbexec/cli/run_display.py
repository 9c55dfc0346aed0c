"""Views of a running execution that only the command line has: its output, its events for programs, or nothing."""

from __future__ import annotations

import re
import sys
import threading
from typing import Dict, List

from ..client import Event
from ..client.run_view import RunView
from ..events import CELL_END, CELL_START, OUTPUT
from ..printable import printable_lines
from .json_lines import print_json_line

_ESCAPE = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")  # colours and the like
_printing = threading.Lock()


class QuietView(RunView):
    """Shows nothing."""

    def show(self, event: Event) -> None:
        """Pass over an event."""


class JsonView(RunView):
    """Prints each event as a line of JSON."""

    def show(self, event: Event) -> None:
        """Print an event; several threads may do so."""
        with _printing:
            print_json_line(event)


class LiveView(RunView):
    """Shows a line for each cell, and its output as it comes."""

    def __init__(self) -> None:
        self._shown = ""  # of the cell that is running
        self._outputs: List[Event] = []
        self._widgets: Dict[str, str] = {}  # what they show, by their ids
        self._is_terminal = sys.stderr.isatty()

    def show(self, event: Event) -> None:
        """Show an event."""
        if event["event"] == CELL_START:
            self._shown, self._outputs, self._widgets = "", [], {}
        super().show(event)
        if event["event"] == OUTPUT:
            if event["replace"]:
                self._outputs = []
            self._outputs.extend(event["outputs"])
            self._widgets.update(event.get("widgets", {}))
            text = _text_of(self._outputs, self._widgets)
            # A line that may still change, such as a progress bar, has no place in a log.
            text = text + self._widget_line() if self._is_terminal else text[:text.rfind("\n") + 1]
            self._advance(_overwritten(text))
        elif event["event"] == CELL_END:
            widgets = event.get("widgets", {})
            text = _text_of(event["cell"]["outputs"], widgets)
            self._advance(_overwritten(text + "".join(f"{shown}\n" for shown in widgets.values() if shown)))
            if self._shown and not self._shown.endswith("\n"):
                self.say("")

    def _widget_line(self) -> str:
        """Return the last line that the widgets show."""
        texts = [text for text in self._widgets.values() if text]
        return texts[-1].rpartition("\n")[2] if texts else ""

    def _advance(self, text: str) -> None:
        """Show what is new in the output of the cell: the rest, or the lines from the first that is different."""
        if text.startswith(self._shown):
            self._write(text[len(self._shown):])
        else:
            before, after = self._shown.split("\n"), text.split("\n")
            same = next((number for number, pair in enumerate(zip(before, after)) if pair[0] != pair[1]),
                        min(len(before), len(after)))
            self._new_line(is_last=same == len(before) - 1)
            self._write("\n".join(after[same:]))
        self._shown = text

    def _new_line(self, is_last: bool) -> None:
        """Begin a line; on a terminal, the last one is written anew."""
        if is_last and self._is_terminal:
            sys.stderr.write("\r\x1b[K")
        elif self._shown and not self._shown.endswith("\n"):
            sys.stderr.write("\n")

    def _write(self, text: str) -> None:
        sys.stderr.write(printable_lines(text))
        sys.stderr.flush()


def _text_of(outputs: List[Event], widgets: Dict[str, str]) -> str:
    """Return outputs as text, without colours and without these widgets; errors are shown when the execution ends."""
    return _ESCAPE.sub("", "".join(_text(output) for output in outputs if _widget_of(output) not in widgets))


def _widget_of(output: Event) -> str:
    """Return the id of the widget that an output shows; empty if it shows none."""
    view = output.get("data", {}).get("application/vnd.jupyter.widget-view+json", {})
    return str(view.get("model_id", ""))


def _overwritten(text: str) -> str:
    """Return text as a terminal shows it once it has done what each carriage return says."""
    return re.sub(r"[^\n]*\r+(?=[^\r\n])", "", text).replace("\r", "")


def _text(output: Event) -> str:
    if output["output_type"] == "stream":
        return "".join(output["text"])
    if output["output_type"] == "error":
        return ""
    data = output.get("data", {})
    return "".join(data.get("text/plain", f"<{', '.join(data)}>")) + "\n"
