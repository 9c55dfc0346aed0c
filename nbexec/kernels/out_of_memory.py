"""Whether memory has run out: how often the system has killed a process for that.

Linux counts it for each control group, and for the whole machine. The count of the machine is of use only where the
group has none: in a container it also counts what happens to the neighbours.
"""

from __future__ import annotations

import re
from typing import Iterator

_GROUPS = "/sys/fs/cgroup"
_KILLS = re.compile(r"^oom_kill (\d+)$", re.MULTILINE)


def out_of_memory_kills() -> int:
    """Return how many processes the system has killed so far, around this one, because memory ran out."""
    for path in _counters():
        try:
            with open(path) as file:
                found = _KILLS.search(file.read())
        except OSError:
            continue  # this system does not have the counter
        if found:
            return int(found[1])
    return 0


def _counters() -> Iterator[str]:
    """Yield the files that may have the count, the closest first."""
    try:
        with open("/proc/self/cgroup") as file:
            groups = [line.rstrip("\n").split(":", 2) for line in file]
    except OSError:
        groups = []  # not Linux
    for _, controllers, path in groups:
        if "memory" in controllers.split(","):
            yield f"{_GROUPS}/memory{path}/memory.oom_control"
        elif not controllers:
            yield f"{_GROUPS}{path}/memory.events"
    yield "/proc/vmstat"
