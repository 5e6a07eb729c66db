"""Own the links to other ontologies: SSSOM rows in, checked mappings and their quads out.

Identifiers of other ontologies are CURIEs with the Bioregistry's prefix in lower case, `ncit:C106557`, in the files, in
the graph and in answers. A row with the modifier `Not` is a near miss: it is recorded with its reason and never becomes
a direct statement between the two terms.
"""

from __future__ import annotations

import csv
import io
import os
import re
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyoxigraph as ox

from regen_kg.errors import FaultsError, InputError
from regen_kg.iris import BASE, ID, RDF, RDFS, RKG, SKOS, XSD, named_graph, thing
from regen_kg.ontologies import sources
from regen_kg.terms import Term, Terms

PREDICATES = ("exactMatch", "closeMatch", "broadMatch", "narrowMatch", "relatedMatch")

LISTS = ("anatomy", "condition", "intervention", "outcome-measure", "study-design")
_REQUIRED = (
    "subject_id", "subject_label", "predicate_id", "object_id", "object_label", "mapping_justification",
    "author_label", "object_source", "object_source_version", "comment",
)  # fmt: skip
_COLUMNS = (*_REQUIRED[:-1], "confidence", "comment")
_HEADER = ("license", "mapping_set_id", "mapping_set_version")
_SLOT = re.compile(r'#(\w+): "?([^"]*)"?')
_PREFIX = re.compile(r'#\s+([\w.]+): "?([^"]+)"?')


@dataclass(frozen=True, slots=True)
class Mapping:
    """One row of an SSSOM table: a term of ours, a term of another ontology and how they relate, or that they don't."""

    concept: Term
    predicate: str  # local name in SKOS
    near_miss: bool
    object: str  # CURIE
    object_iri: str
    object_label: str
    source: str
    source_version: str
    justification: str
    author: str
    confidence: str | None
    comment: str

    @property
    def iri(self) -> str:
        """Return the IRI of the mapping, from its natural key."""
        kind = "near-miss" if self.near_miss else "mapping"
        return thing(kind, self.concept.list, self.concept.slug, self.predicate, self.object)


def read_mappings(folder: str | Path, terms: Terms) -> list[Mapping]:
    """Read every `*.sssom.tsv` of a folder.

    Parameters
    ----------
    folder : str or Path
        Where the tables are; a folder that does not exist holds no mappings.
    terms : Terms
        The terms that may be mapped.

    Returns
    -------
    list of Mapping
        In the order of files and rows.

    Raises
    ------
    FaultsError
        Naming file, row (the line of the file), column and value of every fault.

    References
    ----------
    SSSOM 1.0, TSV serialisation.
    """
    ours = {t.iri: t for name in LISTS for t in terms.all(name)}
    faults: list[str] = []
    found: list[tuple[str, Mapping]] = []
    for path in sorted(Path(folder).glob("*.sssom.tsv")):
        found += _read(path, ours, faults)
    _clashes(found, faults)
    if faults:
        raise FaultsError(faults)
    return [mapping for _, mapping in found]


def _read(path: Path, ours: dict[str, Term], faults: list[str]) -> list[tuple[str, Mapping]]:
    """Return a table's mappings, each with where it stands."""
    try:
        lines = path.read_text("utf-8").splitlines(keepends=True)
    except (OSError, UnicodeDecodeError) as error:
        faults.append(f"{path.name}: cannot be read as UTF-8 ({error}); save it so")
        return []
    head = [line for line in lines if line.startswith("#")]
    if lines[: len(head)] != head:
        faults.append(f'{path.name}: lines that begin with "#" belong above the table')
        return []
    slots = {m.group(1): m.group(2) for line in head if (m := _SLOT.fullmatch(line.strip()))}
    prefixes = {m.group(1): m.group(2) for line in head if (m := _PREFIX.fullmatch(line.strip()))}
    faults.extend(f'{path.name}: the header needs a line "#{slot}: ..."' for slot in _HEADER if not slots.get(slot))
    if not prefixes:
        faults.append(f'{path.name}: the header needs "#curie_map:" with a line per prefix')
    reader = csv.reader(io.StringIO("".join(lines[len(head) :]), newline=""), delimiter="\t", strict=True)
    out: list[tuple[str, Mapping]] = []
    try:
        columns = next(reader, [])
        if missing := [c for c in _REQUIRED if c not in columns]:
            faults.append(f"{path.name}, row {len(head) + 1}: no column {', '.join(missing)}")
            return []
        for cells in reader:
            where = f"{path.name}, row {len(head) + reader.line_num}"
            if len(cells) != len(columns):
                faults.append(f"{where}: {len(cells)} cells, the header has {len(columns)}")
                continue
            if mapping := _row(where, dict(zip(columns, cells, strict=True)), prefixes, ours, faults):
                out.append((where, mapping))
    except csv.Error as error:
        faults.append(f"{path.name}: cannot be read as a table ({error})")
    return out


