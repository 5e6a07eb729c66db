"""Own the questions put to Crossref, Europe PMC, NCBI and OpenAlex: polite, kept for 30 days, all answers in one form."""

from __future__ import annotations

import datetime
import hashlib
import json
import os
import random
import re
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from regen_kg import __version__
from regen_kg.errors import InputError, ServiceError
from regen_kg.layout import user_data_dir

BASES = {
    "crossref": "https://api.crossref.org",
    "europe-pmc": "https://www.ebi.ac.uk/europepmc/webservices/rest",
    "ncbi": "https://eutils.ncbi.nlm.nih.gov/entrez/eutils",
    "openalex": "https://api.openalex.org",
}
SPACING = {"crossref": 0.25, "europe-pmc": 0.6, "ncbi": 0.35, "openalex": 0.25}  # seconds between two requests
BACKOFF = 1.0  # seconds before the second try, doubled for each further one
_TRIES = 4
_GIVE_UP = 5  # failures in a row, after which a service is left alone
_LONGEST = 60.0  # seconds to wait for a service that says when to come back
_SECONDS, _BYTES, _DAYS = 60.0, 5_000_000, 30
_KEYS = {"ncbi": "REGEN_KG_NCBI_KEY", "openalex": "REGEN_KG_OPENALEX_KEY"}
_RETRACTED = re.compile(r"^\W*(?:retracted|withdrawn)(?: article)?\W*:\s*", re.I)
_NO_ARTICLE = frozenset(
    "preprint|published erratum|correction|retraction of publication|retraction notice|comment|letter|editorial"
    "|clinical trial protocol|expression of concern".split("|")
)


@dataclass(frozen=True, slots=True)
class Record:
    """What a service says of one publication, and where it says so."""

    service: str
    titles: tuple[str, ...]  # with and without the subtitle
    first_author: str
    years: frozenset[int]  # of the issue and of the electronic version, as far as given
    article: bool  # no preprint, notice, letter or protocol
    doi: str
    pmid: str
    pmcid: str
    retracted: bool
    request: str  # without keys and addresses of people
    answered: str
    digest: str


@dataclass(frozen=True, slots=True)
class _Reply:
    data: Any  # None where the service has no such thing
    request: str
    answered: str
    digest: str


