"""What a kernel is told that was not forked from a process of ours."""

from __future__ import annotations

import inspect

from ..forked import prepare


def preparation() -> str:
    """Return the code that prepares a kernel; it leaves no name behind."""
    source = inspect.getsource(prepare)
    call = "get_ipython().kernel.iopub_thread and prepare(get_ipython())"
    text = f"{source}\ntry:\n    from IPython import get_ipython\n    {call}\nexcept Exception:\n    pass\n"
    return f"exec({text!r}, {{'__name__': 'nbexec.forked.prepare'}})"
