"""Own which identifiers of reports are proposed: what passes the gates, who says so, and what a person has to decide.

Nothing here changes a table. A charted identifier stays whatever the services say, and a service that failed is told from one
that knows nothing.
"""

from __future__ import annotations

import difflib
import functools
import html
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable, Collection
from dataclasses import dataclass, field, fields

from regen_kg.errors import InputError, ServiceError
from regen_kg.model import Chart
from regen_kg.registries import Client, Record, by_doi, by_pmid, by_title

ACCEPT, NEAR, APART = 0.95, 0.80, 0.03
_FIELDS = ("doi", "pmid", "pmcid")
_GIVES = {"doi": ("crossref", "europe-pmc", "ncbi", "openalex"), "pmid": ("europe-pmc", "ncbi", "openalex")}
_LETTERS = str.maketrans({"ı": "i", "ø": "o", "ł": "l", "đ": "d", "ß": "ss", "æ": "ae", "œ": "oe"})
_APART_WORDS = frozenset("protocol erratum correction corrigendum retraction reply response comment letter".split())
_SUFFIX = re.compile(r"[A-Z]{1,4}|Jr|Sr|2nd|3rd|\dth", re.ASCII)


@dataclass(frozen=True, slots=True)
class Wanted:
    """One report as charted; identifiers are blank where none is."""

    report: str
    title: str
    surname: str
    year: int
    doi: str
    pmid: str
    pmcid: str


@dataclass(frozen=True, slots=True)
class Proposal:
    """One identifier, or the retraction, of one report: a row for the charter to decide on."""

    report: str
    field: str  # doi, pmid, pmcid, retracted
    charted: str
    proposed: str
    verdict: str  # new, same, conflict, candidate, none-known, not-confirmed, not-found, unresolved, not-asked
    found: str  # value (services), apart by |
    reason: str
    title_ratio: str
    record_title: str
    evidence: str  # service, request, time, digest of the answer


COLUMNS = tuple(f.name for f in fields(Proposal))


def folded(text: str) -> str:
    """Return a title's words without tags, marks, cases and punctuation.

    Examples
    --------
    >>> folded("[Uğurlar <i>et al</i>: PRP &amp; HA.]")
    'ugurlar et al prp ha'
    """
    bare = re.sub(r"<[^<>]+>", "", html.unescape(text)).casefold().translate(_LETTERS)
    bare = "".join(c for c in unicodedata.normalize("NFKD", bare) if not unicodedata.combining(c))
    return " ".join(re.findall(r"[^\W_]+", bare))


def same_surname(charted: str, given: str) -> bool:
    """Say whether a charted surname is that of an author given as `Kim YS`, `Henry DeGroot III` or `Mei-Dan`.

    Examples
    --------
    >>> same_surname("DeGroot", "DeGroot H 3rd"), same_surname("Ugurlar", "Uğurlar"), same_surname("Kim", "Kimura T")
    (True, True, False)
    """
    parts = given.split()
    while len(parts) > 1 and _SUFFIX.fullmatch(parts[-1]):
        parts.pop()
    tokens = [t for part in parts for t in folded(part).split()]
    wanted = folded(charted).replace(" ", "")
    return any("".join(tokens[n:]) == wanted for n in range(len(tokens)))


@functools.lru_cache(4096)
def ratio(wanted: Wanted, record: Record) -> float:
    """Return how alike the titles are, from 0 to 1; 0 where a number or a word such as protocol or reply stands in one only."""
    best, mine = 0.0, folded(wanted.title)
    for title in record.titles:
        other = folded(title)
        if _APART_WORDS & (set(mine.split()) ^ set(other.split())):
            continue
        if Counter(re.findall(r"\d+", mine)) != Counter(re.findall(r"\d+", other)):
            continue
        best = max(best, difflib.SequenceMatcher(None, mine, other, autojunk=False).ratio())
    return best


def doubts(wanted: Wanted, record: Record, *, by_identifier: bool) -> list[str]:
    """Return which gates a record fails; the year is no gate where an identifier led to it, as services may give one year only."""
    out = []
    if (alike := ratio(wanted, record)) < ACCEPT:
        out.append(f"titles are {alike:.2f} alike")
    if not same_surname(wanted.surname, record.first_author):
        out.append(f'first author is "{record.first_author}"')
    if not by_identifier and not any(abs(year - wanted.year) <= 1 for year in record.years):
        out.append(f"years are {', '.join(map(str, sorted(record.years))) or 'not given'}")
    if not record.article:
        out.append("is no article")
    return out