def _row(
    where: str, row: dict[str, str], prefixes: dict[str, str], ours: dict[str, Term], faults: list[str]
) -> Mapping | None:
    before = len(faults)

    def fault(column: str, why: str) -> None:
        faults.append(f'{where}, column {column}: "{row.get(column, "")}" {why}')

    modifier = row.get("predicate_modifier", "")
    near_miss = modifier == "Not"
    if modifier not in ("", "Not"):
        fault("predicate_modifier", "should be Not or empty")
    for column in _REQUIRED:
        if row[column] != row[column].strip() or (not row[column] and (column != "comment" or near_miss)):
            fault(column, "is blank or padded")
    term = ours.get(_expand(row["subject_id"], prefixes) or "")
    if term is None:
        fault("subject_id", "is no term of the ontology")
    elif row["subject_label"] != term.label:
        fault("subject_label", f'should be the label of the term, "{term.label}"')
    predicate = row["predicate_id"].removeprefix("skos:")
    if predicate not in PREDICATES or predicate == row["predicate_id"]:
        fault("predicate_id", f"is not one of {', '.join('skos:' + p for p in PREDICATES)}")
    prefix, _, local = row["object_id"].partition(":")
    known = sources()
    if prefix not in known:
        hint = f'; write "{prefix.lower()}:{local}"' if prefix.lower() in known else ""
        fault("object_id", f"has a prefix that is not known{hint}")
    elif not re.fullmatch(known[prefix].pattern, local):
        fault("object_id", f"does not look like an identifier of {prefix} ({known[prefix].pattern})")
    elif prefix not in prefixes:
        fault("object_id", "has a prefix that the curie_map of the header lacks")
    elif row["object_source"] != f"bioregistry:{prefix}":
        fault("object_source", f'should be "bioregistry:{prefix}"')
    if not re.fullmatch(r"semapv:[A-Z]\w+", row["mapping_justification"]):
        fault("mapping_justification", "is no justification; write like semapv:ManualMappingCuration")
    confidence = row.get("confidence", "")
    if not (confidence == "" if near_miss else re.fullmatch(r"0\.\d+|1(\.0+)?", confidence)):
        fault(
            "confidence",
            "should be empty for a near miss" if near_miss else "should be a number from 0 to 1, like 0.95",
        )
    if len(faults) > before or term is None:
        return None
    return Mapping(
        concept=term,
        predicate=predicate,
        near_miss=near_miss,
        object=row["object_id"],
        object_iri=prefixes[prefix] + local,
        object_label=row["object_label"],
        source=row["object_source"],
        source_version=row["object_source_version"],
        justification=row["mapping_justification"],
        author=row["author_label"],
        confidence=confidence or None,
        comment=row["comment"],
    )


def _expand(curie: str, prefixes: dict[str, str]) -> str | None:
    """Return the IRI of a subject; only our own two prefixes can stand there."""
    prefix, _, local = curie.partition(":")
    own = {"rkg": RKG, "rkgid": ID}.get(prefix)
    return own + local if own and prefixes.get(prefix) == own else None


def _clashes(found: Sequence[tuple[str, Mapping]], faults: list[str]) -> None:
    """Find pairs of terms that stand twice, or as a mapping here and as a near miss there."""
    first: dict[tuple[str, str], tuple[str, Mapping]] = {}
    for where, mapping in found:
        place, other = first.setdefault((mapping.concept.iri, mapping.object), (where, mapping))
        if other is mapping:
            continue
        how = "is a near miss on one of them" if other.near_miss != mapping.near_miss else "stands on both"
        faults.append(
            f'{where}, column object_id: "{mapping.object}" for "{mapping.concept.slug}" {how}, '
            f"this row and {place}; keep one"
        )


