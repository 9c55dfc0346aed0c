"""How busy the pages keep a browser: with many records, cells, lines and executions at once, and for a long time.

    pip install ".[test]" && python benchmarks/pages.py [--only records cells lines at_once long] [--minutes 10]

Chromium shows the real pages of a real server. "Busy" is the time in which the main thread of the page was at work,
and "CPU" what it had of a processor; on a busy machine the first is longer. A task of 50 ms and more is a long one,
which somebody who types or scrolls notices.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
import uuid
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Dict, Iterator, List

TESTS = Path(__file__).parent.parent / "tests"
sys.path.insert(0, str(TESTS))

from browser import executable, open_notebook, open_tree  # noqa: E402
from helpers import Server, write_notebook  # noqa: E402
from playwright.sync_api import sync_playwright  # noqa: E402

from nbexec.execution import COMPLETED, Execution  # noqa: E402
from nbexec.executions.store import ExecutionStore  # noqa: E402
from nbexec.run_arguments import RunArguments  # noqa: E402

RECORDS = 10_000
CELLS = 2000
LINES = 170_000
AT_ONCE = 50
KEPT = 200  # executions besides the records; older ones are forgotten, so that the list stays as long as it is
MIB = 1 << 20
PATIENCE = 300_000  # milliseconds
LIST = "#executions"
# Times of tasks that are long, from the first on.
WATCH = """window.longTasks = [];
new PerformanceObserver(list => list.getEntries().forEach(entry => window.longTasks.push(entry.duration)))
    .observe({type: 'longtask', buffered: true});"""
# Goes to the list, and resolves to the milliseconds until its first row is painted.
FIRST_ROW = """() => new Promise(resolve => {
    const begin = performance.now();
    const end = () => setTimeout(() => resolve(performance.now() - begin));
    const look = () => requestAnimationFrame(document.querySelector('.nbexec-list tbody tr') ? end : look);
    document.querySelector("#tabs a[href='#executions']").click();
    look();
})"""
# Milliseconds since the address was entered.
SINCE_ADDRESS = "() => document.querySelector('.nbexec-list tbody tr') && performance.now()"
PARAMETERS = "# nbexec: params\nnumber = 0"
# Cells that wait, so that the browser has the processor, and the rhythm is not that of the machine.
WAITS = "import time\nprint('a line')\ntime.sleep(0.5)"
LAST = "import time\nfor number in range(200):\n    print('line', number, flush=True)\n    time.sleep(0.05)"
PRINTS = (f"import time\nfor number in range({LINES}):\n    print('line', number, 'of an output that is long')\n"
          "    if number % 1000 == 0: time.sleep(0.05)")
CHATS = "import time\nfor number in range({number}):\n    print('line', number)\n    time.sleep(0.01)"


class Watched:
    """A page, and what Chromium tells of it."""

    def __init__(self, page: Any) -> None:
        self.page = page
        page.add_init_script(WATCH)
        self._session = page.context.new_cdp_session(page)
        self._session.send("Performance.enable")

    def metrics(self) -> Dict[str, float]:
        return {entry["name"]: entry["value"] for entry in self._session.send("Performance.getMetrics")["metrics"]}

    def kept(self) -> Dict[str, float]:
        """Return what is left when all garbage was collected."""
        for _ in range(3):
            self._session.send("HeapProfiler.collectGarbage")
        return self.metrics()

    @contextmanager
    def measured(self, what: str) -> Iterator[None]:
        """Print how busy the page was meanwhile."""
        self.page.evaluate("() => { window.longTasks = []; }")
        before, begin = self.metrics(), time.perf_counter()
        yield
        seconds, after = time.perf_counter() - begin, self.metrics()
        tasks = self.page.evaluate("() => window.longTasks")
        shares = {name: 100 * (after[name] - before[name]) / seconds
                  for name in ("TaskDuration", "ThreadTime", "ScriptDuration", "LayoutDuration", "RecalcStyleDuration")
                  if name in after}
        tell(what, f"{seconds:.1f} s, busy {shares['TaskDuration']:.0f} %, CPU {shares.get('ThreadTime', 0):.0f} % "
             f"(scripts {shares['ScriptDuration']:.0f}, layout {shares['LayoutDuration']:.0f}, "
             f"styles {shares['RecalcStyleDuration']:.0f}), {len(tasks)} long tasks, "
             f"the longest {max(tasks, default=0):.0f} ms")


def tell(what: str, text: str) -> None:
    print(f"{what:46} {text}; load {os.getloadavg()[0]:.1f}", flush=True)


class Pages:
    """The measurements, by the names of their methods.

    Parameters
    ----------
    browser : Browser
        Of Playwright.
    folder : Path
        Where the server has its files.
    minutes : float
        How long the long one is.
    """

    def __init__(self, browser: Any, folder: Path, minutes: float) -> None:
        self._browser = browser
        self._minutes = minutes
        records = folder / "records.sqlite"
        store = ExecutionStore(str(records))
        for number in range(RECORDS):
            arguments = RunArguments(f"old/{number}.ipynb", {"number": str(number)})
            store.save(Execution(str(uuid.uuid4()), arguments, f"old/{number}-Executed1.ipynb", status=COMPLETED,
                                 progress="9/9", started_at=1.6e9 + number, completed_at=1.6e9 + number + 5))
        store.close()
        self.server = Server(folder, "--NotebookApp.show_banner=False", f"--NbExec.max_running={AT_ONCE + 1}",
                             f"--NbExec.database_filepath={records}", f"--NbExec.keep_executions={RECORDS + KEPT}",
                             spares=True, module="notebook")

    @contextmanager
    def _page(self) -> Iterator[Watched]:
        context = self._browser.new_context(viewport={"width": 1100, "height": 720}, locale="en-US")
        context.set_default_timeout(PATIENCE)
        yield Watched(context.new_page())
        context.close()

    def _start(self, name: str, *cells: str, **values: Any) -> str:
        return self.server.start_run(write_notebook(self.server.root / name, *cells), **values)

    def records(self) -> None:
        with self._page() as watched:
            page = watched.page
            open_tree(page, self.server)
            page.wait_for_selector(f"#tabs a[href='{LIST}']")
            page.wait_for_timeout(2000)
            tell(f"{RECORDS} records: click on the tab to first row", f"{page.evaluate(FIRST_ROW):.0f} ms")
            with watched.measured(f"{RECORDS} records: the rest of the list"):
                page.wait_for_function(
                    "number => Number(document.querySelector('.nbexec-count').textContent) >= number", arg=RECORDS)
            page.goto("about:blank")
            page.goto(f"{self.server.url}tree{LIST}", wait_until="commit")
            since = page.wait_for_function(SINCE_ADDRESS).json_value()
            tell(f"{RECORDS} records: address to first row", f"{since:.0f} ms")

    def cells(self) -> None:
        with self._page() as watched:
            page = watched.page
            open_tree(page, self.server, fragment=LIST)
            exec_id = self._start("cells.ipynb", *["1"] * CELLS, LAST)
            with watched.measured(f"{CELLS} cells: while they run"):
                page.evaluate("fragment => { window.location.hash = fragment; }", f"{LIST}/{exec_id}")
                page.locator(".nbexec-cell").nth(CELLS).wait_for()
            with watched.measured(f"{CELLS} cells: while one more prints"):
                page.wait_for_timeout(8000)
            self.server.wait_until_final(exec_id)
            page.goto("about:blank")
            page.goto(f"{self.server.url}tree", wait_until="load")
            page.wait_for_selector("#notebook_list .list_item", state="attached")
            with watched.measured(f"{CELLS} cells: showing them when they have run"):
                page.evaluate("fragment => { window.location.hash = fragment; }", f"{LIST}/{exec_id}")
                page.locator(".nbexec-cell").nth(CELLS).wait_for()

    def lines(self) -> None:
        with self._page() as watched:
            page = watched.page
            open_tree(page, self.server)
            exec_id = self._start("lines.ipynb", PRINTS)
            with watched.measured(f"{LINES} lines: in the details"):
                page.evaluate("fragment => { window.location.hash = fragment; }", f"{LIST}/{exec_id}")
                page.wait_for_selector(".nbexec-detail .label-success")
                self._wait_for_last_line(page, ".nbexec-outputs")
            with watched.measured(f"{LINES} lines: in the details, afterwards"):
                page.wait_for_timeout(3000)
        with self._page() as watched:
            page = watched.page
            name = write_notebook(self.server.root / "panel.ipynb", PRINTS)
            exec_id = self.server.start_run(name)
            open_notebook(page, self.server, name)
            with watched.measured(f"{LINES} lines: in the panel of the notebook"):
                page.wait_for_selector(".nbexec-panel .label-success")
                self._wait_for_last_line(page, ".nbexec-output")
            self.server.wait_until_final(exec_id)

    def _wait_for_last_line(self, page: Any, selector: str) -> None:
        page.wait_for_function("([selector, line]) => document.querySelector(selector).textContent.includes(line)",
                               arg=[selector, f"line {LINES - 1} "])

    def at_once(self) -> None:
        with self._page() as watched:
            page = watched.page
            open_tree(page, self.server, fragment=LIST)
            ids = [self._start(f"waits-{number}.ipynb", PARAMETERS, *[WAITS] * 120) for number in range(AT_ONCE)]
            page.wait_for_function(
                "number => document.querySelectorAll('.nbexec-list .label-primary').length >= number", arg=AT_ONCE)
            page.wait_for_timeout(10_000)
            with watched.measured(f"{AT_ONCE} executions at once: the list"):
                page.wait_for_timeout(20_000)
            page.evaluate("fragment => { window.location.hash = fragment; }", f"{LIST}/{ids[0]}")
            with watched.measured(f"{AT_ONCE} executions at once: the details of one"):
                page.wait_for_timeout(10_000)
        self._stop(ids)

    def long(self) -> None:
        """Look at the memory of a list in which executions come and go, and of details that print all the time."""
        with self._page() as listed, self._page() as detailed:
            # Not in the folder that fills with results, which notebook's own list of files keeps showing.
            self._open_folder(listed.page, LIST)
            chatty = self._start("chatty.ipynb", CHATS.format(number=10 ** 9))
            self._open_folder(detailed.page, f"{LIST}/{chatty}")
            detailed.page.wait_for_selector(".nbexec-outputs")
            running: List[str] = []
            begin, told = time.monotonic(), -1.0
            while time.monotonic() < begin + self._minutes * 60:
                running = [exec_id for exec_id in running if self.server.model(exec_id)["completed_at"] is None]
                while len(running) < 8:
                    running.append(self._start("short.ipynb", PARAMETERS, *[WAITS] * 6))
                minutes = (time.monotonic() - begin) / 60
                if told < 0 or minutes >= told + max(self._minutes / 30, 0.5):
                    told = minutes
                    self._tell_kept(minutes, listed, detailed)
                listed.page.wait_for_timeout(500)
            self._tell_kept((time.monotonic() - begin) / 60, listed, detailed)
        self._stop([chatty, *running])

    def _open_folder(self, page: Any, fragment: str) -> None:
        folder = self.server.root / "folder"
        folder.mkdir(exist_ok=True)
        open_tree(page, self.server, folder, fragment)

    def _tell_kept(self, minutes: float, listed: Watched, detailed: Watched) -> None:
        for name, watched in (("list", listed), ("details", detailed)):
            kept = watched.kept()
            tell(f"after {minutes:.1f} minutes: the {name}", f"{kept['JSHeapUsedSize'] / MIB:.1f} MiB, "
                 f"{kept['Nodes']:.0f} nodes, {kept['JSEventListeners']:.0f} listeners")
        number = len(self.server.get().json()["executions"])
        print(f"{'':46} {number} executions in the list", flush=True)

    def _stop(self, ids: List[str]) -> None:
        for exec_id in ids:
            self.server.delete(f"/{exec_id}")


def main() -> None:
    names = ["records", "cells", "lines", "at_once", "long"]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=names, default=names, help="measure these")
    parser.add_argument("--minutes", type=float, default=10, help="how long the long one is")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable(), args=["--no-sandbox"])
        pages = Pages(browser, Path(folder), arguments.minutes)
        try:
            for name in arguments.only:
                getattr(pages, name)()
        finally:
            pages.server.stop()
            browser.close()


if __name__ == "__main__":
    main()
