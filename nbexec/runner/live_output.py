"""The output of the cell that is running, for those who watch it.

As long as nobody watches it costs the run nothing, and otherwise a small share of its time. What is told is read from
the outputs as they are, so that nothing is collected twice.
"""

from __future__ import annotations

import math
import re
import time
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Tuple

from .outputs import OutputArea

_PAUSE = 0.1  # seconds between two events
_SHARE = 20  # as many times longer than the making of an event the pause is, at least
_TEXT = 1 << 16  # characters of text in one event, the last ones
_RICH = 1 << 18  # characters of one output that is no text
_ALL = 1 << 20  # characters of all outputs of an event together

_UPWARD = re.compile("\x1b\\[[0-9]*A")

Output = Dict[str, Any]
Texts = Dict[str, str]  # what widgets show, by their ids
Show = Callable[[List[Output], bool, Texts], None]


class Seen(NamedTuple):
    """How far the output of a cell has been told."""

    generation: int
    number: int  # of outputs
    length: int  # characters of the last of them, if it is text


class LiveOutput:
    """Tells the output of one cell after another while they run.

    Parameters
    ----------
    show : callable
        Takes outputs, whether they stand for all that was told of the cell before, and what widgets show:
        those that showed something else before, or all.
    is_free : callable
        Whether `show` would not have to wait.
    """

    def __init__(self, show: Show, is_free: Callable[[], bool]) -> None:
        self._show = show
        self._is_free = is_free
        self._is_watched = False
        self._outputs: Optional[OutputArea] = None
        self._seen: Optional[Seen] = None
        self._texts: Callable[[], Texts] = dict
        self._told: Texts = {}
        self._not_before = 0.0
        self.due = math.inf  # when there is something to tell, in monotonic seconds

    def begin(self, outputs: OutputArea, texts: Callable[[], Texts]) -> None:
        """Tell the output of this cell from now on, and what `texts` returns of the widgets in it."""
        self._outputs, self._seen = outputs, None
        self._texts, self._told = texts, {}

    def end(self) -> None:
        """Tell nothing more of this cell: the event of its end has everything."""
        self._outputs, self.due = None, math.inf

    def watch(self, wanted: bool) -> None:
        """Tell everything from the beginning of the cell at once, and then what is new; or nothing any more."""
        self._is_watched, self._seen, self.due = wanted, None, math.inf
        self._told = {}
        if wanted:
            self._tell()

    def note(self) -> None:
        """There is output."""
        if self._is_watched and self.due == math.inf:
            self.due = self._not_before

    def tell_if_due(self) -> None:
        """Tell what is new, unless that was done a moment ago."""
        begun = time.monotonic()
        if begun < self.due:
            return
        if not self._is_free():
            self.due = begun + _PAUSE
            return
        self._tell()

    def _tell(self) -> None:
        begun = time.monotonic()
        self.due = math.inf
        if self._outputs is not None:
            outputs, replace, seen = news(self._outputs, self._seen)
            widgets = self._texts()
            changed = {name: text for name, text in widgets.items() if replace or self._told.get(name) != text}
            if outputs or changed or (replace and self._outputs.generation > 0):
                self._show(outputs, replace, changed)
                self._seen, self._told = seen, widgets
        now = time.monotonic()
        self._not_before = now + max(_PAUSE, _SHARE * (now - begun))


def news(outputs: OutputArea, seen: Optional[Seen]) -> Tuple[List[Output], bool, Seen]:
    """Return the outputs that are new, whether they replace those before, and how far that is.

    Parameters
    ----------
    outputs : OutputArea
        Those of the cell.
    seen : Seen, optional
        How far they have been told, None if not at all.
    """
    count = outputs.count()
    latest = Seen(outputs.generation, count, outputs.length(count - 1) if count else 0)
    if latest == seen:
        return [], False, latest
    if seen is not None and seen.generation == latest.generation and not _rewrites(outputs, seen):
        is_in_text = seen.number > 0 and outputs.is_text(seen.number - 1)
        found, is_cut = _last(outputs, seen.number - 1 if is_in_text else seen.number, seen.length)
        if not is_cut:
            return found, False, latest
    return _last(outputs, 0, 0)[0], True, latest


def _rewrites(outputs: OutputArea, seen: Seen) -> bool:
    """Whether a line that was sent in part is overwritten from its beginning."""
    index = seen.number - 1
    if index < 0 or not outputs.is_text(index):
        return False
    if outputs.length(index) - seen.length > _TEXT:
        return True  # that is too much to be told without being cut
    begin = max(0, seen.length - _TEXT)
    text = outputs.text(index, begin, 2 * _TEXT)
    told = text[:seen.length - begin].rpartition("\n")[2]
    line = told + text[seen.length - begin:].partition("\n")[0]
    return bool(told) and "\r" in line.rstrip("\r")


def _last(outputs: OutputArea, first: int, told: int) -> Tuple[List[Output], bool]:
    """Return the outputs from `first` on, without the `told` characters of that one if it is text.

    They are only the last ones if that is too much; whether it is comes second.
    """
    found: List[Output] = []
    text_room, room = _TEXT, _ALL
    is_cut = False
    for index in range(outputs.count() - 1, first - 1, -1):
        if outputs.is_text(index):
            begin = told if index == first else 0
            text = outputs.text(index, begin, text_room)
            text_room -= len(text)
            is_cut = len(text) < outputs.length(index) - begin
            output: Output = {"output_type": "stream", "name": outputs.name(index), "text": collapsed(text)}
        else:
            output = outputs.at(index)
            size = _size(output)
            output, size = (output, size) if size <= _RICH else (_PLACEHOLDER, 0)
            room -= size
            is_cut = room < 0
        if not is_cut or output["output_type"] == "stream":
            found.append(output)
        if is_cut:
            break
    return [output for output in reversed(found) if output.get("text") != ""], is_cut


def collapsed(text: str) -> str:
    r"""Return text as a terminal shows it: what follows a ``\r`` is written over its line.

    Text that moves the cursor up, as nested progress bars do, is left to the reader.
    """
    if _UPWARD.search(text):
        return text
    return "\n".join([_overwritten(line) if "\r" in line else line for line in text.split("\n")])


def _overwritten(line: str) -> str:
    shown = ""
    for part in reversed(line.split("\r")):  # the last one is on top
        shown += part[len(shown):]
    return shown


def _size(output: Output) -> int:
    """Return about how many characters an output takes, or some number above `_RICH`."""
    size = 0
    rest: List[Any] = [output]
    while rest and size <= _RICH:
        value = rest.pop()
        if isinstance(value, dict):
            rest.extend(value.values())
        elif isinstance(value, (list, tuple)):
            rest.extend(value)
        size += len(value) if isinstance(value, str) else 8
    return size


_PLACEHOLDER: Output = {"output_type": "display_data", "metadata": {},
                        "data": {"text/plain": "[a large output, which is shown when the cell has ended]"}}
