"""A wall clock that can be set, for one server and all that it starts: a library that is loaded before all others.

The monotonic clock goes on as it does, as when the clock of a machine is set.
"""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
import sys
from pathlib import Path
from typing import Dict

import pytest

# Before Python 3.11 threads wait by the wall clock (https://github.com/python/cpython/issues/85876), so that a kernel
# whose clock was set back may end only when its time for that is over.
GOING = 10 if sys.version_info >= (3, 11) else 25  # seconds

_SOURCE = r"""
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static long none = 0;
static volatile long *shift = &none;

__attribute__((constructor)) static void begin(void)
{
    const char *path = getenv("NBEXEC_TESTS_CLOCK");
    int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (file >= 0) {
        void *found = mmap(NULL, sizeof none, PROT_READ, MAP_SHARED, file, 0);
        if (found != MAP_FAILED)
            shift = found;
        close(file);
    }
}

int clock_gettime(clockid_t clock, struct timespec *now)
{
    int failed = syscall(SYS_clock_gettime, clock, now);
    if (!failed && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
        now->tv_sec += *shift;
    return failed;
}

int gettimeofday(struct timeval *now, void *zone)
{
    struct timespec exact;
    clock_gettime(CLOCK_REALTIME, &exact);
    now->tv_sec = exact.tv_sec;
    now->tv_usec = exact.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *now)
{
    struct timespec exact;
    clock_gettime(CLOCK_REALTIME, &exact);
    if (now)
        *now = exact.tv_sec;
    return exact.tv_sec;
}
"""


class Clock:
    """The wall clock of whatever is started with its `environment`.

    Parameters
    ----------
    folder : Path
        Where to put the library.
    """

    def __init__(self, folder: Path) -> None:
        if not sys.platform.startswith("linux") or shutil.which("gcc") is None or sys.maxsize < 2**32:
            pytest.skip("a clock to be set takes Linux, 64 bits and gcc")
        library = folder / "clock.so"
        (folder / "clock.c").write_text(_SOURCE)
        subprocess.run(["gcc", "-shared", "-fPIC", "-O2", "-o", str(library), str(folder / "clock.c")], check=True)
        self._file = folder / "clock"
        self.set(0)
        self.environment: Dict[str, str] = {"LD_PRELOAD": str(library), "NBEXEC_TESTS_CLOCK": str(self._file)}

    def set(self, seconds: int) -> None:
        """Put the clock forward, by a number below zero back, from what is the true time."""
        # In place: the file is mapped.
        descriptor = os.open(self._file, os.O_WRONLY | os.O_CREAT, 0o600)
        os.write(descriptor, struct.pack("l", seconds))
        os.close(descriptor)