class Client:
    """Asks the services, at their own addresses or at others, one request at a time.

    Parameters
    ----------
    say : callable
        Takes lines on waiting and giving up.
    bases : mapping of str to str
        Other addresses, by service; `REGEN_KG_CROSSREF`, `REGEN_KG_EUROPE_PMC`, `REGEN_KG_NCBI` and `REGEN_KG_OPENALEX` do the same.
    mailto : str
        An address at which the services can reach who asks.
    refresh : bool
        Ask again what was answered in the last 30 days.
    """

    def __init__(
        self,
        say: Callable[[str], None],
        bases: Mapping[str, str] | None = None,
        mailto: str = "",
        refresh: bool = False,
    ) -> None:
        import urllib3

        for service in bases or {}:
            if service not in BASES:
                raise InputError(f'"{service}" is no service; there are {", ".join(BASES)}')
        told = {s: os.environ.get(f"REGEN_KG_{s.upper().replace('-', '_')}") for s in BASES}
        self._bases = {s: ((bases or {}).get(s) or told[s] or default).rstrip("/") for s, default in BASES.items()}
        for service, base in self._bases.items():
            if urlsplit(base).scheme not in ("http", "https") or not urlsplit(base).hostname:
                raise InputError(f'{service}: "{base}" is no web address')
        if mailto and not re.fullmatch(r"[^@\s]+@[^@\s]+", mailto):
            raise InputError(f'"{mailto}" is no mail address')
        who = f"regen-kg/{__version__} (https://w3id.org/regen-kg/{f'; mailto:{mailto}' if mailto else ''})"
        self._pool = urllib3.PoolManager(headers={"User-Agent": who, "Accept": "application/json"})
        self._say, self._mailto, self._refresh = say, mailto, refresh
        self._next = dict.fromkeys(BASES, 0.0)
        self._spacing = dict(SPACING)
        self._failures = dict.fromkeys(BASES, 0)
        self._left: dict[str, str] = {}
        self.sent = 0

    def get(self, service: str, path: str, **query: str) -> _Reply:
        """Return a service's JSON, from what is kept or by asking.

        Raises
        ------
        ServiceError
            If it does not answer as it should; nothing is kept then.
        """
        request = f"{self._bases[service]}/{path}" + (f"?{urlencode(query)}" if query else "")
        if not self._refresh and (reply := _kept(request)):
            return reply
        if service in self._left:
            raise ServiceError(self._left[service])
        try:
            body = self._ask(service, request)
        except ServiceError as err:
            self._failures[service] += 1
            if self._failures[service] == _GIVE_UP:
                self._left[service] = f"{err}; left alone after {_GIVE_UP} failures in a row"
            raise
        self._failures[service] = 0
        answered = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        _keep({"request": request, "answered": answered, "body": body})
        return _reply(request, answered, body)

    def _ask(self, service: str, request: str) -> str:
        """Return the body of an answer, blank where there is no such thing; try again where that may help."""
        why = ""
        for n in range(_TRIES):
            pause, again, body = BACKOFF * 2**n * random.uniform(1, 1.5), True, None
            try:
                status, headers, body = self._once(service, request)
            except OSError as err:
                why = f"cannot be reached ({err})"
            else:
                if status == 404:
                    return ""
                if status == 200 and _is_json(body):
                    return body
                why = f"answered {status}" + ("" if status != 200 else ", but no JSON")
                again = status in (200, 408, 429) or status >= 500
                if told := headers.get("Retry-After"):
                    pause = _seconds(told, pause)
            if pause > _LONGEST:
                self._left[service] = f"{service} {why} and asks to be left alone for {pause:.0f} s"
                raise ServiceError(self._left[service])
            if not again or n + 1 == _TRIES:
                break
            if pause >= 5:
                self._say(f"{service} {why}; trying again in {pause:.0f} s")
            time.sleep(pause)
        raise ServiceError(f"{service} {why}")

    def _once(self, service: str, request: str) -> tuple[int, Mapping[str, str], str]:
        """Send one request, no earlier than the service's spacing allows, and read the answer within limits."""
        import urllib3

        time.sleep(max(0.0, self._next[service] - time.monotonic()))
        self._next[service] = time.monotonic() + self._spacing[service]
        self.sent += 1
        told = {"crossref": {"mailto": self._mailto}, "openalex": {"mailto": self._mailto}}.get(service, {})
        if service == "ncbi":
            told = {"tool": "regen-kg", "email": self._mailto}
        if service in _KEYS:
            told = {**told, "api_key": os.environ.get(_KEYS[service], "")}
        extra = urlencode({k: v for k, v in told.items() if v})
        address = request + (("&" if "?" in request else "?") + extra if extra else "")
        end = time.monotonic() + _SECONDS
        try:
            reply = self._pool.request(
                "GET", address, preload_content=False, timeout=urllib3.Timeout(connect=10, read=20),
                retries=urllib3.Retry(total=None, connect=0, read=0, status=0, other=0, redirect=3),
            )  # fmt: skip
            try:
                content = b""
                for block in reply.stream(65536):
                    content += block
                    if len(content) > _BYTES or time.monotonic() > end:
                        raise OSError("the answer is too large or too slow")
            finally:
                reply.close()
        except urllib3.exceptions.HTTPError as err:
            raise OSError(str(getattr(err, "reason", None) or err).replace(address, request)) from err
        limit, interval = reply.headers.get("X-Rate-Limit-Limit", ""), reply.headers.get("X-Rate-Limit-Interval", "")
        if limit.isdigit() and int(limit) and re.fullmatch(r"\d+s", interval):
            self._spacing[service] = max(SPACING[service], int(interval[:-1]) / int(limit))
        return reply.status, reply.headers, content.decode("utf-8", "replace")


def _is_json(body: str) -> bool:
    try:
        return isinstance(json.loads(body), dict)
    except ValueError:
        return False


def _seconds(told: str, otherwise: float) -> float:
    from urllib3.exceptions import InvalidHeader
    from urllib3.util import Retry

    try:
        return float(Retry().parse_retry_after(told))
    except InvalidHeader:
        return otherwise


def _reply(request: str, answered: str, body: str) -> _Reply:
    digest = hashlib.sha256(body.encode()).hexdigest()
    return _Reply(json.loads(body) if body else None, request, answered, digest)


