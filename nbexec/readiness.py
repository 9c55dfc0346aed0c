"""Waits until descriptors can be read or written.

`select.select` does not serve here: it fails with descriptors of 1024 and above, which a process has if the one that
started it had that many files open. The text of this module is also sent to other interpreters.
"""

from __future__ import annotations

import math
import select
from typing import Any, List, Optional, Sequence

_LONGEST = 2 ** 31 - 1  # milliseconds that poll(2) takes


def readable(sources: Sequence[Any], timeout: Optional[float] = None) -> List[Any]:
    """Return those sources that can be read, or are closed at the other end, after waiting for one.

    Parameters
    ----------
    sources : sequence of int or objects with `fileno`
        The descriptors.
    timeout : float, optional
        Maximum seconds to wait; by default there is no limit.
    """
    numbers = {source if isinstance(source, int) else source.fileno(): source for source in sources}
    poll = select.poll()
    for number in numbers:
        poll.register(number, select.POLLIN)
    limit = None if timeout is None else min(_LONGEST, math.ceil(max(0.0, timeout) * 1000))
    return [numbers[number] for number, _ in poll.poll(limit)]


def is_writable(descriptor: int) -> bool:
    """Whether a write would not wait, at this moment."""
    poll = select.poll()
    poll.register(descriptor, select.POLLOUT)
    return bool(poll.poll(0))
