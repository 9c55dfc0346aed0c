"""Makes untrusted text safe to print: nothing in it can control the terminal or disguise itself.

Control characters (including C1, which control some terminals with a single byte), marks that reverse the writing
direction and other invisible characters are shown as the escapes of a Python string.
"""

from __future__ import annotations

import unicodedata

_UNSEEN = ("Cc", "Cf", "Cs", "Zl", "Zp")
_JOINERS = "\u200c\u200d"  # parts of composed letters and emoji


def printable(text: str) -> str:
    """Return the text on one line."""
    return "".join(map(_shown, text))


def printable_lines(text: str) -> str:
    """Return the text with its line breaks and tabs unchanged."""
    text = text.replace("\r\n", "\n")
    return "".join(char if char in "\n\t" else _shown(char) for char in text)


def _shown(char: str) -> str:
    if char in _JOINERS or unicodedata.category(char) not in _UNSEEN:
        return char
    return char.encode("unicode_escape").decode("ascii")
