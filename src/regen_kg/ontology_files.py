"""Own the reading of ontology files: OBO, OBO graph JSON, RDF/XML, Turtle, N-Triples, OWL/XML; from a path or an address.

Every form is read as a stream and nothing is written before the whole file is read. The OBO reader is our own since the strict
ones refuse releases of ECO, OBI and MAxO as published; it passes over tags that it doesn't need.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import re
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPException
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import urlsplit

import pyoxigraph as ox

from regen_kg.errors import OntologyError
from regen_kg.iris import DCTERMS, OWL, RDF, RDFS, SKOS
from regen_kg.layout import user_data_dir
from regen_kg.ontologies import PART_OF, REPLACED_BY, SCOPES, Class, curie, sources, take

Say = Callable[[str], None]

MAX_BYTES = 8 * 2**30  # after unpacking
_ENTITY_LENGTH, _ENTITIES, _PROLOG = 256, 512, 2**20
_LINE, _DEPTH = 2**20, 64  # of an OBO line and of a JSON string in bytes, of JSON in brackets
_RATIO, _UNPACKED = 100, 2**26  # of gzip, once it gives so many bytes
_QUOTE = re.compile(rb'(?<!\\)"')
_SUFFIXES = {
    ".obo": "OBO", ".json": "OBO graph JSON", ".ttl": "Turtle", ".nt": "N-Triples", ".owx": "OWL/XML",
    ".rdf": "RDF/XML", ".owl": "RDF/XML or OWL/XML", ".xml": "RDF/XML or OWL/XML",
}  # fmt: skip
_LICENCES = (DCTERMS + "license", "http://purl.org/dc/elements/1.1/rights", DCTERMS + "rights")
_TYPES = {
    OWL + kind for kind in ("Class", "NamedIndividual", "ObjectProperty", "DatatypeProperty", "AnnotationProperty")
} | {SKOS + "Concept"}  # fmt: skip


@dataclass(slots=True)
class OntologyFile:
    """What an ontology file holds: its terms by CURIE, and what it says of itself."""

    name: str
    form: str
    sha256: str = ""
    title: str = ""  # its identifier: an OBO name or an IRI
    version: str = ""
    licence: str = ""
    classes: dict[str, Class] = field(default_factory=dict)

    def get(self, name: str) -> Class | None:
        """Return the term of an identifier, made if new; None where its prefix is not known."""
        short = curie(name)
        if short is None:
            return None
        found = self.classes.get(short)
        if found is None:
            found = self.classes[short] = Class(short)
        return found


class _Stream(io.RawIOBase):
    """A file being read: counts, digests, tells how far it is, unpacks gzip and stops at the size limit."""

    def __init__(self, path: Path, say: Say) -> None:
        self.path, self.say, self.size = path, say, path.stat().st_size
        self.raw = path.open("rb")
        packed = self.raw.read(2) == b"\x1f\x8b"
        self.raw.seek(0)
        self.packed = packed
        self.source: Any = gzip.open(self.raw) if packed else self.raw
        self.taken, self.told = 0, time.monotonic()
        self.prolog: int | None = None  # where the root element of XML begins
        self.json, self.quoted = False, 0  # where the last quote stands that no backslash hides
        self.tail = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        block = self.source.read(min(len(buffer), 2**18))
        buffer[: len(block)] = block
        self.taken += len(block)
        if self.taken > MAX_BYTES:
            raise OntologyError(f"{self.path.name}: more than {MAX_BYTES >> 30} GiB when unpacked; not read further")
        if self.packed and self.taken > _UNPACKED and self.taken > _RATIO * self.size:
            raise OntologyError(f"{self.path.name}: unpacks to more than {_RATIO} times its size; refused as hostile")
        if self.prolog is not None:
            seen = self.tail + block
            before = self.taken - len(seen)
            if re.search(rb"<!(DOCTYPE|ENTITY)", seen[max(0, self.prolog - before) :], re.I):
                raise OntologyError(f"{self.path.name}: declares entities inside its content; refused as hostile")
            self.tail = seen[-10:]
        if self.json:
            self._no_endless_text(block)
        if time.monotonic() - self.told > 2:
            self.told = time.monotonic()
            self.say(f"{self.path.name}: {100 * self.raw.tell() // max(self.size, 1)} % read")
        return len(block)

    def _no_endless_text(self, block: bytes) -> None:
        """Refuse a string of JSON that has no end: the parser's time for one grows with the square of its length."""
        start, seen = self.taken - len(block) - len(self.tail), self.tail + block
        first = _QUOTE.search(seen)
        if (start + first.start() if first else self.taken) - self.quoted > _LINE:
            raise OntologyError(
                f"{self.path.name}: holds a text longer than {_LINE >> 20} MiB; it is damaged or hostile"
            )
        at = len(seen)
        while first and (at := seen.rfind(b'"', 0, at)) >= 0:
            if seen[at - 1 : at] != b"\\":
                self.quoted = start + at
                break
        self.tail = seen[-1:]

    def close(self) -> None:
        self.raw.close()
        super().close()


