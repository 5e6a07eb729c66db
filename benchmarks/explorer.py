"""Own the figures of the explorer: the first view, what a click takes, and memory, in Debian's Chromium.

A click counts from the mouse button to the moment when the page asked for is drawn whole: its title is there, its script
has ended, and, on the gap map, the heading of the chosen cell is there. The browser shares the machine with the server.
The peer is an app of the same framework whose pages hold a title and a line: what the explorer takes beyond it is its own.
Clicks on the two take turns, so that the load of the machine meets both.
"""

from __future__ import annotations

import argparse
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from statistics import median, quantiles

from playwright.sync_api import Page, sync_playwright

from regen_kg import build, layout
from regen_kg.explorer import server

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


PEER = "the peer: a page with a title and a line"
BARE = """import streamlit as st
def draw(title):
    def page():
        st.title(title, anchor=False)
        st.caption("no study here was appraised for risk of bias")
    return page
st.navigation([st.Page(draw(t), title=t, url_path=t.lower()) for t in ("One", "Two", "Three")]).run()
"""


def bare_click(page: Page, turn: int) -> float:
    """Return the seconds of a click in the menu of the peer."""
    name = ("Two", "Three", "One")[turn % 3]
    link = page.get_by_test_id("stSidebarNav").get_by_role("link").filter(has_text=name).first
    return timed(link.click, lambda: drawn(page, name))


def clicks(page: Page, bare: Page, rounds: int) -> dict[str, list[float]]:
    """Return the seconds of each kind of click; the last kind is the peer's."""
    peer: list[float] = []
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
            if turn:
                peer.append(bare_click(bare, len(peer)))
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
    return {**found, PEER: peer}


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
    with tempfile.TemporaryDirectory() as folder:
        measure(made, Path(folder), args.rounds)


def free_port() -> int:
    """Return a port that is free now."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def measure(made: build.Build, folder: Path, rounds: int) -> None:
    """Start the explorer and its peer, and print what they take."""
    port, other = free_port(), free_port()
    app = folder / "bare.py"
    app.write_text(BARE, "utf-8")
    flags = [
        part for name, value in {**server.SETTINGS, "server.port": str(other)}.items() for part in (f"--{name}", value)
    ]
    peer = subprocess.Popen([sys.executable, "-m", "streamlit", "run", str(app), *flags], stdout=subprocess.DEVNULL)
    home, started = f"http://127.0.0.1:{port}/", time.perf_counter()
    explorer = subprocess.Popen(
        server.command(port), env={**os.environ, "REGEN_KG_BUILD": str(made.folder)}, stdout=subprocess.DEVNULL
    )
    try:
        answers(home, explorer, started)
        answered = time.perf_counter() - started
        with sync_playwright() as driver:
            browser = driver.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)

            def opened(address: str) -> tuple[Page, float]:
                page = browser.new_context(viewport={"width": 1360, "height": 900}, reduced_motion="reduce").new_page()
                return page, timed(lambda: page.goto(address), lambda: drawn(page))

            views = [opened(home) for _ in range(rounds)]
            answers(f"http://127.0.0.1:{other}/", peer, started)
            bares = [opened(f"http://127.0.0.1:{other}/") for _ in range(rounds)]
            found = clicks(views[-1][0], bares[-1][0], rounds)
            browser.close()
        used = memory(explorer.pid)
    finally:
        for process in (explorer, peer):
            process.terminate()
            process.wait(30)
    report(made, answered, [v for _, v in views], [v for _, v in bares], found, used)


def answers(home: str, process: subprocess.Popen[bytes], started: float) -> None:
    """Wait until a server answers."""
    while True:
        try:
            urllib.request.urlopen(home + "_stcore/health", timeout=5).close()
            return
        except OSError:
            if process.poll() is not None or time.perf_counter() - started > 120:
                raise SystemExit("a server did not start") from None
            time.sleep(0.05)


def report(
    made: build.Build, answered: float, views: list[float], bares: list[float], found: dict[str, list[float]], used: int
) -> None:
    """Print the figures as Markdown, each beside the peer's."""
    peer = found.pop(PEER)
    every = [s for name, of in found.items() if name != "menu, first visits" for s in of]
    triples = sum(made.manifest["triples"].values())
    print(f"{triples:,} triples; load of the machine {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores\n")
    print("| what | median | p95 | of | median against the peer |\n|---|---|---|---|---|")
    print(f"| server start to answer | {answered:.2f} s | | 1 | |")
    print(f"| first view, of the first visitor | {views[0]:.2f} s | | 1 | {views[0] / bares[0]:.1f} |")
    rest = (views[1:], bares[1:])
    print(f"| first view, of the next | {median(rest[0]):.2f} s | {max(rest[0]):.2f} s (largest) | {len(rest[0])} | {median(rest[0]) / median(rest[1]):.1f} |")  # fmt: skip
    for name, of in [*found.items(), ("all clicks but first visits", every), (PEER, peer)]:
        print(
            f"| {name} | {median(of):.2f} s | {quantiles(of, n=20)[-1]:.2f} s | {len(of)} | {median(of) / median(peer):.1f} |"
        )
    print(f"| memory of the server and its worker, after all this | {used / 1e6:.0f} MB | | 1 | |")


if __name__ == "__main__":
    main()
