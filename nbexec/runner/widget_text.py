"""What widgets show, as text: for those who watch a cell without being able to draw its widgets.

The state of a widget may hold anything: what is not as it should be is passed over, and none of it takes long.
"""

from __future__ import annotations

import html
import re
from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence

from .live_output import collapsed

WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"
_MOST = 200  # widgets that are shown for one event
_MOST_INSIDE = 200  # in one of them
_DEEPEST = 20  # boxes in boxes
_LONGEST = 20_000  # characters of one widget
_ALL = 100_000  # characters of all
_BAR = 20  # characters of a progress bar
_BLOCKS = " ▏▎▍▌▋▊▉█"
_TAG = re.compile(r"<[^>]*>")
_REFERENCE = "IPY_MODEL_"

State = Dict[str, Any]
StateOf = Callable[[str], Optional[State]]


def view_of(output: Mapping[str, Any]) -> Optional[str]:
    """Return the id of the widget that an output shows, None if it shows none."""
    data = output.get("data")
    view = data.get(WIDGET_VIEW) if isinstance(data, dict) else None
    model_id = view.get("model_id") if isinstance(view, dict) else None
    return model_id if isinstance(model_id, str) else None


def texts_of(outputs: Sequence[Mapping[str, Any]], state_of: StateOf) -> Dict[str, str]:
    """Return what the widgets in these outputs show, by their ids; without those that cannot be told as text.

    One that was closed shows nothing, which is an empty text.

    Parameters
    ----------
    outputs : sequence
        Outputs in nbformat.
    state_of : callable
        Returns the state of the widget with an id, with `_model_name`, that of an output widget with `outputs`; None
        if there is no such widget.
    """
    ids = dict.fromkeys(view_of(output) for output in outputs)
    texts: Dict[str, str] = {}
    left = _ALL
    for model_id in [model_id for model_id in ids if model_id is not None][-_MOST:]:
        if left <= 0:
            break
        text = "" if state_of(model_id) is None else _Writer(state_of).text(model_id)
        if text is not None:
            texts[model_id] = text[-_LONGEST:]
            left -= len(texts[model_id])
    return texts


class _Writer:
    """Writes one widget as text, until it has seen too many in it."""

    def __init__(self, state_of: StateOf) -> None:
        self._state_of = state_of
        self._left = _MOST_INSIDE

    def text(self, model_id: str, depth: int = 0) -> Optional[str]:
        """Return what a widget shows, None if that cannot be told."""
        state = self._state_of(model_id)
        self._left -= 1
        if state is None or self._left < 0 or depth > _DEEPEST:
            return None
        kind = re.sub("Model$", "", str(state.get("_model_name")))
        if kind in _BOXES:
            return self._box(state.get("children"), _BOXES[kind], depth)
        if kind == "Output":
            return self._captured(state.get("outputs"), depth)
        text = _WRITERS.get(kind, _value)(state)
        return None if text is None else _described(state, text)

    def _box(self, children: Any, separator: str, depth: int) -> Optional[str]:
        texts = [self.text(child[len(_REFERENCE):], depth + 1) for child in _items(children)
                 if isinstance(child, str) and child.startswith(_REFERENCE)]
        return separator.join(text[-_LONGEST:] for text in texts if text) or None

    def _captured(self, outputs: Any, depth: int) -> Optional[str]:
        texts = [self._output(output, depth) for output in _items(outputs) if isinstance(output, dict)]
        return "".join(texts).rstrip("\n") or None

    def _output(self, output: Dict[str, Any], depth: int) -> str:
        if output.get("output_type") == "stream":
            return collapsed(_joined(output.get("text"))[-_LONGEST:])
        if output.get("output_type") == "error":
            return f"{output.get('ename')}: {output.get('evalue')}\n"
        view, data = view_of(output), output.get("data")
        shown = None if view is None else self.text(view, depth + 1)
        plain = _joined(data.get("text/plain")) if isinstance(data, dict) else ""
        return (plain if shown is None else shown) + "\n"


# -- widgets without others in them --------------------------------------------------------------------


def _progress(state: State) -> Optional[str]:
    try:
        low, high, value = (float(state[name]) for name in ("min", "max", "value"))
        share = (value - low) / (high - low) if high > low else 1.0
        eighths = int(min(max(share, 0.0), 1.0) * _BAR * 8)
    except (KeyError, TypeError, ValueError, OverflowError):  # also what is no number
        return None
    whole, rest = divmod(eighths, 8)
    return "|" + (_BLOCKS[-1] * whole + (_BLOCKS[rest] if rest else "")).ljust(_BAR) + "|"


def _markup(state: State) -> Optional[str]:
    value = state.get("value")
    return " ".join(html.unescape(_TAG.sub("", value[:_LONGEST])).split()) if isinstance(value, str) else None


def _choice(state: State) -> Optional[str]:
    labels, index = _items(state.get("_options_labels")), state.get("index")
    return str(labels[index]) if type(index) is int and 0 <= index < len(labels) else None


def _switch(state: State) -> Optional[str]:
    value = state.get("value")
    return ("[x]" if value else "[ ]") if isinstance(value, bool) else None


def _value(state: State) -> Optional[str]:
    value = state.get("value")
    return str(value) if isinstance(value, (str, int, float)) and not isinstance(value, bool) else None


def _described(state: State, text: str) -> str:
    description = state.get("description")
    return f"{description.rstrip(': ')}: {text}" if isinstance(description, str) and description else text


def _items(value: Any) -> List[Any]:
    return list(value) if isinstance(value, (list, tuple)) else []


def _joined(text: Any) -> str:
    return "".join(map(str, text)) if isinstance(text, (list, tuple)) else str(text or "")


_BOXES = {"HBox": " ", "Box": " ", "GridBox": "\n", "VBox": "\n", "Accordion": "\n", "Tab": "\n", "Stack": "\n"}
_WRITERS: Dict[str, Callable[[State], Optional[str]]] = {
    "FloatProgress": _progress, "IntProgress": _progress, "HTML": _markup, "HTMLMath": _markup, "Label": _markup,
    "Dropdown": _choice, "Select": _choice, "RadioButtons": _choice, "ToggleButtons": _choice,
    "SelectionSlider": _choice, "Checkbox": _switch, "ToggleButton": _switch, "Valid": _switch,
}