@contextmanager
def _opened(path: Path, say: Say, prolog: int | None = None, json: bool = False) -> Iterator[BinaryIO]:
    stream = _Stream(path, say)
    stream.prolog, stream.json = prolog, json
    try:
        yield io.BufferedReader(stream, 2**18)
    finally:
        stream.raw.close()


def read_ontology(path: str | Path, say: Say) -> OntologyFile:
    """Read an ontology file, its form told by its content; packed with gzip or not.

    Parameters
    ----------
    path : str or Path
        The file.
    say : callable
        Takes lines on the progress.

    Returns
    -------
    OntologyFile
        Terms whose prefix is in `prefixes.csv`; others are passed over. Nothing is checked against mappings.

    Raises
    ------
    OntologyError
        If the file is cut short, damaged, hostile, empty of terms, or of another form than its name says.
    """
    path = Path(path)
    try:
        form, prolog = _form(path)
        told = _SUFFIXES.get(Path(path.name.removesuffix(".gz")).suffix.lower())
        if told and form not in told:
            raise OntologyError(
                f"{path.name}: named as {told} but holds {form}; name it right if that is what you want"
            )
        found = OntologyFile(path.name, form)
        if form == "OBO graph JSON":
            _read_json(path, found, say)
        else:
            reader = {"OBO": _read_obo, "OWL/XML": _read_owlxml}.get(form, _read_rdf)
            with _opened(path, say, prolog) as file:
                reader(file, found)
        found.sha256 = digest(path)
    except (OSError, EOFError, gzip.BadGzipFile) as err:
        raise OntologyError(f"{path}: cannot be read, or is cut short ({err})") from err
    except UnicodeDecodeError as err:
        raise OntologyError(f"{path.name}: is not UTF-8 ({err.reason} at byte {err.start} of a line)") from err
    found.classes = {k: c for k, c in found.classes.items() if c.label}
    if not found.classes:
        raise OntologyError(f"{path.name}: reads as {form} but holds no term with a label and a known prefix")
    _whole(found)
    return found


