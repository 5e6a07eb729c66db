"""Identifiers proposed from four services: all that are hidden are found, none is wrong, and every fault is told from an absence."""

from __future__ import annotations

import csv
import difflib
import http.server
import io
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

from conftest import CHARTED, ROOT, free_port, read, write
from regen_kg import build, charting, cli, enrich, registries
from regen_kg.enrich import Proposal, Wanted
from regen_kg.errors import InputError
from regen_kg.model import Chart
from regen_kg.terms import Terms


@dataclass
class Paper:
    """One publication as the fakes know it; facts of the chart, or a trap of ours."""

    title: str
    author: str
    print: int
    online: int
    doi: str = ""
    pmid: str = ""
    pmcid: str = ""
    kind: str = "journal article"
    retracted: bool = False
    knows: frozenset[str] = frozenset(registries.BASES)
    subtitle: str = ""


def crossref(p: Paper) -> dict[str, Any]:
    """A work as Crossref's REST API gives it."""
    work: dict[str, Any] = {
        "DOI": p.doi, "type": "posted-content" if p.kind == "preprint" else "journal-article", "title": [p.title], "score": 1,
        "author": [{"given": "A.", "family": p.author, "sequence": "first", "affiliation": []}],
        "issued": {"date-parts": [[p.online, 3, 21]]}, "published-online": {"date-parts": [[p.online, 3, 21]]},
        "relation": {}, "URL": f"https://doi.org/{p.doi}",
    }  # fmt: skip
    if p.subtitle:
        work |= {"title": [p.title.removesuffix(f": {p.subtitle}")], "subtitle": [p.subtitle]}
    if p.print != 2023:  # some publishers deposit the electronic date only
        work["published-print"] = {"date-parts": [[p.print]]}
    if p.retracted:
        work["updated-by"] = [{"DOI": p.doi + ".r", "type": "retraction", "label": "Retraction", "updated": {}}]
    if p.kind == "correction":
        work["update-to"] = [{"DOI": "10.1/x", "type": "correction"}]
    return work


def europe_pmc(p: Paper) -> dict[str, Any]:
    """A result as Europe PMC's search gives it with resultType=core."""
    result = {
        "id": p.pmid or "PPR1", "source": "PPR" if p.kind == "preprint" else "MED", "title": p.title + ".",
        "authorString": f"{p.author} A, Other B.", "pubYear": str(p.print), "firstPublicationDate": f"{p.online}-03-21",
        "authorList": {"author": [{"fullName": f"{p.author} A", "lastName": p.author, "initials": "A"}]},
        "journalInfo": {"yearOfPublication": p.print, "printPublicationDate": f"{p.print}-06-01"},
        "pubTypeList": {"pubType": [p.kind, *(["Retracted Publication"] if p.retracted else [])]}, "inPMC": "N",
    }  # fmt: skip
    return result | {k: v for k, v in (("doi", p.doi.lower()), ("pmid", p.pmid), ("pmcid", p.pmcid)) if v}


def summary(p: Paper) -> dict[str, Any]:
    """A document as NCBI's esummary gives it in JSON."""
    ids = [("pubmed", p.pmid), ("doi", p.doi), ("pmc", p.pmcid), ("pmcid", f"pmc-id: {p.pmcid};")]
    return {
        "uid": p.pmid, "pubdate": f"{p.print} Jun", "epubdate": f"{p.online} Mar 21", "source": "J", "lastauthor": "Other B",
        "authors": [{"name": f"{p.author} A 3rd", "authtype": "Author", "clusterid": ""}], "title": f"[{p.title}].",
        "pubtype": ["Journal Article", *(["Retracted Publication"] if p.retracted else [])], "pubstatus": "256",
        "articleids": [{"idtype": k, "idtypen": 1, "value": v} for k, v in ids if v and v != "pmc-id: ;"], "references": [],
    }  # fmt: skip


def openalex(p: Paper) -> dict[str, Any]:
    """A work as OpenAlex gives it; identifiers are addresses."""
    ids = {"openalex": "https://openalex.org/W1"}
    ids |= {"pmid": f"https://pubmed.ncbi.nlm.nih.gov/{p.pmid}"} if p.pmid else {}
    ids |= {"pmcid": f"https://www.ncbi.nlm.nih.gov/pmc/articles/{p.pmcid.removeprefix('PMC')}"} if p.pmcid else {}
    return {
        "id": ids["openalex"], "doi": f"https://doi.org/{p.doi.lower()}" if p.doi else None, "title": p.title, "ids": ids,
        "publication_year": p.online, "type": "article", "is_retracted": p.retracted,
        "authorships": [{"author_position": "first", "author": {"id": "x", "display_name": f"Anna {p.author}"}}],
    }  # fmt: skip


