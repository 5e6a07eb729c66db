"""Own how a SPARQL server is asked: credentials, rewriting, and which of its graphs is the build."""

from __future__ import annotations

import hashlib
import os
import re
import urllib.parse
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import pyoxigraph as ox

from regen_kg.errors import QueryError, StoreError
from regen_kg.iris import BASE, DCTERMS, GRAPH, RDFS, SCHEMA
from regen_kg.remote.probes import REFUSED, REWRITTEN, Ask, Probe, failed_probes, values
from regen_kg.store import BLANKED, Answer, Answers, lines_with, read_json, refuse_unsafe

if TYPE_CHECKING:
    import requests

DATASET = BASE + "dataset"
BUILDS = BASE + "build/"
STATED = f"<{DATASET}> <{DCTERMS}hasVersion> ?build"
IS_READY = f"ASK {{{{ GRAPH <{{state}}> {{{{ ?build <{SCHEMA}position> ?n }}}} }}}}"
_MOST_GRAPHS = 200  # more of them make each request too long for some servers
_FROM = re.compile(r"(?<![?$:@.\w-])FROM\b(?!\s*:)", re.I)


def checked_address(address: str) -> str:
    """Return an address of a server.

    Raises
    ------
    QueryError
        If it is no http address, or holds a password.
    """
    if not re.match(r"https?://[^@\s]+$", address):
        raise QueryError(
            f'"{address}" is no endpoint address; give it like http://localhost:7878/query, without a password'
        )
    return address


def session_for(address: str) -> requests.Session:
    """Return a session that shows the environment's credentials in the way that the server asks for."""
    import requests
    from requests.auth import HTTPBasicAuth, HTTPDigestAuth

    session = requests.Session()
    session.trust_env = False  # a .netrc is no place that we say credentials come from
    user, password = os.environ.get("REGEN_KG_USER", ""), os.environ.get("REGEN_KG_PASSWORD", "")
    token = os.environ.get("REGEN_KG_TOKEN", "")
    if not (token or (user and password)):
        return session
    where = urllib.parse.urlsplit(address)
    if where.scheme != "https" and where.hostname not in ("localhost", "127.0.0.1", "::1"):
        raise StoreError(f"{address}: credentials are sent to another machine by https only")
    if token:
        session.headers["Authorization"] = f"Bearer {token}"
        return session
    try:
        asked = session.get(address, timeout=30, allow_redirects=False)
    except requests.RequestException as err:
        raise unreachable(address, err) from err
    way = asked.headers.get("WWW-Authenticate", "").lower()
    if asked.status_code == 401:
        session.auth = (HTTPDigestAuth if way.startswith("digest") else HTTPBasicAuth)(user, password)
    return session


def unreachable(address: str, err: Exception) -> StoreError:
    return StoreError(f"{address} cannot be reached ({type(err).__name__}); is the server running?")


# Rewriting ----------------------------------------------------------------------------------------------------

_DENIAL = re.compile(r"\b(?:NOT\s+EXISTS|MINUS)\s*\{|!\s*EXISTS\s*\{", re.I)
_BELOW = re.compile(rf"(?:rdfs:subClassOf|<{re.escape(RDFS)}subClassOf>)\s*([+*])")
_ANY_PATH = re.compile(r"(?:<I*>|(?<![?$\w-])[\w-]*:[\w-]+|\))\s*[+*]")
_CLOSURE = BASE + "closure#"
STANDS_FOR = {"+": f"<{_CLOSURE}below>", "*": f"<{_CLOSURE}within>"}


def _masked(text: str) -> str:
    """Blank strings and comments, and the inside of IRIs, at the same length."""

    def one(found: re.Match[str]) -> str:
        word = found.group()
        return f"<{'I' * (len(word) - 2)}>" if word.startswith("<") else " " * len(word)

    return BLANKED.sub(one, text)