def digest(path: Path) -> str:
    """Return the SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _whole(found: OntologyFile) -> None:
    """Refuse a file whose terms stand below terms of the same ontology that it lacks."""
    own = found.classes
    most = Counter(name.partition(":")[0] for name in own).most_common(1)[0][0] + ":"
    lost = [
        (c.id, p) for c in own.values() for p in c.parents if p.startswith(most) and p not in own and c.id.startswith(most)
    ]  # fmt: skip
    if lost:
        raise OntologyError(
            f"{found.name}: {len(lost):,} terms lie below terms that the file lacks, such as {lost[0][0]} below "
            f"{lost[0][1]}; it is cut short or a slice without ancestors"
        )


def own_prefix(found: OntologyFile, wanted: str | None) -> str:
    """Choose the prefix a file is filed under: the wanted one, the one its title names, else that of most terms.

    Raises
    ------
    OntologyError
        If the prefix is not known or the file has no term of it.
    """
    count = Counter(name.partition(":")[0] for name in found.classes)
    if wanted is not None:
        if wanted not in sources():
            raise OntologyError(f'"{wanted}" is no known prefix; known: {", ".join(sources())}')
        if not count[wanted]:
            most = count.most_common(1)[0]
            raise OntologyError(
                f"{found.name}: holds no term of {wanted}; most are of {most[0]} ({most[1]:,}): add it with --as {most[0]}"
            )
        return wanted
    stem = re.split(r"[-_.#/]", found.title.rstrip("/").rsplit("/", 1)[-1].lower())[0]
    return stem if count[stem] else count.most_common(1)[0][0]


# --- forms ----------------------------------------------------------------------------------------------------------


def _form(path: Path) -> tuple[str, int | None]:
    """Tell a file's form by its first bytes; for XML also where its root element begins."""
    with _opened(path, lambda line: None) as file:
        head = file.read(_PROLOG)
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n")
    if not text:
        raise OntologyError(f"{path.name}: is empty")
    if re.match(rb"\{|\[\s*[{\]]", text):
        return "OBO graph JSON", None
    if re.match(rb"<(!DOCTYPE\s+html|html)", text, re.I):
        raise OntologyError(f"{path.name}: is a web page, not an ontology; look for the address of the file itself")
    if re.match(rb"<([?!]|[\w:]+[\s>])", text):
        return _xml_form(path.name, head)
    if re.match(
        rb"(format-version|ontology|data-version|date|default-namespace|remark|subsetdef|idspace|auto-generated-by|!|\[Term\])",
        text,
    ):
        return "OBO", None
    if re.match(rb"(Prefix\(|Ontology\()", text):
        raise OntologyError(f"{path.name}: is OWL functional syntax, which is not read; convert it, e.g. with ROBOT")
    if re.match(rb"(@prefix|@base|prefix\s|base\s|#|<[^>\s]+>|_:)", text, re.I):
        return ("N-Triples" if path.name.removesuffix(".gz").endswith(".nt") else "Turtle"), None
    raise OntologyError(f"{path.name}: is none of OBO, OBO graph JSON, RDF/XML, Turtle, N-Triples and OWL/XML")


class _RootSeen(Exception):
    pass


def _xml_form(name: str, head: bytes) -> tuple[str, int]:
    """Tell RDF/XML from OWL/XML and refuse declarations that could blow up or reach out."""
    from xml.parsers import expat

    parser = expat.ParserCreate(namespace_separator=" ")
    root: list[str] = []
    entities = [0]

    def declared(
        entity: str, parameter: int, value: str | None, base: Any, system: str | None, public: str | None, notation: Any
    ) -> None:
        entities[0] += 1
        if parameter or value is None or system or public:
            raise OntologyError(f'{name}: entity "{entity}" is external or a parameter entity; refused as hostile')
        if len(value) > _ENTITY_LENGTH or "&" in value or "%" in value or entities[0] > _ENTITIES:
            raise OntologyError(f'{name}: entity "{entity}" is long, nested or one of too many; refused as hostile')

    def doctype(root_name: str, system: str | None, public: str | None, internal: int) -> None:
        if system or public:
            raise OntologyError(f"{name}: refers to an outside DTD; refused as hostile")

    def xml(version: str, encoding: str | None, standalone: int) -> None:
        if encoding and encoding.lower() not in ("utf-8", "us-ascii", "ascii"):
            raise OntologyError(f"{name}: is written in {encoding}; save it as UTF-8")

    def start(tag: str, attributes: Any) -> None:
        root.append(tag)
        raise _RootSeen

    parser.EntityDeclHandler, parser.StartDoctypeDeclHandler = declared, doctype
    parser.XmlDeclHandler, parser.StartElementHandler = xml, start
    try:
        parser.Parse(head, False)
    except _RootSeen:
        at = parser.CurrentByteIndex
        if root[0] == RDF.removesuffix("#") + "# RDF":
            return "RDF/XML", at
        if root[0] == OWL + " Ontology":
            return "OWL/XML", at
        raise OntologyError(f'{name}: is XML with the root "{root[0]}", neither RDF/XML nor OWL/XML') from None
    except expat.ExpatError as err:
        raise OntologyError(f"{name}: is damaged XML ({err})") from err
    raise OntologyError(f"{name}: no root element in its first {_PROLOG >> 20} MiB; it is cut short or hostile")


