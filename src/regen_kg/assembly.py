"""Own the middle of a build: charted rows to quads, inferred types, consistency and shapes, a portion of the reports at a time."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Collection, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pyoxigraph as ox

from regen_kg import reasoning, triples, validation
from regen_kg.errors import BuildError, ReasoningError
from regen_kg.iris import RDF, RKG, named_graph
from regen_kg.lines import Lines, give_back_memory
from regen_kg.model import Chart, Finding
from regen_kg.terms import Terms

PORTION = 200  # reports
TOGETHER = 2  # portions that one process of HermiT checks, each for itself; its start takes as long as a portion
_TYPE = ox.NamedNode(RDF + "type")
Subject = ox.NamedNode | ox.BlankNode | ox.Triple


def _parsed(text: str) -> list[ox.Quad]:
    # Lenient skips the check of each IRI and language tag; both come from our own code.
    return list(ox.parse(text.encode(), format=ox.RdfFormat.N_QUADS, lenient=True))


def _in_its_graph(ontology: Iterable[ox.Triple]) -> list[ox.Quad]:
    graph = ox.NamedNode(named_graph("ontology"))
    return [ox.Quad(t.subject, t.predicate, t.object, graph) for t in ontology]


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


@dataclass
class _Done:
    """What a portion, or the shared things, came to."""

    lines: list[str] = field(default_factory=list)  # of what is inferred of its own things
    others: list[ox.Quad] = field(default_factory=list)  # inferred of shared things
    kinds: list[ox.Quad] = field(default_factory=list)  # types of what the shared things mention
    findings: list[Finding] = field(default_factory=list)
    idle: set[str] = field(default_factory=set)
    left: list[str] = field(default_factory=list)  # shapes that don't run set-wise


class _Portion:
    """What is done with one portion of the reports, here or in a process of its own."""

    def __init__(
        self, ontology: list[ox.Triple], hierarchy: list[ox.Triple], shapes: Path, shared: Iterable[str]
    ) -> None:
        self.ontology, self.hierarchy = ontology, hierarchy
        self.of_ontology = _in_its_graph(ontology)
        self.shapes = validation.read_shapes(shapes)
        self.around = _Shared(shared)

    def done(self, texts: list[str]) -> _Done:
        """Infer types and check shapes, with what the shared things say around the portion."""
        own = _parsed("".join(texts))
        mine = {q.subject for q in own}
        near = _parsed(self.around.around(own))
        inferred = reasoning.inferred_quads(self.ontology, self.hierarchy, [*own, *near])
        of_mine = [q for q in inferred if q.subject in mine]
        out = _Done([f"{q} .\n" for q in of_mine], [q for q in inferred if q.subject not in mine])
        out.kinds = [q for q in (*own, *of_mine) if q.predicate == _TYPE and self.around.mentions(q.subject)]
        self.check([*own, *near, *inferred], out, mine)
        return out

    def check(
        self, quads: list[ox.Quad], out: _Done, mine: Collection[Subject] | None, others: Collection[Subject] = ()
    ) -> None:
        """Check the shapes and note what they find on the portion's own things, or on all but those of others."""
        store = ox.Store()
        store.bulk_extend([*quads, *self.of_ontology])
        found, out.left = validation.set_wise_findings(store, self.shapes)
        apart = {n.value for n in (others if mine is None else mine) if isinstance(n, ox.NamedNode)}
        out.findings = [f for f in found if (f.focus in apart) != (mine is None)]
        out.idle = set(validation.idle_shapes(store, self.shapes))


@contextmanager
def several(
    processes: int, what: str, start: Callable[..., None] | None = None, given: tuple[Any, ...] = ()
) -> Iterator[ProcessPoolExecutor]:
    """Give a pool of processes that know nothing of each other; `what` one of them did is said if it ends early.

    Raises
    ------
    BuildError
        If one of them was killed.
    """
    try:
        with ProcessPoolExecutor(processes, get_context("spawn"), start, given) as pool:
            yield pool
    except BrokenProcessPool as err:
        reason = f"a process that {what} ended before it was done, perhaps for want of memory"
        raise BuildError(f"{reason}; give fewer --processes") from err


_HERE: list[_Portion] = []  # in a process of a pool: what it works with


def _start(ontology: bytes, hierarchy: bytes, shapes: Path, shared: list[str]) -> None:
    """Set a process of the pool up; it is given bytes, since terms of the engine travel slowly."""
    onto, above = ([q.triple for q in ox.parse(part, format=ox.RdfFormat.N_TRIPLES)] for part in (ontology, hierarchy))
    _HERE.append(_Portion(onto, above, shapes, shared))


def _done(texts: list[str]) -> _Done:
    return _HERE[0].done(texts)


