"""What a kernel executes before its first cell, so that none of its output is lost.

The text of this module is also sent to kernels of other interpreters, where nbexec is not installed: it must stay
self-contained, and import only the standard library and the dependencies of ipykernel.
"""

import atexit
import codecs
import os
import select
import sys
import threading
from contextlib import suppress
from typing import Any, Optional

_ALL = 1 << 20  # bytes; no more than that fits into a pipe
_CHILD_LINGER = 3000  # milliseconds that a child takes to get rid of its output, as in ipykernel


def prepare(shell: Any) -> None:
    """Make the kernel of the IPython `shell` publish everything, and nothing under the wrong cell."""
    import zmq

    thread = shell.kernel.iopub_thread
    # A full queue makes ZeroMQ drop messages silently. The socket belongs to its thread.
    thread.schedule(lambda: thread.socket.setsockopt(zmq.SNDHWM, 0))
    listen_to_children_only(thread, getattr(shell.kernel, "parent", None))
    for stream in (sys.stderr, sys.stdout):
        if hasattr(stream, "_original_stdstream_fd"):  # not in ipykernel before 6.23.2
            watcher = Watcher(stream)
            watcher.start()
            # It goes before all other callbacks, so that figures follow what was printed.
            shell.events.callbacks["post_execute"].insert(0, watcher.settle)
    give_no_input()
    atexit.register(end_control, getattr(shell.kernel, "control_thread", None))


def listen_to_children_only(thread: Any, application: Any) -> None:
    """Receive what forked children print through a socket in the folder of the kernel.

    ipykernel opens a TCP port for that, to which everybody on the machine can write without limit.
    """
    import zmq
    from zmq.eventloop.zmqstream import ZMQStream

    port: Any = getattr(thread, "_pipe_in", None)
    if not isinstance(port, ZMQStream) or application.transport != "ipc":
        return
    address = f"ipc://{application.ip}-children"
    ours = thread.socket.context.socket(zmq.PULL)
    ours.linger = 0
    ours.bind(address)

    def connect() -> Any:
        context = zmq.Context()  # the kernel's own does not survive a fork
        theirs = context.socket(zmq.PUSH)
        theirs.linger = _CHILD_LINGER
        theirs.connect(address)
        return context, theirs

    def exchange() -> None:
        port.close()
        thread._pipe_in = ZMQStream(ours, thread.io_loop)
        thread._pipe_in.on_recv(thread._handle_pipe_msg)

    thread._setup_pipe_out = connect
    thread.schedule(exchange)


def give_no_input() -> None:
    """Let a command with ``!`` read an empty stdin, as other subprocesses do, because nobody can type.

    IPython runs it on a pseudo-terminal. The terminal stays, but reading from it returns end of file too.
    """
    from ipykernel import zmqshell

    shells: Any = zmqshell
    run = shells.system

    def system(command: str) -> Any:
        import pexpect  # type: ignore[import-untyped]

        class Unattended(pexpect.spawn):  # type: ignore[misc]
            def __init__(self, *args: Any, **kwargs: Any) -> None:
                super().__init__(*args, preexec_fn=end_input, **kwargs)

        usual, pexpect.spawn = pexpect.spawn, Unattended
        try:
            return run(command)
        finally:
            pexpect.spawn = usual

    shells.system = system


def end_input() -> None:
    """Make stdin and the terminal of this process, which is about to execute a command, return end of file."""
    import termios

    mode = termios.tcgetattr(0)
    mode[3] &= ~termios.ICANON
    mode[6][termios.VMIN] = mode[6][termios.VTIME] = 0  # a read returns at once
    termios.tcsetattr(0, termios.TCSANOW, mode)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)


def end_control(thread: Any) -> None:
    """Stop the thread of the control channel while the thread that publishes output is still running.

    The control thread flushes when it ends. Without the other thread, that would delay the end of the kernel by 10 s.
    """
    if thread is not None and thread.is_alive():
        thread.stop()
        thread.join()


class Watcher(threading.Thread):
    """Captures what subprocesses and C code write to the descriptor of a stream, and knows when it has all of it.

    ipykernel reads it from a pipe, in a thread that does not tell when it is done, so some could still be missing at
    the end of a cell. It also splits the data anywhere, even between the bytes of a character. So another pipe
    replaces the one of ipykernel.
    """

    def __init__(self, stream: Any) -> None:
        super().__init__(name=f"nbexec-{stream.name}", daemon=True)
        self._stream = stream
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._decode = codecs.getincrementaldecoder("utf-8")("replace").decode
        self._pipe, writer = os.pipe()
        os.dup2(writer, stream._original_stdstream_fd)
        os.close(writer)
        stream.watch_fd_thread = self  # joined when the stream is closed

    def run(self) -> None:
        """Capture for the cell that is running; a thread started by ipykernel would belong to a single cell."""
        with suppress(OSError, ValueError):  # the notebook has closed something
            while self._is_readable(None):
                with self._lock:
                    if self._is_readable(0) and not self._take():
                        break

    def settle(self) -> None:
        """Capture everything that was written so far."""
        if os.getpid() != self._pid:
            return  # a child forked by the notebook has no such thread
        with suppress(OSError, ValueError), self._lock:
            if self._is_readable(0):
                self._take()
            self._write(self._decode(b"", True))

    def _take(self) -> bool:
        data = os.read(self._pipe, _ALL)
        if not data or not self._stream._should_watch:
            return False
        self._write(self._decode(data))
        with suppress(OSError):  # no space left
            os.write(self._stream._original_stdstream_copy, data)
        return True

    def _write(self, text: str) -> None:
        if text:
            self._stream.write(text)

    def _is_readable(self, timeout: Optional[float]) -> bool:
        poll = select.poll()
        poll.register(self._pipe, select.POLLIN)
        return bool(poll.poll(timeout))
