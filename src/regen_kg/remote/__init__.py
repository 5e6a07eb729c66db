"""Own SPARQL servers: how one is probed, asked, and given a build."""

from __future__ import annotations

from regen_kg.remote.asking import Endpoint, RemoteStore
from regen_kg.remote.loading import Target, load
from regen_kg.remote.probes import PROBES, failed_probes

__all__ = ["PROBES", "Endpoint", "RemoteStore", "Target", "failed_probes", "load"]
