"""From which process a kernel of a kernelspec can be forked; whether it is, is in test_interpreters.py."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any, Dict, List

import pytest

from nbexec.kernels import interpreters
from nbexec.kernels.interpreters import Origin, import_problem, is_own, origin_of, own_origin, variables_of

ARGUMENTS = ["-m", "ipykernel_launcher", "-f", "{connection_file}"]
FROZEN = "-Xfrozen_modules=off"
OTHER = "/bin/sh"  # a program that is there


def spec(program: str = sys.executable, arguments: List[str] = ARGUMENTS, **env: str) -> Dict[str, Any]:
    return {"argv": [program, *arguments], "env": env}


@pytest.mark.parametrize("program", [sys.executable, "python", "python3", f"python3.{sys.version_info[1]}",
                                     os.path.join(os.path.dirname(sys.executable), "python3")])
def test_this_python_has_several_names(program: str) -> None:
    assert is_own(program)
    assert origin_of(spec(program), {}) == Origin(sys.executable)


@pytest.mark.parametrize("program", ["python2", "pypy3", "/usr/bin/env", "/elsewhere/python3", OTHER])
def test_others_are_not_this_python(program: str) -> None:
    assert not is_own(program)


def test_a_link_to_this_python_is_another_one(tmp_path: Path) -> None:
    """So are virtual environments, each of which has other packages."""
    (tmp_path / "python3").symlink_to(sys.executable)
    assert origin_of(spec(str(tmp_path / "python3")), {}) == Origin(str(tmp_path / "python3"))


@pytest.mark.parametrize("kernelspec, reason", [
    (spec(arguments=["-m", "other_kernel", "-f", "{connection_file}"]), "its command is not the ordinary one"),
    (spec(arguments=[*ARGUMENTS, "--debug"]), "its command is not the ordinary one"),
    (spec(arguments=["-O", *ARGUMENTS]), "its command is not the ordinary one"),
    (spec(PYTHONHASHSEED="1"), "the variable PYTHONHASHSEED has to be there"),
    (spec(LD_PRELOAD="lib.so"), "the variable LD_PRELOAD has to be there"),
    (spec("python2"), "python2 is no absolute path"),
    (spec("/no/such/python"), "/no/such/python cannot be run")])
def test_what_cannot_be_forked_is_said_why(kernelspec: Dict[str, Any], reason: str) -> None:
    assert reason in interpreters.why_not_forked(kernelspec)
    assert origin_of(kernelspec, {}) is None


def test_an_option_that_shows_in_tracebacks_is_kept() -> None:
    assert origin_of(spec(arguments=[FROZEN, *ARGUMENTS]), {}) == Origin(sys.executable, (FROZEN,))


def test_a_kernelspec_without_variables_has_none() -> None:
    assert variables_of({"argv": []}, {}) == variables_of({"argv": [], "env": None}, {}) == {}


def test_variables_of_a_kernelspec_refer_to_those_of_the_server() -> None:
    kernelspec = spec(PATH="/kernel/bin:${PATH}", PRICE="$5", MISSING="${NOT_THERE}", NUMBER=5)  # type: ignore[arg-type]
    assert variables_of(kernelspec, {"PATH": "/bin"}) == {
        "PATH": "/kernel/bin:/bin", "PRICE": "$5", "MISSING": "${NOT_THERE}", "NUMBER": "5"}


def test_variables_make_another_origin() -> None:
    environment = {"TZ": "UTC", "LANG": "C"}
    assert origin_of(spec(B="2", A="1"), environment) == Origin(sys.executable, (), (("A", "1"), ("B", "2")))
    assert str(origin_of(spec(OTHER, B="2", A="1"), environment)) == f"{OTHER}, A, B"


def test_variables_that_change_nothing_make_none() -> None:
    environment = {"TZ": "UTC"}
    assert origin_of(spec(TZ="UTC"), environment) == origin_of(spec(), environment)
    assert origin_of(spec(TZ="Europe/Vienna"), environment) != origin_of(spec(), environment)


@pytest.mark.parametrize("name", ["TMPDIR", "http_proxy", "HTTPS_PROXY", "no_proxy"])
def test_variables_that_can_be_set_later_make_none(name: str) -> None:
    assert origin_of(spec(**{name: "x"}), {}) == Origin(sys.executable)


def test_this_process_is_an_origin_too() -> None:
    assert own_origin().program == sys.executable


def test_a_module_that_cannot_be_imported_is_said_why() -> None:
    assert import_problem("runner.runner") == ""
    assert "no_such_module" in import_problem("no_such_module")
