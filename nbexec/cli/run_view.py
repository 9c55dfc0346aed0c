"""Shows the progress of an execution: as lines, or as a progress bar on a terminal."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import Any, Dict, Optional, Type

import click

from .printable import printable

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
        click.echo(line, err=True)

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


def new_view() -> RunView:
    """Return the view that suits standard error."""
    return BarView() if sys.stderr.isatty() else RunView()


def _first_line(source: str) -> str:
    """Return the first line of a cell that is not blank."""
    line = next(filter(None, map(str.strip, source.split("\n"))), "")
    return printable(line[:_LINE_WIDTH].replace("\t", " "))
