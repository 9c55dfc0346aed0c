"""Completes words in a shell: names of notebooks, parameters and executions.

Whatever goes wrong here, there is nothing to complete: a shell must not show an error while somebody types.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Callable, List

import click
from click.shell_completion import CompletionItem

SHELLS = ("bash", "zsh", "fish")
Complete = Callable[[click.Context, click.Parameter, str], List[CompletionItem]]


def _quietly(complete: Callable[[click.Context, str], List[CompletionItem]]) -> Complete:
    def completed(context: click.Context, parameter: click.Parameter, incomplete: str) -> List[CompletionItem]:
        try:
            return complete(context, incomplete)
        except (Exception, KeyboardInterrupt):  # of any kind, see above
            return []

    return completed


@_quietly
def complete_notebooks(context: click.Context, incomplete: str) -> List[CompletionItem]:
    """Return the notebooks and folders whose paths begin like this."""
    folder, begin = os.path.split(incomplete)
    names = sorted(path.name + ("/" if path.is_dir() else "") for path in Path(folder or ".").iterdir()
                   if path.name.startswith(begin) and (path.is_dir() or path.suffix == ".ipynb"))
    shown = [name for name in names if begin.startswith(".") or not name.startswith(".")]
    return [CompletionItem(os.path.join(folder, name)) for name in shown]


@_quietly
def complete_parameters(context: click.Context, incomplete: str) -> List[CompletionItem]:
    """Return the parameters of the notebooks on the command line."""
    from .notebook_parameters import read_parameter_models

    given: Any = context.params.get("notebooks") or ()
    models = {model["name"]: model for path in given for model in read_parameter_models(Path(path))}
    return [CompletionItem(name, help=model["desc"] or model["type"]) for name, model in models.items()
            if name.startswith(incomplete)]


@_quietly
def complete_executions(context: click.Context, incomplete: str) -> List[CompletionItem]:
    """Return the ids of the executions on the server."""
    from .server_options import client_of

    options = context.params
    with client_of(options.get("server"), options.get("token"), options.get("cacert")) as client:
        models = [execution.model for execution in client.executions()]
    return [CompletionItem(model["exec_id"], help=f"{model['path']}: {model['status']}"[:60]) for model in models
            if model["exec_id"].startswith(incomplete)]


@click.command()
@click.argument("shell", metavar="SHELL", type=click.Choice(SHELLS))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print the code that completes the words of nbexec in SHELL.

    \b
    bash: eval "$(nbexec completion bash)"      in ~/.bashrc
    zsh:  eval "$(nbexec completion zsh)"       in ~/.zshrc
    fish: nbexec completion fish | source       in ~/.config/fish/config.fish
    """
    from click.shell_completion import get_completion_class

    kind = get_completion_class(shell)
    assert kind is not None
    click.echo(kind(context.find_root().command, {}, "nbexec", "_NBEXEC_COMPLETE").source())
