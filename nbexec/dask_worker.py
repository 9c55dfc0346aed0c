"""The preload of Dask workers on which notebooks run: ``dask worker ADDRESS --preload nbexec.dask_worker``.

Dask calls both functions. Options are read from Dask's own configuration: ``nbexec.preload-modules``,
``nbexec.spares`` and ``nbexec.niceness``.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from .cluster import holder
from .cluster.descriptors import raise_limit
from .engines.local.launcher import Launcher
from .environment import without_secrets

if TYPE_CHECKING:
    from distributed import Worker


async def dask_setup(worker: Worker) -> None:
    """Make a worker ready for notebooks; called when it starts."""
    from dask import config

    holder.set_up(worker, Launcher(
        True, config.get("nbexec.preload-modules", []), config.get("nbexec.spares", 1),
        niceness=config.get("nbexec.niceness", 0), environment=without_secrets(os.environ)))
    raise_limit()  # after the start of the fork server, so that kernels have the limit of the system


async def dask_teardown(worker: Worker) -> None:
    """Let notebooks that still run save their output; called when a worker stops."""
    await holder.tear_down()
