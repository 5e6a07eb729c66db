"""Own the start of the explorer's server: its settings, and what is read before the first visitor asks for it."""

from __future__ import annotations

import logging
import sys
import threading

from regen_kg import layout

# Nothing may leave the machine, and colours are checked for contrast; .streamlit/config.toml says the same for developers.
SETTINGS = {
    "server.address": "127.0.0.1", "server.headless": "true", "server.fileWatcherType": "none", "browser.gatherUsageStats": "false",
    "client.toolbarMode": "viewer", "client.showErrorDetails": "none", "theme.light.primaryColor": "#005ea2",
    "theme.light.textColor": "#111111", "theme.light.linkColor": "#005ea2", "theme.dark.primaryColor": "#73b3e7",
    "theme.dark.textColor": "#f0f0f0", "theme.dark.linkColor": "#73b3e7",
}  # fmt: skip


def command(port: int) -> list[str]:
    """Return the command that starts the server; which build it shows stands in the environment (`data.opened_build`)."""
    return [sys.executable, "-m", "regen_kg.explorer.server", str(port)]


def warm() -> None:
    """Read what the first pages need into the cache that all visitors share; a build that fails is told of by the page."""
    from regen_kg.errors import RegenKGError
    from regen_kg.explorer import data, directions, evidence_map, method, neighbours, widgets

    logging.getLogger("streamlit.runtime.scriptrunner_utils.script_run_context").setLevel(
        logging.ERROR
    )  # no visitor yet
    try:
        widgets.store()
    except RegenKGError:
        return
    widgets.index()
    widgets.vocabulary()
    widgets.gravest()
    for ask, *more in (
        (data.totals,), (data.term_labels,), (data.labels, "disease"), (data.labels, "technology"), (data.reports,),
        (evidence_map.read, "population"), (directions.columns,), (data.gaps,),
    ):  # fmt: skip
        widgets.kept(ask, *more)
    for name in (
        "conflicts",
        "directions",
        "directions-by-outcome",
        "safety-reporting",
        "effect-sizes",
        "direction-mix",
    ):
        widgets.noted_lines(name, widgets.rows(name))
    widgets.kept(neighbours.things)
    widgets.kept(neighbours.links, neighbours.full(neighbours.START))
    widgets.kept(method.completeness)


def _warm_for_good() -> None:
    from regen_kg.explorer import widgets

    widgets.for_good(warm)


def main(port: str) -> None:
    """Serve until stopped."""
    from streamlit.web import cli

    threading.Thread(target=_warm_for_good, name="warm", daemon=True).start()
    flags = [part for name, value in {**SETTINGS, "server.port": port}.items() for part in (f"--{name}", value)]
    cli.main(["run", str(layout.app_path()), *flags])


if __name__ == "__main__":
    main(sys.argv[1])
