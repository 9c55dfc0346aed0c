"""Puts the parts together on a notebook server.

This is the only place where they all know each other.
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
        Fork the processes of an execution from one that has everything imported, which makes them start about ten
        times as fast. Kernels of other interpreters, and those with variables in their kernelspec, are forked from a
        fork server of theirs, from their second execution on, if they have ipykernel 6. Switch it off if kernels
        misbehave because of it. There is no fork server on Windows.
        """).tag(config=True)

    preload_modules = List(Unicode(), help="""
        Modules that notebooks on this server often import, such as ``['numpy', 'pandas', 'matplotlib.pyplot']``. The
        fork server imports them once, and every execution has them from the start, which saves it the time and most of
        the memory. A module that cannot be shared in this way, because its import fails or starts threads, is named in
        the log when the server starts, and left to the notebooks. What a notebook computes and shows does not change:
        the modules find a shell as in a kernel when they are imported.
        """).tag(config=True)

    spares = Int(1, min=0, help="""
        How many kernels to keep ready, so that the first cell of an execution starts at once. Each takes some 25 MiB,
        is used for one execution only, and is replaced when the server has time. 0 keeps none; there are none either
        if the default kernel of the server runs on another interpreter, or has variables in its kernelspec.
        """).tag(config=True)

    spare_age = Float(600.0, min=1.0, help="""
        Seconds after which a kernel that was kept ready and not needed is replaced by a new one.
        """).tag(config=True)

    max_forks = Int(10_000, min=0, help="""
        After so many forks the fork server is replaced by a new one, which nobody notices. 0 keeps it for ever. It is
        also replaced when packages are installed or removed, and when a module that it has preloaded changes.
        """).tag(config=True)

    niceness = Int(5, min=0, max=19, help="""
        How far executions leave the processor to the notebook server and to other programs when there is not enough of
        it: 0 is not at all, 19 as far as possible. It does not slow down executions on a machine that has time.
        """).tag(config=True)

    pass_variables = List(Unicode(), help="""
        Names of environment variables of the server that notebooks get although they hold a secret. Without this they
        get neither the server's own token (`JUPYTER_TOKEN`, `NBEXEC_TOKEN`) nor what JupyterHub tells only the server
        (`JUPYTERHUB_API_TOKEN` and the like): notebooks that use the Hub's API need ``['JUPYTERHUB_API_TOKEN']``.
        """).tag(config=True)

    max_running = Int(0, min=0, help="""
        How many executions may run at once. More than these wait in the order in which they came, with the status
        `initializing`. 0 is any number.
        """).tag(config=True)

    max_queued = Int(-1, min=-1, help="""
        How many executions may wait when `max_running` are running. More than these are refused, with the HTTP status
        429 and the time after which to try again. -1 is any number, with 0 none waits.
        """).tag(config=True)

    cell_timeout = Int(0, min=0, help="""
        Seconds that one cell may take, for requests that do not say so themselves by `cell_timeout`. 0 is any time.
        """).tag(config=True)

    run_timeout = Float(0.0, min=0.0, help="""
        Seconds that a whole execution may take, from the start of its kernel on. Then it ends in an error, with what
        it has until then in its output notebook. 0 is any time.
        """).tag(config=True)

    output_limit = Int(0, min=0, help="""
        Bytes of output that one cell may have. What is more is dropped; the cell says so, and the last event of the
        execution has the number of bytes in `output_cut`. Tracebacks are always kept. 0 keeps all output.
        """).tag(config=True)

    trust_parameters = Bool(False, help="""
        Whether an output notebook is trusted although a caller of the API gave text for a parameter. The notebook page
        shows the HTML of a trusted notebook and runs its JavaScript, so switch this on only if all callers may act as
        the owner of the server, or if the notebooks escape what they put into HTML.
        """).tag(config=True)

    database_filepath = Unicode("", help="""
        The SQLite file that keeps the executions, so that they are still there when the server is started again.
        Without it they are kept in memory. A file belongs to one server at a time. Beside it there is a folder of the
        same name that ends in `-notes`. It has the values of parameters in it, so only its owner can read it; leave it
        outside of the root directory of the server.
        """).tag(config=True)

    keep_executions = Int(0, min=0, help="""
        How many finished executions are kept in the list; the oldest are deleted from it. Their output notebooks stay.
        0 keeps all.
        """).tag(config=True)

    keep_seconds = Float(0.0, min=0.0, help="""
        How many seconds a finished execution is kept in the list. Its output notebook stays. 0 keeps it for ever.
        """).tag(config=True)

    output_directories = List(Unicode(), help="""
        Directories outside the root directory of the server that output notebooks may go to, such as
        ``['/srv/shared']``, when a link in the root leads there. An output never goes anywhere else.
        """).tag(config=True)

    startup_timeout = Float(60.0, min=1.0, help="""
        Seconds that a kernel may take to start before its execution ends in an error. Raise it if your kernels
        load much when they start, or if the machine is often busy.
        """).tag(config=True)

    shutdown_timeout = Float(10.0, min=0.0, help="""
        Seconds that a kernel may take to end by itself after its notebook was executed: to run its `atexit`
        handlers and to close its files. After that it is killed. Clients do not wait for it.
        """).tag(config=True)


