"""What a kernel is told before its first cell, so that none of its output is lost.

The text of this module is also sent to kernels of other interpreters, where nbexec is not installed: it must stay
in one piece, with nothing but the standard library and what every ipykernel has.
"""

import atexit
import sys
import time
from typing import Any

_PATIENCE = 5.0  # seconds; a child process that writes without end must not hold up the cell


def prepare(shell: Any) -> None:
    """Make the kernel of the IPython `shell` publish everything, and nothing under the wrong cell."""
    import zmq

    thread = shell.kernel.iopub_thread
    # A full queue makes ZeroMQ drop messages silently. The socket belongs to its thread.
    thread.schedule(lambda: thread.socket.setsockopt(zmq.SNDHWM, 0))
    thread.schedule(lambda: believe_children_only(thread))
    shell.events.register("post_execute", settle)
    atexit.register(end_control, getattr(shell.kernel, "control_thread", None))


def believe_children_only(thread: Any) -> None:
    """Pass over what does not come from a child of the kernel, at the port which takes in what they print.

    Everybody on the machine can write to it. ipykernel knows its children by a key, but prints what others send as an
    error, into the notebook.
    """
    pipe: Any = getattr(thread, "_pipe_in", None)
    handle = getattr(thread, "_handle_pipe_msg", None)
    if hasattr(pipe, "on_recv") and handle is not None:
        pipe.on_recv(lambda message: handle(message) if message[0] == thread._pipe_uuid else None)


def end_control(thread: Any) -> None:
    """End the thread of the control channel as long as what it writes is still published.

    At its end it flushes, and without the thread that publishes it waits for 10 seconds, and the kernel for it.
    """
    if thread is not None and thread.is_alive():
        thread.stop()
        thread.join()


def settle() -> None:
    """Wait until what was written past Python (by a subprocess, by C code) has been taken up.

    ipykernel reads it from a pipe in a thread, so that at the end of a cell some of it may still be on the way.
    """
    for stream in (sys.stdout, sys.stderr):
        descriptor = getattr(stream, "_fid", None)
        if descriptor is not None and _unread(descriptor):
            deadline = time.monotonic() + _PATIENCE
            while _unread(descriptor) and time.monotonic() < deadline:
                time.sleep(0.0005)
            time.sleep(0.001)  # the thread has read the last of it, and now writes it


def _unread(descriptor: int) -> int:
    """Return how many bytes are waiting in the pipe."""
    import array
    import fcntl
    import termios

    size = array.array("i", [0])
    try:
        fcntl.ioctl(descriptor, termios.FIONREAD, size)
    except OSError:
        return 0  # the notebook has closed it
    return size[0]
