"""The matrix: `nox` runs the tests on each Python with an older and the newest tornado, then lint and documentation.

Interpreters are looked up by name (`python3.8`, …) on PATH. With pyenv, `pyenv local 3.13 3.12 3.11 3.8` in this
directory, or PYENV_VERSION, puts them there. A Python that is missing is skipped; it is an error where CI is set.
"""

import shutil
from pathlib import Path

import nox

nox.needs_version = ">=2024.3.2"
nox.options.default_venv_backend = "uv|virtualenv"
nox.options.sessions = ["lint", "docs", "tests", "oldest"]

# tornado 6.4.2 is the last one for Python 3.8
MATRIX = [
    nox.param("3.8", "newest", id="3.8-tornado-newest"),
    nox.param("3.11", "6.5", id="3.11-tornado6.5"),
    nox.param("3.11", "newest", id="3.11-tornado-newest"),
    nox.param("3.12", "6.5", id="3.12-tornado6.5"),
    nox.param("3.12", "newest", id="3.12-tornado-newest"),
    nox.param("3.13", "6.5", id="3.13-tornado6.5"),
    nox.param("3.13", "newest", id="3.13-tornado-newest"),
]
DOCS_PYTHON = "3.11"


def install(session, *requirements):
    """Install the project as a user does, together with the requirements, in one resolution."""
    # setuptools would pack what an earlier build left behind; uv would take a wheel it built before.
    shutil.rmtree("build", ignore_errors=True)
    fresh = ["--reinstall-package", "nbexec"] if session.venv_backend == "uv" else []
    session.install(*fresh, ".[test]", *requirements)


def pytest(session):
    """Run the tests by the entry point, so that they see the installed package and not the tree."""
    session.run("python", "-c", "import sys, tornado, notebook, jupyter_client; print("
                "sys.version.split()[0], tornado.version, notebook.__version__, jupyter_client.__version__)")
    session.run("pytest", "-n", "4", "--dist", "worksteal", *session.posargs)


@nox.session
@nox.parametrize("python,tornado", MATRIX)
def tests(session, tornado):
    """Run the tests."""
    install(session, *([] if tornado == "newest" else [f"tornado=={tornado}.*"]))
    pytest(session)


@nox.session(python=["3.8", "3.11"], venv_backend="uv")
def oldest(session):
    """Run the tests with the lowest version of each direct dependency that setup.cfg lets in."""
    session.install("--resolution", "lowest-direct", "--reinstall-package", "nbexec", ".")
    session.install(".[test]")  # what is installed stays, where it does for the tools of the tests
    pytest(session)


@nox.session(python=DOCS_PYTHON)
def lint(session):
    """Check style and types."""
    install(session)
    session.run("ruff", "check", ".")
    session.run("mypy")


@nox.session(python=DOCS_PYTHON)
def docs(session):
    """Build the documentation into docs/_build, with warnings as errors."""
    install(session)
    target = Path("docs", "_build")
    session.run("sphinx-build", "-W", "--keep-going", "-b", "html", "-d", str(target / "doctrees"), "docs",
                str(target / "html"))
