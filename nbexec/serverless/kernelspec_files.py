"""The kernelspecs of this machine, read without jupyter_client.

Importing that takes longer than all else that the calling process does to run a notebook. So an ordinary kernelspec is
read here, and jupyter_client is asked about whatever is not found in this way.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field
from typing import Any, Dict, List, Optional

from jupyter_core.paths import jupyter_path

_KEYS = {"argv": list, "display_name": str, "language": str, "env": dict, "metadata": dict}


@dataclass
class KernelSpecFile:
    """An ordinary kernelspec, with the attributes that jupyter_client's `KernelSpec` has."""

    resource_dir: str
    argv: List[str]
    display_name: str
    language: str
    env: Dict[str, str] = field(default_factory=dict)
    metadata: Dict[str, Any] = field(default_factory=dict)
    interrupt_mode: str = "signal"

    def to_dict(self) -> Dict[str, Any]:
        """Return what is in its file."""
        return {name: value for name, value in asdict(self).items() if name != "resource_dir"}


class KernelSpecFiles:
    """Finds kernelspecs, as jupyter_client's `KernelSpecManager` does.

    Parameters
    ----------
    config : Config, optional
        The configuration of that manager, which then is asked about everything.
    """

    def __init__(self, config: Any = None) -> None:
        self._config = config
        self._theirs: Any = None

    def get_kernel_spec(self, name: str) -> Any:
        """Return the kernelspec with this name.

        Raises
        ------
        KeyError
            There is none.
        """
        found = None if self._config is not None else self._ordinary(name.lower())
        return self._manager.get_kernel_spec(name) if found is None else found

    def find_kernel_specs(self) -> Dict[str, str]:
        """Return the folders of all kernelspecs by their names."""
        found: Dict[str, str] = self._manager.find_kernel_specs()
        return found

    @property
    def _manager(self) -> Any:
        if self._theirs is None:
            from jupyter_client.kernelspec import KernelSpecManager

            self._theirs = KernelSpecManager(**({} if self._config is None else {"config": self._config}))
        return self._theirs

    def _ordinary(self, name: str) -> Optional[KernelSpecFile]:
        """Return the first kernelspec of this name on the path, None if there is none or it is not ordinary."""
        if os.path.basename(name) != name:
            return None
        for folder in jupyter_path("kernels"):
            found = os.path.join(folder, name)
            if os.path.isfile(os.path.join(found, "kernel.json")):
                return _read(found)
        return None


def _read(folder: str) -> Optional[KernelSpecFile]:
    try:
        with open(os.path.join(folder, "kernel.json"), encoding="utf-8") as file:
            values = json.load(file)
        values = {name: value for name, value in values.items() if name in (*_KEYS, "interrupt_mode")}
        if all(isinstance(value, _KEYS.get(name, str)) for name, value in values.items()):
            return KernelSpecFile(folder, **values)
    except (OSError, ValueError, TypeError, AttributeError, RecursionError):
        pass
    return None
