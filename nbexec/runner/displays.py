"""Displays that can be updated, in cells and in widgets.

Those with one display_id share their data, so that an update is one assignment however many they are.
"""

from __future__ import annotations

import json
from typing import Any, Dict, Optional, Protocol

from nbformat import NotebookNode

from ..files.serialization import is_json

Content = Dict[str, Any]  # of a message


class DisplayArea(Protocol):
    """Where a display is shown."""

    def display_changed(self) -> None:
        """Note that a display which is here shows something else."""


class Display:
    """The data and metadata that all displays with one display_id show, and where these are."""

    def __init__(self) -> None:
        self.data: Dict[str, Any] = NotebookNode()
        self.metadata: Dict[str, Any] = NotebookNode()
        self.areas: Dict[DisplayArea, None] = {}

    def set(self, content: Content) -> None:
        """Show something else, wherever this is shown."""
        data, metadata = _mime_bundle(content.get("data")), mapping(content.get("metadata"))
        if (data, metadata) == (self.data, self.metadata):
            return
        self.data.clear()
        self.data.update(data)
        self.metadata.clear()
        self.metadata.update(metadata)
        for area in list(self.areas):
            area.display_changed()


class Displays:
    """The displays of one notebook that can be updated, by display_id: they may be in cells and in widgets."""

    def __init__(self) -> None:
        self._displays: Dict[str, Display] = {}

    def show(self, content: Content, area: DisplayArea) -> Display:
        """Return what a new display shows, and let earlier ones with the same display_id show it too."""
        display_id = mapping(content.get("transient")).get("display_id")
        display = self._displays.setdefault(display_id, Display()) if isinstance(display_id, str) else Display()
        display.set(content)
        display.areas[area] = None
        return display

    def update(self, content: Content) -> None:
        """Let all displays with this display_id show something else."""
        display = self._find(content)
        if display is not None:
            display.set(content)

    def data_of(self, content: Content) -> Dict[str, Any]:
        """Return what the display that a message is about shows now."""
        display = self._find(content)
        return {} if display is None else display.data

    def _find(self, content: Content) -> Optional[Display]:
        return self._displays.get(str(mapping(content.get("transient")).get("display_id")))


def mapping(value: Any) -> Dict[str, Any]:
    """Return an object that a message has, an empty one if it has something else in its place."""
    return value if isinstance(value, dict) else {}


def as_text(value: Any) -> str:
    """Return a text that a message has, whatever it has in its place."""
    if isinstance(value, str):
        return value
    if isinstance(value, list) and all(isinstance(part, str) for part in value):
        return "".join(value)
    return json.dumps(value)


def _mime_bundle(data: Any) -> Dict[str, Any]:
    """Return the data of a display such that it is valid nbformat whatever the notebook published."""
    return {str(mime): value if is_json(str(mime)) else as_text(value) for mime, value in mapping(data).items()}
