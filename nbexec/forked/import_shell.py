"""The IPython shell that preloaded modules find while they are imported.

Many ask once, at their import, whether they are in a notebook, and how to show what they have. So there is a shell
then, which becomes that of the kernel later: it is initialized again, as the same object, and keeps what modules have
registered with it.
"""

from __future__ import annotations

import atexit
import io
import os
import sys
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any, Callable, Dict, Iterator, List, Tuple

import ipykernel.ipkernel  # says what comms are
from ipykernel.zmqshell import ZMQInteractiveShell
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

# Not imported: an ordinary kernel runs it as its main module, under that name alone.
LAUNCHER = os.path.join(os.path.dirname(os.path.dirname(str(ipykernel.__file__))), "ipykernel_launcher.py")
_CONFIG = {"IPKernelApp": {"connection_file": ""}, "HistoryManager": {"enabled": False, "hist_file": ":memory:"}}
_callbacks: List[Tuple[str, Callable[..., Any]]] = []  # that the shell itself has registered
_PRINTERS = ("type_printers", "deferred_printers", "singleton_printers")


class _Output(io.TextIOWrapper):
    """A standard stream as a kernel has it: what is behind it does not matter."""

    def isatty(self) -> bool:
        """Whether this is a terminal."""
        return False


@contextmanager
def import_shell() -> Iterator[None]:
    """Let there be a shell, as in a kernel, and everything as it was afterwards but for the shell."""
    hooks = {name: getattr(sys, name) for name in ("stdout", "stderr", "excepthook", "displayhook", "argv")}
    main, path, environment = sys.modules["__main__"], sys.path[:], dict(os.environ)
    shell = ZMQInteractiveShell.instance(config=Config(_CONFIG), kernel=SimpleNamespace(comm_manager=_comms()))
    atexit.unregister(shell.atexit_operations)
    _callbacks.extend(_callbacks_of(shell))
    sys.stdout, sys.stderr = (_Output(io.FileIO(number, "w", closefd=False), line_buffering=True) for number in (1, 2))
    sys.argv = [LAUNCHER, "-f", "kernel.json"]
    os.environ["JPY_PARENT_PID"] = str(os.getppid())
    try:
        with shell.builtin_trap:
            yield
    finally:
        for name, value in hooks.items():
            setattr(sys, name, value)
        sys.modules["__main__"], sys.path[:] = main, path
        for variable in set(os.environ) - set(environment):
            del os.environ[variable]
        os.environ.update(environment)


def _comms() -> Any:
    """Return what knows the comms of the kernel to be, None where an old ipykernel makes it with its kernel."""
    try:
        import comm
    except ImportError:
        return None
    return comm.get_comm_manager()


@contextmanager
def taken_over() -> Iterator[None]:
    """Let ipykernel take the shell that modules have found, if there is one, for its own."""
    if not InteractiveShell.initialized():
        yield
        return
    shell: Any = InteractiveShell.instance()
    registered = _registered(shell)  # since there is this shell

    def instance(*args: Any, **kwargs: Any) -> Any:
        if kwargs:
            del ZMQInteractiveShell.instance
            shell.__init__(*args, **kwargs)
            _register(shell, registered)
        return shell

    ZMQInteractiveShell.instance = instance  # type: ignore[method-assign,assignment]
    yield


def _callbacks_of(shell: Any) -> List[Tuple[str, Callable[..., Any]]]:
    return [(event, callback) for event, callbacks in shell.events.callbacks.items() for callback in callbacks]


def _registered(shell: Any) -> Dict[str, Any]:
    return {
        "events": [callback for callback in _callbacks_of(shell) if callback not in _callbacks],
        "printers": {kind: {name: dict(getattr(formatter, name)) for name in _PRINTERS}
                     for kind, formatter in shell.display_formatter.formatters.items()},
        "magics": {kind: dict(magics) for kind, magics in shell.magics_manager.magics.items()},
        "transformers": list(shell.ast_transformers),
    }


def _register(shell: Any, registered: Dict[str, Any]) -> None:
    for event, callback in registered["events"]:
        shell.events.register(event, callback)
    for kind, printers in registered["printers"].items():
        for name, known in printers.items():
            getattr(shell.display_formatter.formatters[kind], name).update(known)
    for kind, magics in registered["magics"].items():
        shell.magics_manager.magics[kind].update({**magics, **shell.magics_manager.magics[kind]})
    shell.ast_transformers.extend(registered["transformers"])
