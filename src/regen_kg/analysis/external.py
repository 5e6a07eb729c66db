"""Own the evidence under the terms of another ontology: counted at each mapped term and at all that its hierarchy puts above.

What counts is what `by-external-term` counts: exact matches, and broad ones, where the other term is the broader. The
hierarchy is that of the ontology's local copy, whose named graph the store must hold; only is-a steps count.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from regen_kg import queries
from regen_kg.iris import OWL, RDFS, SKOS, named_graph
from regen_kg.ontologies import Copy
from regen_kg.store import Store


@dataclass(frozen=True, slots=True)
class ExternalTerm:
    """A term of another ontology with the evidence at it and below it; a report on both sides is in both sets."""

    id: str  # CURIE
    label: str
    parents: tuple[str, ...]
    children: tuple[str, ...]
    concepts: tuple[str, ...]  # slugs of our terms that are mapped to this very term and bring reports
    reports_here: frozenset[str]
    reports_below: frozenset[str]
    studies: int
    participants: int | None  # each study once, by its largest printed sample size; None where none is printed

    @property
    def reports(self) -> frozenset[str]:
        """Return all reports that are evidence under the term."""
        return self.reports_here | self.reports_below


COLUMNS = (
    "term", "label", "depth", "parents", "concepts", "reports_here", "reports_below", "reports", "studies", "participants",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class RollUp:
    """The terms of one ontology under which there is evidence; `version` is empty where no copy is in the store."""

    prefix: str
    version: str
    terms: Mapping[str, ExternalTerm]

    @property
    def roots(self) -> list[str]:
        """Return the terms that nothing with evidence stands above."""
        return [name for name, term in self.terms.items() if not term.parents]

    def rows(self, start: str | None = None) -> list[dict[str, str]]:
        """Return one row per term in the order of `walk`; what is not known is empty, as what lies below without a hierarchy."""
        out = []
        for depth, t in self.walk(start):
            cells = (
                t.id, t.label, depth, "|".join(t.parents), "|".join(t.concepts), len(t.reports_here),
                len(t.reports_below) if self.version else "", len(t.reports), t.studies, "" if t.participants is None else t.participants,
            )  # fmt: skip
            out.append(dict(zip(COLUMNS, map(str, cells), strict=True)))
        return out

    def walk(self, start: str | None = None) -> Iterator[tuple[int, ExternalTerm]]:
        """Yield depth and term from the top, or from one term, down; each term once, under the first of its parents."""
        seen: set[str] = set()
        for top in [start] if start else [*self.roots, *self.terms]:  # terms in a ring have no root above them
            queue = [(0, top)]
            while queue:
                depth, name = queue.pop()
                if name not in seen:
                    seen.add(name)
                    yield depth, self.terms[name]
                    queue += [(depth + 1, child) for child in reversed(self.terms[name].children)]


def rollup(store: Store, prefix: str, copy: Copy | None = None) -> RollUp:
    """Count the evidence under each term of another ontology.

    Parameters
    ----------
    store : Store
        A build, with the ontology's local copy in it as `Build.store_with` gives it, or without.
    prefix : str
        Whose terms, e.g. mondo.
    copy : Copy or None
        The ontology's local copy where the store lacks it. Where neither has it nothing is known of what stands above
        what, and each mapped term is counted by itself.

    Returns
    -------
    RollUp
        Terms with at least one report, by CURIE.
    """
    concepts, here, labels = defaultdict(set), defaultdict(set), {}
    for row in queries.run(store, queries.get("by-external-term")):
        if row["object"] == row["via"] and row["via"].startswith(prefix + ":"):
            concepts[row["via"]].add(row["concept"])
            here[row["via"]].add(row["report"])
    for row in queries.run(store, queries.get("mappings")):
        labels[row["object"]] = row["object_label"]
    if copy is None:
        above, version = _hierarchy(store, prefix, labels)
    else:
        above, version = {c.id: set(c.parents) for c in copy.classes.values()}, copy.version
        labels.update({c.id: c.label for c in copy.classes.values() if c.label})
    under: dict[str, set[str]] = defaultdict(set)
    for name, reports in here.items():
        for higher in _ancestors(name, above):
            under[higher] |= reports
    primary = [r for r in queries.run(store, queries.get("reports")) if r["kind"] == "primary"]
    found = sorted({*here, *under}, key=lambda name: (labels.get(name, "").casefold(), name))
    terms = {}
    for name in found:
        reports = here[name] | under[name]
        studies = {r["study"] for r in primary if r["report"] in reports}
        sizes: dict[str, int] = defaultdict(int)
        for row in primary:
            if row["report"] in reports and row["sample_size"]:
                sizes[row["study"]] = max(sizes[row["study"]], int(row["sample_size"]))
        terms[name] = ExternalTerm(
            id=name,
            label=labels.get(name, ""),
            parents=tuple(p for p in sorted(above.get(name, ())) if p in here or p in under),
            children=tuple(c for c in found if name in above.get(c, ())),
            concepts=tuple(sorted(concepts[name])),
            reports_here=frozenset(here[name]),
            reports_below=frozenset(under[name]),
            studies=len(studies),
            participants=sum(sizes.values()) if sizes else None,
        )
    return RollUp(prefix, version, terms)


def _hierarchy(store: Store, prefix: str, labels: dict[str, str]) -> tuple[dict[str, set[str]], str]:
    """Return the terms right above each term of a copy, and the copy's version; add the labels that it has."""
    graph = f"<{named_graph('ontology', prefix)}>"
    above: dict[str, set[str]] = defaultdict(set)
    for row in store.query(
        f"SELECT ?id ?label ?parent {{ GRAPH {graph} {{ ?c <{SKOS}notation> ?id OPTIONAL {{ ?c <{RDFS}label> ?label }} "
        f"OPTIONAL {{ ?c <{RDFS}subClassOf> ?p . ?p <{SKOS}notation> ?parent }} }} }}"
    ).rows:
        name, label, parent = (cell.value if cell else "" for cell in row)
        if label:
            labels[name] = label
        if parent:
            above[name].add(parent)
    told = store.query(f"SELECT ?v {{ GRAPH {graph} {{ {graph} <{OWL}versionInfo> ?v }} }}").rows
    return above, (told[0][0].value if told and told[0][0] else "")


def _ancestors(name: str, above: Mapping[str, set[str]]) -> set[str]:
    """Return all terms above one; in a ring of terms, which some releases have, none is above itself."""
    seen: set[str] = set()
    queue = [name]
    while queue:
        for parent in above.get(queue.pop(), ()):
            if parent not in seen:
                seen.add(parent)
                queue.append(parent)
    return seen - {name}
