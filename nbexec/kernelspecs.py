"""Which kernel a notebook runs on.

Only IPython kernels are of use: parameters are injected as Python.
"""

from __future__ import annotations

from typing import Any, Dict, Optional

from jupyter_client.kernelspec import NoSuchKernel
from notebook.utils import maybe_future
from traitlets import TraitError

from .errors import InvalidArgumentError

Spec = Dict[str, Any]


class KernelSpecs:
    """The kernels of the server.

    Parameters
    ----------
    manager : KernelSpecManager
        The kernelspec manager of the server.
    default_name : str
        The kernel for notebooks that name none.
    """

    def __init__(self, manager: Any, default_name: str) -> None:
        self._manager = manager
        self._default_name = default_name

    async def requested(self, name: str) -> Spec:
        """Return the kernelspec that a request names.

        Raises
        ------
        InvalidArgumentError
            It is not there, or not an IPython kernel.
        """
        spec = await self._find(name)
        if spec is None:
            known = [known for known in sorted(await maybe_future(self._manager.find_kernel_specs()))
                     if await self._find(known)]
            raise InvalidArgumentError("jupyter_kernel", name,
                                       f"an IPython kernel of this server is accepted ({', '.join(known)})")
        return spec

    async def for_notebook(self, name: Optional[str]) -> Spec:
        """Return the kernelspec that a notebook names if it is of use, else the default.

        Raises
        ------
        InvalidArgumentError
            The default is of no use either.
        """
        spec = await self._find(name) if name else None
        return spec or await self.requested(self._default_name)

    async def _find(self, name: str) -> Optional[Spec]:
        try:
            spec = await maybe_future(self._manager.get_kernel_spec(name))
        except (NoSuchKernel, TraitError, ValueError, OSError, KeyError, TypeError):
            return None  # not there, or its file is broken
        if spec.language.lower() != "python" or not spec.argv:
            return None
        return {"name": name, "resource_dir": spec.resource_dir, **spec.to_dict()}

