"""Wires the parts together on a notebook server.

This is the only module that knows all of them.
"""

from __future__ import annotations

import atexit
import inspect
import logging
import os
import sys
from typing import TYPE_CHECKING, Dict, Sequence, Tuple

from notebook._tz import utcnow
from tornado.ioloop import IOLoop, PeriodicCallback
from traitlets import Bool, Float, Int, List, Unicode
from traitlets.config import LoggingConfigurable

from .engines.local.launcher import Launcher
from .environment import without_secrets
from .errors import KernelRefusedError, StoreError
from .executions.contents import Contents
from .executions.kernelspecs import KernelSpecs
from .executions.manager import ExecutionManager
from .executions.slots import Slots
from .executions.store import ExecutionStore
from .files.trust import settings_of
from .handlers.events import event_routes
from .handlers.executions import routes
from .handlers.gate import Gate
from .handlers.open_streams import OpenStreams
from .handlers.page_tokens import PageTokens
from .handlers.pages import page_routes
from .handlers.secret_filter import SecretFilter
from .handlers.strangers import Strangers
from .handlers.waiting_connections import WaitingConnections
from .kernels.interpreters import Origin, options_of, origin_of
from .protocol import Settings

if TYPE_CHECKING:
    from notebook.notebookapp import NotebookApp

_log = logging.getLogger("nbexec")
_TOKEN_VARIABLES = ("JUPYTER_TOKEN", "JUPYTERHUB_API_TOKEN", "JPY_API_TOKEN")
_APPLICATIONS = ("notebook.notebookapp", "jupyter_server.serverapp")
_PRUNE_EVERY = 60.0  # seconds
_ACTIVITY_EVERY = 15.0  # seconds
_NO_TOKEN = ("Only the pages of this server can use nbexec, because the server has no token. For other programs, "
             "set c.NotebookApp.token = '…'; a token can be combined with a password.")