Answer = tuple[int, str, bytes, dict[str, str]]
Fault = Callable[[int], Answer | None]


@dataclass
class Fakes:
    """The four services on loopback; `faults` stands in for a service's answer, given how often it was asked."""

    papers: list[Paper]
    faults: dict[str, Fault] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    agents: set[str] = field(default_factory=set)
    address: str = ""

    @property
    def bases(self) -> dict[str, str]:
        return {s: f"{self.address}/{s}" for s in registries.BASES}

    def answer(self, path: str) -> Answer:
        parts = urlsplit(path)
        _, service, rest = parts.path.split("/", 2)
        self.asked.append(path)
        if service in self.faults:
            told = self.faults[service](sum(a.startswith(f"/{service}/") for a in self.asked))
            if told:
                return told
        query = {k: v[0] for k, v in parse_qs(parts.query).items()}
        data = getattr(self, "_" + service.replace("-", "_"))(unquote(rest), query)
        if data is None:
            return (404, "text/plain", b"Resource not found.", {})
        headers = {"X-Rate-Limit-Limit": "1000", "X-Rate-Limit-Interval": "1s"} if service == "crossref" else {}
        return (200, "application/json", json.dumps(data).encode(), headers)

    def _of(self, service: str) -> list[Paper]:
        return [p for p in self.papers if service in p.knows]

    def _crossref(self, rest: str, query: dict[str, str]) -> Any:
        mine = [p for p in self._of("crossref") if p.doi]
        if doi := rest.removeprefix("works").lstrip("/"):
            found = [p for p in mine if p.doi.lower() == doi.lower()]
            return {"status": "ok", "message-type": "work", "message": crossref(found[0])} if found else None
        mine = [p for p in mine if p.kind != "preprint"]
        mine.sort(key=lambda p: -difflib.SequenceMatcher(None, query["query.bibliographic"], p.title).quick_ratio())
        return {"status": "ok", "message-type": "work-list", "message": {"items": [crossref(p) for p in mine[:5]]}}

    def _europe_pmc(self, rest: str, query: dict[str, str]) -> Any:
        asked, mine = query["query"], [p for p in self._of("europe-pmc") if p.pmid or p.kind == "preprint"]
        if asked.startswith("DOI:"):
            found = [p for p in mine if f'DOI:"{p.doi}"'.lower() == asked.lower()]
        elif asked.startswith("EXT_ID:"):
            found = [p for p in mine if f"EXT_ID:{p.pmid} AND SRC:MED" == asked]
        else:
            title, author = asked.removeprefix('TITLE:"').removesuffix('"').split('" AND AUTH:"')
            found = [
                p
                for p in mine
                if enrich.folded(title) in enrich.folded(p.title) and enrich.folded(p.author) == enrich.folded(author)
            ]
        return {"version": "6.9", "hitCount": len(found), "resultList": {"result": [europe_pmc(p) for p in found]}}

    def _ncbi(self, rest: str, query: dict[str, str]) -> Any:
        mine = [p for p in self._of("ncbi") if p.pmid]
        if rest == "esummary.fcgi":
            found = [p for p in mine if p.pmid in query["id"].split(",")]
            return {"header": {"type": "esummary", "version": "0.3"}, "result": {"uids": [p.pmid for p in found]} | {p.pmid: summary(p) for p in found}}  # fmt: skip
        term = query["term"]
        if term.endswith("[doi]"):
            found = [p for p in mine if p.doi and f"{p.doi}[doi]".lower() == term.lower()]
            translated = f"{term.removesuffix('[doi]')}[DOI]" if found else "all[All Fields]"
            found = found or mine[:2]  # an unknown DOI becomes a search for words
        else:
            title, author = term.removesuffix("[1au]").split("[ti] AND ")
            words = set(enrich.folded(title).split())
            found = [
                p
                for p in mine
                if words <= set(enrich.folded(p.title).split()) and enrich.folded(p.author) == enrich.folded(author)
            ]
            translated = term
        return {"header": {"type": "esearch", "version": "0.3"}, "esearchresult": {"count": str(len(found)), "idlist": [p.pmid for p in found], "translationset": [], "querytranslation": translated}}  # fmt: skip

    def _openalex(self, rest: str, query: dict[str, str]) -> Any:
        key = rest.removeprefix("works/")
        found = [p for p in self._of("openalex") if key in (f"pmid:{p.pmid}",) or (p.doi and key.lower() == f"https://doi.org/{p.doi}".lower())]  # fmt: skip
        return openalex(found[0]) if found else None


