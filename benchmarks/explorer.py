"""Own the figures of the explorer: the first view, what a click takes, and memory, in Debian's Chromium.

A click counts from the mouse button to the moment when the page asked for is drawn whole: its title is there, its script
has ended, and, on the gap map, the heading of the chosen cell is there. The browser shares the machine with the server.
"""

from __future__ import annotations

import argparse
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from statistics import median, quantiles

from playwright.sync_api import Page, sync_playwright

from regen_kg import build, layout

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-sync",
]
DRAWN = """title => {
  const at = s => document.querySelector(s);
  return at('[data-testid=stApp]')?.dataset.testScriptState === 'notRunning' && at('h1') && (!title || at('h1').innerText === title)
    && [...document.querySelectorAll('[data-testid=stCaptionContainer]')].at(-1)?.innerText.includes('no study here was appraised');
}"""


def drawn(page: Page, title: str = "") -> None:
    """Wait until a page is drawn whole."""
    page.wait_for_function(DRAWN, arg=title, polling="raf", timeout=120_000)


def timed(act: Callable[[], None], then: Callable[[], None]) -> float:
    """Return the seconds from an act to what it brings."""
    start = time.perf_counter()
    act()
    then()
    return time.perf_counter() - start


def memory(root: int) -> int:
    """Return the resident bytes of a process and all below it (Linux)."""
    parents, sizes = {}, {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                fields = dict(line.split(":", 1) for line in (folder / "status").read_text().splitlines())
            except OSError:
                continue  # it has ended
            parents[int(folder.name)] = int(fields["PPid"])
            sizes[int(folder.name)] = int(fields.get("VmRSS", "0 kB").split()[0]) * 1024
    family = {root}
    while more := {p for p, above in parents.items() if above in family} - family:
        family |= more
    return sum(sizes.get(p, 0) for p in family)


def clicks(page: Page, rounds: int) -> dict[str, list[float]]:
    """Return the seconds of each kind of click."""
    found: dict[str, list[float]] = {
        "menu, first visits": [],
        "cell of the gap map": [],
        "report of a cell": [],
    }
    menu = page.get_by_test_id("stSidebarNav").get_by_role("link")
    for turn in range(rounds + 1):
        for name in [
            n
            for n in menu.all_inner_texts()
            if n not in ("Overview", "Report", "Disease", "Technology", "Outcome measure")
        ]:
            link = menu.filter(has_text=name).first
            found.setdefault(f"menu: {name}" if turn else "menu, first visits", []).append(
                timed(link.click, lambda n=name: drawn(page, n))
            )  # type: ignore[misc]
    for turn in range(rounds):
        menu.filter(has_text="Gap map").first.click()
        drawn(page, "Gap map")
        cells = page.locator(
            "[data-testid=stVegaLiteChart] svg path[aria-label*=' report']:not([aria-label*='no report'])"
        )
        cells.first.wait_for()
        cell = cells.nth(turn * 5 % cells.count())
        words = " in ".join((cell.get_attribute("aria-label") or "").split(":")[0].rsplit(", ", 1))
        heading = page.get_by_role("heading", name=f"{words}: ")
        found["cell of the gap map"].append(timed(lambda c=cell: c.click(force=True), lambda h=heading: h.wait_for()))  # type: ignore[misc]
        drawn(page, "Gap map")
        report = page.locator("table a.rkg-go").first
        found["report of a cell"].append(
            timed(report.click, lambda: page.get_by_role("heading", name="Population", exact=True).wait_for())
        )
        drawn(page)
    return found


def main() -> None:
    """Print the figures as Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "folder",
        nargs="?",
        type=Path,
        default=layout.packaged_charted_dir(),
        help="charted tables; the review by default",
    )
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    made = build.current(args.folder, lambda words: print(words, file=sys.stderr))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "streamlit", "run", str(layout.app_path()), "--server.headless=true", "--server.address=127.0.0.1",
               f"--server.port={port}", "--server.fileWatcherType=none", "--browser.gatherUsageStats=false", "--client.toolbarMode=viewer"]  # fmt: skip
    home, started = f"http://127.0.0.1:{port}/", time.perf_counter()
    server = subprocess.Popen(
        command, env={**os.environ, "REGEN_KG_BUILD": str(made.folder)}, stdout=subprocess.DEVNULL
    )
    try:
        while True:
            try:
                urllib.request.urlopen(home + "_stcore/health", timeout=5).close()
                break
            except OSError:
                if server.poll() is not None or time.perf_counter() - started > 60:
                    raise SystemExit("the explorer did not start") from None
                time.sleep(0.05)
        answered = time.perf_counter() - started
        with sync_playwright() as driver:
            browser = driver.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
            views = []
            for _ in range(args.rounds):
                page = browser.new_context(viewport={"width": 1360, "height": 900}, reduced_motion="reduce").new_page()
                views.append(timed(lambda p=page: p.goto(home), lambda p=page: drawn(p)))  # type: ignore[misc]
            found = clicks(page, args.rounds)
            browser.close()
        used = memory(server.pid)
    finally:
        server.terminate()
        server.wait(30)
    every = [s for name, of in found.items() if name != "menu, first visits" for s in of]
    print(
        f"{sum(made.manifest['triples'].values()):,} triples; load of the machine {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores\n"
    )
    print("| what | median | p95 | of |\n|---|---|---|---|")
    print(f"| server start to answer | {answered:.2f} s | | 1 |")
    print(f"| first view, of the first visitor | {views[0]:.2f} s | | 1 |")
    print(
        f"| first view, of the next | {median(views[1:]):.2f} s | {max(views[1:]):.2f} s (largest) | {len(views) - 1} |"
    )
    for name, of in [*found.items(), ("all clicks but first visits", every)]:
        print(f"| {name} | {median(of):.2f} s | {quantiles(of, n=20)[-1]:.2f} s | {len(of)} |")
    print(f"| memory of the server and its worker, after all this | {used / 1e6:.0f} MB | | 1 |")


if __name__ == "__main__":
    main()
