"""How notebooks run without a server: as the user's configuration of nbexec says, if there is one.

Reading it takes longer than starting to run a notebook, so that happens only if one of its files mentions it.
"""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, List, Optional

from jupyter_core.paths import jupyter_config_path, jupyter_data_dir

from ..errors import NbExecError
from ..protocol import Settings

_log = logging.getLogger("nbexec")
_FILES = ("jupyter_config", "jupyter_notebook_config")  # the second one wins
_MENTIONS = (b"NbExec", b"KernelManager", b"KernelSpecManager")
_KERNEL_MANAGERS = ("MultiKernelManager", "AsyncMultiKernelManager", "MappingKernelManager",
                    "AsyncMappingKernelManager")


@dataclass
class EngineOptions:
    """The traits of `NbExec` that matter without a server, with their defaults, and two of others.

    Only `niceness` has another default: there is no server to which executions should yield.
    """

    fork_server: bool = True
    preload_modules: List[str] = ()  # type: ignore[assignment]
    max_forks: int = 10_000
    niceness: int = 0
    pass_variables: List[str] = ()  # type: ignore[assignment]
    max_running: int = 0
    cell_timeout: int = 0
    run_timeout: float = 0.0
    output_limit: int = 0
    trust_parameters: bool = False
    save_interval: Optional[float] = 30.0
    startup_timeout: float = 60.0
    shutdown_timeout: float = 10.0
    default_kernel: str = "python3"
    kernelspec_config: Any = None  # of the KernelSpecManager

    def settings(self) -> Settings:
        """Return the part that runners need."""
        return Settings(
            startup_timeout=self.startup_timeout, shutdown_timeout=self.shutdown_timeout,
            cell_timeout=self.cell_timeout or None, run_timeout=self.run_timeout, output_limit=self.output_limit,
            trust_parameters=self.trust_parameters, notary={"data_dir": jupyter_data_dir()},
            save_interval=self.save_interval or 0.0)


def engine_options() -> EngineOptions:
    """Return what the configuration files of the user say."""
    if not any(_mentions(file) for folder in map(Path, jupyter_config_path()) for file in _files(folder)):
        return EngineOptions()
    return _configured(_config())


def _files(folder: Path) -> List[Path]:
    return [path for name in _FILES
            for path in (folder / f"{name}.py", folder / f"{name}.json", *sorted(folder.glob(f"{name}.d/*.json")))]


def _mentions(file: Path) -> bool:
    try:
        text = file.read_bytes()
    except OSError:
        return False
    return any(name in text for name in _MENTIONS)


def _config() -> Any:
    """Return the configuration as the notebook server would read it."""
    from traitlets.config import Config
    from traitlets.config.loader import ConfigFileNotFound, JSONFileConfigLoader, PyFileConfigLoader

    config = Config()
    for folder in reversed(jupyter_config_path()):
        for file in _files(Path(folder)):
            loader = PyFileConfigLoader if file.suffix == ".py" else JSONFileConfigLoader
            try:
                config.merge(loader(file.name, path=os.fspath(file.parent)).load_config())
            except ConfigFileNotFound:
                continue
            except Exception as error:  # the file is a program of the user; a server goes on without it as well
                _log.warning("%s is ignored: %s: %s", file, type(error).__name__, error)
    return config


def _configured(config: Any) -> EngineOptions:
    from traitlets import TraitError

    from ..configuration import NbExec

    options = EngineOptions()
    try:
        traits = NbExec(config=config)
    except TraitError as error:
        raise NbExecError(f"the configuration of nbexec is not valid: {error}") from error
    for field in fields(EngineOptions):
        if traits.has_trait(field.name) and field.name in config.NbExec:
            setattr(options, field.name, getattr(traits, field.name))
    for manager in _KERNEL_MANAGERS:
        options.default_kernel = config[manager].get("default_kernel_name", options.default_kernel)
    options.kernelspec_config = config if config.KernelSpecManager else None
    return options
