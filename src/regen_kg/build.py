"""Own the build: charted tables in, a validated set of named graphs out, the last good build untouched on failure."""

from __future__ import annotations

import functools
import hashlib
import json
import os
import shutil
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import groupby, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyoxigraph as ox

# What only making a build needs is imported in the functions that make it: questions to a finished one must start fast.
from regen_kg import __version__, charting, queries
from regen_kg.errors import BuildError, RegenKGError
from regen_kg.iris import BASE, DCAT, DCTERMS, ID, PREFIXES, RDF, RDFS, RKG, SCHEMA, SH, VOID, XSD, named_graph, thing
from regen_kg.layout import (
    charted_dir,
    mappings_dir,
    ontology_dir,
    packaged_built_dir,
    packaged_charted_dir,
    queries_dir,
    user_data_dir,
)
from regen_kg.lines import Lines, give_back_memory
from regen_kg.model import Finding
from regen_kg.store import DISK, EmbeddedStore, Kept

if TYPE_CHECKING:
    from regen_kg.remote import RemoteStore, Target
    from regen_kg.terms import Terms

CHARTED_LAYOUT = "1.0.0"
_TYPE = ox.NamedNode(RDF + "type")
_NQUADS = "regen-kg.nq"
_ANSWERS = "answers"
_LARGE = 1_000_000  # quads; from here on a build carries a store on disk, which opens at once
_REPORTS = 1_500  # of a large build that one answer is about at a time
_FILES = (_NQUADS, "regen-kg.trig", "regen-kg.ttl", "regen-kg.jsonld")
_MAKERS = (
    "tables", "charting", "triples", "reasoning", "links", "ontologies", "terms", "iris", "queries", "build",
    "assembly", "lines",
)  # fmt: skip
_READERS = ("certificate", "explain", "patterns", "receipts", "notes")  # of analysis: they only read a finished build


@dataclass(frozen=True)
class Build:
    """A finished build: where it is, its manifest, and what validation found."""

    folder: Path
    manifest: dict[str, Any]
    findings: tuple[Finding, ...] = ()

    def store(self) -> EmbeddedStore:
        """Return the build's dataset, opened when the first question comes that no kept answer covers."""
        kept = Kept(self.folder / _ANSWERS, self.manifest["files"], self.manifest.get("answers", {}))
        return EmbeddedStore(lambda: EmbeddedStore.open(self.dataset()).native, kept)

    def store_with(self, prefixes: Sequence[str]) -> EmbeddedStore:
        """Return the dataset together with local copies of other ontologies, each in its own named graph, in memory.

        Raises
        ------
        OntologyError
            If a copy is absent or damaged.
        """
        from regen_kg import ontologies

        native = ox.Store()
        native.bulk_load(path=str(self.dataset()), format=ox.RdfFormat.N_QUADS)
        for prefix in prefixes:
            native.bulk_extend(ontologies.quads(ontologies.copy_of(prefix)))
        return EmbeddedStore(native)

    def store_for(self, query: queries.SavedQuery, values: Mapping[str, str]) -> EmbeddedStore:
        """Return what a saved question is put to: the build, and for one tagged external the copies that it is about."""
        if "external" in query.tags:
            from regen_kg import ontologies

            wanted = values.get("object", "").partition(":")[0]
            if held := [p for p in ontologies.held() if wanted in ("", p)]:
                return self.store_with(held)
        return self.store()

    def dataset(self) -> Path:
        """Return the N-Quads file.

        Raises
        ------
        BuildError
            If it is not the one that was built; not looked at beside a store on disk, which checks what it reads.
        """
        path = self.folder / _NQUADS
        if (self.folder / DISK).is_dir():
            return path
        try:
            found = _sha256(path)
        except OSError as err:
            raise BuildError(f"{path}: cannot be read ({err.strerror}); run regen-kg build") from err
        if found != self.manifest["files"].get(_NQUADS):
            raise BuildError(f"{path}: damaged or changed by hand; run regen-kg build")
        return path


