"""Text that others wrote, as it may be shown: nothing in it steers a terminal or passes for something else.

Control characters (C1 too, by which some terminals can be steered in one byte), marks that reverse the direction of
writing and other characters that are not seen are shown as the escapes of a Python string.
"""

from __future__ import annotations

import unicodedata

_UNSEEN = ("Cc", "Cf", "Cs", "Zl", "Zp")
_JOINERS = "\u200c\u200d"  # of which letters and pictures are composed


def printable(text: str) -> str:
    """Return a text in one line."""
    return "".join(map(_shown, text))


def printable_lines(text: str) -> str:
    """Return a text with its lines and its tabs as they are."""
    text = text.replace("\r\n", "\n")
    return "".join(char if char in "\n\t" else _shown(char) for char in text)


def _shown(char: str) -> str:
    if char in _JOINERS or unicodedata.category(char) not in _UNSEEN:
        return char
    return char.encode("unicode_escape").decode("ascii")