def wanted_of(chart: Chart) -> list[Wanted]:
    """Return all reports of a chart, in its order."""
    known = {row["report"]: row for row in chart.rows("bibliography")}
    out = []
    for row in chart.rows("reports"):
        book = known.get(row["report"])
        cells = {c: (book.value(c) or "" if book else "") for c in ("title", *_FIELDS)}
        surname = re.split(r" et al| and |,| \(", row["citation"])[0].strip()
        out.append(Wanted(row["report"], surname=surname, year=int(row["year"]), **cells))
    return out


@dataclass(slots=True)
class _Heard:
    """What the services said of one report."""

    accepted: dict[str, Record] = field(default_factory=dict)  # by service
    near: list[tuple[Record, list[str]]] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    clashes: list[str] = field(default_factory=list)
    ambiguous: bool = False


def propose(chart: Chart, client: Client, say: Callable[[str], None], only: Collection[str] = ()) -> list[Proposal]:
    """Ask the services about reports, and say what they would add to the bibliography.

    Parameters
    ----------
    chart : Chart
        The charted tables.
    client : Client
        Asks the services.
    say : callable
        Takes a line per report and per failure.
    only : collection of str
        The reports to ask about; all by default.

    Returns
    -------
    list of Proposal
        Four rows for each report with a charted title, one for each without.

    Raises
    ------
    InputError
        If a report in `only` is not charted.
    """
    every = wanted_of(chart)
    if unknown := set(only) - {w.report for w in every}:
        raise InputError(f"{', '.join(sorted(unknown))}: no such report; regen-kg query reports lists all")
    chosen = [w for w in every if not only or w.report in only]
    out: list[Proposal] = []
    told: set[str] = set()
    for n, wanted in enumerate(chosen, 1):
        if not wanted.title:
            why = "no title is charted, and without one nothing can be told apart"
            out.append(Proposal(wanted.report, "", "", "", "not-asked", "", why, "", "", ""))
            continue
        sent = client.sent
        heard = _hear(wanted, client)
        if client.sent > sent:
            say(f"{n} of {len(chosen)}: {wanted.report}")
        for why in heard.failed.values():
            if why not in told:
                told.add(why)
                say(why)
        out += [_judge(wanted, name, heard) for name in _FIELDS] + [_retraction(wanted, heard)]
    return out


def _hear(wanted: Wanted, client: Client) -> _Heard:
    """Ask Crossref, Europe PMC and NCBI by charted identifier, else by title; then each by what the others found."""
    heard = _Heard()
    for service in ("crossref", "europe-pmc", "ncbi"):
        try:
            found = by_pmid(client, service, wanted.pmid) if wanted.pmid else []
            found = found or (by_doi(client, service, wanted.doi) if wanted.doi else [])
            if found:
                _sort(wanted, heard, service, found, "charted")
            else:
                _sort(wanted, heard, service, by_title(client, service, wanted.title, wanted.surname), "")
        except ServiceError as err:
            heard.failed[service] = str(err)
    doi, pmid = (_only(heard, wanted, name) for name in ("doi", "pmid"))
    for service in ("crossref", "europe-pmc", "ncbi", "openalex"):
        if service in heard.accepted or service in heard.failed or heard.ambiguous or not heard.accepted:
            continue
        try:
            found = (by_doi(client, service, doi) if doi else []) or (by_pmid(client, service, pmid) if pmid else [])
            _sort(wanted, heard, service, found, "found")
        except ServiceError as err:
            heard.failed[service] = str(err)
    return heard


def _only(heard: _Heard, wanted: Wanted, name: str) -> str:
    """Return the one value that charted and accepted identifiers agree on, or nothing."""
    values = {
        _key(name, v): v for v in (getattr(wanted, name), *(getattr(r, name) for r in heard.accepted.values())) if v
    }
    return next(iter(values.values())) if len(values) == 1 else ""


def _key(name: str, value: str) -> str:
    return re.sub(r"^(https?://(dx\.)?doi\.org/|doi:\s*)", "", value.casefold()).rstrip(".") if name == "doi" else value


