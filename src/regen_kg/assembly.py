"""Own the middle of a build: charted rows to quads, inferred types, consistency and shapes, a portion of the reports at a time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pyoxigraph as ox

from regen_kg import reasoning, triples, validation
from regen_kg.errors import ReasoningError
from regen_kg.iris import RDF, RKG, named_graph
from regen_kg.lines import Lines
from regen_kg.model import Chart, Finding
from regen_kg.terms import Terms

PORTION = 200  # reports
TOGETHER = 2  # portions that one process of HermiT checks, each for itself; its start takes as long as a portion
_TYPE = ox.NamedNode(RDF + "type")
Subject = ox.NamedNode | ox.BlankNode | ox.Triple


def _parsed(text: str) -> list[ox.Quad]:
    # Lenient skips the check of each IRI and language tag; both come from our own code.
    return list(ox.parse(text.encode(), format=ox.RdfFormat.N_QUADS, lenient=True))


def _ntriples(texts: Iterable[str]) -> bytes:
    """Return N-Quads, each text of one named graph, as N-Triples."""
    return "".join(text.replace(text[text.rindex(" <") :], " .\n") for text in texts if text).encode()


class _Shared:
    """What is said in no report's graph (notes, claims, method and places), by what it is of and what it mentions."""

    def __init__(self, texts: Iterable[str]) -> None:
        self._of: dict[str, str] = {}
        self._mentioning: dict[str, set[str]] = defaultdict(set)
        lines: dict[str, list[str]] = defaultdict(list)
        for text in texts:
            for line in text.splitlines(keepends=True):
                subject, _, rest = line.split(" ", 2)
                lines[subject].append(line)
                if rest.startswith("<"):
                    self._mentioning[rest[: rest.index(" ")]].add(subject)
        self._of = {subject: "".join(some) for subject, some in lines.items()}

    def mentions(self, node: Subject) -> bool:
        """Tell whether something shared points at a thing."""
        return str(node) in self._mentioning

    def around(self, quads: Iterable[ox.Quad]) -> str:
        """Return what is said of the shared things that some quads point at, or that point at a thing of theirs."""
        near = {str(node) for q in quads for node in (q.subject, q.object) if isinstance(node, ox.NamedNode)}
        found = {one for node in near if node in self._mentioning for one in self._mentioning[node]}
        return "".join(self._of[one] for one in sorted(found | (near & self._of.keys())))


