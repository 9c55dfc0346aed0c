"""``nbexec run``: runs notebooks, and shows how that goes."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Dict, List, Optional, Sequence, Tuple

import click

from ..printable import printable
from .command_errors import CommandError, shown_errors
from .completion import complete_notebooks, complete_parameters
from .display_options import Display, display_options
from .exit_codes import COMPLETED, NO_SERVER, NOT_WRITTEN, SIGNALLED
from .exports import check_exports, export, export_options
from .parameter_option import CommandWithParameters
from .parameter_values import check_name, read_sweeps, read_values, value_options
from .request_options import check_needs, request_options
from .run_plan import PlannedRun, expanded, plan
from .server_options import named_server, server_options
from .stop_signals import Stopped, StopSignals

if TYPE_CHECKING:
    from ..client.result import Tally
    from .run_target import ServerChoice, Target

_PIPE = "-"


def _check_params(context: click.Context, option: click.Parameter,
                  pairs: Tuple[Tuple[str, str], ...]) -> Dict[str, str]:
    """Return the name-value pairs of --param as a dictionary."""
    params: Dict[str, str] = {}
    for name, value in pairs:
        if name in params:
            raise click.BadParameter(f"{name} is given twice", context, option)
        params[name] = value
    for name in params:
        check_name(name)
    return params


@click.command(cls=CommandWithParameters)
@click.argument("notebooks", nargs=-1, required=True, shell_complete=complete_notebooks)
@click.option("-p", "--param", "params", type=(str, str), multiple=True, metavar="NAME=VALUE", callback=_check_params,
              shell_complete=complete_parameters,
              help="Set a notebook parameter, written NAME=VALUE or NAME VALUE. Can be repeated.")
@value_options
@click.option("-j", "--jobs", metavar="N", type=click.IntRange(min=1), default=1,
              help="How many notebooks to run at once. Default: 1.")
@request_options
@export_options
@display_options
@click.option("--detach", is_flag=True, help="Start the notebook on a running server and print the id of its "
                                             "execution, without waiting.")
@click.option("--private", is_flag=True, help="Start a private server, even if one is running.")
@server_options
@click.pass_context
def run(context: click.Context, notebooks: Sequence[str], params: Dict[str, str], sweeps: Sequence[str],
        files: Sequence[str], yaml_texts: Sequence[str], base64_texts: Sequence[str], jobs: int, html: bool, pdf: bool,
        quiet: bool, as_json: bool, live: bool, detach: bool, private: bool, server: Optional[str],
        token: Optional[str], cacert: Optional[str], **options: Any) -> None:
    """Run NOTEBOOKS and print the paths of the executed notebooks.

    NOTEBOOKS may be patterns in quotes. "-" reads a notebook from standard input and writes the executed notebook to
    standard output.

    Without --server and NBEXEC_SERVER, a notebook runs on a notebook server of yours whose root directory contains it.
    If there is none, it runs without a server; with --private, a server is started for the duration of the command.

    Exit code: 0 all notebooks completed, 1 a cell failed, 2 not run, 3 the result is unknown, 4 the result could not
    be written, 5 timed out, 6 the kernel died, 7 somebody else shut it down, 8 there is no server, 128 and above: a
    signal ended it (130 for Ctrl-C). If several failed, it is that of the first.
    """
    from .run_target import ServerChoice

    check_needs(context, options)
    if private and (server is not None or detach):
        raise click.UsageError(f"--private and {'--detach' if detach else '--server'} cannot be combined", context)
    if live and jobs > 1:
        raise click.UsageError("--live and --jobs cannot be combined", context)
    if not private:
        server = named_server(server)
    values = {**read_values(base64_texts, files, yaml_texts), **params}
    display, choice = Display(quiet, as_json, live), ServerChoice(server, token, cacert, private)
    kinds = [kind for kind, asked in (("html", html), ("pdf", pdf)) if asked]
    check_exports(kinds)
    output = options.pop("output_path")
    with StopSignals() as signals, shown_errors(), ExitStack() as stack:
        sources, output, to_stdout = _sources(stack, notebooks, output, choice)
        if as_json and to_stdout:
            raise click.UsageError("--json and the notebook cannot both go to standard output", context)
        if detach and (kinds or to_stdout):
            raise click.UsageError("--detach does not wait for an output", context)
        runs = plan(sources, values, read_sweeps(sweeps), output)
        _check(runs, options, to_stdout)
        if detach:
            code = _detach(runs, options, choice, as_json)
        elif len(runs) == 1:
            code = _run(runs[0], options, choice, signals, display, kinds, to_stdout)
        else:
            code = _run_all(runs, options, choice, signals, display, kinds, jobs)
    context.exit(code if signals.number is None else SIGNALLED + signals.number)


def _sources(stack: ExitStack, notebooks: Sequence[str], output: Optional[str],
             choice: ServerChoice) -> Tuple[List[str], Optional[str], bool]:
    """Return the notebooks, the path of the output, and whether that goes to standard output."""
    to_stdout = output == _PIPE or (output is None and _PIPE in notebooks)
    output = None if output == _PIPE else output
    if _PIPE not in notebooks:
        return list(notebooks) if choice.server is not None else expanded(notebooks), output, to_stdout
    if len(notebooks) > 1 or choice.server is not None:
        raise click.UsageError(f"- cannot be combined with {'a server' if choice.server else 'other notebooks'}")
    from .piped_notebook import notebook_of_input

    return [stack.enter_context(notebook_of_input())], output, to_stdout


def _check(runs: Sequence[PlannedRun], options: Dict[str, Any], only_one: bool) -> None:
    """Raise unless all executions can be asked for."""
    from ..client.run_request import checked

    outputs = [run.output for run in runs if run.output is not None]
    if options["overwrite"] and len(set(outputs)) < len(outputs):
        raise click.UsageError("several executions would overwrite the same --output; put {stem}, {index} or the name "
                               "of a parameter into it")
    if only_one and len(runs) > 1:
        raise click.UsageError("standard output is for one notebook")
    for run in runs:
        try:
            checked(run.params)
        except TypeError as error:
            raise click.BadParameter(str(error)) from error


# -- one notebook ---------------------------------------------------------------------------------


def _run(run: PlannedRun, options: Dict[str, Any], choice: ServerChoice, signals: StopSignals, display: Display,
         kinds: Sequence[str], to_stdout: bool) -> int:
    """Choose a server, run the notebook on it, and return the exit code; a signal may end this at any point."""
    from .notebook_run import report, run_notebook
    from .run_target import end_of_runs
    from .run_targets import enter_targets

    silent = display.quiet or display.as_json
    try:
        with end_of_runs(), ExitStack() as stack:
            (target,) = enter_targets(stack, [run], choice, signals, silent)
            tally = run_notebook(target, {**options, "params": run.params}, signals, display.view(), display.live)
            code = report(tally, target.show, silent, path=not (display.as_json or to_stdout))
            delivered = _deliver(tally, target, kinds, to_stdout, run.output is not None)
            return code or delivered
    except Stopped as signal:
        return SIGNALLED + signal.number


def _deliver(tally: Optional[Tally], target: Target, kinds: Sequence[str], to_stdout: bool, keep: bool) -> int:
    """Convert an output notebook and write it to standard output if that is asked for; return an exit code."""
    if tally is None or tally.model.get("output_path") is None or not (kinds or to_stdout):
        return COMPLETED
    from .piped_notebook import output_of, print_output

    try:
        if kinds:
            export(output_of(tally, target), _place_of_exports(tally, target), kinds)
        if to_stdout:
            print_output(tally, target, keep)
    except CommandError as error:
        click.echo(f"Error: {printable(error.message)}", err=True)
        return NOT_WRITTEN
    return COMPLETED


def _place_of_exports(tally: Tally, target: Target) -> str:
    """Return the output notebook as a local path: what is on another machine is converted into this directory."""
    from .run_targets import is_remote

    path = str(tally.model["output_path"])
    return path.rpartition("/")[2] if is_remote(target) else target.show(path)


# -- several --------------------------------------------------------------------------------------


def _run_all(runs: Sequence[PlannedRun], options: Dict[str, Any], choice: ServerChoice, signals: StopSignals,
             display: Display, kinds: Sequence[str], jobs: int) -> int:
    """Run several notebooks, and return the exit code of the first that did not complete."""
    from .run_target import end_of_runs
    from .run_targets import enter_targets
    from .several_display import show_all
    from .several_runs import SeveralRuns

    silent = display.quiet or display.as_json
    try:
        with end_of_runs(), ExitStack() as stack:
            targets = enter_targets(stack, runs, choice, signals, silent)
            # The end of each is shown, not each cell, unless somebody wants to see more.
            view = display if display.as_json or display.live else Display(quiet=True)
            several = SeveralRuns(runs, targets, options, signals, view.view, display.live)
            delivered = COMPLETED

            def outcomes() -> Any:
                nonlocal delivered
                for index, outcome in several.outcomes(jobs):
                    delivered = max(delivered, _deliver(outcome.tally, targets[index], kinds, False, True))
                    yield index, outcome

            return show_all(outcomes(), runs, silent, paths=not display.as_json, bar=not display.live) or delivered
    except Stopped as signal:
        return SIGNALLED + signal.number


# -- without waiting ------------------------------------------------------------------------------


def _detach(runs: Sequence[PlannedRun], options: Dict[str, Any], choice: ServerChoice, as_json: bool) -> int:
    """Start notebooks on a server that goes on without this command."""
    from .json_lines import print_json_line

    for run in runs:
        with _lasting_target(run.notebook, run.output, choice) as target:
            client: Any = target.client
            execution = client.submit(target.notebook, output_path=target.output, params=run.params, **options)
        if as_json:
            print_json_line({"execution": execution.model})
        else:
            click.echo(printable(execution.exec_id))
    return COMPLETED


def _lasting_target(notebook: str, output: Optional[str], choice: ServerChoice) -> Any:
    """Provide a server that nobody stops at the end of this command."""
    from ..client.running_servers import find
    from .run_target import existing_notebook, find_target

    if choice.server is None:
        found = find(existing_notebook(notebook), None, choice.cacert)
        if found is None:
            raise CommandError("no running server of yours with nbexec serves this notebook; start one with nbexec "
                               "server", NO_SERVER)
    return find_target(notebook, output, choice, StopSignals())