def _denials(mask: str) -> Iterator[tuple[int, int]]:
    """Give where the group of each NOT EXISTS and MINUS begins and ends; one inside another comes with the outer."""
    end = 0
    for found in _DENIAL.finditer(mask):
        if found.end() <= end:
            continue
        depth, end = 1, found.end()
        while depth and end < len(mask):
            depth += {"{": 1, "}": -1}.get(mask[end], 0)
            end += 1
        yield found.end(), end


def without_denied_paths(text: str) -> tuple[str, bool]:
    """Replace the paths up the class hierarchy inside NOT EXISTS and MINUS by statements of the closure that `load` writes.

    `MINUS { ?c rdfs:subClassOf* ?d }` becomes `MINUS { ?c <…/closure#within> ?d }`; with `+` it is `below`.

    Returns
    -------
    str, bool
        The query, and whether another transitive path is left inside a denial.

    Examples
    --------
    >>> without_denied_paths("SELECT * { ?c a ?d MINUS { ?c rdfs:subClassOf+ ?e } }")[0]
    'SELECT * { ?c a ?d MINUS { ?c <https://w3id.org/regen-kg/closure#below> ?e } }'
    """
    mask, out, last, left = _masked(text), [], 0, False
    for start, end in _denials(mask):
        inside = _BELOW.sub(lambda found: STANDS_FOR[found.group(1)], text[start:end])
        left = left or bool(_ANY_PATH.search(_masked(inside)))
        out += [text[last:start], inside]
        last = end
    return "".join([*out, text[last:]]), left


# Asking -------------------------------------------------------------------------------------------------------


def graph_of(build: str, what: str) -> str:
    """Return the graph beside a build's own that holds its state, the closure of its class hierarchy, or its answers."""
    return f"{build}/{what}"


def ready_builds(ask: Ask) -> list[tuple[int, str]]:
    """Return the whole builds at an endpoint and their places in the order of loading, the current one last."""
    found = ask(f"SELECT ?n ?build {{ GRAPH ?state {{ {STATED} . ?build <{SCHEMA}position> ?n }} }}")
    return sorted({(int(n), build) for n, build in values(found)})


class Endpoint:
    """Any SPARQL 1.1 endpoint, whatever it holds, through SPARQLWrapper; no credentials are shown to it."""

    kept: Answers | None = None

    def __init__(self, address: str, timeout: int = 30) -> None:
        self.endpoint = checked_address(address)
        self.timeout = timeout
        self._server = ""

    def query(self, text: str) -> Answer:
        """Run a query; see `Store.query`.

        Raises
        ------
        QueryError
            If the endpoint refuses the query, or it is none that only reads.
        StoreError
            If it can't be reached, or doesn't answer in SPARQL results.
        """
        refuse_unsafe(text)
        return self.raw(text)

    def raw(self, text: str, graphs: Sequence[str] = ()) -> Answer:
        """Send a query as it is, over given graphs; without any, over what the endpoint takes for its default graph."""
        from SPARQLWrapper import JSON, N3, POST, SPARQLWrapper
        from SPARQLWrapper.SPARQLExceptions import EndPointNotFound, SPARQLWrapperException

        wrapper = SPARQLWrapper(self.endpoint)
        wrapper.setMethod(POST)
        wrapper.setTimeout(self.timeout)
        # Comments go first: SPARQLWrapper takes a word such as "describes" in one for the query form.
        wrapper.setQuery(BLANKED.sub(lambda m: "" if m.group().startswith("#") else m.group(), text))
        words = BLANKED.sub(" ", text)
        if not _FROM.search(words):  # a query with FROM says itself what it asks
            for graph in graphs:
                wrapper.addDefaultGraph(graph)
                wrapper.addNamedGraph(graph)
        for name, value in self._shown().items():
            wrapper.addCustomHttpHeader(name, value)
        triples = bool(re.search(r"\b(CONSTRUCT|DESCRIBE)\b", words, re.I))
        wrapper.setReturnFormat(N3 if triples else JSON)
        try:
            reply = wrapper.query()
            self._server = reply.info().get("server", "")
            got = reply.convert()
        except EndPointNotFound as err:
            raise StoreError(f"{self.endpoint}: the server has nothing at this address; is its path right?") from err
        except SPARQLWrapperException as err:
            raise QueryError(f"{self.endpoint} refused the query: {str(err).splitlines()[0]}") from err
        except (OSError, ValueError) as err:
            raise StoreError(f"{self.endpoint} cannot be reached or did not answer in SPARQL results: {err}") from err
        if triples:
            body = got if isinstance(got, bytes) else str(got).encode()
            lines = sorted({f"{q.triple} ." for q in ox.parse(body, format=ox.RdfFormat.TURTLE)})
            return Answer(triples="".join(line + "\n" for line in lines))
        if not isinstance(got, dict):
            raise StoreError(f"{self.endpoint} did not answer in SPARQL results JSON")
        return read_json(got)

    def _shown(self) -> dict[str, str]:
        """Return the headers that say who asks."""
        return {}


