"""Remembers the imports of this process, and restores them in a fork of it.

A kernel is forked from a process with more modules than a kernel has. A notebook must not find those: they would take
precedence over its own modules of the same name, and over versions that it has just installed.
"""

from __future__ import annotations

import logging
import os
import sys
import sysconfig
import warnings
from types import ModuleType
from typing import Any, Dict, Iterable, List


class Imports:
    """The modules that are loaded now, except those of nbexec, and the state that further imports could change."""

    def __init__(self) -> None:
        loaded = {name: module for name, module in sys.modules.items() if not _is_ours(name)}
        self._names = set(loaded)
        self._packages: Dict[str, Dict[str, Any]] = {
            name: dict(vars(module)) for name, module in loaded.items() if hasattr(module, "__path__")}
        self._loggers = {name for name in logging.root.manager.loggerDict if not _is_ours(name)}
        self._warnings = warnings.filters[:]  # type: ignore[attr-defined]
        self._finders = sys.meta_path[:]
        self._forgotten: List[ModuleType] = []  # kept alive, because tearing them down costs time and memory

    def restore(self) -> None:
        """Forget what was imported since, and all of nbexec."""
        self._forgotten += [sys.modules.pop(name) for name in set(sys.modules) - self._names]
        for package, before in self._packages.items():
            _restore_modules(vars(sys.modules[package]), before)
        for logger in set(logging.root.manager.loggerDict) - self._loggers:
            del logging.root.manager.loggerDict[logger]
        if warnings.filters != self._warnings:  # type: ignore[attr-defined]
            warnings.filters[:] = self._warnings  # type: ignore[attr-defined,index]
            warnings._filters_mutated()  # type: ignore[attr-defined]
        sys.meta_path[:] = self._finders


def _restore_modules(namespace: Dict[str, Any], before: Dict[str, Any]) -> None:
    """Take the modules out of the namespace of a package that were not in it, or hid something else."""
    for name, value in list(namespace.items()):
        if isinstance(value, ModuleType) and before.get(name) is not value:
            if name in before:
                namespace[name] = before[name]
            else:
                del namespace[name]


def _is_ours(name: str) -> bool:
    return name.partition(".")[0] == "nbexec"


def own_files(names: Iterable[str]) -> List[str]:
    """Return the files of these modules, except those that only an installation changes."""
    installed = tuple(path + os.sep for path in {*sysconfig.get_paths().values(), sys.prefix, sys.base_prefix})
    files = [getattr(sys.modules.get(name), "__file__", None) for name in names]
    return [file for file in files if isinstance(file, str) and not file.startswith(installed)]


def package_folders() -> List[str]:
    """Return the folders that change when a package is installed, upgraded or removed."""
    return [path for path in sys.path if os.path.basename(path) in ("site-packages", "dist-packages")]


def change_times(paths: Iterable[str]) -> Dict[str, int]:
    """Return when each of the paths was changed, in nanoseconds; those that are not there are left out."""
    times = {}
    for path in paths:
        try:
            times[path] = os.stat(path).st_mtime_ns
        except OSError:
            pass
    return times
