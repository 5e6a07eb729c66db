"""One question, any engine: what the servers that regen-kg is tested on take and give back."""

from __future__ import annotations

import urllib.request

import pytest

from conftest import Server
from regen_kg.store import RemoteStore

SERVERS = ["oxigraph_server", "virtuoso_server"]


@pytest.fixture(params=SERVERS)
def server(request: pytest.FixtureRequest) -> Server:
    """Each server in turn, empty."""
    found: Server = request.getfixturevalue(request.param)
    return found


def test_a_server_gives_back_the_graph_that_it_took(server: Server) -> None:
    """What is put by the Graph Store Protocol is what a query over that graph finds."""
    digest = urllib.request.HTTPPasswordMgrWithDefaultRealm()
    digest.add_password(None, server.store, server.user, server.password)
    opener = urllib.request.build_opener(urllib.request.HTTPDigestAuthHandler(digest))
    body = b'<urn:a> <urn:b> "0.10"^^<http://www.w3.org/2001/XMLSchema#decimal> .\n'
    put = urllib.request.Request(f"{server.store}?graph=urn:taken", body, {"Content-Type": "text/turtle"}, method="PUT")
    with opener.open(put, timeout=60) as reply:
        assert reply.status in (200, 201, 204)
    answer = RemoteStore(server.query).query("SELECT ?s { GRAPH <urn:taken> { ?s <urn:b> ?o FILTER(?o = 0.1) } }")
    assert [row[0].value for row in answer.rows if row[0]] == ["urn:a"]
