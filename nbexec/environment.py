"""The environment of the processes that nbexec starts.

Secrets of the server are left out when a process is started. If they were deleted later, they could still be read in
``/proc/<pid>/environ`` and in processes started meanwhile.
"""

from __future__ import annotations

import re
from typing import Container, Dict, Mapping

# Variables from which Jupyter's programs read secrets: of a server, of JupyterHub and its proxy, and of a gateway.
_SECRET = re.compile(r"(NBEXEC_|JUPYTER|JPY_|CONFIGPROXY_|KG_|EG_).*(TOKEN|SECRET|PASS|CRYPT|KEY|COOKIE|CREDENTIAL)",
                     re.IGNORECASE)


def without_secrets(environment: Mapping[str, str], but: Container[str] = ()) -> Dict[str, str]:
    """Return the variables that a notebook may see.

    Parameters
    ----------
    environment : mapping
        All variables.
    but : container of str
        Names of variables to keep even if they hold a secret.
    """
    return {name: value for name, value in environment.items() if name in but or not _SECRET.match(name)}