class Assembly:
    """The charted data of a build on its way to lines and findings.

    Reports share no individuals but those of one study, which stay together, and what the shared graphs say. So types,
    contradictions and broken shapes of a report follow from its portion and the shared things around it, and those of the
    shared things from them and the types of what they mention.

    `processes` portions are worked on at a time; the result is the same, since lines are sorted and findings too.
    """

    def __init__(
        self,
        ontology: list[ox.Triple],
        hierarchy: list[ox.Triple],
        shapes: Path,
        say: Callable[[str], None],
        processes: int = 1,
    ) -> None:
        self.ontology, self.hierarchy, self.folder, self.say = ontology, hierarchy, shapes, say
        self.processes = processes
        self.of_ontology = _in_its_graph(ontology)
        self.findings: list[Finding] = []
        self.idle: set[str] = set()
        self._checked = False

    def run(self, chart: Chart, terms: Terms, lines: Lines, most: int = PORTION) -> None:
        """Add the lines of all charted data and of what is inferred; `findings` and `idle` then hold what the checks found.

        Small charts are one portion, which pyshacl checks; `most` reports make a portion of larger ones.
        """
        lines.add(f"{q} .\n" for q in self.of_ontology)
        with ThreadPoolExecutor(self.processes) as pool:  # HermiT is a process of its own
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
        shared = list(triples.shared_nquads(chart))
        portion = _Portion(self.ontology, self.hierarchy, self.folder, shared)
        others: set[ox.Quad] = set()
        kinds: list[ox.Quad] = []
        left: list[str] = []
        for done in self._all_done(_portions(triples.report_nquads(chart, terms), most), portion, shared, lines):
            lines.add(done.lines)
            others.update(done.others)
            kinds += done.kinds
            left = done.left
            self._note(done)
        give_back_memory()
        self._note(self._shared(shared, lines, portion, others, kinds))
        if left:
            self._node_by_node(lines, left)

    def _all_done(
        self, portions: Iterable[list[str]], portion: _Portion, shared: list[str], lines: Lines
    ) -> Iterator[_Done]:
        """Work on all portions, in this process or in several; hand each to HermiT and add its lines on the way."""

        def seen() -> Iterator[list[str]]:
            for texts in portions:
                for text in texts:
                    lines.add(text.splitlines(keepends=True))
                self._check(texts)
                yield texts

        if self.processes < 2:
            yield from map(portion.done, seen())
            return
        given = (reasoning.ntriples(self.ontology), reasoning.ntriples(self.hierarchy), self.folder, shared)
        ahead: deque[Future[_Done]] = deque()
        with several(self.processes, "worked on a part of the reports", _start, given) as pool:
            for texts in seen():
                ahead.append(pool.submit(_done, texts))
                if len(ahead) > self.processes:
                    yield ahead.popleft().result()
            while ahead:
                yield ahead.popleft().result()

    def _note(self, done: _Done) -> None:
        self.findings += done.findings
        self.idle = self.idle & done.idle if self._checked else done.idle
        self._checked = True

    def _shared(
        self, texts: list[str], lines: Lines, portion: _Portion, others: set[ox.Quad], kinds: list[ox.Quad]
    ) -> _Done:
        """Do for the shared things what was done for each portion."""
        for text in texts:
            lines.add(text.splitlines(keepends=True))
        own = _parsed("".join(texts))
        self._check([part for text in texts for part in _parts(text)])
        elsewhere = {q.subject for q in kinds}
        asserted = {(q.subject, q.object) for q in own if q.predicate == _TYPE}
        inferred = {*others, *reasoning.inferred_quads(self.ontology, self.hierarchy, [*own, *kinds])}
        inferred = {q for q in inferred if q.subject not in elsewhere and (q.subject, q.object) not in asserted}
        out = _Done()
        lines.add(f"{q} .\n" for q in inferred)
        portion.check([*own, *kinds, *inferred], out, None, elsewhere)
        return out

    def _node_by_node(self, lines: Lines, left: list[str]) -> None:
        """Let pyshacl run shapes that may look at the whole, which then has to fit into memory."""
        named = ", ".join(name.removeprefix(RKG) for name in left)
        self.say(f"these shapes go node by node, which is slow and takes memory: {named}")
        store = ox.Store()
        store.bulk_load("".join(lines).encode(), format=ox.RdfFormat.N_QUADS)
        self.findings += validation.reference_findings(store, validation.read_shapes(self.folder), only=left)

    def _check(self, texts: list[str]) -> None:
        self.waiting.append(_ntriples(texts))
        if len(self.waiting) >= TOGETHER:
            self._check_waiting()

    def _check_waiting(self) -> None:
        """Hand what waits to HermiT; few lots are ahead of it, so that few are held."""
        if not self.waiting:
            return
        if len(self.checks) >= self.processes:
            self.checks[-self.processes].exception()
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