def _place(request: str) -> Path:
    return user_data_dir() / "enrich" / f"{hashlib.sha256(request.encode()).hexdigest()[:32]}.json"


def _kept(request: str) -> _Reply | None:
    try:
        told = json.loads(_place(request).read_text("utf-8"))
        then = datetime.datetime.fromisoformat(told["answered"])
        fresh = datetime.datetime.now(datetime.UTC) - then < datetime.timedelta(days=_DAYS)
        return _reply(request, told["answered"], told["body"]) if fresh and told["request"] == request else None
    except (OSError, ValueError, KeyError, TypeError):
        return None  # absent or damaged: ask again


def _keep(told: Mapping[str, str]) -> None:
    path = _place(told["request"])
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile("w", dir=path.parent, suffix=".part", delete=False, encoding="utf-8") as file:
        json.dump(told, file, indent=1)
    os.replace(file.name, path)


# --- what each service is asked, and what its answer says -------------------------------------------------------------


def by_doi(client: Client, service: str, doi: str) -> list[Record]:
    """Return what a service has under a DOI."""
    if service == "crossref":
        return _read(service, client.get(service, f"works/{quote(doi, safe='')}"), _crossref_one)
    if service == "openalex":
        return _read(service, client.get(service, f"works/https://doi.org/{quote(doi, safe='/')}"), _openalex)
    if service == "europe-pmc":
        return _europe_pmc(client, f'DOI:"{doi}"')
    return _ncbi(client, f"{doi}[doi]", must_hold=doi)


def by_pmid(client: Client, service: str, pmid: str) -> list[Record]:
    """Return what a service has under a PMID; Crossref knows none."""
    if service == "openalex":
        return _read(service, client.get(service, f"works/pmid:{pmid}"), _openalex)
    if service == "europe-pmc":
        return _europe_pmc(client, f"EXT_ID:{pmid} AND SRC:MED")
    return _summaries(client, [pmid]) if service == "ncbi" else []


def by_title(client: Client, service: str, title: str, surname: str) -> list[Record]:
    """Return what a service finds by title and first author; OpenAlex is not asked."""
    plain = " ".join(re.findall(r"[^\W_]+", title))
    if service == "crossref":
        query = {"query.bibliographic": title, "query.author": surname, "filter": "type:journal-article", "rows": "5"}
        return _read(service, client.get(service, "works", **query), lambda d: [r for i in d["message"]["items"] for r in _crossref(i)])  # fmt: skip
    if service == "europe-pmc":
        quoted = re.sub(r'["\\]', " ", title)
        return _europe_pmc(client, f'TITLE:"{quoted}" AND AUTH:"{surname}"')
    return _ncbi(client, f"{plain}[ti] AND {surname}[1au]") if service == "ncbi" else []


_Fields = dict[str, Any]


def _read(service: str, reply: _Reply, read: Callable[[Any], Iterable[_Fields]]) -> list[Record]:
    """Return the records of an answer; an answer of a shape that is not the service's own is a fault, not an empty one."""
    if reply.data is None:
        return []
    try:
        found = list(read(reply.data))
    except (KeyError, TypeError, AttributeError, IndexError, ValueError) as err:
        raise _foreign(service, reply) from err
    out = []
    for f in found:
        titles = tuple(_RETRACTED.sub("", t) for t in f["titles"] if t)
        retracted = f["retracted"] or any(_RETRACTED.match(t) for t in f["titles"])
        years = frozenset(int(y) for value in f["years"] for y in re.findall(r"\b(?:19|20)\d\d\b", str(value or "")))
        ids = {k: f.get(k) or "" for k in ("doi", "pmid", "pmcid")}
        out.append(Record(service, titles, f["first_author"], years, f["article"], **ids, retracted=retracted, request=reply.request, answered=reply.answered, digest=reply.digest))  # fmt: skip
    return out


def _foreign(service: str, reply: _Reply) -> ServiceError:
    """Forget an answer that is not what the service is known to give, and say so."""
    _place(reply.request).unlink(missing_ok=True)
    return ServiceError(f"{service} answered {reply.request} in a form that is not its own")


def _crossref_one(data: Any) -> Iterable[_Fields]:
    return _crossref(data["message"])