class NbExec(LoggingConfigurable):
    """The configuration of nbexec; `c.NbExec.… = …` in ``jupyter_notebook_config.py``."""

    fork_server = Bool(True, help="""
        Fork the processes of each execution from a server process that has all modules imported already, which makes
        them start about ten times as fast. Kernels of other interpreters, and those whose kernelspec sets variables,
        are forked from a fork server of their own, from their second execution on, if they have ipykernel 6. Set this
        to False if notebooks behave differently than in the notebook page. On Windows there is no fork server.
        """).tag(config=True)

    preload_modules = List(Unicode(), help="""
        Modules that notebooks on this server often import, such as ``['numpy', 'pandas', 'matplotlib.pyplot']``. The
        fork server imports them once, which saves every execution the time and most of the memory. A module whose
        import fails or starts threads cannot be shared; it is named in the log when the server starts, and notebooks
        import it themselves. Results do not change: while being imported, modules find a shell, as in a kernel.
        """).tag(config=True)

    spares = Int(1, min=0, help="""
        Number of kernels to keep ready, so that the first cell of an execution starts at once. Each takes about 25 MiB
        and is used for a single execution; a new one is started when the server is idle. Set this to 0 to keep none.
        There are none either if the default kernel uses another interpreter, or if its kernelspec sets variables.
        """).tag(config=True)

    spare_age = Float(600.0, min=1.0, help="""
        Seconds after which an unused spare kernel is replaced with a new one. Lower it if notebooks depend on the age
        of their process.
        """).tag(config=True)

    max_forks = Int(10_000, min=0, help="""
        Number of forks after which the fork server is replaced with a new one, without affecting executions. Set this
        to 0 for no limit. The fork server is also replaced when packages are installed or removed, and when a
        preloaded module changes.
        """).tag(config=True)

    niceness = Int(5, min=0, max=19, help="""
        Niceness of executions, from 0 to 19: how much they yield the processor to the notebook server and to other
        programs when it is busy. 0 means not at all, 19 as much as possible. Raise it if the server responds slowly
        while notebooks run. On an idle machine it does not slow down executions.
        """).tag(config=True)

    pass_variables = List(Unicode(), help="""
        Names of environment variables that are passed on to notebooks although they hold a secret of the server. By
        default notebooks get neither the server's own token (`JUPYTER_TOKEN`, `NBEXEC_TOKEN`) nor the secrets that
        JupyterHub gives the server (`JUPYTERHUB_API_TOKEN` and the like). If notebooks use the Hub's API, set this to
        ``['JUPYTERHUB_API_TOKEN']``.
        """).tag(config=True)

    max_running = Int(0, min=0, help="""
        Maximum number of executions that run at the same time. Further ones wait in the order of their requests, with
        the status `initializing`. 0 means no limit.
        """).tag(config=True)

    max_queued = Int(-1, min=-1, help="""
        Maximum number of executions that wait while `max_running` are running. Further requests are refused with HTTP
        status 429 and the time after which to try again. -1 means no limit; with 0, none waits.
        """).tag(config=True)

    cell_timeout = Int(0, min=0, help="""
        Maximum seconds per cell; exceeding it ends the execution. Applies to requests that do not set `cell_timeout`
        themselves. 0 means no limit.
        """).tag(config=True)

    run_timeout = Float(0.0, min=0.0, help="""
        Maximum seconds per execution, counted from the start of its kernel. Exceeding it ends the execution with an
        error; output so far is saved. Requests can set a shorter time (`X-Run-Timeout`), but not a longer one. 0 means
        no limit.
        """).tag(config=True)

    output_limit = Int(0, min=0, help="""
        Maximum bytes of output per cell. Further output is discarded; the cell says so, and the final event of the
        execution has the number of bytes in `output_cut`. Tracebacks are always kept. 0 means no limit.
        """).tag(config=True)

    trust_parameters = Bool(False, help="""
        Whether to sign output notebooks as trusted even if a caller of the API gave text for a parameter. The notebook
        page shows the HTML of a trusted notebook and runs its JavaScript. Enable this only if all callers may act as
        the owner of the server, or if the notebooks escape what they put into HTML.
        """).tag(config=True)

    database_filepath = Unicode("", help="""
        The SQLite file in which executions are stored, so that they are still listed after a restart of the server. By
        default they are kept in memory only. A file belongs to one server at a time; next to it, a folder of the same
        name with the suffix `-notes` is created. Both contain values of parameters and are readable by their owner
        only. Choose a path outside the server's root directory.
        """).tag(config=True)

    keep_executions = Int(0, min=0, help="""
        Maximum number of finished executions in the list; when it is exceeded, the oldest are deleted. Their output
        notebooks are kept. 0 means no limit.
        """).tag(config=True)

    keep_seconds = Float(0.0, min=0.0, help="""
        Seconds after which a finished execution is deleted from the list. Its output notebook is kept. 0 means never.
        """).tag(config=True)

    output_directories = List(Unicode(), help="""
        Directories outside the server's root directory, such as ``['/srv/shared']``, in which output notebooks may be
        saved if a link inside the root leads there. By default, output never leaves the root directory.
        """).tag(config=True)

    startup_timeout = Float(60.0, min=1.0, help="""
        Maximum seconds for the start of a kernel; exceeding it ends the execution with an error. Raise this if kernels
        load many packages when they start, or if the machine is often busy.
        """).tag(config=True)

    shutdown_timeout = Float(10.0, min=0.0, help="""
        Maximum seconds for a kernel to exit after its notebook has been executed, while it runs `atexit` handlers and
        closes files; then it is killed. Clients do not wait for this. Raise it if handlers need more time.
        """).tag(config=True)


def load(nbapp: NotebookApp) -> None:
    """Add the execution API to a notebook server."""
    logging.getLogger("nbexec").parent = nbapp.log  # use its handlers and its level
    config = NbExec(parent=nbapp)
    manager = _manager(nbapp, config)
    gate = Gate(PageTokens(), Strangers(), _secret_filter(nbapp), OpenStreams())
    gate.secrets.install(nbapp.log)
    logout = nbapp.web_app.settings.get("logout_handler_class")
    nbapp.web_app.add_handlers(".*$", [*page_routes(nbapp.base_url, gate, logout),
                                       *event_routes(nbapp.base_url, manager, gate),
                                       *routes(nbapp.base_url, manager, gate)])
    IOLoop.current().add_callback(lambda: WaitingConnections(nbapp.http_server))  # some servers create it only later
    _keep_alive(nbapp, manager)
    if config.keep_seconds:
        PeriodicCallback(manager.prune_executions, min(config.keep_seconds / 4, _PRUNE_EVERY) * 1000).start()
    atexit.register(manager.close)
    if not nbapp.token and "hub_auth" not in nbapp.web_app.settings:
        nbapp.log.warning(_NO_TOKEN)