class Brought:
    """The answers to the saved questions that were loaded with a build."""

    def __init__(self, store: RemoteStore) -> None:
        self._store = store
        self._known: dict[tuple[str, str], bytes | None] = {}

    def lines(self, name: str, text: str, marks: Sequence[bytes] = ()) -> list[bytes] | None:
        """Return the rows of one answer that hold all marks; see `Answers.lines`."""
        key = (name, hashlib.sha256(text.encode()).hexdigest())
        if key not in self._known:
            rows = self._store.brought(*key)
            self._known[key] = rows.encode() if rows is not None else None
        known = self._known[key]
        return lines_with(known, marks) if known is not None else None


class RemoteStore(Endpoint):
    """A build at a SPARQL 1.1 endpoint, which is probed before the first answer is given.

    What was loaded by `load` is found by its mark, and asked as the one graph that it is. Else the default graph is asked, if
    a build is in it; else the named graphs of a build, each named in the request. `build` names the graph of one that has no
    mark yet.

    Attributes
    ----------
    graphs : list of str
        The graphs that are asked; none where the default graph is.
    wrong : dict of str to str
        The summary of each saved question that the server was found to answer wrongly by itself, and what was wrong.
    """

    def __init__(self, endpoint: str, timeout: int = 30, build: str = "") -> None:
        super().__init__(endpoint, timeout)
        self.graphs = [build] if build else []
        self._loaded, self._marked, self._strict = bool(build), False, False
        self.wrong: dict[str, str] = {}
        self._failed: list[Probe] | None = None
        self._headers: dict[str, str] | None = None
        self.kept = Brought(self)

    @property
    def failed(self) -> list[Probe]:
        """The probes that the endpoint fails and that leave it of use."""
        self._open()
        return self._failed or []

    @property
    def doubt(self) -> str:
        """Why answers to other than saved questions may be wrong here; empty if nothing was found."""
        self._open()
        if self.wrong:
            return f"{self.endpoint} was found to answer {len(self.wrong)} of the saved questions wrongly by itself"
        if self._failed:
            return f"this does not hold at {self.endpoint}: {self._failed[0].sentence}"
        return ""

    def query(self, text: str) -> Answer:
        """Run a query at the endpoint; see `Store.query`.

        Raises
        ------
        QueryError
            If the endpoint refuses the query, or would give a wrong answer to it.
        StoreError
            If it can't be reached, holds no build, fails a probe, or the build was removed in between.
        """
        refuse_unsafe(text)
        self._open()
        for question in re.findall(r"^#\+ summary: (.*)$", text, re.M):
            if why := self.wrong.get(question.strip()):
                raise QueryError(f"{self.endpoint} can't be asked this question: {why}; ask a local build")
        answer = self.raw(*self._rewritten(text))
        if self._marked and not self.raw(IS_READY.format(state=graph_of(self.graphs[0], "state"))).boolean:
            raise StoreError(f"{self.endpoint}: the build was replaced while it was read; ask again")
        return answer

    def _rewritten(self, text: str) -> tuple[str, list[str]]:
        """Return a query in the form that the server answers rightly, and the graphs that it is asked of."""
        other, left = without_denied_paths(text)
        known = self._loaded and not _FROM.search(BLANKED.sub(" ", text))  # else the closure is not there, or not asked
        if self._strict and (left or (other != text and not known)):
            raise QueryError(
                f"{self.endpoint} ignores paths with * or + inside NOT EXISTS and MINUS; those with rdfs:subClassOf are replaced "
                "in a build that regen-kg build --to loaded, others are not"
            )
        if other == text or not known:
            return text, self.graphs
        return other, [*self.graphs, graph_of(self.graphs[0], "closure")]

    def _open(self) -> None:
        if self._failed is not None:
            return
        if self.graphs:
            pass  # told which build, by its loader
        elif ready := ready_builds(self.raw):
            self.graphs, self._loaded, self._marked = [ready[-1][1]], True, True
            about = f"?x <{SCHEMA}about> ?question ; <{SCHEMA}description> ?why"
            state = graph_of(self.graphs[0], "state")
            found = self.raw(f"SELECT ?question ?why {{ GRAPH <{state}> {{ {about} }} }}")
            self.wrong = {question: why for question, why in values(found)}
        elif not self.raw(f"ASK {{ <{DATASET}> <{DCTERMS}identifier> ?inputs }}").boolean:
            self.graphs = self._named_graphs()
        failed = failed_probes(lambda text: self.raw(text, self.graphs))
        refused = [p for p in failed if p.remedy == REFUSED or not self._loaded]
        if refused:
            hint = (
                ""
                if self._loaded
                else "; load the build with regen-kg build --to, which brings the answers that it gets wrong"
            )
            raise StoreError(f"{self.endpoint} is not used, as this does not hold there: {refused[0].sentence}{hint}")
        # Virtuoso drops such paths with some plans and not with others, so that a probe may miss it.
        self._strict = "virtuoso" in self._server.lower() or any(p.remedy == REWRITTEN for p in failed)
        self._failed = failed

    def _named_graphs(self) -> list[str]:
        graphs = values(
            self.raw(
                f'SELECT DISTINCT ?g {{ GRAPH ?g {{ ?s ?p ?o }} FILTER(STRSTARTS(STR(?g), "{GRAPH}")) }} LIMIT {_MOST_GRAPHS + 1}'
            )
        )
        if not graphs or len(graphs) > _MOST_GRAPHS:
            why = "more named graphs than one request can name" if graphs else "no build of regen-kg"
            raise StoreError(f"{self.endpoint} holds {why}; load one with regen-kg build --to")
        return [g for (g,) in graphs]

    def brought(self, name: str, digest: str) -> str | None:
        """Return the rows that were loaded with the build for a query of this hash, as lines of JSON; None if none were."""
        self._open()
        if not self._marked:
            return None
        facts = f"<{self.graphs[0]}/answer/{name}> <{SCHEMA}identifier> {ox.Literal(digest)} ; <{SCHEMA}text> ?rows"
        found = self.raw(f"SELECT ?rows {{ GRAPH <{graph_of(self.graphs[0], 'answers')}> {{ {facts} }} }}")
        return found.rows[0][0].value if found.rows and found.rows[0][0] else None

    def _shown(self) -> dict[str, str]:
        if self._headers is None:
            import requests

            session = session_for(self.endpoint)

            if isinstance(session.auth, requests.auth.HTTPDigestAuth):
                raise StoreError(f"{self.endpoint} asks for digest authentication; give an address that reads without")
            shown = session.prepare_request(requests.Request("GET", self.endpoint)).headers
            self._headers = {k: str(v) for k, v in shown.items() if k == "Authorization"}
        return self._headers
