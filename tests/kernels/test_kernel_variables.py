"""The variables that a kernelspec sets hold from the first instruction of its kernel, however that is started."""

from __future__ import annotations

import sys
from typing import Dict, Iterator

import pytest
from helpers import ORDINARY, Server, add_kernel, text_of, wait_for, write_notebook

# A variable, its value, and what shows that it was read when the process started.
VARIABLES: Dict[str, Dict[str, str]] = {
    "TZ": {"value": "Asia/Tokyo", "shown": "('JST', 'JST') 1970-01-01 09:00:00",
           "code": "import time, datetime; print(time.tzname, datetime.datetime.fromtimestamp(0))"},
    "LC_ALL": {"value": "POSIX", "code": "import locale; print(locale.setlocale(locale.LC_CTYPE))", "shown": "C"},
    "IPYTHONDIR": {"value": "{folder}/ipy", "code": "print(get_ipython().ipython_dir)", "shown": "{folder}/ipy"},
    "JUPYTER_CONFIG_DIR": {"value": "{folder}/conf", "code": "from jupyter_core.paths import jupyter_config_dir\n"
                           "print(jupyter_config_dir())", "shown": "{folder}/conf"},
    "MPLBACKEND": {"value": "svg", "code": "import matplotlib; print(matplotlib.get_backend())", "shown": "svg"},
    "MPLCONFIGDIR": {"value": "{folder}/mpl", "code": "import matplotlib; print(matplotlib.get_configdir())",
                     "shown": "{folder}/mpl"},
    "OMP_NUM_THREADS": {"value": "1", "code": "print(open('/proc/self/environ').read().count('OMP_NUM_THREADS=1'))",
                        "shown": "1"},
    "HOME": {"value": "{folder}", "code": "import os; print(os.path.expanduser('~'))", "shown": "{folder}"},
    "REFERS": {"value": "${PATH}:$PATH:$$:${NO_SUCH_VARIABLE}",
               "code": "import os; path = os.environ['PATH']\n"
                       "print(os.environ['REFERS'] == path + ':' + path + ':$:${NO_SUCH_VARIABLE}')", "shown": "True"},
}


@pytest.fixture(scope="module")
def preloading(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server whose fork servers have read their variables for long, by what they have preloaded too."""
    server = Server(tmp_path_factory.mktemp("variables"), "--NbExec.preload_modules=matplotlib", spares=True)
    yield server
    server.stop()


@pytest.mark.parametrize("interpreter", ["own", "other"])
def test_variables_hold_from_the_start(preloading: Server, other_python: str, interpreter: str) -> None:
    """In the first execution, which starts a fork server, and in those that it forks."""
    folder = preloading.folder / interpreter
    folder.mkdir()
    cells = [variable["code"] for variable in VARIABLES.values()]
    source = write_notebook(preloading.root / f"{interpreter}.ipynb", *cells)
    expected = [variable["shown"].format(folder=folder) for variable in VARIABLES.values()]
    program = sys.executable if interpreter == "own" else other_python
    env = {name: variable["value"].replace("{folder}", str(folder)) for name, variable in VARIABLES.items()}
    kernel = add_kernel(preloading, interpreter, [program, *ORDINARY[1:]], env=env)
    before = preloading.log.count("There is a fork server for")
    for _ in range(3):
        events = preloading.run(source, jupyter_kernel=kernel)
        assert events[-1]["event"] == "notebook_complete", events[-1]
        assert [text_of(event["cell"]).strip() for event in events if event["event"] == "end"] == expected
        wait_for(lambda: preloading.log.count("There is a fork server for") > before, 60, "the fork server")
    assert f"{kernel}: forked from its own interpreter" in preloading.log


def test_kernels_without_them_do_not_get_them(preloading: Server) -> None:
    kernel = add_kernel(preloading, "another", ORDINARY, env={"TZ": "Asia/Tokyo"})
    code = "import os, time; print(os.environ.get('TZ'), time.tzname[0])"
    source = write_notebook(preloading.root / "zone.ipynb", code)
    found = [text_of(preloading.run(source, jupyter_kernel=name)[2]["cell"]).strip()
             for name in (kernel, "python3", kernel, "python3")]
    assert found[::2] == ["Asia/Tokyo JST"] * 2
    assert "JST" not in found[1] + found[3]