def _secret_filter(nbapp: NotebookApp) -> SecretFilter:
    """Return the filter that keeps tokens out of the server's log, except where it tells the owner how to log in."""
    hub_auth = nbapp.web_app.settings.get("hub_auth")
    tokens = [nbapp.token, getattr(hub_auth, "api_token", ""), *map(os.environ.get, _TOKEN_VARIABLES)]
    announced_in = {inspect.getsourcefile(base) for base in type(nbapp).__mro__ if base.__module__ in _APPLICATIONS}
    return SecretFilter([token for token in tokens if token], {file for file in announced_in if file})


def _manager(nbapp: NotebookApp, config: NbExec) -> ExecutionManager:
    settings = Settings(config.startup_timeout, config.shutdown_timeout, config.cell_timeout or None,
                        config.run_timeout, config.output_limit, config.trust_parameters,
                        settings_of(nbapp.contents_manager))
    environment = without_secrets(os.environ, but=config.pass_variables)
    options, spares = _options_and_spares(nbapp, environment, config.spares)
    launcher = Launcher(config.fork_server, config.preload_modules, spares, config.spare_age, config.max_forks,
                        config.niceness, environment, options)
    kernelspecs = KernelSpecs(nbapp.kernel_spec_manager, nbapp.kernel_manager.default_kernel_name, _gateway(nbapp))
    IOLoop.current().spawn_callback(_log_refused, kernelspecs)
    return ExecutionManager(
        launcher, _store(config.database_filepath), Contents(nbapp.contents_manager, config.output_directories),
        kernelspecs,
        Slots(config.max_running, config.max_queued), settings, config.keep_executions, config.keep_seconds)


def _options_and_spares(nbapp: NotebookApp, environment: Dict[str, str], spares: int) -> Tuple[Sequence[str], int]:
    """Return the options of the default kernel, with which most kernels start, and how many spares to keep.

    Spares are useless if its kernelspec names another interpreter or sets variables.
    """
    try:
        spec = nbapp.kernel_spec_manager.get_kernel_spec(nbapp.kernel_manager.default_kernel_name).to_dict()
        options = options_of(spec)
        return options, spares if origin_of(spec, environment) == Origin(sys.executable, options) else 0
    except Exception:  # a third-party kernelspec manager may raise anything, and the defaults are good enough
        return (), spares


def _gateway(nbapp: NotebookApp) -> str:
    """Return the URL of the gateway on which the server's kernels run; an empty string if they run locally."""
    gateway = getattr(nbapp, "gateway_config", None)
    return str(gateway.url) if gateway is not None and gateway.gateway_enabled else ""


async def _log_refused(kernelspecs: KernelSpecs) -> None:
    """Log at startup which kernels will be refused."""
    try:
        kernelspecs.check_local()
        for name, provisioner in (await kernelspecs.without_provisioner()).items():
            _log.warning("Kernel %s cannot be used by nbexec: its provisioner %s is not installed.",
                         name, provisioner)
    except KernelRefusedError as error:
        _log.error("nbexec cannot run notebooks on this server: %s.", error)


def _store(file: str) -> ExecutionStore:
    """Return the configured store, or one in memory if that cannot be used: the server should start anyway."""
    if not file:
        return ExecutionStore()
    try:
        return ExecutionStore(os.path.abspath(os.path.expanduser(file)))
    except StoreError as error:
        _log.error("Executions are kept in memory only and will be lost when the server stops: %s.", error)
        return ExecutionStore()


def _keep_alive(nbapp: NotebookApp, manager: ExecutionManager) -> None:
    """Count a running execution as activity, so that neither the server nor JupyterHub takes the server to be idle."""
    activity = nbapp.web_app.settings["last_activity_times"]
    tell_hub = getattr(nbapp, "notify_activity", None)  # by itself, it notifies the Hub only every five minutes

    async def note() -> None:
        if manager.busy:
            activity["nbexec"] = utcnow()
            if tell_hub is not None:
                await tell_hub()

    timeouts = [nbapp.shutdown_no_activity_timeout / 3] if nbapp.shutdown_no_activity_timeout > 0 else []
    PeriodicCallback(note, min([*timeouts, _ACTIVITY_EVERY]) * 1000).start()