_SYNONYM = re.compile(r'"((?:\\.|[^"\\])*)"\s*(EXACT|BROAD|NARROW|RELATED)?')
_QUOTED = re.compile(r'"((?:\\.|[^"\\])*)"')


def _plain(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text) if "\\" in text else text


def _read_obo(file: BinaryIO, found: OntologyFile) -> None:
    stanza, term, number, line = "", None, 0, ""
    ids = sources()
    for number, raw in enumerate(iter(lambda: file.readline(_LINE), b""), 1):
        if len(raw) == _LINE:
            raise OntologyError(
                f"{found.name}, line {number}: longer than {_LINE >> 20} MiB; the file is damaged or hostile"
            )
        line = raw.decode("utf-8-sig" if number == 1 else "utf-8")
        text = line.strip()
        if not text or text.startswith("!"):
            continue
        if text.startswith("["):
            stanza, term = text, None
            continue
        tag, colon, value = text.partition(":")
        value = value.strip()
        if not colon:
            raise OntologyError(f'{found.name}, line {number}: "{text[:40]}" is no OBO; the file is damaged')
        if not stanza:
            if tag == "ontology":
                found.title = value
            elif tag == "data-version":
                found.version = value.removeprefix("releases/").split("/")[0]
            elif tag == "property_value" and any(value.startswith(x) for x in (*_LICENCES, "dcterms:license")):
                found.licence = value.split(" ")[1].strip('"')
        elif tag == "id":
            term = found.get(value)
            if term is not None and not re.fullmatch(ids[term.id.partition(":")[0]].pattern, term.id.partition(":")[2]):
                del found.classes[term.id]  # not an identifier of a term, such as a relation's short name
                term = None
        elif term is not None:
            _obo_tag(term, tag, value)
    if not line.endswith("\n"):
        raise OntologyError(f"{found.name}: ends in the middle of line {number}; it is cut short")


def _obo_tag(term: Class, tag: str, value: str) -> None:
    def named(text: str) -> str:
        return curie(text) or text

    if tag == "name":
        term.label = term.label or _plain(value)
    elif tag == "synonym" and (m := _SYNONYM.match(value)):
        term.synonyms.append((m.group(2) or "RELATED", _plain(m.group(1))))
    elif tag == "is_a":
        term.parents.append(named(value.split()[0]))
    elif tag == "relationship" and value.split()[0] in ("part_of", "BFO:0000050"):
        term.part_of.append(named(value.split()[1]))
    elif tag == "def" and (m := _QUOTED.match(value)):
        term.definition = _plain(m.group(1))
    elif tag == "is_obsolete":
        term.obsolete = value.startswith("true")
    elif tag == "replaced_by":
        term.replaced_by.append(named(value.split()[0]))


def _read_json(path: Path, found: OntologyFile, say: Say) -> None:
    import ijson

    try:
        with _opened(
            path, say, json=True
        ) as file:  # brackets are counted first, since nesting costs memory in what follows
            depth = 0
            for event, _ in ijson.basic_parse(file):
                depth += event.startswith("start_") - event.startswith("end_")
                if depth > _DEPTH:
                    raise OntologyError(f"{path.name}: nested more than {_DEPTH} deep; refused as hostile")
        with _opened(path, say) as file:
            for node in ijson.items(file, "graphs.item.nodes.item"):
                _json_node(found, node)
        with _opened(path, say) as file:
            for edge in ijson.items(file, "graphs.item.edges.item"):
                if edge["pred"] in ("is_a", PART_OF) and (term := found.classes.get(curie(edge["sub"]) or "")):
                    other = curie(edge["obj"]) or edge["obj"]
                    (term.parents if edge["pred"] == "is_a" else term.part_of).append(other)
        with _opened(path, say) as file:
            for prefix, _, value in ijson.parse(file):
                if prefix == "graphs.item.id":
                    found.title = found.title or value.removesuffix(".json")
                elif prefix == "graphs.item.meta.version":
                    found.version = found.version or _version(value)
    except (ijson.JSONError, UnicodeDecodeError) as err:
        raise OntologyError(f"{path.name}: is damaged JSON or cut short ({str(err).strip().splitlines()[0]})") from err
    except (KeyError, TypeError, AttributeError) as err:
        raise OntologyError(f"{path.name}: is JSON, but no OBO graph ({err!r})") from err