def _crossref(work: Any) -> Iterable[_Fields]:
    title, subtitle = (" ".join(work.get(k) or []) for k in ("title", "subtitle"))
    author = (work.get("author") or [{}])[0]
    dates = (work[k]["date-parts"][0][0] for k in ("published-print", "published-online", "issued") if work.get(k))
    yield {
        "titles": [title, f"{title} {subtitle}" if subtitle else ""],
        "first_author": author.get("family") or author.get("name") or "",
        "years": list(dates),
        "article": work["type"] == "journal-article" and not work.get("update-to"),
        "doi": work["DOI"],
        "retracted": any(
            u.get("type") in ("retraction", "withdrawal", "removal") for u in work.get("updated-by") or []
        ),
    }


def _europe_pmc(client: Client, query: str) -> list[Record]:
    reply = client.get("europe-pmc", "search", query=query, resultType="core", format="json", pageSize="5")

    def read(data: Any) -> Iterable[_Fields]:
        for r in data["resultList"]["result"]:
            kinds = {k.casefold() for k in (r.get("pubTypeList") or {}).get("pubType", [])}
            author = ((r.get("authorList") or {}).get("author") or [{}])[0]
            journal = r.get("journalInfo") or {}
            yield {
                "titles": [r.get("title", "")],
                "first_author": author.get("lastName") or r.get("authorString", "").split(",")[0],
                "years": [r.get(k) for k in ("pubYear", "firstPublicationDate", "electronicPublicationDate")]
                + [journal.get(k) for k in ("yearOfPublication", "printPublicationDate")],
                "article": r.get("source") != "PPR" and not kinds & _NO_ARTICLE,
                "doi": r.get("doi"), "pmid": r.get("pmid"), "pmcid": r.get("pmcid"),
                "retracted": "retracted publication" in kinds,
            }  # fmt: skip

    return _read("europe-pmc", reply, read)


def _ncbi(client: Client, term: str, must_hold: str = "") -> list[Record]:
    reply = client.get("ncbi", "esearch.fcgi", db="pubmed", term=term, retmode="json", retmax="5")
    try:
        result = reply.data["esearchresult"]
        ids = result["idlist"]
        if must_hold and must_hold.casefold() not in result.get("querytranslation", "").casefold():
            ids = []  # an identifier that it does not know is searched for as words
    except (KeyError, TypeError, AttributeError) as err:
        raise _foreign("ncbi", reply) from err
    return _summaries(client, ids) if ids else []


def _summaries(client: Client, pmids: list[str]) -> list[Record]:
    reply = client.get("ncbi", "esummary.fcgi", db="pubmed", id=",".join(pmids), retmode="json")

    def read(data: Any) -> Iterable[_Fields]:
        for uid in data["result"]["uids"]:
            r = data["result"][uid]
            if "error" in r:
                continue
            kinds = {k.casefold() for k in r["pubtype"]}
            ids = {i["idtype"]: i["value"] for i in r["articleids"]}
            pmc = re.search(r"PMC\d+", ids.get("pmc") or ids.get("pmcid") or "")
            yield {
                "titles": [r["title"]], "first_author": (r["authors"] or [{"name": ""}])[0]["name"],
                "years": [r["pubdate"], r["epubdate"]], "article": not kinds & _NO_ARTICLE,
                "doi": ids.get("doi"), "pmid": uid, "pmcid": pmc.group() if pmc else "",
                "retracted": "retracted publication" in kinds,
            }  # fmt: skip

    return _read("ncbi", reply, read)


def _openalex(work: Any) -> Iterable[_Fields]:
    ids = {k: str(v).rstrip("/").split("/")[-1] for k, v in work["ids"].items()}
    author = (work.get("authorships") or [{}])[0].get("author") or {}
    yield {
        "titles": [work.get("title") or work.get("display_name") or ""],
        "first_author": author.get("display_name") or "",
        "years": [work.get("publication_year")],
        "article": work["type"] in ("article", "review"),
        "doi": (work.get("doi") or "").removeprefix("https://doi.org/"),
        "pmid": ids.get("pmid"),
        "pmcid": f"PMC{ids['pmcid'].removeprefix('PMC')}" if ids.get("pmcid") else "",
        "retracted": bool(work["is_retracted"]),
    }
