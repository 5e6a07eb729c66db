"""Own the measurement of suggestions and of the mapping check against verified mappings, beside a plain lexical matcher.

The folder holds `verified-identifiers.tsv` and `near-miss-traps.tsv` (SSSOM-like) and `slices/` with ontology files. Concepts are
split by lot into a half that rules were tuned on and a half held out.
"""

from __future__ import annotations

import argparse
import csv
import random
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rapidfuzz import fuzz, process

from regen_kg import layout, links, matching, ontologies, ontology_files
from regen_kg.terms import Term, Terms

LISTS = {
    "Anatomy": "anatomy", "Condition": "condition", "Technology": "intervention", "Material": "intervention",
    "Procedure": "intervention", "Comparator": "intervention", "Outcome": "outcome-measure",
    "OutcomeInstrument": "outcome-measure", "StudyDesign": "study-design",
}  # fmt: skip

Ranked = list[tuple[str, bool]]  # object, whether it is suggested


@dataclass
class Concept:
    """A concept of the verified table with its mappings: predicate, object, label."""

    wanted: matching.Wanted
    rows: list[tuple[str, str, str]] = field(default_factory=list)

    def exact(self, held: set[str]) -> set[str]:
        """Return the exact matches that the slices hold."""
        return {o for p, o, _ in self.rows if p == "exactMatch" and o in held}


def read_rows(path: Path) -> list[dict[str, str]]:
    """Read a table, without the comment lines of SSSOM."""
    lines = [line for line in path.read_text("utf-8").splitlines(keepends=True) if not line.startswith("#")]
    return list(csv.DictReader(lines, delimiter="\t"))


def read_concepts(folder: Path) -> list[Concept]:
    """Read the concepts; one that is a term of ours gets the term's other wordings, as `link suggest` has them."""
    ours: dict[tuple[str, frozenset[str]], Term] = {}
    terms = Terms.load(layout.ontology_dir())
    for term in (t for name in links.LISTS for t in terms.all(name)):
        for text in matching.wordings(term.label, term.alt_labels)[0]:
            ours.setdefault((term.list, matching.words(text)), term)
    found: dict[str, Concept] = {}
    for row in read_rows(folder / "verified-identifiers.tsv"):
        kind = LISTS.get(row["subject_category"].partition(":")[2], "")
        keys = [(kind, matching.words(text)) for text in matching.wordings(row["subject_label"])[0]]
        same = next((ours[key] for key in keys if key in ours), None)
        others = (same.label, *same.alt_labels) if same else ()
        concept = found.setdefault(row["subject_id"], Concept(matching.Wanted(row["subject_label"], others, kind)))
        name = ontologies.curie(row["object_id"]) or row["object_id"]
        concept.rows.append((row["predicate_id"].removeprefix("skos:"), name, row["object_label"]))
    return list(found.values())


def read_copies(folder: Path) -> list[ontologies.Copy]:
    """Read the slices, whole."""
    out = []
    for path in sorted((folder / "slices").iterdir()):
        if not path.name.endswith(".sssom.tsv"):
            file = ontology_files.read_ontology(path, lambda line: None)
            prefix = ontology_files.own_prefix(file, None)
            ids = " ".join(n.partition(":")[2] for n in file.classes if n.startswith(prefix + ":"))
            out.append(ontologies.Copy(prefix, file.version, "", path.name, "", "", "", 0, ids, file.classes))
    return out


def lexical(copies: Sequence[ontologies.Copy]) -> Callable[[matching.Wanted], list[tuple[str, float]]]:
    """Return the peer: rapidfuzz's token_sort_ratio over all names, each object once, the best first."""
    names = [
        (name.casefold(), c.id) for copy in copies for c in copy.classes.values() if not c.obsolete
        for name in (c.label, *(text for _, text in c.synonyms))
    ]  # fmt: skip
    texts = [name for name, _ in names]

    def rank(wanted: matching.Wanted) -> list[tuple[str, float]]:
        best: dict[str, float] = {}
        for text in (wanted.label, *wanted.alt_labels):
            for _, score, at in process.extract(text.casefold(), texts, scorer=fuzz.token_sort_ratio, limit=30):
                best[names[at][1]] = max(score, best.get(names[at][1], 0.0))
        return sorted(best.items(), key=lambda pair: (-pair[1], pair[0]))[:5]

    return rank


def figures(concepts: Iterable[Concept], held: set[str], rank: Callable[[matching.Wanted], Ranked]) -> dict[str, str]:
    """Return what a ranking reaches; a share is followed by what it is of."""
    count: dict[str, int] = defaultdict(int)
    for concept in concepts:
        exact, ranked = concept.exact(held), rank(concept.wanted)
        first, suggested = ranked[0] if ranked else ("", False)
        if exact:
            count["exact"] += len(exact)
            count["found"] += len(exact & {name for name, _ in ranked})
            count["with"] += 1
            count["offered"] += suggested
            count["right"] += suggested and first in exact
        else:
            count["without"] += 1
            count["abstained"] += not suggested

    def share(part: str, whole: str) -> str:
        return f"{count[part] / count[whole]:.3f} ({count[part]} of {count[whole]})"

    return {
        "recall@5": share("found", "exact"),
        "precision@1 of what is suggested": share("right", "offered"),
        "first and suggested, abstaining counts as wrong": share("right", "with"),
        "abstention where none exists": share("abstained", "without"),
    }


