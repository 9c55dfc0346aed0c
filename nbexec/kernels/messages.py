"""One message from a kernel.

A notebook can send anything, and so can a kernel of another project: what is not a message is ignored, and a message
that cannot be read is an error, because it may have been output.
"""

from __future__ import annotations

import json
import math
from typing import Any, Dict, List, Optional

from ..errors import OutputLostError

_DEEPEST = 200  # levels of JSON; an output notebook with many more could not be written


class KernelMessage:
    """A message from the kernel, of which only the used parts are parsed.

    Parameters
    ----------
    channel : str
        The channel on which it came.
    parts : list of bytes
        Header, parent header, metadata, content, and the buffers.

    Raises
    ------
    ValueError
        It is not a message.
    OutputLostError
        It cannot be read.
    """

    __slots__ = ("channel", "type", "parent_id", "content", "buffers")

    def __init__(self, channel: str, parts: List[bytes]) -> None:
        header, parent, content = _parse(parts[0]), _parse(parts[1]), _parse(parts[3])
        if not isinstance(header, dict) or not isinstance(header.get("msg_type"), str):
            raise ValueError("its header has no msg_type")
        if not isinstance(content, dict):
            raise ValueError("its content is not an object")
        self.channel = channel
        self.type: str = header["msg_type"]
        self.parent_id = _id(parent)
        self.content: Dict[str, Any] = content
        self.buffers = parts[4:]


def language_info(info: Dict[str, Any]) -> Dict[str, Any]:
    """Return the `language_info` of a `kernel_info_reply`, reduced to what is valid in a notebook."""
    told = info.get("language_info")
    texts = {name: value for name, value in (told if isinstance(told, dict) else {}).items()
             if isinstance(value, str) or (name == "codemirror_mode" and isinstance(value, dict))}
    return {"name": "python", **texts}


def text_of_expression(reply: Dict[str, Any], name: str) -> Optional[str]:
    """Return the value of a user expression in an `execute_reply` as text, or None if there is none."""
    value: Any = reply
    for key in ("user_expressions", name, "data", "text/plain"):
        value = value.get(key) if isinstance(value, dict) else None
    return value if isinstance(value, str) else None


def _id(header: Any) -> Optional[str]:
    msg_id = header.get("msg_id") if isinstance(header, dict) else None
    return msg_id if isinstance(msg_id, str) else None


def _finite(number: str) -> Optional[float]:
    """Return a JSON number, or None for one that is too large to be written."""
    value = float(number)
    return value if math.isfinite(value) else None


_DECODER = json.JSONDecoder(parse_constant=lambda _: None, parse_float=_finite)


def _parse(part: bytes) -> Any:
    """Return the content of a part of a message.

    Kernels send text that is not valid Unicode, such as odd file names, as the bytes that it stands for.
    """
    try:
        value = _DECODER.decode(part.decode("utf-8", "replace"))
    except (ValueError, RecursionError) as error:
        raise OutputLostError(f"a message from the kernel cannot be read: {error}") from error
    if part.count(b"[") + part.count(b"{") > _DEEPEST and _is_deeper(value, _DEEPEST):
        raise OutputLostError(f"a message from the kernel cannot be read: its nesting exceeds {_DEEPEST} levels")
    return value


def _is_deeper(value: Any, levels: int) -> bool:
    """Whether JSON is nested deeper than this many levels."""
    level = [value]
    for _ in range(levels):
        level = [child for parent in level for child in (parent.values() if isinstance(parent, dict) else parent)
                 if isinstance(child, (dict, list))]
        if not level:
            return False
    return True
