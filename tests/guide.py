"""The commands of a page of the documentation, and a terminal that runs them."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from textwrap import dedent
from typing import Dict, Iterator, List, NamedTuple, Sequence

TREE = Path(__file__).resolve().parent.parent
DOCS = TREE / "docs"
EXAMPLES = TREE / "examples"
_BLOCK = re.compile(r"^( *)\.\. code-block:: (\S+)\n(?:\1   :.*\n)*\n((?:\1   .*\n|\n)+)", re.MULTILINE)
_FENCE = re.compile(r"^( *)```(\S+)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
_MARK = "\x1e"


class Command(NamedTuple):
    """A command, and what the page says that it prints; nothing if it does not say."""

    text: str
    output: str


def blocks(page: str, language: str) -> List[str]:
    """Return the blocks of code of a page that are in a language."""
    text = (DOCS / page).read_text("utf-8") + "\n"
    found = (_FENCE if page.endswith(".md") else _BLOCK).findall(text)
    return [dedent(block).strip("\n") for _, kind, block in found if kind == language]


def commands(page: str) -> List[Command]:
    """Return the commands of a page, in their order; a block without prompts is one."""
    return [command for block in blocks(page, "console") for command in _split(block)]


def _split(block: str) -> Iterator[Command]:
    if not block.startswith("$ "):
        yield Command(block, "")
    for piece in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
        lines = piece.splitlines()
        # A command goes on below a line that ends like this.
        last = next(number for number, line in enumerate(lines) if not line.endswith(("\\", "|")))
        yield Command("\n".join(lines[:last + 1]), "\n".join(lines[last + 1:]))


def is_shell(text: str) -> bool:
    return subprocess.run(["bash", "-n", "-c", text], capture_output=True).returncode == 0


def run(commands: Sequence[Command], folder: Path, environment: Dict[str, str], changes: Dict[str, str]) -> List[str]:
    """Run commands one after the other in a shell, and check each; return what they print.

    Parameters
    ----------
    commands : sequence of Command
        Each has to succeed, unless the next one is ``echo $?``, and to print what the page says.
    folder : Path
        Where the shell begins.
    environment : dict
        All environment variables.
    changes : dict
        What is written otherwise here than on the page, such as a port.
    """
    mark = f"code=$?; printf '{_MARK}%s{_MARK}' $code; (exit $code)"
    script = "".join(f"{{ {changed(command.text, changes)}\n}}\n{mark}\n" for command in commands)
    done = subprocess.run(["bash", "-c", script], cwd=folder, env=environment, stdin=subprocess.DEVNULL, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=250)
    pieces = done.stdout.split(_MARK)
    assert len(pieces) == 2 * len(commands) + 1, done.stdout
    following = [*(command.text for command in commands[1:]), ""]
    for command, output, code, after in zip(commands, pieces[::2], pieces[1::2], following):
        assert code == "0" or after == "echo $?", f"{command.text} ends with {code}: {output}"
        assert is_as_shown(output, changed(command.output, changes)), f"{command.text} prints: {output}"
    return pieces[:-1:2]


def changed(text: str, changes: Dict[str, str]) -> str:
    """Return a text with what is written otherwise here than on a page."""
    for old, new in changes.items():
        text = text.replace(old, new)
    return text


def is_as_shown(output: str, shown: str) -> bool:
    """Tell whether output is what a page shows: … stands for anything in a line, or for any lines if it is alone."""
    if not shown:
        return True
    lines = [r"(?:.*\n)*?" if line == "…" else re.escape(line).replace("…", ".*") + r"\n"
             for line in shown.splitlines()]
    return re.fullmatch("".join(lines), output.rstrip("\n") + "\n") is not None