def why_missed(concepts: Iterable[Concept], index: matching.Index, copies: Sequence[ontologies.Copy]) -> str:
    """Say of the exact matches that are not first and suggested what kept them: their own wording, or another term's."""
    classes = {name: c for copy in copies for name, c in copy.classes.items()}
    apart = outdone = 0
    for concept in concepts:
        exact, ranked = concept.exact(set(classes)), index.rank(concept.wanted)
        if exact and not (ranked and ranked[0].suggested and ranked[0].object in exact):
            worded = any(index.fit(concept.wanted, classes[name])[0] >= matching.SUGGESTED for name in exact)
            outdone, apart = outdone + worded, apart + (not worded)
    return f"{apart} of {apart + outdone} have no name worded as ours, {outdone} stand behind another term that has one"


def best_cutoff(
    concepts: Sequence[Concept], held: set[str], rank: Callable[[matching.Wanted], list[tuple[str, float]]]
) -> float:
    """Return the cut-off at which the peer is most often right on the half for tuning, abstaining included."""

    firsts = [(rank(c.wanted)[0], c.exact(held)) for c in concepts]
    return max(
        range(60, 101),
        key=lambda cut: sum((t[1] >= cut and t[0] in e) if e else t[1] < cut for t, e in firsts),
    )


def main() -> None:
    """Print the figures as Markdown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seed", type=int, default=5)
    args = parser.parse_args()
    concepts, copies = read_concepts(args.folder), read_copies(args.folder)
    held = {name for copy in copies for name in copy.classes}
    index, peer = matching.Index(copies), lexical(copies)
    order = list(range(len(concepts)))
    random.Random(args.seed).shuffle(order)
    tuning = [concepts[i] for i in order[: len(order) // 2]]
    apart = [concepts[i] for i in order[len(order) // 2 :]]
    cutoff = best_cutoff(tuning, held, peer)

    def ours(wanted: matching.Wanted) -> Ranked:
        return [(c.object, c.suggested) for c in index.rank(wanted)]

    def theirs(wanted: matching.Wanted) -> Ranked:
        return [(name, score >= cutoff) for name, score in peer(wanted)]

    print(
        f"{len(concepts)} concepts, {len(held):,} terms in {len(copies)} slices, seed {args.seed}; cut-off of rapidfuzz {cutoff}\n"
    )
    table = [figures(half, held, rank) for half in (apart, tuning) for rank in (ours, theirs)]
    print(
        "| | held out: regen-kg | held out: rapidfuzz | tuned on: regen-kg | tuned on: rapidfuzz |\n|---|---|---|---|---|"
    )
    for row in table[0]:
        print(f"| {row} | {' | '.join(column[row] for column in table)} |")

    traps = [
        (t, name) for t in read_rows(args.folder / "near-miss-traps.tsv")
        if (name := ontologies.curie(t["wrong_object_id"])) in held and not t["better"].startswith(t["wrong_object_id"])
    ]  # fmt: skip
    firsts = [
        sum(bool(r := rank(matching.Wanted(t["subject_label"]))) and r[0][0] == name and (r[0][1] or not shown) for t, name in traps)
        for rank in (ours, theirs) for shown in (False, True)
    ]  # fmt: skip
    print(
        f"| traps ranked first (of which suggested), of {len(traps)} | {firsts[0]} ({firsts[1]}) | {firsts[2]} ({firsts[3]}) | | |\n"
    )

    for half, name in ((apart, "held out"), (tuning, "tuned on")):
        print(f"exact matches that are not first and suggested, {name}: {why_missed(half, index, copies)}")
    ids: dict[str, set[str]] = defaultdict(set)
    for copy in copies:
        ids[copy.prefix] |= set(copy.ids.split())

    def verdict(wanted: matching.Wanted, predicate: str, name: str, label: str) -> set[str]:
        return {s for _, s, _ in matching.judge(wanted, predicate, name, label, copies, index, ids)}

    told = [verdict(c.wanted, p, o, label) for c in concepts for p, o, label in c.rows if o in held]
    print(
        f"check, verified mappings ({len(told)}): {sum('violation' in x for x in told)} violations, {sum('warning' in x for x in told)} warned of"
    )
    told = [
        verdict(matching.Wanted(t["subject_label"]), "exactMatch", name, t["wrong_object_label"]) for t, name in traps
    ]
    print(
        f"check, traps as exact matches ({len(told)}), by wording alone: {sum('violation' in x for x in told)} violations, "
        f"{sum('warning' in x and 'violation' not in x for x in told)} warned of, {sum(not x for x in told)} missed"
    )


if __name__ == "__main__":
    main()