def _json_node(found: OntologyFile, node: dict[str, Any]) -> None:
    term = found.get(node["id"])
    if term is None:
        return
    term.label = node.get("lbl", "")
    meta = node.get("meta", {})
    scopes = {name: scope for scope, name in SCOPES.items()}
    term.synonyms += [(scopes.get(s["pred"], "RELATED"), s["val"]) for s in meta.get("synonyms", ())]
    term.definition = meta.get("definition", {}).get("val", "")
    term.obsolete = bool(meta.get("deprecated"))
    term.replaced_by += [
        curie(v["val"]) or v["val"] for v in meta.get("basicPropertyValues", ()) if v["pred"] == REPLACED_BY
    ]


def _version(text: str) -> str:
    """Return the date or number within a version IRI, else the text."""
    dated = re.search(r"\d{4}-\d\d-\d\d", text)
    return dated.group() if dated else text.rstrip("/")


def _about(found: OntologyFile, predicate: str, value: str) -> None:
    if predicate == OWL + "versionIRI":
        found.version = _version(value)
    elif predicate == OWL + "versionInfo":
        found.version = found.version or value
    elif predicate in _LICENCES:
        found.licence = found.licence or value


def _read_rdf(file: BinaryIO, found: OntologyFile) -> None:
    forms = {"RDF/XML": ox.RdfFormat.RDF_XML, "N-Triples": ox.RdfFormat.N_TRIPLES, "Turtle": ox.RdfFormat.TURTLE}
    typed: set[str] = set()
    headers: dict[str, list[tuple[str, str]]] = {}
    open_restrictions: dict[str, list[str]] = {}  # blank node -> [property, filler] as they come
    parts: dict[str, str] = {}  # blank node of a part-of restriction -> filler
    waiting: list[tuple[Class, str]] = []

    def short(value: str) -> str:
        return curie(value) or value

    try:
        triples = ox.parse(input=file, format=forms[found.form], base_iri="http://example.invalid/", lenient=True)
        for q in triples:
            predicate, subject, value = q.predicate.value, q.subject, q.object.value
            if isinstance(subject, ox.BlankNode):
                if predicate in (OWL + "onProperty", OWL + "someValuesFrom"):
                    pair = open_restrictions.setdefault(subject.value, ["", ""])
                    pair[predicate == OWL + "someValuesFrom"] = value
                    if all(pair):
                        del open_restrictions[subject.value]
                        if pair[0] == PART_OF:
                            parts[subject.value] = pair[1]
                continue
            if predicate == RDF + "type":
                if value == OWL + "Ontology":
                    found.title = found.title or subject.value.removesuffix(".owl")
                    for pair2 in headers.get(subject.value, ()):
                        _about(found, *pair2)
                elif value in _TYPES and (name := curie(subject.value)):
                    typed.add(name)
            term = found.get(subject.value)
            if term is None:
                if predicate in (OWL + "versionIRI", OWL + "versionInfo", *_LICENCES):
                    headers.setdefault(subject.value, []).append((predicate, value))
                    if subject.value.removesuffix(".owl") == found.title:
                        _about(found, predicate, value)
            elif isinstance(q.object, ox.BlankNode):
                if predicate == RDFS + "subClassOf":
                    waiting.append((term, value))
            else:
                take(term, predicate, value, short)
    except SyntaxError as err:
        raise OntologyError(f"{found.name}: is damaged {found.form} or cut short ({err})") from err
    except MemoryError as err:  # the parser's own limit for one statement
        raise OntologyError(f"{found.name}: holds an endless statement; refused as hostile ({err})") from err
    for term, node in waiting:
        if node in parts:
            term.part_of.append(short(parts[node]))
    found.classes = {k: c for k, c in found.classes.items() if k in typed}


