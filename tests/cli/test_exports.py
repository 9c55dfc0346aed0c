"""Executed notebooks in other formats."""

from __future__ import annotations

from pathlib import Path

import pytest
from command import Cli
from helpers import write_notebook

from nbexec.cli.browser_pdf import find_browser, print_to_pdf


@pytest.fixture
def browser() -> str:
    found = find_browser()
    if found is None:
        pytest.skip("no browser: apt-get install chromium, or playwright install chromium")
    return found


def test_pdf_is_written_beside_the_output(cli: Cli, browser: str) -> None:
    write_notebook(cli.work / "a.ipynb", "print('so far')")
    done = cli("run", "a.ipynb", "--pdf")
    assert (done.returncode, done.stdout) == (0, "a-Executed1.ipynb\n"), done.stderr
    assert "PDF: a-Executed1.pdf" in done.stderr
    assert (cli.work / "a-Executed1.pdf").read_bytes().startswith(b"%PDF-")
    cli.check_nothing_is_left()


def test_a_page_can_be_larger_than_a_command_line(browser: str) -> None:
    small, large = (print_to_pdf(f"<p>{'long ' * number}</p>", browser) for number in (10, 500_000))
    assert small.startswith(b"%PDF-") and len(large) > len(small)


def test_a_browser_that_makes_no_pdf_is_an_error(cli: Cli, tmp_path: Path) -> None:
    program = tmp_path / "chromium"
    program.write_text("#!/bin/sh\necho 'no display' >&2\nexit 3\n")
    program.chmod(0o755)
    write_notebook(cli.work / "a.ipynb", "1")
    done = cli("run", "a.ipynb", "--pdf", PATH=str(tmp_path))
    assert (done.returncode, done.stdout) == (4, "a-Executed1.ipynb\n")
    assert f"a-Executed1.pdf could not be written: {program} made no PDF: no display" in done.stderr
