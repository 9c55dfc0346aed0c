"""Which kernel a notebook runs on.

Only IPython kernels that are started by their command lines on this machine can be used: parameters are injected as
Python code, and a kernel is a child of its runner.
"""

from __future__ import annotations

from typing import Any, Dict, List, Optional, Tuple

from jupyter_client.kernelspec import KernelSpec, NoSuchKernel
from notebook.utils import maybe_future
from traitlets import TraitError

from ..errors import InvalidArgumentError, KernelRefusedError, shown

Spec = Dict[str, Any]
_BROKEN = (NoSuchKernel, TraitError, ValueError, OSError, KeyError, TypeError)
_LOCAL = "local-provisioner"


class KernelSpecs:
    """The kernels of the server.

    Parameters
    ----------
    manager : KernelSpecManager
        The kernelspec manager of the server.
    default_name : str
        The kernel for notebooks that do not name one.
    gateway : str
        Where the kernels of the server run, if not here.
    """

    def __init__(self, manager: Any, default_name: str, gateway: str = "") -> None:
        self._manager = manager
        self._default_name = default_name
        self._gateway = gateway

    def check_local(self) -> None:
        """Raise KernelRefusedError if the kernels of the server run on a gateway."""
        if self._gateway:
            raise KernelRefusedError(f"the kernels of this server run on the gateway {self._gateway}, but nbexec can "
                                     "use local kernels only; start a server without --gateway-url")

    async def provisioned(self) -> Dict[str, str]:
        """Return the kernels that need a provisioner, which nbexec refuses, with the names of the provisioners."""
        found = {name: _provisioner(await self._get(name)) for name in await self._names()}
        return {name: provisioner for name, provisioner in found.items() if provisioner}

    async def requested(self, name: str) -> Spec:
        """Return the kernelspec that a request names.

        Raises
        ------
        InvalidArgumentError
            It does not exist, is not an IPython kernel, or cannot be started by nbexec.
        """
        found = await self._get(name)
        if not _is_usable(found):
            why = f"; the provisioner {_provisioner(found)!r} is not supported" if _provisioner(found) else ""
            raise InvalidArgumentError("jupyter_kernel", name, f"{await self._expected()}{why}")
        return _model(name, found)

    async def for_notebook(self, name: Optional[str], language: Optional[str]) -> Tuple[Spec, List[str]]:
        """Return the kernelspec for a notebook, its own if possible, else the default; and warnings about that.

        Parameters
        ----------
        name : str, optional
            The kernel that the notebook names.
        language : str, optional
            The language of its code.

        Raises
        ------
        InvalidArgumentError
            It is written in another language, nbexec cannot start its kernel, or the default kernel is not usable.
        """
        found = await self._get(name) if name else None
        language = language or getattr(found, "language", None) or "python"
        if not _is_python(language):
            raise InvalidArgumentError("jupyter_kernel", None, f"{await self._expected()} for a notebook written in "
                                                               f"{shown(language)}")
        if name and _is_usable(found):
            return _model(name, found), []
        if _provisioner(found):
            raise InvalidArgumentError("jupyter_kernel", None, f"{await self._expected()} for a notebook whose own "
                                       f"kernel {shown(name)} needs the provisioner {_provisioner(found)!r}, which is "
                                       "not supported")
        spec = await self.requested(self._default_name)
        why = "is not installed on this server" if found is None else "is not an IPython kernel"
        return spec, [f"The notebook's kernel {shown(name)} {why}; the default kernel {shown(self._default_name)} is "
                      "used instead."] if name else []

    async def _names(self) -> List[str]:
        return sorted(await maybe_future(self._manager.find_kernel_specs()))

    async def _expected(self) -> str:
        known = [name for name in await self._names() if _is_usable(await self._get(name))]
        return f"an IPython kernel of this server ({', '.join(known)})"

    async def _get(self, name: str) -> Any:
        """Return a kernelspec, None if it does not exist or its file is broken."""
        try:
            return await maybe_future(self._manager.get_kernel_spec(name))
        except _BROKEN:
            return await self._get_provisioned(name)

    async def _get_provisioned(self, name: str) -> Any:
        """Return a kernelspec whose provisioner is not installed, which its manager does not list."""
        try:
            folder = (await maybe_future(self._manager.find_kernel_specs())).get(name.lower())
            found = KernelSpec.from_resource_dir(folder) if folder else None
        except _BROKEN:
            return None
        return found if _provisioner(found) else None


def _is_usable(found: Any) -> bool:
    return found is not None and _is_python(found.language) and bool(found.argv) and not _provisioner(found)


def _is_python(language: str) -> bool:
    return language.lower().startswith(("python", "ipython"))


def _provisioner(found: Any) -> str:
    """Return the name of the provisioner, empty for a kernel that is started by its command line."""
    metadata = getattr(found, "metadata", None)
    provisioner = metadata.get("kernel_provisioner") if isinstance(metadata, dict) else None
    name = provisioner.get("provisioner_name") if isinstance(provisioner, dict) else None
    return str(name) if name and name != _LOCAL else ""


def _model(name: str, found: Any) -> Spec:
    return {"name": name, "resource_dir": found.resource_dir, **found.to_dict()}
