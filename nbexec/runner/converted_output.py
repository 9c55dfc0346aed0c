"""An output notebook as it is, or as a page.

Conversion happens here because a notebook may be of any size and hostile: this process has a limit on its memory, and
is killed when it takes too long.
"""

from __future__ import annotations

import os
import resource
import sys
from typing import Union

from ..errors import NotebookUnreadableError, OutputNotConvertedError
from ..files import notebooks
from ..protocol import OutputRequest, OutputSoFarRequest
from .source_notebook import read_file

_PAGE_SIZE = os.sysconf("SC_PAGE_SIZE")


def content_of(request: OutputRequest, content: bytes) -> bytes:
    """Return the output notebook in the requested format.

    Parameters
    ----------
    request : OutputRequest
        What to return.
    content : bytes
        The notebook, unless the request names its file.

    Raises
    ------
    NotebookUnreadableError, OutputNotConvertedError
        It cannot be read, or not be converted.
    """
    return converted(content if request.source is None else read_file(request.source)[0], request)


def converted(data: bytes, request: Union[OutputRequest, OutputSoFarRequest]) -> bytes:
    """Return a notebook in the requested format.

    Raises
    ------
    NotebookUnreadableError, OutputNotConvertedError
        It cannot be converted.
    """
    _limit_memory(request.memory)
    try:
        return _checked(data if request.format == "ipynb" else _html(data, request), request.memory // 4)
    except MemoryError:
        raise OutputNotConvertedError("it takes too much memory") from None
    except (NotebookUnreadableError, OutputNotConvertedError):
        raise
    except Exception as error:  # nbconvert and its templates raise anything
        raise OutputNotConvertedError(f"{type(error).__name__}: {error}") from error


def _checked(data: bytes, limit: int) -> bytes:
    if len(data) > limit:
        raise OutputNotConvertedError(f"it has {len(data):,} bytes; the limit is {limit:,}")
    return data


def _html(data: bytes, request: Union[OutputRequest, OutputSoFarRequest]) -> bytes:
    from nbconvert.exporters import HTMLExporter  # slow to import, and not needed to run notebooks

    exporter = HTMLExporter(exclude_input=not request.has_code)
    body, _ = exporter.from_notebook_node(notebooks.parse(data), resources={"metadata": {"name": request.title}})
    return str(body).encode("utf-8", "replace")


def _limit_memory(more: int) -> None:
    """Limit what this process may have in addition to what it shares with its parent; only Linux keeps to it."""
    if sys.platform != "linux":
        return
    with open("/proc/self/statm", encoding="ascii") as file:
        used = int(file.read().split()[0]) * _PAGE_SIZE
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    limit = used + more if hard == resource.RLIM_INFINITY else min(used + more, hard)
    resource.setrlimit(resource.RLIMIT_AS, (limit, hard))
