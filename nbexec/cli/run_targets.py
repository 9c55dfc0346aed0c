"""Finds the servers for the executions of one command; those in one directory share a server."""

from __future__ import annotations

import io
import os
from contextlib import ExitStack, redirect_stderr
from dataclasses import replace
from pathlib import Path
from typing import Any, Dict, List, Optional, Sequence

from ..client.running_servers import real_path
from .run_plan import PlannedRun
from .run_target import ServerChoice, Target, existing_notebook, find_target
from .stop_signals import StopSignals


def enter_targets(stack: ExitStack, runs: Sequence[PlannedRun], choice: ServerChoice, signals: StopSignals,
                  silently: bool) -> List[Target]:
    """Choose a server for each execution, and say which ones unless nothing is to be said."""
    with redirect_stderr(io.StringIO()) if silently else ExitStack():
        found: Dict[Any, Target] = {}
        return [_target(stack, run, runs, choice, signals, found) for run in runs]


def _target(stack: ExitStack, run: PlannedRun, runs: Sequence[PlannedRun], choice: ServerChoice, signals: StopSignals,
            found: Dict[Any, Target]) -> Target:
    """Return the target of an execution, on the server of an earlier one if they are in one directory."""
    key = None if choice.server is not None else existing_notebook(run.notebook).parent
    if key not in found:
        # The root of a private server contains all outputs, not only the first.
        output = run.output if len(runs) == 1 or choice.server is not None else _common_output(runs)
        found[key] = stack.enter_context(find_target(run.notebook, output, choice, signals))
        if len(runs) == 1:
            return found[key]
    return _on_server_of(found[key], run)


def _common_output(runs: Sequence[PlannedRun]) -> Optional[str]:
    """Return a path in the directory that contains all outputs."""
    outputs = [os.path.abspath(run.output) for run in runs if run.output is not None]
    if not outputs:
        return None
    return os.path.join(os.path.commonpath([os.path.dirname(output) for output in outputs]),
                        os.path.basename(outputs[0]))


def is_remote(target: Target) -> bool:
    """Whether the output notebook is on another machine, as far as the client knows."""
    return getattr(target.client, "root", target) is None


def _on_server_of(target: Target, run: PlannedRun) -> Target:
    root = getattr(target.client, "root", None)
    if root is None:  # the paths are those of whatever runs the notebook
        return replace(target, notebook=run.notebook, output=run.output)
    return replace(target, notebook=_api_path(root, Path(run.notebook)),
                   output=None if run.output is None else _api_path(root, Path(run.output)))


def _api_path(root: Path, file: Path) -> str:
    """Return the path on a server; one outside the root is left to the server, which refuses it."""
    real = real_path(file.parent) / file.name
    return os.path.relpath(real, root).replace(os.sep, "/")
