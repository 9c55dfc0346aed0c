"""Which kernel a notebook runs on.

Only IPython kernels are of use, because parameters are injected as Python. What starts a kernel is decided here too:
its runner, or the provisioner that its kernelspec or the configuration of the server names. What is meant to run
elsewhere never runs here instead.
"""

from __future__ import annotations

import inspect
from typing import Any, Dict, List, Optional, Tuple, Type

from ..errors import InvalidArgumentError, KernelRefusedError, shown

Spec = Dict[str, Any]
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
    default_provisioner : str, optional
        What starts kernels whose kernelspecs do not say so; by default, what the configuration of the server says.
    place : str
        Where the kernels are installed, for messages.
    """

    def __init__(self, manager: Any, default_name: str, gateway: str = "",
                 default_provisioner: Optional[str] = None, place: str = "this server") -> None:
        self._manager = manager
        self._default_name = default_name
        self._gateway = gateway
        self._default_provisioner = default_provisioner
        self._place = place

    @property
    def _provisioners(self) -> Any:
        """The provisioners that are installed; jupyter_client takes time to import, and is rarely asked."""
        from jupyter_client.provisioning import KernelProvisionerFactory

        return KernelProvisionerFactory.instance(parent=getattr(self._manager, "parent", None))

    def check_local(self) -> None:
        """Raise KernelRefusedError if the kernels of the server run on a gateway."""
        if self._gateway:
            raise KernelRefusedError(f"the kernels of this server run on the gateway {self._gateway}, but nbexec can "
                                     "use local kernels only; start a server without --gateway-url")

    async def without_provisioner(self) -> Dict[str, str]:
        """Return the kernels that are refused because their provisioners are not installed, and those."""
        found = {name: await self._get(name) for name in await self._names()}
        return {name: self._provisioner(spec) for name, spec in found.items() if not self._can_start(spec)}

    async def requested(self, name: str) -> Spec:
        """Return the kernelspec that a request names.

        Raises
        ------
        InvalidArgumentError
            It does not exist, is not an IPython kernel, or cannot be started by nbexec.
        """
        found = await self._get(name)
        if not self._is_usable(found):
            why = "" if self._can_start(found) else f"; the provisioner {self._provisioner(found)!r} is not installed"
            raise InvalidArgumentError("jupyter_kernel", name, f"{await self._expected()}{why}")
        return self._model(name, found)

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
        if name and self._is_usable(found):
            return self._model(name, found), []
        if not self._can_start(found):
            raise InvalidArgumentError("jupyter_kernel", None, f"{await self._expected()} for a notebook whose own "
                                       f"kernel {shown(name)} needs the provisioner {self._provisioner(found)!r}, "
                                       "which is not installed")
        spec = await self.requested(self._default_name)
        why = f"is not installed on {self._place}" if found is None else "is not an IPython kernel"
        return spec, [f"The notebook's kernel {shown(name)} {why}; the default kernel {shown(self._default_name)} is "
                      "used instead."] if name else []

    async def _names(self) -> List[str]:
        return sorted(await _awaited(self._manager.find_kernel_specs()))

    async def _expected(self) -> str:
        known = [name for name in await self._names() if self._is_usable(await self._get(name))]
        return f"an IPython kernel of {self._place} ({', '.join(known)})"

    async def _get(self, name: str) -> Any:
        """Return a kernelspec, None if it does not exist or its file is broken."""
        try:
            return await _awaited(self._manager.get_kernel_spec(name))
        except _broken():
            return await self._get_provisioned(name)

    async def _get_provisioned(self, name: str) -> Any:
        """Return a kernelspec whose provisioner is not installed, which its manager does not list."""
        from jupyter_client.kernelspec import KernelSpec

        try:
            folder = (await _awaited(self._manager.find_kernel_specs())).get(name.lower())
            found = KernelSpec.from_resource_dir(folder) if folder else None
        except _broken():
            return None
        return found if found is not None and self._provisioner(found) else None

    def _is_usable(self, found: Any) -> bool:
        if found is None or not _is_python(found.language) or not self._can_start(found):
            return False
        return bool(found.argv) or bool(self._provisioner(found))

    def _can_start(self, found: Any) -> bool:
        """Whether what starts a kernel is installed; nothing is said of kernels that are not."""
        return (found is None or not self._provisioner(found)
                or bool(self._provisioners.is_provisioner_available(found)))

    def _provisioner(self, found: Any) -> str:
        """Return the name of what starts the kernel, if that is something else than its command line."""
        name = _named_provisioner(found) or self._default_provisioner or self._provisioners.default_provisioner_name
        return "" if name == _LOCAL else str(name)

    def _model(self, name: str, found: Any) -> Spec:
        return {"name": name, "resource_dir": found.resource_dir, "provisioner": self._provisioner(found),
                **found.to_dict()}


async def _awaited(value: Any) -> Any:
    """Return the value that a manager has given, which some managers only promise."""
    return await value if inspect.isawaitable(value) else value


def _broken() -> Tuple[Type[Exception], ...]:
    """Return what a missing or broken kernelspec raises; a missing one a KeyError."""
    from traitlets import TraitError

    return TraitError, ValueError, OSError, KeyError, TypeError


def _is_python(language: str) -> bool:
    return language.lower().startswith(("python", "ipython"))


def _named_provisioner(found: Any) -> str:
    """Return the provisioner that a kernelspec names; nothing if it is to be the usual one."""
    metadata = getattr(found, "metadata", None)
    provisioner = metadata.get("kernel_provisioner") if isinstance(metadata, dict) else None
    name = provisioner.get("provisioner_name") if isinstance(provisioner, dict) else None
    return str(name or "")