def _read_owlxml(file: BinaryIO, found: OntologyFile) -> None:
    from xml.etree import ElementTree

    space = f"{{{OWL}}}"
    prefixes: dict[str, str] = {}
    depth = 0
    root: Any = None

    def name(element: Any) -> str:
        """Return the IRI an element stands for, or its text."""
        if (full := element.get("IRI")) is not None:
            return full
        short = element.get("abbreviatedIRI")
        if short is None and element.tag == space + "AbbreviatedIRI":
            short = element.text or ""
        if short is not None:
            prefix, _, local = short.partition(":")
            return prefixes.get(prefix, prefix + ":") + local
        return element.text or ""

    def short(value: str) -> str:
        return curie(value) or value

    try:
        for event, element in ElementTree.iterparse(file, ("start", "end")):
            if event == "start":
                depth += 1
                if depth == 1:
                    root = element
                    found.title = element.get("ontologyIRI", "").removesuffix(".owl")
                    found.version = _version(element.get("versionIRI", ""))
                continue
            depth -= 1
            if depth != 1:
                continue
            kind, parts = element.tag.removeprefix(space), [x for x in element if x.tag != space + "Annotation"]
            if kind == "Prefix":
                prefixes[element.get("name", "")] = element.get("IRI", "")
            elif kind == "Annotation" and len(element) > 1:
                _about(found, name(element[0]), name(element[1]))
            elif kind == "Declaration" and parts:
                found.get(name(parts[0]))
            elif kind == "AnnotationAssertion" and len(parts) == 3:
                if term := found.classes.get(curie(name(parts[1])) or ""):
                    take(term, name(parts[0]), name(parts[2]), short)
            elif kind == "SubClassOf" and len(parts) == 2 and (term := found.classes.get(curie(name(parts[0])) or "")):
                if parts[1].tag == space + "Class":
                    take(term, RDFS + "subClassOf", name(parts[1]), short)
                elif parts[1].tag == space + "ObjectSomeValuesFrom" and name(parts[1][0]) == PART_OF:
                    take(term, PART_OF, name(parts[1][1]), short)
            root.clear()
    except ElementTree.ParseError as err:
        raise OntologyError(f"{found.name}: is damaged OWL/XML or cut short ({err})") from err


# --- addresses ------------------------------------------------------------------------------------------------------


class _OnlyWeb(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, req: Any, fp: Any, code: Any, msg: Any, headers: Any, newurl: str) -> Any:
        if urlsplit(newurl).scheme not in ("http", "https"):
            fp.close()
            raise OntologyError(f"{req.full_url}: leads to {newurl}, which is no web address; not followed")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def fetch(address: str, say: Say, *, max_bytes: int, max_seconds: float) -> Path:
    """Download a file, or what is still missing of it, or nothing if it hasn't changed.

    Parameters
    ----------
    address : str
        An http or https address.
    say : callable
        Takes lines on the progress.
    max_bytes, max_seconds : int, float
        Where to stop; what was read so far is kept, and a second call goes on from there.

    Returns
    -------
    Path
        The file in the user's data folder, `downloads/`, whose digest stands beside it.

    Raises
    ------
    OntologyError
        If it can't be had whole within the limits.

    References
    ----------
    RFC 9110, sections 13.1.5 (If-Range) and 14 (range requests).
    """
    parts = urlsplit(address)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username:
        raise OntologyError(f'"{address}" is no web address; give it like http://purl.obolibrary.org/obo/mondo.obo')
    home = user_data_dir() / "downloads" / hashlib.sha256(address.encode()).hexdigest()[:16]
    home.mkdir(parents=True, exist_ok=True)
    whole = home / (re.sub(r"[^\w.-]", "_", Path(parts.path).name) or "ontology")
    part, notes = whole.with_name(whole.name + ".part"), home / "about.json"
    told = _noted(notes)
    headers = {"User-Agent": "regen-kg", "Accept-Encoding": "identity"}
    tag = told.get("etag") or told.get("modified")
    kept = whole.is_file() and told.get("sha256") == digest(whole)
    if kept and tag:
        headers["If-None-Match" if told.get("etag") else "If-Modified-Since"] = tag
    elif part.is_file() and tag and not kept:
        headers |= {"Range": f"bytes={part.stat().st_size}-", "If-Range": tag}
    opener = urllib.request.build_opener(_OnlyWeb)
    end = time.monotonic() + max_seconds
    try:
        with _answered(opener, urllib.request.Request(address, headers=headers), max_seconds) as answer:
            _receive(answer, part, notes, end, max_bytes, say, address)
    except urllib.error.HTTPError as err:
        err.close()
        if err.code == 304:
            say(f"{address}: unchanged since it was last read")
            return whole
        if err.code == 416:
            part.unlink(missing_ok=True)
        raise OntologyError(
            f"{address}: the server answers {err.code} {str(err.reason).partition(chr(10))[0]}"
        ) from err
    except HTTPException as err:
        raise OntologyError(f"{address}: broke off ({err!r}); run it again to go on from there") from err
    except (OSError, ValueError) as err:
        raise OntologyError(
            f"{address}: cannot be reached ({getattr(err, 'reason', err)}); nothing was changed"
        ) from err
    part.replace(whole)
    _note(notes, sha256=digest(whole))
    return whole


