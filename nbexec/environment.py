"""The environment of the processes that nbexec starts.

The secrets of the server are left out when a process is started: taken out later, they could still be read in
``/proc/<pid>/environ``, and in what the process starts meanwhile.
"""

from __future__ import annotations

import re
from typing import Container, Dict, Mapping

# What Jupyter's programs take secrets from: the token of a server, those of JupyterHub and its proxy, of a gateway.
_SECRET = re.compile(r"(NBEXEC_|JUPYTER|JPY_|CONFIGPROXY_|KG_|EG_).*(TOKEN|SECRET|PASS|CRYPT|KEY|COOKIE|CREDENTIAL)",
                     re.IGNORECASE)


def without_secrets(environment: Mapping[str, str], but: Container[str] = ()) -> Dict[str, str]:
    """Return the variables that a notebook may see.

    Parameters
    ----------
    environment : mapping
        All variables.
    but : container of str
        Names of those that are kept in any case.
    """
    return {name: value for name, value in environment.items() if name in but or not _SECRET.match(name)}