class Assembly:
    """The charted data of a build on its way to lines and findings.

    Reports share no individuals but those of one study, which stay together, and what the shared graphs say. So types,
    contradictions and broken shapes of a report follow from its portion and the shared things around it, and those of the
    shared things from them and the types of what they mention.
    """

    def __init__(
        self, ontology: list[ox.Triple], hierarchy: list[ox.Triple], shapes: Path, say: Callable[[str], None]
    ) -> None:
        self.ontology, self.hierarchy, self.folder, self.say = ontology, hierarchy, shapes, say
        graph = ox.NamedNode(named_graph("ontology"))
        self.of_ontology = [ox.Quad(t.subject, t.predicate, t.object, graph) for t in ontology]
        self.findings: list[Finding] = []
        self.idle: set[str] = set()
        self._checked = False

    def run(self, chart: Chart, terms: Terms, lines: Lines, most: int = PORTION) -> None:
        """Add the lines of all charted data and of what is inferred; `findings` and `idle` then hold what the checks found.

        Small charts are one portion, which pyshacl checks; `most` reports make a portion of larger ones.
        """
        lines.add(f"{q} .\n" for q in self.of_ontology)
        with ThreadPoolExecutor(1) as pool:  # HermiT is a process of its own
            self.pool = pool
            self.waiting: list[bytes] = []
            self.checks: list[Future[None]] = []
            if sum(len(rows) for rows in chart.tables.values()) < validation.SET_WISE_FROM:
                self._whole(list(triples.review_nquads(chart, terms)), lines)
            else:
                self._in_portions(chart, terms, lines, most)
            self._check_waiting()
            for check in self.checks:
                self._outcome(check)

    def _whole(self, texts: list[str], lines: Lines) -> None:
        for text in texts:
            lines.add(text.splitlines(keepends=True))
        data = _parsed("".join(texts))
        inferred = reasoning.inferred_quads(self.ontology, self.hierarchy, data)
        lines.add(f"{q} .\n" for q in inferred)
        self.checks.append(self.pool.submit(reasoning.check_consistency, [*self.ontology, *(q.triple for q in data)]))
        store = ox.Store()
        store.bulk_extend([*data, *self.of_ontology, *inferred])
        self.findings += validation.shacl_findings(store, self.folder, self.say)
        self.idle = set(validation.idle_shapes(store, self.folder))

    def _in_portions(self, chart: Chart, terms: Terms, lines: Lines, most: int) -> None:
        self.shapes = validation.read_shapes(self.folder)
        self.kinds: list[ox.Quad] = []  # types of what the shared things mention
        self.others: set[ox.Quad] = set()  # inferred in a portion, but not of a thing of its own
        shared_texts = list(triples.shared_nquads(chart))
        shared = _Shared(shared_texts)
        left: list[str] = []
        for texts in _portions(triples.report_nquads(chart, terms), most):
            for text in texts:
                lines.add(text.splitlines(keepends=True))
            self._check(texts)
            own = _parsed("".join(texts))
            mine = {q.subject for q in own}
            near = _parsed(shared.around(own))
            inferred = reasoning.inferred_quads(self.ontology, self.hierarchy, [*own, *near])
            of_mine = [q for q in inferred if q.subject in mine]
            self.others.update(q for q in inferred if q.subject not in mine)
            lines.add(f"{q} .\n" for q in of_mine)
            self.kinds += [q for q in (*own, *of_mine) if q.predicate == _TYPE and shared.mentions(q.subject)]
            left = self._shapes([*own, *near, *inferred], mine)
        self._shared(shared_texts, lines)
        if left:
            self._node_by_node(lines, left)

    def _shared(self, texts: list[str], lines: Lines) -> None:
        """Do for the shared things what was done for each portion."""
        for text in texts:
            lines.add(text.splitlines(keepends=True))
        own = _parsed("".join(texts))
        self._check([part for text in texts for part in _parts(text)])
        elsewhere = {q.subject for q in self.kinds}
        asserted = {(q.subject, q.object) for q in own if q.predicate == _TYPE}
        inferred = {*self.others, *reasoning.inferred_quads(self.ontology, self.hierarchy, [*own, *self.kinds])}
        inferred = {q for q in inferred if q.subject not in elsewhere and (q.subject, q.object) not in asserted}
        lines.add(f"{q} .\n" for q in inferred)
        self._shapes([*own, *self.kinds, *inferred], None, elsewhere)

    def _shapes(self, quads: list[ox.Quad], mine: set[Subject] | None, others: set[Subject] = frozenset()) -> list[str]:  # type: ignore[assignment]
        """Check the shapes on a portion, with the findings on things of its own; return the shapes that don't run set-wise."""
        store = ox.Store()
        store.bulk_extend([*quads, *self.of_ontology])
        found, left = validation.set_wise_findings(store, self.shapes)
        apart = {n.value for n in (others if mine is None else mine) if isinstance(n, ox.NamedNode)}
        self.findings += [f for f in found if (f.focus in apart) != (mine is None)]
        idle = set(validation.idle_shapes(store, self.shapes))
        self.idle = self.idle & idle if self._checked else idle
        self._checked = True
        return left

    def _node_by_node(self, lines: Lines, left: list[str]) -> None:
        """Let pyshacl run shapes that may look at the whole, which then has to fit into memory."""
        named = ", ".join(name.removeprefix(RKG) for name in left)
        self.say(f"these shapes go node by node, which is slow and takes memory: {named}")
        store = ox.Store()
        store.bulk_load("".join(lines).encode(), format=ox.RdfFormat.N_QUADS)
        self.findings += validation.reference_findings(store, self.shapes, only=left)

    def _check(self, texts: list[str]) -> None:
        self.waiting.append(_ntriples(texts))
        if len(self.waiting) >= TOGETHER:
            self._check_waiting()

    def _check_waiting(self) -> None:
        """Hand what waits to HermiT; no other lot is ahead of it, so that few are held."""
        if not self.waiting:
            return
        if self.checks:
            self.checks[-1].exception()
        above = reasoning.ntriples(self.ontology)
        self.checks.append(self.pool.submit(reasoning.check_consistency, *(above + part for part in self.waiting)))
        self.waiting = []

    def _outcome(self, check: Future[None]) -> None:
        try:
            check.result()
        except ReasoningError as err:  # named beside what else is wrong
            message = f"{err}; correct one of the statements"
            self.findings.append(
                Finding("consistency", "violation", "", None, "", "", message, "ontology and charted tables")
            )


def _portions(reports: Iterable[tuple[str, str]], most: int) -> Iterator[list[str]]:
    """Yield the texts of so many reports at a time, all of one study in one portion."""
    texts: list[str] = []
    last = ""
    for study, text in reports:
        if len(texts) >= most and study != last:
            yield texts
            texts = []
        texts.append(text)
        last = study
    yield texts


def _parts(text: str, most: int = 20_000) -> list[str]:
    """Split the lines of one graph into pieces, between things."""
    lines = text.splitlines(keepends=True)
    out: list[str] = []
    while lines:
        end = min(most, len(lines))
        while end < len(lines) and lines[end].split(" ", 1)[0] == lines[end - 1].split(" ", 1)[0]:
            end += 1
        out.append("".join(lines[:end]))
        lines = lines[end:]
    return out
