"""A request that has passed all checks which need no runner."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional

from ..files.output_names import failed_name
from ..run_arguments import RunArguments
from .kernelspecs import KernelSpecs, Spec
from .places import Notebooks, Output, Source


@dataclass(frozen=True)
class CheckedRequest:
    """What is to be run, and how.

    Parameters
    ----------
    arguments : RunArguments
        What was asked for.
    source : Source
        The notebook.
    output : Output
        Where the output notebook goes.
    spec : dict, optional
        The kernelspec that was named.
    key : str, optional
        The Idempotency-Key of the request.
    is_typed : bool
        Whether somebody who is logged in has typed the values of the parameters into a page of this server.
    """

    arguments: RunArguments
    source: Source
    output: Output
    spec: Optional[Spec]
    key: Optional[str]
    is_typed: bool

    @property
    def output_path(self) -> Optional[str]:
        """API path of the output notebook, None if its name is still to be found."""
        return None if self.output.name is None else self.output.path(self.output.name)


async def check(arguments: RunArguments, contents: Notebooks, kernelspecs: KernelSpecs, key: Optional[str],
                is_typed: bool) -> CheckedRequest:
    """Return the request for `arguments`, checked as far as that needs no runner.

    Raises
    ------
    NotebookNotFoundError, InvalidArgumentError, KernelRefusedError
        It cannot be followed.
    """
    kernelspecs.check_local()
    source = await contents.source(arguments.notebook)
    output = await contents.output(arguments.output_path, arguments.overwrite, source)
    if arguments.failed_apart and output.name is not None:
        output.failed_name = failed_name(output.name)
    name = arguments.jupyter_kernel
    spec = None if name is None else await kernelspecs.requested(name)
    return CheckedRequest(arguments, source, output, spec, key, is_typed)