def _sort(wanted: Wanted, heard: _Heard, service: str, records: list[Record], identified: str) -> None:
    """Put a service's records among the accepted, the near or the clashing ones; two that pass are one too many."""
    passed: list[Record] = []
    for record in records:
        why = doubts(wanted, record, by_identifier=bool(identified))
        if not why:
            passed.append(record)
        elif identified and (not same_surname(wanted.surname, record.first_author) or ratio(wanted, record) < NEAR):
            heard.clashes.append(f"{service} has another paper under the {identified} identifier: {' '.join(record.titles[:1])}")  # fmt: skip
        elif record.article and same_surname(wanted.surname, record.first_author) and ratio(wanted, record) >= NEAR:
            heard.near.append((record, why))
    best = max((ratio(wanted, r) for r in passed), default=0.0)
    rivals = [r for r, why in heard.near if r.service == service and len(why) == 1 and why[0].startswith("titles") and ratio(wanted, r) > best - APART]  # fmt: skip
    if passed and (rivals or not all(_one(passed[0], other) for other in passed[1:])):
        heard.ambiguous = True
        heard.near += [(r, ["more than one publication fits"]) for r in passed]
    elif passed:
        heard.accepted[service] = max(passed, key=lambda r: sum(bool(x) for x in (r.doi, r.pmid, r.pmcid)))


def _one(a: Record, b: Record) -> bool:
    return any(getattr(a, n) and _key(n, getattr(a, n)) == _key(n, getattr(b, n)) for n in _FIELDS)


def _judge(wanted: Wanted, name: str, heard: _Heard) -> Proposal:
    charted = getattr(wanted, name)
    accepted = {} if heard.ambiguous else heard.accepted
    values: dict[str, list[str]] = defaultdict(list)
    written: dict[str, str] = {}
    for service, record in accepted.items():
        if value := getattr(record, name):
            values[_key(name, value)].append(service)
            written.setdefault(_key(name, value), value)
    found = "|".join(f"{written[key]} ({', '.join(sorted(services))})" for key, services in sorted(values.items()))
    proposed, reason = "", ""
    missing = [heard.failed[s] for s in _GIVES.get(name, _GIVES["pmid"]) if s in heard.failed]
    if heard.clashes and (values or charted):
        verdict, reason = "conflict", "; ".join(heard.clashes)
    elif len(values) > 1:
        verdict, reason = "conflict", "the services disagree"
    elif values and not charted:
        verdict, proposed = "new", next(iter(written.values()))
    elif values:
        same = _key(name, charted) in values
        verdict, reason = ("same", "") if same else ("conflict", "the services have another one than is charted")
    elif charted:
        verdict, reason = "not-confirmed", "; ".join(missing) or "no service gives one"
    elif near := [(r, why) for r, why in heard.near if getattr(r, name)]:
        verdict, reason = "candidate", "; ".join(sorted({w for _, why in near for w in why}))
        found = "|".join(sorted({f"{getattr(r, name)} ({r.service})" for r, _ in near}))
    elif missing:
        verdict, reason = "unresolved", "; ".join(missing)
    else:
        verdict, reason = "not-found", ""
    return _proposal(
        wanted, name, heard, charted=charted, proposed=proposed, verdict=verdict, found=found, reason=reason
    )


def _retraction(wanted: Wanted, heard: _Heard) -> Proposal:
    """Say who marks the report as retracted; services lag behind each other, so that one of them is told as such."""
    accepted = {} if heard.ambiguous else heard.accepted
    says = [s for s, r in accepted.items() if r.retracted]
    silent = [s for s in accepted if s not in says]
    found = "|".join(f"{word} ({', '.join(names)})" for word, names in (("true", says), ("no mark", silent)) if names)
    if says:
        verdict, proposed = ("conflict" if silent else "new"), ("" if silent else "true")
        reason = f"{', '.join(silent)} has no mark of it" if silent else ""
    elif silent:
        verdict, proposed, reason = "none-known", "", "; ".join(heard.failed.values())
    else:
        verdict, proposed, reason = ("unresolved", "", "; ".join(heard.failed.values())) if heard.failed else ("not-found", "", "")  # fmt: skip
    return _proposal(
        wanted, "retracted", heard, charted="", proposed=proposed, verdict=verdict, found=found, reason=reason
    )


def _proposal(wanted: Wanted, name: str, heard: _Heard, **cells: str) -> Proposal:
    records = list(heard.accepted.values()) or [r for r, _ in heard.near]
    best = max(records, key=lambda r: ratio(wanted, r), default=None)
    evidence = sorted({f"{r.service} {r.request} {r.answered} sha256:{r.digest}" for r in records})
    return Proposal(
        wanted.report,
        name,
        title_ratio=f"{ratio(wanted, best):.2f}" if best else "",
        record_title=best.titles[0] if best and best.titles else "",
        evidence="|".join(evidence),
        **cells,
    )