def _answered(opener: urllib.request.OpenerDirector, request: urllib.request.Request, seconds: float) -> Any:
    """Wait for the head of an answer, at most so long: a socket's own time limit begins anew with every byte."""
    got: list[Any] = []
    faults: list[Exception] = []

    def ask() -> None:
        try:
            got.append(opener.open(request, timeout=min(30, seconds)))
        except Exception as err:  # whatever it is, it is raised again below
            faults.append(err)

    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    asking.join(seconds)
    if asking.is_alive():
        raise TimeoutError(f"no answer within {seconds:g} s")
    if faults:
        raise faults.pop()
    return got.pop()


def _noted(notes: Path) -> dict[str, Any]:
    """Return what is noted of a download; nothing where the note is absent or damaged, so that it begins anew."""
    try:
        found = json.loads(notes.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _note(notes: Path, **more: Any) -> None:
    notes.write_text(json.dumps(_noted(notes) | more, indent=1) + "\n", "utf-8")


def _receive(answer: Any, part: Path, notes: Path, end: float, max_bytes: int, say: Say, address: str) -> None:
    going_on = answer.status == 206
    have = part.stat().st_size if going_on else 0
    length = answer.headers.get("Content-Length")
    total = have + int(length) if length else None
    if going_on:
        if not re.match(rf"bytes {have}-", answer.headers.get("Content-Range", "")):
            part.unlink()
            raise OntologyError(f"{address}: sent another part than was asked for; run it again to begin anew")
        say(f"{address}: going on after {have:,} bytes")
    else:
        notes.unlink(missing_ok=True)
        _note(notes, address=address, etag=answer.headers.get("ETag"), modified=answer.headers.get("Last-Modified"))
    if (total or 0) > max_bytes:
        raise OntologyError(f"{address}: {total:,} bytes, more than the limit of {max_bytes:,}; raise it with --max-mb")
    told = time.monotonic()
    with part.open("ab" if going_on else "wb") as file:
        while block := answer.read1(2**16):  # what is there, without waiting for more
            have += len(block)
            if have > max_bytes:
                raise OntologyError(f"{address}: more than the limit of {max_bytes:,} bytes; raise it with --max-mb")
            file.write(block)
            now = time.monotonic()
            if now > end:
                raise OntologyError(
                    f"{address}: not done in time after {have:,} bytes; run it again to go on from there"
                )
            if now - told > 2:
                told = now
                say(f"{address}: {have:,} of {f'{total:,}' if total else 'unknown'} bytes")
    if total is not None and have != total:
        raise OntologyError(f"{address}: broke off after {have:,} of {total:,} bytes; run it again to go on from there")