def load(nbapp: NotebookApp) -> None:
    """Add the execution API to a notebook server."""
    logging.getLogger("nbexec").parent = nbapp.log  # its handlers and its level are ours
    config = NbExec(parent=nbapp)
    manager = _manager(nbapp, config)
    gate = Gate(PageTokens(), Strangers(), _secret_filter(nbapp), OpenStreams())
    gate.secrets.install(nbapp.log)
    logout = nbapp.web_app.settings.get("logout_handler_class")
    nbapp.web_app.add_handlers(".*$", [*page_routes(nbapp.base_url, gate, logout),
                                       *event_routes(nbapp.base_url, manager, gate),
                                       *routes(nbapp.base_url, manager, gate)])
    IOLoop.current().add_callback(lambda: WaitingConnections(nbapp.http_server))  # some servers have it only then
    _keep_alive(nbapp, manager)
    if config.keep_seconds:
        PeriodicCallback(manager.prune, min(config.keep_seconds / 4, _PRUNE_EVERY) * 1000).start()
    atexit.register(manager.close)
    if not nbapp.token and "hub_auth" not in nbapp.web_app.settings:
        nbapp.log.warning(_NO_TOKEN)


def _secret_filter(nbapp: NotebookApp) -> SecretFilter:
    """Return what keeps the tokens of this server out of its log; it still tells its owner how to log in."""
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
    """Return the options with which kernels are usually started, and how many of them can be kept ready.

    Those of the default kernel count. Spares are of no use to it if its kernelspec names another interpreter, or sets
    variables.
    """
    try:
        spec = nbapp.kernel_spec_manager.get_kernel_spec(nbapp.kernel_manager.default_kernel_name).to_dict()
        options = options_of(spec)
        return options, spares if origin_of(spec, environment) == Origin(sys.executable, options) else 0
    except Exception:  # whatever a kernelspec manager of somebody else's raises: it matters little
        return (), spares


def _gateway(nbapp: NotebookApp) -> str:
    """Return where the kernels of the server run, if that is elsewhere."""
    gateway = getattr(nbapp, "gateway_config", None)
    return str(gateway.url) if gateway is not None and gateway.gateway_enabled else ""


async def _log_refused(kernelspecs: KernelSpecs) -> None:
    """Say at the start what requests will be refused for."""
    try:
        kernelspecs.check_local()
        for name, provisioner in (await kernelspecs.provisioned()).items():
            _log.warning("Kernel %s cannot be used by nbexec: its provisioner %s is not supported.", name, provisioner)
    except KernelRefusedError as error:
        _log.error("nbexec cannot run notebooks on this server: %s.", error)


def _store(file: str) -> ExecutionStore:
    """Return the store that is configured; a server without it is better than none."""
    if not file:
        return ExecutionStore()
    try:
        return ExecutionStore(os.path.abspath(os.path.expanduser(file)))
    except StoreError as error:
        _log.error("Executions are kept in memory only and will be lost when the server stops: %s.", error)
        return ExecutionStore()


def _keep_alive(nbapp: NotebookApp, manager: ExecutionManager) -> None:
    """Count a running execution as activity: a server that is idle ends, or is ended by JupyterHub."""
    activity = nbapp.web_app.settings["last_activity_times"]
    tell_hub = getattr(nbapp, "notify_activity", None)  # which it does every five minutes only

    async def note() -> None:
        if manager.busy:
            activity["nbexec"] = utcnow()
            if tell_hub is not None:
                await tell_hub()

    timeouts = [nbapp.shutdown_no_activity_timeout / 3] if nbapp.shutdown_no_activity_timeout > 0 else []
    PeriodicCallback(note, min([*timeouts, _ACTIVITY_EVERY]) * 1000).start()
