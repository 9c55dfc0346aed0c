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
from traitlets import TraitError

from .configuration import NbExec
from .engines.dask.cluster import Cluster
from .engines.local.launcher import Launcher
from .environment import without_secrets
from .errors import KernelRefusedError, StoreError
from .executions.contents import Contents
from .executions.engine import Engine
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
from .handlers.translations import add_translations
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
    add_translations()
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
    settings = Settings(
        startup_timeout=config.startup_timeout, shutdown_timeout=config.shutdown_timeout,
        cell_timeout=config.cell_timeout or None, run_timeout=config.run_timeout, output_limit=config.output_limit,
        trust_parameters=config.trust_parameters, notary=settings_of(nbapp.contents_manager),
        save_interval=config.save_interval or 0.0)
    environment = without_secrets(os.environ, but=config.pass_variables)
    options, spares = _options_and_spares(nbapp, environment, config.spares if config.engine == "local" else 0)
    launcher = Launcher(
        use_fork_server=config.fork_server, preload=config.preload_modules, spares=spares, spare_age=config.spare_age,
        max_forks=config.max_forks, niceness=config.niceness, environment=environment, options=options)
    slots = Slots(config.max_running, config.max_queued)
    engine = _engine(nbapp, config, launcher, environment, slots)
    kernelspecs = KernelSpecs(nbapp.kernel_spec_manager, nbapp.kernel_manager.default_kernel_name, _gateway(nbapp))
    IOLoop.current().spawn_callback(_log_refused, kernelspecs)
    return ExecutionManager(
        launcher, engine, _store(config.database_filepath),
        Contents(nbapp.contents_manager, config.output_directories), kernelspecs, slots, settings,
        keep_executions=config.keep_executions, keep_seconds=config.keep_seconds)


def _engine(nbapp: NotebookApp, config: NbExec, launcher: Launcher, environment: Dict[str, str],
            slots: Slots) -> Engine:
    """Return where executions run; on a cluster, as many at once as it has slots, unless that is configured."""
    if config.engine == "local":
        return launcher
    if not config.dask_scheduler:
        raise TraitError("c.NbExec.dask_scheduler: expected the address or the file of a scheduler, because "
                         "c.NbExec.engine is 'dask', got nothing")
    root = getattr(nbapp.contents_manager, "root_dir", "") or os.getcwd()
    cluster = Cluster(config.dask_scheduler, config.dask_shared, config.dask_resources, os.path.abspath(root),
                      environment, config.database_filepath)
    if not config.max_running:
        slots.resize(0)
        cluster.on_slots = slots.resize
    return cluster


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