def mapping_quads(mappings: Iterable[Mapping]) -> list[ox.Quad]:
    """Return the quads of mappings, all in the graph `mappings`.

    Each mapping is a node with all that its row says. A positive one is also stated directly, our term
    `skos:exactMatch` (or the like) the other; a near miss never is.
    """
    graph = ox.NamedNode(named_graph("mappings"))
    out: list[ox.Quad] = []
    for m in mappings:
        me, term, other = ox.NamedNode(m.iri), ox.NamedNode(m.concept.iri), ox.NamedNode(m.object_iri)

        def add(predicate: str, value: ox.NamedNode | ox.Literal, node: ox.NamedNode = me) -> None:
            out.append(ox.Quad(node, ox.NamedNode(predicate), value, graph))

        verb = ("not " if m.near_miss else "") + m.predicate
        add(RDF + "type", ox.NamedNode(RKG + ("NearMiss" if m.near_miss else "Mapping")))
        add(RDFS + "label", ox.Literal(f"{m.concept.label}, {verb}, {m.object_label} ({m.object})", language="en"))
        add(RKG + "mappedTerm", term)
        add(RKG + "mappedBy", ox.NamedNode(SKOS + m.predicate))
        add(RKG + "externalTerm", other)
        add(RKG + "externalId", ox.Literal(m.object))
        add(RKG + "externalLabel", ox.Literal(m.object_label))
        add(RKG + "externalSource", ox.Literal(m.source))
        add(RKG + "externalVersion", ox.Literal(m.source_version))
        add(RKG + "mappingJustification", ox.Literal(m.justification))
        add(RKG + "mappingAuthor", ox.Literal(m.author))
        if m.confidence is not None:
            add(RKG + "mappingConfidence", ox.Literal(m.confidence, datatype=ox.NamedNode(XSD + "decimal")))
        if m.comment:
            add(RKG + "mappingComment", ox.Literal(m.comment, language="en"))
        if not m.near_miss:
            add(SKOS + m.predicate, other, term)
    return out


def write_mapping(path: Path, row: dict[str, str], terms: Terms) -> None:
    """Add a row to an SSSOM table, which is begun if it isn't there; the rows stay sorted.

    Parameters
    ----------
    path : Path
        A file named `*.sssom.tsv`.
    row : dict
        All columns that a mapping needs; blank ones are written blank.
    terms : Terms
        The terms that may be mapped.

    Raises
    ------
    FaultsError
        If the table with the row in it would have a fault; the file is left as it was.
    """
    if not path.name.endswith(".sssom.tsv"):
        raise InputError(f'{path.name}: name the table like "mine.sssom.tsv"')
    head, columns, rows = _begun(path.name), [*_COLUMNS], []
    if path.is_file():
        if faults := _faults_of(path, terms):
            raise FaultsError(faults)
        lines = path.read_text("utf-8").splitlines(keepends=True)
        head = [line for line in lines if line.startswith("#")]
        reader = csv.DictReader(lines[len(head) :], delimiter="\t")
        columns, rows = list(reader.fieldnames or ()), list(reader)
    prefix = row["object_id"].partition(":")[0]
    entry = f'#  {prefix}: "{sources()[prefix].iri}"\n' if prefix in sources() else ""
    if entry and not any(line.startswith(f"#  {prefix}:") for line in head):
        block = [i for i, line in enumerate(head) if line.startswith("#  ")]
        head[block[0] : block[-1] + 1] = sorted([*head[block[0] : block[-1] + 1], entry])
    rows.append({column: row.get(column, "") for column in columns})
    rows.sort(
        key=lambda r: (
            r["subject_id"],
            PREDICATES.index(p) if (p := r["predicate_id"][5:]) in PREDICATES else 9,
            r["object_id"],
        )
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        new = Path(folder) / path.name
        with new.open("w", encoding="utf-8", newline="") as file:
            file.writelines(head)
            writer = csv.DictWriter(file, columns, delimiter="\t", lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)
        if faults := _faults_of(new, terms):
            raise FaultsError(faults)
        os.replace(new, path)


def _faults_of(path: Path, terms: Terms) -> list[str]:
    faults: list[str] = []
    ours = {t.iri: t for name in LISTS for t in terms.all(name)}
    _clashes(_read(path, ours, faults), faults)
    return faults


def subject(term: Term) -> str:
    """Return the CURIE a term of ours has in the tables."""
    return "rkg:" + term.iri[len(RKG) :] if term.iri.startswith(RKG) else "rkgid:" + term.iri[len(ID) :]


def _begun(name: str) -> list[str]:
    """Return the header of a new table."""
    prefixes = {
        "bioregistry": "https://bioregistry.io/registry/", "rkg": RKG, "rkgid": ID,
        "semapv": "https://w3id.org/semapv/vocab/", "skos": SKOS,
    }  # fmt: skip
    return [
        "#curie_map:\n",
        *(f'#  {prefix}: "{iri}"\n' for prefix, iri in prefixes.items()),
        '#license: "https://creativecommons.org/licenses/by/4.0/"\n',
        f'#mapping_set_id: "{BASE}mappings/{name.removesuffix(".sssom.tsv")}"\n',
        '#mapping_set_version: "0.1.0"\n',
    ]