class ValidationFailed(RegenKGError):
    """A build that was stopped by violations; `findings` holds all findings."""

    def __init__(self, findings: list[Finding]) -> None:
        self.findings = findings
        bad = [f for f in findings if f.severity == "violation"]
        super().__init__(f"{len(bad)} violations; nothing was built\n" + "".join(f.line() + "\n" for f in bad))


def _silent(_: str) -> None:
    return None


def known_words(terms: Terms) -> charting.Known:
    """Return the look-up that charting needs: is this slug in that list, and if not, what is nearest."""

    def known(listed: str, slug: str) -> tuple[bool, str]:
        if terms.has(listed, slug):
            return True, ""
        return False, terms.nearest(listed, slug) or ""

    return known


def _files_digest(*folders: Path) -> str:
    sha = hashlib.sha256()
    for folder in folders:
        for path in sorted(p for p in folder.rglob("*") if p.is_file()):
            sha.update(path.relative_to(folder).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return sha.hexdigest()


def input_digest(charted: Path) -> str:
    """Return the hash of all that a build rests on: charted tables, ontology, queries, mappings, and the code that makes quads."""
    code = hashlib.sha256()
    here = Path(__file__).parent
    analysis = [p for p in (here / "analysis").glob("*.py") if p.stem not in _READERS]
    for path in sorted([*analysis, *(here / f"{name}.py" for name in _MAKERS)]):
        code.update(path.read_bytes())
    files = _files_digest(ontology_dir(), queries_dir(), mappings_dir())
    parts = [charting.digest(charted), files, code.hexdigest(), __version__, CHARTED_LAYOUT]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def hierarchy(ontology: list[ox.Triple], say: Callable[[str], None] = _silent) -> list[ox.Triple]:
    """Return the inferred hierarchy: the committed one if it is of this ontology, else the cached one, else HermiT's."""
    from regen_kg import reasoning

    digest = reasoning.ontology_digest(ontology)
    cached = user_data_dir() / "hierarchy" / f"{digest}.nt"
    for path in (ontology_dir() / "inferred.nt", cached):
        if path.is_file():
            text = path.read_bytes()
            if text.startswith(f"# ontology {digest}\n".encode()):
                with suppress(SyntaxError):  # damaged: HermiT is asked again
                    return [q.triple for q in ox.parse(text, format=ox.RdfFormat.N_TRIPLES)]
    say("classifying the ontology with HermiT (once per change of the ontology)")
    found = reasoning.infer_hierarchy(ontology)
    write_hierarchy(cached, digest, found)
    return found


def write_hierarchy(path: Path, digest: str, found: list[ox.Triple]) -> None:
    """Write an inferred hierarchy with the hash of its ontology on the first line."""
    from regen_kg import reasoning

    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(f".{os.getpid()}")
    part.write_bytes(f"# ontology {digest}\n".encode() + reasoning.ntriples(found))
    part.replace(path)


def _query_quads() -> list[ox.Quad]:
    graph = ox.NamedNode(named_graph("queries"))
    out: list[ox.Quad] = []

    def add(s: str, p: str, o: ox.NamedNode | ox.Literal) -> None:
        out.append(ox.Quad(ox.NamedNode(s), ox.NamedNode(p), o, graph))

    for name, saved in queries.load_all().items():
        me = thing("query", name)
        add(me, RDF + "type", ox.NamedNode(SH + "SPARQLExecutable"))
        add(me, RDF + "type", ox.NamedNode(SH + "SPARQLSelectExecutable"))
        add(me, RDFS + "label", ox.Literal(name, language="en"))
        add(me, RDFS + "comment", ox.Literal(saved.summary, language="en"))
        add(me, SH + "select", ox.Literal(saved.text))
        for tag in saved.tags:
            add(me, SCHEMA + "keywords", ox.Literal(tag))
    return out


def _dataset_quads(counts: Counter[str], digest: str, charted_digest: str) -> list[ox.Quad]:
    graph = ox.NamedNode(named_graph("provenance"))
    dataset = BASE + "dataset"
    out: list[ox.Quad] = []

    def add(s: str, p: str, o: ox.NamedNode | ox.Literal) -> None:
        out.append(ox.Quad(ox.NamedNode(s), ox.NamedNode(p), o, graph))

    integer = ox.NamedNode(XSD + "integer")
    add(dataset, RDF + "type", ox.NamedNode(DCAT + "Dataset"))
    add(dataset, RDF + "type", ox.NamedNode(VOID + "Dataset"))
    add(
        dataset,
        DCTERMS + "title",
        ox.Literal("regen-kg: evidence on regenerative medicine for the foot and ankle", language="en"),
    )
    add(dataset, DCTERMS + "license", ox.NamedNode("https://creativecommons.org/licenses/by/4.0/"))
    add(dataset, DCTERMS + "identifier", ox.Literal(digest))
    add(dataset, DCAT + "version", ox.Literal(__version__))
    add(
        dataset,
        DCTERMS + "description",
        ox.Literal(
            "The chart of facts of one scoping review; nothing in it was appraised for risk of bias. The licence covers this chart, not the review."
        ),
    )
    add(dataset, DCTERMS + "source", ox.Literal(f"charted tables, sha256 {charted_digest}"))
    add(dataset, VOID + "triples", ox.Literal(str(sum(counts.values())), datatype=integer))
    for name, count in sorted(counts.items()):
        add(dataset, VOID + "subset", ox.NamedNode(name))
        add(name, VOID + "triples", ox.Literal(str(count), datatype=integer))
    for name in _FILES:
        me = thing("distribution", name)
        add(dataset, DCAT + "distribution", ox.NamedNode(me))
        add(me, RDF + "type", ox.NamedNode(DCAT + "Distribution"))
        add(me, DCTERMS + "title", ox.Literal(name))
    return out


def assemble(
    charted: Path, say: Callable[[str], None] = _silent, processes: int = 1
) -> tuple[Lines, list[Finding], dict[str, Any]]:
    """Read, turn into quads, infer and validate; write nothing.

    Returns
    -------
    lines, findings, manifest
        The dataset as lines of N-Quads; findings with the gravest first.

    Raises
    ------
    ChartingError, TermError, ReasoningError
        With all faults of the input.
    """
    from regen_kg import analysis, links, reasoning, validation
    from regen_kg.assembly import Assembly
    from regen_kg.terms import Terms, compile_ontology

    say("reading the term tables")
    terms = Terms.load(ontology_dir())
    say("reading the charted tables")
    chart = charting.read_chart(charted, known_words(terms))
    ontology = compile_ontology(ontology_dir())
    inferred_classes = hierarchy(ontology, say)
    lines = Lines()
    say("finding gaps and conflicts")
    findings = [*validation.chart_findings(chart), *analysis.number_findings(chart, terms)]

    unlisted: dict[str, int] = {}

    def not_listed(count: int, words: str) -> None:
        unlisted["conflicts_not_listed"] = count
        findings.append(Finding("conflicts-not-listed", "info", "", None, "", "", words, "conflicts"))

    lines.add(f"{q} .\n" for q in analysis.computed_quads(chart, terms, not_listed))
    say("writing quads, inferring types, checking consistency with HermiT, and the shapes with SHACL")
    assembly = Assembly(ontology, inferred_classes, ontology_dir() / "shapes", say, processes)
    assembly.run(chart, terms, lines)
    findings += assembly.findings
    for shape in sorted(assembly.idle):
        message = f"{shape} found nothing to look at"
        findings.append(Finding("shape-without-focus", "info", "", None, "", "", message, RKG + shape))
    mappings = links.mapping_quads(links.read_mappings(mappings_dir(), terms))
    lines.add(f"{q} .\n" for q in [*mappings, *_query_quads()])
    digest = input_digest(charted)
    lines.add(f"{q} .\n" for q in _dataset_quads(Counter(lines.counts), digest, chart.digest))
    manifest = {
        "package": __version__,
        "charted_layout": CHARTED_LAYOUT,
        "inputs": digest,
        "charted": chart.digest,
        "ontology": reasoning.ontology_digest(ontology),
        "rows": {name: len(rows) for name, rows in sorted(chart.tables.items())},
        "notes": dict(sorted(Counter(r["decision"] for r in chart.rows("notes")).items())),
        "triples": dict(sorted(lines.counts.items())),
        "findings": dict(sorted(Counter(f.severity for f in findings).items())),
        **unlisted,
    }
    return lines, validation.sort_findings(findings), manifest


def _answer(folder: Path, most: int, number: int) -> tuple[str, str]:
    """Write one of the kept answers, here or in a process of its own; return its name and the hash of its query."""
    # Asked of the file itself: what an order leaves open then depends on nothing but the file.
    store = _opened(folder / _NQUADS)
    name, digest, rows = next(islice(queries.kept_answers(store, most), number, None))
    with (folder / _ANSWERS / f"{name}.jsonl").open("w", encoding="utf-8", newline="\n") as file:
        file.writelines(rows)
    if most:  # a large build
        give_back_memory()
    return name, digest


_opened = functools.lru_cache(1)(EmbeddedStore.open)


def _answers(folder: Path, most: int, processes: int) -> dict[str, str]:
    """Write the kept answers; return the hash of each one's query."""
    from regen_kg.assembly import several

    (folder / _ANSWERS).mkdir()
    numbers = range(sum(1 for _ in queries.kept_answers(_opened(folder / _NQUADS), most)))
    write = functools.partial(_answer, folder, most)
    try:
        if not most or processes < 2:
            return dict(map(write, numbers))
        with several(processes, "asked a saved question") as pool:
            return dict(pool.map(write, numbers))
    finally:
        _opened.cache_clear()


def _write(folder: Path, lines: Lines, manifest: dict[str, Any], processes: int = 1) -> None:
    """Write all files of a build; the lines are forgotten on the way, and each file is read again from the first."""
    count = 0
    with (folder / _NQUADS).open("w", encoding="utf-8", newline="\n") as file:
        for line in lines:
            file.write(line)
            count += 1
    lines.clear()
    give_back_memory()

    def again() -> Iterator[ox.Quad]:
        return iter(ox.parse(path=str(folder / _NQUADS), format=ox.RdfFormat.N_QUADS))

    merged = (
        triple for triple, _ in groupby(q.triple for q in again())
    )  # sorted: one triple of two graphs is adjacent
    prefixes = dict(PREFIXES)
    ox.serialize(again(), str(folder / "regen-kg.trig"), ox.RdfFormat.TRIG, prefixes=prefixes)
    ox.serialize(merged, str(folder / "regen-kg.ttl"), ox.RdfFormat.TURTLE, prefixes=prefixes)
    ox.serialize(again(), str(folder / "regen-kg.jsonld"), ox.RdfFormat.JSON_LD, prefixes=prefixes)
    if count >= _LARGE:
        EmbeddedStore.write_disk(folder / _NQUADS)
    answers = _answers(folder, _REPORTS if count >= _LARGE else 0, processes)
    files = {
        p.relative_to(folder).as_posix(): _sha256(p)
        for p in sorted([*folder.glob("*"), *folder.glob(f"{_ANSWERS}/*")])  # a store's bytes differ from run to run
        if p.is_file()
    }
    text = json.dumps({**manifest, "answers": answers, "files": files}, indent=1, sort_keys=True)
    (folder / "manifest.json").write_text(text + "\n", "utf-8", newline="\n")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def _alone_in(folder: Path) -> Iterator[bool]:
    """Let one build at a time write in a folder; say whether that is so (Windows has no such lock).

    The system takes the lock back when its holder is killed, and it leaves no file.
    """
    try:
        import fcntl
    except ImportError:
        yield False
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield True
    finally:
        os.close(handle)


def _swap(part: Path, folder: Path) -> None:
    """Put a finished folder in place; a kill between the two renames leaves `folder.last`, which `open_build` finds."""
    last = folder.with_name(folder.name + ".last")
    if folder.exists():
        if last.exists():
            shutil.rmtree(last)
        folder.rename(last)
    try:
        part.rename(folder)
    except OSError:
        if last.exists():
            last.rename(folder)
        raise
    if last.exists():
        shutil.rmtree(last)


def _place(folder: Path, lines: Lines, manifest: dict[str, Any], processes: int = 1) -> None:
    """Write a build beside its place, then put it there; what killed builds left behind goes."""
    if folder.exists() and not folder.is_dir():
        raise BuildError(f"{folder}: is a file; give an empty folder with --out")
    if folder.is_dir():
        strangers = sorted(p.name for p in folder.iterdir() if p.name not in (*_FILES, _ANSWERS, DISK, "manifest.json"))
        if strangers:
            raise BuildError(
                f"{folder}: holds other files than a build ({strangers[0]}); give an empty folder with --out"
            )
    folder.parent.mkdir(parents=True, exist_ok=True)
    with _alone_in(folder.parent) as alone:
        if alone:
            for left in folder.parent.iterdir():
                if left.name.startswith(f"{folder.name}.part-"):
                    shutil.rmtree(left)
        part = folder.with_name(f"{folder.name}.part-{os.getpid()}")
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir()
        try:
            _write(part, lines, manifest, processes)
            _swap(part, folder)
        finally:
            shutil.rmtree(part, ignore_errors=True)


def make(
    charted: Path | None = None,
    out: Path | None = None,
    say: Callable[[str], None] = _silent,
    processes: int = 1,
) -> Build:
    """Build the graph of a charted folder.

    Parameters
    ----------
    charted : Path, optional
        The charted tables; else those of the working folder, else the packaged ones.
    out : Path, optional
        Where to; else the user's data folder, under the hash of the inputs.
    say : callable, optional
        Told of each step.
    processes : int, optional
        How many portions of a large chart, checks by HermiT and saved questions are worked on at a time; the build is the same.

    Returns
    -------
    Build
        With its warnings.

    Raises
    ------
    ChartingError, TermError, ValidationFailed
        With all faults; the last good build is untouched.
    BuildError
        If the build cannot be written; the last good build is untouched.
    """
    source = charted_dir(charted)
    lines, findings, manifest = assemble(source, say, processes)
    give_back_memory()
    if any(f.severity == "violation" for f in findings):
        raise ValidationFailed(findings)
    folder = (out or user_data_dir() / "builds" / manifest["inputs"][:16]).resolve()
    say("writing files")
    try:
        _place(folder, lines, manifest, processes)
    except OSError as err:
        reason = f"{folder}: cannot be written ({err.strerror}); the last build, if any, is as it was"
        raise BuildError(f"{reason}; make room or give another folder with --out") from err
    return Build(folder, read_manifest(folder), tuple(findings))


def publish(made: Build, target: Target, say: Callable[[str], None] = _silent) -> str:
    """Load a build into a SPARQL server, where readers go on seeing the one before it until this one is whole and checked.

    Parameters
    ----------
    made : Build
        What to load.
    target : Target
        Where to.
    say : callable, optional
        Told of each step, and of what the server gets wrong and how that is met.

    Returns
    -------
    str
        The IRI of the graph that holds the build there.

    Raises
    ------
    StoreError
        If the server can't take it, or fails a probe. Where it answers a saved question otherwise than this build does, readers
        are told so, and given the build's own answer, which is loaded too.
    """
    from regen_kg import remote

    def check(there: RemoteStore) -> dict[str, str]:
        for probe in there.failed:
            say(f"{probe.remedy} there, as this does not hold: {probe.sentence}")
        here, wrong = made.store(), {}
        for name, saved in queries.load_all().items():
            say(f"asking {name}")
            wanted = Counter(tuple(row.items()) for row in queries.run(here, saved))
            try:
                got = Counter(tuple(row.items()) for row in queries.run(there, saved))
            except RegenKGError as err:
                wrong[saved.summary] = f"it gave no answer when the build was loaded ({str(err)[:200]})"
            else:
                if wanted == got:
                    continue
                differ = max((wanted - got).total(), (got - wanted).total())
                wrong[saved.summary] = f"{differ} of {wanted.total()} rows differed from the build when it was loaded"
            say(f"wrong there, so that readers get the build's own answer: {name}, as {wrong[saved.summary]}")
        return wrong

    say(f"loading into {target.address}")
    answers = {
        name: (digest, (made.folder / _ANSWERS / f"{name}.jsonl").read_text("utf-8"))
        for name, digest in made.manifest["answers"].items()
    }
    return remote.load(made.dataset(), made.manifest["inputs"][:16], answers, target, check, say)


def read_manifest(folder: Path) -> dict[str, Any]:
    """Read a build's manifest.

    Raises
    ------
    BuildError
        If the folder holds no whole build.
    """
    try:
        found: dict[str, Any] = json.loads((folder / "manifest.json").read_text("utf-8"))
        if not {"inputs", "files", "rows", "triples"} <= set(found):
            raise ValueError("manifest.json lacks entries")
        return found
    except (OSError, ValueError, TypeError) as err:
        raise BuildError(f"{folder}: no build to open ({err}); run regen-kg build") from err


def open_build(folder: Path) -> Build:
    """Open a build, or the one before it where a kill came between the renames."""
    if not folder.exists() and folder.with_name(folder.name + ".last").exists():
        folder = folder.with_name(folder.name + ".last")
    return Build(folder, read_manifest(folder))


def current(charted: Path | None = None, say: Callable[[str], None] | None = None) -> Build:
    """Return the build of the present inputs: the packaged one if it is of them, else the cached one, else a new one."""
    source = charted_dir(charted)
    if not source.is_dir():
        return make(source)  # raises with the reason
    digest = input_digest(source)
    packaged = packaged_built_dir()
    cached = user_data_dir() / "builds" / digest[:16]
    for folder in (packaged, cached):
        with suppress(BuildError):
            if (found := open_build(folder)).manifest["inputs"] == digest:
                return found
    if say is None:
        say = _say_on_stderr
    say(f"building from {source} (the first time, or after a change)")
    return make(source, None, say)


def _say_on_stderr(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def why(made: Build, thing_: str, klass: str) -> str:
    """Explain why something belongs to a class: the axioms and statements from which it follows.

    Parameters
    ----------
    made : Build
        The build to look in.
    thing_ : str
        What stands behind `id/` in its IRI, e.g. `arm/gormeli-2015/saline`.
    klass : str
        The class's local name, e.g. `PlaceboArm`.

    Raises
    ------
    BuildError
        If the build doesn't know the thing or the class.
    ReasoningError
        If the membership doesn't follow.
    """
    from regen_kg import reasoning

    me, kind = ox.NamedNode(ID + thing_), ox.NamedNode(RKG + klass)
    native = made.store().native
    graphs = {q.graph_name for q in native.quads_for_pattern(me, None, None, None)}
    if not graphs:
        raise BuildError(f'nothing is called "{thing_}"; write it like arm/gormeli-2015/saline')
    if not any(native.quads_for_pattern(kind, _TYPE, None, None)):
        raise BuildError(f'"{klass}" is no class of the ontology; write it like PlaceboArm')
    left_out = {ox.NamedNode(named_graph(n)) for n in ("inferred", "computed", "mappings", "queries", "provenance")}
    wanted = (graphs | {ox.NamedNode(named_graph("ontology"))}) - left_out
    return reasoning.explain_membership([q.triple for q in native if q.graph_name in wanted], me.value, kind.value)


def refresh(say: Callable[[str], None] = _say_on_stderr) -> None:
    """Refresh what the checkout commits: the inferred hierarchy of the ontology, then the packaged build."""
    from regen_kg import reasoning
    from regen_kg.terms import compile_ontology

    ontology = compile_ontology(ontology_dir())
    digest = reasoning.ontology_digest(ontology)
    say("classifying the ontology with HermiT")
    write_hierarchy(ontology_dir() / "inferred.nt", digest, reasoning.infer_hierarchy(ontology))
    make(packaged_charted_dir(), packaged_built_dir(), say)


if __name__ == "__main__":
    refresh()