@contextmanager
def serving(fakes: Fakes) -> Iterator[Fakes]:
    """Run the fakes."""

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version, disable_nagle_algorithm = "HTTP/1.1", True

        def do_GET(self) -> None:
            fakes.agents.add(self.headers["User-Agent"])
            code, kind, body, headers = fakes.answer(self.path)
            self.send_response(code)
            for name, value in {"Content-Type": kind, "Content-Length": str(len(body)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)
            self.close_connection = "Content-Length" in headers

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    listening = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    listening.daemon_threads = True
    threading.Thread(target=listening.serve_forever, args=(0.05,), daemon=True).start()
    fakes.address = f"http://127.0.0.1:{listening.server_port}"
    try:
        yield fakes
    finally:
        listening.shutdown()
        listening.server_close()


def chart_of(folder: Path) -> Chart:
    return charting.read_chart(folder, build.known_words(Terms.load(ROOT / "ontology")))


@pytest.fixture(scope="module")
def charted_as_is() -> list[Wanted]:
    return enrich.wanted_of(chart_of(CHARTED))


@pytest.fixture
def hidden(charted: Path) -> Chart:
    """The chart without any identifier of a report."""
    rows = read(charted, "bibliography")
    places = [rows[0].index(c) for c in ("doi", "pmid", "pmcid")]
    for row in rows[1:]:
        for place in places:
            row[place] = "not-charted"
    write(charted, "bibliography", rows)
    return chart_of(charted)


def papers(wanted: list[Wanted]) -> list[Paper]:
    """What the services know: the charted titles under their charted identifiers, and papers easily taken for them."""
    out = []
    for w in wanted:
        if not (w.doi or w.pmid):
            continue
        early = {"thermann-2023": 2020, "raissi-2023": 2021}.get(w.report, w.year - 1)
        paper = Paper(w.title, {"Ugurlar": "Uğurlar", "Gormeli": "Görmeli"}.get(w.surname, w.surname), w.year, early, w.doi, w.pmid, w.pmcid)  # fmt: skip
        paper.subtitle = w.title.rpartition(": ")[2] if w.report == "degroot-2012" else ""
        out.append(paper)
    of = {w.report: p for w, p in zip([w for w in wanted if w.doi or w.pmid], out, strict=True)}
    paget, kim, salk = of["paget-2021"], of["kim-2016"], of["salk-2006"]
    return [
        *out,
        Paper(f"{paget.title}: protocol", paget.author, 2020, 2020, "10.1/protocol", "11111111"),
        Paper(f"Reply to: {paget.title}", paget.author, 2021, 2021, "10.1/reply", "11111112"),
        Paper(kim.title, kim.author, 2016, 2015, "10.1101/preprint", kind="preprint"),
        Paper(f"Correction: {salk.title}", salk.author, 2006, 2006, "10.1/erratum", "11111113", kind="correction"),
        Paper(salk.title, "Smith", 2006, 2006, "10.1/other-author", "11111114"),
        Paper(salk.title, salk.author, 2016, 2016, "10.1/ten-years-on", "11111115"),
    ]


@pytest.fixture
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user's data folder of its own, and services that need no sparing."""
    monkeypatch.setenv("REGEN_KG_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(registries, "SPACING", dict.fromkeys(registries.BASES, 0.0))
    monkeypatch.setattr(registries, "BACKOFF", 0.001)
    return tmp_path / "home"


def quiet(_: str) -> None:
    """Take progress and drop it."""


def run(fakes: Fakes, chart: Chart, *only: str) -> dict[tuple[str, str], Proposal]:
    found = enrich.propose(chart, registries.Client(quiet, fakes.bases), quiet, only)
    return {(p.report, p.field): p for p in found}


def test_all_hidden_identifiers_are_found_and_none_is_wrong(
    own_home: Path, hidden: Chart, charted_as_is: list[Wanted]
) -> None:
    """Every verified identifier comes back as new, nothing else does, and a second run sends nothing and says the same."""
    true = {(w.report, n): getattr(w, n) for w in charted_as_is for n in ("doi", "pmid", "pmcid") if getattr(w, n)}
    assert len(true) > 50
    with serving(Fakes(papers(charted_as_is))) as fakes:
        first = run(fakes, hidden)
        sent = len(fakes.asked)
        second = run(fakes, hidden)
        assert sent and len(fakes.asked) == sent
    new = {key: p.proposed for key, p in first.items() if p.verdict == "new"}
    assert {k: v.lower() for k, v in new.items()} == {k: v.lower() for k, v in true.items()}
    assert first == second
    silent = {w.report for w in charted_as_is if w.title and not (w.doi or w.pmid)}
    assert silent and {first[r, "doi"].verdict for r in silent} == {"not-found"}
    assert {p.verdict for p in first.values() if not p.record_title} == {"not-asked", "not-found"}
    assert {first[r, "retracted"].verdict for r, _ in true} == {"none-known"}
    assert not any("api_key" in a or "mailto" in a or "email" in a for a in fakes.asked)
    proposal = first["thermann-2023", "doi"]
    assert proposal.found.endswith("(crossref, europe-pmc, ncbi, openalex)"), "found by title at two, confirmed by two"
    assert all(f"{s} http" in proposal.evidence for s in registries.BASES) and "sha256:" in proposal.evidence


def test_charted_identifiers_are_never_replaced(own_home: Path, charted: Path, charted_as_is: list[Wanted]) -> None:
    """An identifier that leads to another paper, or that the services have otherwise, is a conflict with nothing proposed."""
    rows = read(charted, "bibliography")
    at = {row[0]: row for row in rows}
    at["paget-2021"][rows[0].index("doi")] = at["salk-2006"][rows[0].index("doi")]
    at["zhang-2022"][rows[0].index("pmcid")] = "PMC1"
    write(charted, "bibliography", rows)
    before = (charted / "bibliography.csv").read_bytes()
    with serving(Fakes(papers(charted_as_is))) as fakes:
        found = run(fakes, chart_of(charted), "paget-2021", "zhang-2022", "abas-2022")
    assert (charted / "bibliography.csv").read_bytes() == before
    wrong = found["paget-2021", "doi"]
    assert (wrong.verdict, wrong.proposed) == (
        "conflict",
        "",
    ) and "another paper under the charted identifier" in wrong.reason
    other = found["zhang-2022", "pmcid"]
    assert (other.verdict, other.proposed, other.charted) == ("conflict", "", "PMC1") and "PMC9817145" in other.found
    assert found["abas-2022", "doi"].verdict == "same"
    assert not [p for p in found.values() if p.charted and p.proposed]


@pytest.mark.parametrize(
    ("change", "verdict", "said"),
    [
        ({"title": "{} in men over sixty years of age"}, "candidate", "alike"),
        ({"title": "An entirely different matter"}, "not-found", ""),
        ({"title": "{}: 2"}, "not-found", ""),
        ({"title": "{}: protocol"}, "not-found", ""),
        ({"author": "Smith"}, "not-found", ""),
        ({"print": 2010, "online": 2010}, "candidate", "years are 2010"),
        ({"print": 2025, "online": 2022}, "new", ""),
        ({"kind": "correction"}, "not-found", ""),
        ({"title": "RETRACTED: {}", "retracted": True}, "new", ""),
        ({"title": "{}.".upper()}, "new", ""),
    ],
)
def test_gates(own_home: Path, hidden: Chart, charted_as_is: list[Wanted], change: dict[str, Any], verdict: str, said: str) -> None:  # fmt: skip
    """Title, first author, either year and kind of publication all have to fit; what nearly fits is left to a person."""
    w = next(w for w in charted_as_is if w.report == "rowden-2015")
    wanted = {"title": w.title, "author": w.surname, "print": 2015, "online": 2014} | change
    shaped = wanted["title"].format(w.title) if "{}" in wanted["title"] else wanted["title"]
    paper = Paper(**(wanted | {"title": shaped, "doi": "10.1/true"}))
    if paper.print == 2025:
        paper.online, paper.print = 2016, 2025
    with serving(Fakes([paper])) as fakes:
        found = run(fakes, hidden, "rowden-2015")
    doi = found["rowden-2015", "doi"]
    assert doi.verdict == verdict and said in doi.reason
    assert doi.proposed == ("10.1/true" if verdict == "new" else "")
    if paper.retracted:
        assert found["rowden-2015", "retracted"].proposed == "true"


def test_two_that_fit_are_one_too_many(own_home: Path, hidden: Chart, charted_as_is: list[Wanted]) -> None:
    """Two publications that pass every gate are candidates; services with different identifiers are a conflict."""
    w = next(w for w in charted_as_is if w.report == "rowden-2015")
    twins = [Paper(w.title, w.surname, 2015, 2015, f"10.1/{n}", f"2222222{n}") for n in (1, 2)]
    with serving(Fakes(twins)) as fakes:
        found = run(fakes, hidden, "rowden-2015")
    assert {found["rowden-2015", n].verdict for n in ("doi", "pmid")} == {"candidate"}
    assert "10.1/1 (crossref)" in found["rowden-2015", "doi"].found
    twins[1].knows = frozenset({"europe-pmc"})
    with serving(Fakes(twins)) as fakes:
        found = run(fakes, hidden, "rowden-2015")
    assert found["rowden-2015", "doi"].verdict == "candidate", "two at one service, though the others know one"
    apart = [
        Paper(w.title, w.surname, 2015, 2015, "10.1/1", "22222221", knows=frozenset({"crossref", "europe-pmc"})),
        Paper(w.title, w.surname, 2015, 2015, "10.1/1", "22222229", knows=frozenset({"ncbi"})),
    ]
    with serving(Fakes(apart)) as fakes:
        found = run(fakes, hidden, "rowden-2015")
    assert (found["rowden-2015", "pmid"].verdict, found["rowden-2015", "pmid"].proposed) == ("conflict", "")
    assert found["rowden-2015", "doi"].verdict == "new"


def test_one_mark_of_retraction_is_told(own_home: Path, hidden: Chart, charted_as_is: list[Wanted]) -> None:
    """A retraction that one service marks and another doesn't is a conflict for a person, never silence."""
    w = next(w for w in charted_as_is if w.report == "rowden-2015")
    marked = Paper(w.title, w.surname, 2015, 2015, "10.1/1", knows=frozenset({"crossref"}), retracted=True)
    plain = Paper(w.title, w.surname, 2015, 2015, "10.1/1", "22222221", knows=frozenset({"europe-pmc", "ncbi"}))
    with serving(Fakes([marked, plain])) as fakes:
        told = run(fakes, hidden, "rowden-2015")["rowden-2015", "retracted"]
    assert (told.verdict, told.found) == ("conflict", "true (crossref)|no mark (europe-pmc, ncbi)")


HTML = b"<html><body>Service unavailable</body></html>"


def always(code: int, kind: str, body: bytes, **headers: str) -> Fault:
    """Answer always alike."""
    return lambda n: (code, kind, body, {k.replace("_", "-"): v for k, v in headers.items()})


@pytest.mark.parametrize(
    ("fault", "asked", "said"),
    [
        (always(500, "text/html", HTML), 4, "answered 500"),
        (always(200, "text/html", HTML), 4, "answered 200, but no JSON"),
        (always(200, "application/json", b'{"message": {"items": [{"DO'), 4, "no JSON"),
        (always(200, "application/json", b'{"message": ', Content_Length="99"), 4, "cannot be reached"),
        (always(200, "application/json", b'{"hello": 1}'), 1, "not its own"),
        (always(429, "text/plain", b"slow down"), 4, "answered 429"),
        (always(429, "text/plain", b"slow down", Retry_After="3600"), 1, "left alone for 3600 s"),
        (always(403, "text/plain", b"no"), 1, "answered 403"),
    ],
)
def test_a_fault_is_no_absence(
    own_home: Path, hidden: Chart, charted_as_is: list[Wanted], fault: Fault, asked: int, said: str
) -> None:
    """While a service fails, what the others know is found and the rest is unresolved; nothing of the fault is kept."""
    with serving(Fakes(papers(charted_as_is), {"europe-pmc": fault})) as fakes:
        found = run(fakes, hidden, "paget-2021", "krogh-2016")
        assert found["paget-2021", "doi"].verdict == found["paget-2021", "pmid"].verdict == "new"
        lost = found["krogh-2016", "pmid"]
        assert lost.verdict == "unresolved" and said in lost.reason
        assert sum(a.startswith("/europe-pmc") for a in fakes.asked) in (asked, 2 * asked)
        fakes.faults.clear()
        assert run(fakes, hidden, "krogh-2016")["krogh-2016", "pmid"].verdict == "not-found"


def test_waits_as_told(own_home: Path, hidden: Chart, charted_as_is: list[Wanted], monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    """429 with Retry-After and 503 are waited for and then answered; requests to a service keep its distance."""
    waited: list[float] = []
    monkeypatch.setattr(registries.time, "sleep", waited.append)

    def busy(n: int) -> Answer | None:
        return {1: (429, "text/plain", b"", {"Retry-After": "7"}), 2: (503, "text/html", HTML, {})}.get(n)

    with serving(Fakes(papers(charted_as_is), {"ncbi": busy})) as fakes:
        assert run(fakes, hidden, "paget-2021")["paget-2021", "pmid"].found.endswith("(europe-pmc, ncbi, openalex)")
    assert 7 in waited
    monkeypatch.setattr(registries, "SPACING", dict.fromkeys(registries.BASES, 30.0))
    waited.clear()
    with serving(Fakes(papers(charted_as_is))) as fakes:
        run(fakes, hidden, "salk-2006")
    assert any(29 < w <= 30 for w in waited), "NCBI is asked twice in a row"


def test_a_failing_service_is_left_alone(own_home: Path, hidden: Chart, charted_as_is: list[Wanted]) -> None:
    """After five failures in a row a service is not asked again in the run."""
    with serving(Fakes(papers(charted_as_is), {"crossref": always(400, "text/plain", b"bad")})) as fakes:
        found = run(fakes, hidden)
        assert sum(a.startswith("/crossref") for a in fakes.asked) == 5
    assert any("left alone after 5 failures in a row" in p.reason for p in found.values())


def test_command_line(own_home: Path, charted_as_is: list[Wanted], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:  # fmt: skip
    """The proposals are a table; who asks is told to the services but not kept; without network the run ends cleanly with code 1."""
    monkeypatch.setenv("REGEN_KG_NCBI_KEY", "secret")
    with serving(Fakes(papers(charted_as_is))) as fakes:
        monkeypatch.setenv("REGEN_KG_CROSSREF", fakes.bases["crossref"])
        at = [w for s in ("europe-pmc", "ncbi", "openalex") for w in ("--at", f"{s}={fakes.bases[s]}")]
        words = ["enrich", "--charted", str(CHARTED), "--only", "gormeli-2015", "--mailto", "a@example.org", *at]
        assert cli.main(words) == 0
        out, err = capsys.readouterr()
        assert cli.main([*words, "--refresh"]) == 0
        assert "0 requests" not in capsys.readouterr().err
    rows = list(csv.DictReader(io.StringIO(out)))
    assert [(r["field"], r["verdict"]) for r in rows] == [("doi", "not-found"), ("pmid", "same"), ("pmcid", "not-found"), ("retracted", "none-known")]  # fmt: skip
    assert "requests sent" in err and any("mailto:a@example.org" in a for a in fakes.agents)
    assert any("api_key=secret" in a for a in fakes.asked) and any("mailto=a%40example.org" in a for a in fakes.asked)
    kept = "".join(p.read_text("utf-8") for p in (own_home / "enrich").iterdir())
    assert kept and "secret" not in kept + out and "example.org" not in kept + out
    nobody = [w for s in registries.BASES for w in ("--at", f"{s}=http://127.0.0.1:{free_port()}")]
    assert cli.main(["enrich", "--charted", str(CHARTED), "--only", "gormeli-2015", "--only", "sun-2018", *nobody]) == 1
    out, err = capsys.readouterr()
    assert "1 report left unresolved" in err and "not-asked" in out and "Traceback" not in err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--only", "paget-2020"], "no such report"),
        (["--at", "pubmed=http://x"], "no service"),
        (["--at", "crossref"], "SERVICE=URL"),
        (["--at", "crossref=file:///etc"], "no web address"),
        (["--mailto", "me"], "no mail address"),
    ],
)
def test_wrong_use(own_home: Path, capsys: pytest.CaptureFixture[str], words: list[str], said: str) -> None:
    """Wrong options say what to give."""
    assert cli.main(["enrich", "--charted", str(CHARTED), *words]) == 2
    assert said in capsys.readouterr().err


def test_endless_answers_stop(own_home: Path, hidden: Chart, monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer that is too large or too slow is given up, whatever its bytes say."""
    monkeypatch.setattr(registries, "_BYTES", 1000)
    with serving(Fakes([], {s: always(200, "application/json", b" " * 5000) for s in registries.BASES})) as fakes:
        start = time.monotonic()
        assert "too large" in run(fakes, hidden, "rowden-2015")["rowden-2015", "doi"].reason
        assert time.monotonic() - start < 10
    with pytest.raises(InputError):
        registries.Client(quiet, {"crossref": "nowhere"})
