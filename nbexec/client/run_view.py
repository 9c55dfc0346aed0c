"""Shows the progress of an execution: as lines, or as a progress bar on a terminal or in a notebook."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from html import escape
from types import TracebackType
from typing import Any, Dict, Iterator, Optional, Type, Union

from ..events import NOTEBOOK_COMPLETE, NOTEBOOK_ERROR
from ..printable import printable

Event = Dict[str, Any]
_LINE_WIDTH = 200  # characters of a line about a cell
_ECHO_WIDTH = 4  # columns kept free for the ^C that a terminal prints after the bar; if that wraps, a second bar stays


class RunView:
    """Shows the events of an execution as lines, one for each cell that starts."""

    def __enter__(self) -> RunView:
        return self

    def __exit__(self, kind: Optional[Type[BaseException]], error: Optional[BaseException],
                 traceback: Optional[TracebackType]) -> None:
        pass

    def show(self, event: Event) -> None:
        """Show the event if it is about a cell or has warnings."""
        for warning in event.get("warnings", []):
            self.say(f"Warning: {printable(str(warning))}")
        if event["event"] in ("start", "end"):
            number, total = (int(part) for part in event["progress"].split("/"))
            self.cell(event["event"] == "end", number, total, _first_line(event["cell"]["source"]))

    def say(self, line: str) -> None:
        """Print a line."""
        print(line, file=sys.stderr, flush=True)

    def cell(self, ended: bool, number: int, total: int, line: str) -> None:
        """Show that a cell started or ended."""
        if not ended:
            self.say(f"[{number}/{total}] {line}")


class BarView(RunView):
    """Shows the events as a progress bar, for terminals."""

    def __init__(self) -> None:
        from rich.console import Console, ConsoleDimensions
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
        from rich.table import Column

        class NarrowConsole(Console):
            @property  # type: ignore[misc]
            def size(self) -> ConsoleDimensions:
                width, height = super().size
                return ConsoleDimensions(max(1, width - _ECHO_WIDTH), height)

        source = TextColumn("{task.fields[line]}", markup=False,
                            table_column=Column(ratio=1, no_wrap=True, overflow="ellipsis"))
        self._progress = Progress(
            BarColumn(bar_width=20, table_column=Column(no_wrap=True)),
            TextColumn("{task.fields[cell]}", markup=False, table_column=Column(no_wrap=True)),
            TimeElapsedColumn(table_column=Column(no_wrap=True)), source,
            console=NarrowConsole(stderr=True), expand=True)
        self._task = self._progress.add_task("", total=1, cell="starting", line="")

    def __enter__(self) -> BarView:
        self._progress.start()
        return self

    def __exit__(self, kind: Optional[Type[BaseException]], error: Optional[BaseException],
                 traceback: Optional[TracebackType]) -> None:
        self._progress.stop()

    def say(self, line: str) -> None:
        """Print a line above the bar."""
        self._progress.console.print(line, markup=False, highlight=False)

    def cell(self, ended: bool, number: int, total: int, line: str) -> None:
        """Update the bar."""
        self._progress.update(self._task, total=total, completed=number if ended else number - 1,
                              cell=f"cell {number} of {total}", line=line)


class NotebookView(RunView):
    """Shows them as a bar in the output of a notebook cell."""

    def __init__(self) -> None:
        self._area = DisplayArea()
        self._warnings = ""

    def __enter__(self) -> NotebookView:
        self._area.show("starting")
        return self

    def show(self, event: Event) -> None:
        """Show an event; the last one says how it ended."""
        super().show(event)
        if event["event"] in (NOTEBOOK_COMPLETE, NOTEBOOK_ERROR):
            model = event["execution"]
            status = str(model["status"]).partition("\n")[0]
            output = f" &rarr; {escape(str(model['output_path']))}" if model.get("output_path") else ""
            self._area.show(f"{escape(printable(status))}{output}{self._warnings}")

    def say(self, line: str) -> None:
        """Show a line below the bar."""
        self._warnings += f"<br>{escape(line)}"

    def cell(self, ended: bool, number: int, total: int, line: str) -> None:
        """Move the bar."""
        done = number if ended else number - 1
        self._area.show(f"{bar(done, total)} cell {number} of {total} <code>{escape(line)}</code>{self._warnings}")


class DisplayArea:
    """A part of the output of a notebook cell whose content changes."""

    def __init__(self) -> None:
        self._handle: Any = None

    def show(self, html: str) -> None:
        """Show HTML in place of what was there."""
        from IPython import display

        ipython: Any = display  # which has no types
        if self._handle is None:
            self._handle = ipython.display(ipython.HTML(html), display_id=True)
        else:
            self._handle.update(ipython.HTML(html))


def bar(done: int, total: int) -> str:
    """Return a bar as HTML."""
    return f"<progress value='{done}' max='{max(total, 1)}'></progress>"


def in_notebook() -> bool:
    """Whether the code that runs is a cell of a notebook."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return hasattr(shell, "kernel")


def new_view() -> RunView:
    """Return the view that suits the place where the output goes."""
    if in_notebook():
        return NotebookView()
    return BarView() if sys.stderr.isatty() else RunView()


@contextmanager
def following(progress: Union[bool, RunView]) -> Iterator[Optional[RunView]]:
    """Provide the view that is asked for, None if none is."""
    view = new_view() if progress is True else progress or None
    if view is None:
        yield None
    else:
        with view:
            yield view


def _first_line(source: str) -> str:
    """Return the first line of a cell that is not blank."""
    line = next(filter(None, map(str.strip, source.split("\n"))), "")
    return printable(line[:_LINE_WIDTH].replace("\t", " "))
