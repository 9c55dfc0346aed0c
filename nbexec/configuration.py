"""The configuration of nbexec, as the user gives it in a file of Jupyter."""

from __future__ import annotations

import typing

from traitlets import Bool, Dict, Enum, Float, Int, List, Unicode, Union
from traitlets.config import LoggingConfigurable


class BoolOrMapping(Union):
    """A boolean or a mapping of text, which the command line can give too, as ``--name=False`` or ``--name=/a=/b``."""

    def __init__(self, **more: typing.Any) -> None:
        super().__init__([Bool(), Dict(value_trait=Unicode(), key_trait=Unicode())], **more)

    def from_string(self, text: str) -> typing.Any:
        """Return what a single text on the command line means."""
        return self.from_string_list([text])

    def from_string_list(self, texts: typing.List[str]) -> typing.Any:
        """Return what texts on the command line mean."""
        try:
            return Bool().from_string(*texts)
        except (TypeError, ValueError):
            return Dict().from_string_list(texts)


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

    engine = Enum(["local", "dask"], "local", help="""
        Where notebooks run: on the machine of the notebook server (`local`), or on the workers of a Dask cluster
        (`dask`; ``pip install "nbexec[dask]"``).
        """).tag(config=True)

    dask_scheduler = Unicode("", help="""
        With the engine `dask`, the address of the scheduler, such as ``tls://scheduler:8786``, or the path of its
        scheduler file. Certificates are those of Dask's own configuration.
        """).tag(config=True)

    dask_shared = BoolOrMapping(default_value=True, help="""
        With the engine `dask`, whether all workers have the files of the notebook server. True means under the same
        paths, False not at all: then the notebook is sent to the worker, and the output notebook comes back. A mapping
        such as ``{'/home': '/nfs/home'}`` names directories, and where workers have them; on the command line,
        ``--NbExec.dask_shared=/home=/nfs/home``, once for each directory.
        """).tag(config=True)

    dask_resources = Dict(value_trait=Float(), key_trait=Unicode(), help="""
        With the engine `dask`, the resources that every execution needs of its worker, such as ``{'GPU': 1}``, by the
        names with which workers were started (``dask worker --resources GPU=1``). A kernelspec can name further ones
        in its `metadata`: ``{"nbexec": {"resources": {"GPU": 1}}}``.
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

    save_interval = Float(30.0, min=0.0, allow_none=True, help="""
        Seconds between two saves of an output notebook while it runs, to `<name>-Partial-<exec_id>.ipynb` beside it.
        The file is removed when the output notebook has been written, and is what remains if the machine is lost
        before. It is written by a process of its own; cells do not wait for it. Requests can set another interval
        (`X-Save-Interval`). 0 or None means that output is saved only in the end, as it is without `fork` (Windows),
        and if notebooks are not files.
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
