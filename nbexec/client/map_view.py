"""How many of many executions have ended, shown as lines, as a bar on a terminal, or in a notebook."""

from __future__ import annotations

import sys
from html import escape
from typing import Any, Optional

from ..printable import printable
from .result import Result
from .run_view import DisplayArea, bar, in_notebook


class MapView:
    """Shows nothing, and counts."""

    def __init__(self, total: Optional[int]) -> None:
        self.total = total
        self.ended = 0
        self.failed = 0

    def begin(self) -> None:
        """Show that it begins."""

    def add(self, result: Result) -> None:
        """Show that an execution has ended."""
        self.ended += 1
        self.failed += not result.completed

    def end(self) -> None:
        """Show that it is over; may be called more than once."""

    @property
    def count(self) -> str:
        """How many have ended."""
        total = "" if self.total is None else f"/{self.total}"
        return f"{self.ended}{total}" + (f", {self.failed} failed" if self.failed else "")


class LineMapView(MapView):
    """Shows a line for each execution."""

    def add(self, result: Result) -> None:
        """Show how it ended."""
        super().add(result)
        print(f"[{self.count}] {_values(result)}: {result.summary}", file=sys.stderr, flush=True)


class BarMapView(MapView):
    """Shows a bar on a terminal."""

    def __init__(self, total: Optional[int]) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

        super().__init__(total)
        self._progress = Progress(BarColumn(bar_width=20), TextColumn("{task.fields[count]}", markup=False),
                                  TimeElapsedColumn(), console=Console(stderr=True))
        self._task = self._progress.add_task("", total=total, count=self.count)

    def begin(self) -> None:
        """Show the bar."""
        self._progress.start()

    def add(self, result: Result) -> None:
        """Move it."""
        super().add(result)
        self._progress.update(self._task, completed=self.ended, count=self.count)

    def end(self) -> None:
        """Leave the bar as it is."""
        self._progress.stop()


class NotebookMapView(MapView):
    """Shows a bar in the output of a notebook cell."""

    def __init__(self, total: Optional[int]) -> None:
        super().__init__(total)
        self._area = DisplayArea()
        self._failures = ""

    def begin(self) -> None:
        """Show the bar."""
        self._show()

    def add(self, result: Result) -> None:
        """Move it, and say what failed."""
        super().add(result)
        if not result.completed:
            self._failures += f"<br>{escape(_values(result))}: {escape(result.summary)}"
        self._show()

    def _show(self) -> None:
        self._area.show(f"{bar(self.ended, self.total or self.ended + 1)} {escape(self.count)}{self._failures}")


def following_map(progress: bool, total: Optional[int]) -> MapView:
    """Return the view that is asked for, for the place where the output goes."""
    if not progress:
        return MapView(total)
    if in_notebook():
        return NotebookMapView(total)
    return BarMapView(total) if sys.stderr.isatty() else LineMapView(total)


def _values(result: Any) -> str:
    """Return the values of an execution in one line."""
    return printable(", ".join(f"{name}={value}" for name, value in result.params.items())) or f"#{result.index}"
