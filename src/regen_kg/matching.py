"""Own how well terms fit: which terms of another ontology are kept here, whether mappings still hold, what a term could be mapped to.

Wording is compared as bags of words, after spelling, plural and word order are set aside; a short form never counts without
its long form. Nothing here decides: a candidate becomes a mapping only when a person accepts it.
"""

from __future__ import annotations

import datetime
import functools
import hashlib
import math
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from regen_kg.errors import OntologyError
from regen_kg.links import LISTS, Mapping
from regen_kg.model import Finding
from regen_kg.ontologies import Class, Copy, curie, sources, write_copy
from regen_kg.ontology_files import OntologyFile, fetch, own_prefix, read_ontology
from regen_kg.terms import Term, Terms

SUGGESTED = 0.85  # a candidate below is shown as near, never as a suggestion
_NEEDED = 1 / 3  # of the words of a term's name and one of ours together, how many must be shared for it to be kept
_STOP = frozenset("a an and as at by derived for from in into of on or the to with".split())
# Words that ontologies swap between a label and its exact synonyms, and adjectives; each is read as the last of its group.
_SWAPPED = (
    "investigation study", "disorder illness disease", "technique technic procedure", "tumor neoplasm", "trauma injury",
    "therapeutic treatment therapy", "grafting transplantation", "cellular cell",
    "osseous bone", "cardiac heart", "cutaneous skin", "pedal pes foot", "manus hand", "femoral femur", "tibial tibia", "fibular fibula",
    "talar talus", "calcaneal calcaneum calcaneus", "articular joint", "tendinous tendon", "ligamentous ligament", "cartilaginous cartilage", "placental placenta",
    "musculus muscle", "inherited hereditary", "autogenous autogenic autogeneic autologous", "homologous allogenic allogenous allogeneic",
    "ii 2nd second 2", "iii 3rd third 3", "iv 4th fourth 4", "i 1st first 1",
)  # fmt: skip
_ALIKE = {word: group.split()[-1] for group in _SWAPPED for word in group.split()[:-1]}
_OPTIONAL = frozenset(
    "clinical disease human joint medical nos tissue".split()
)  # one may be left out beside two others
_WORD = re.compile(r"[a-z0-9]+")
_PREFIXED = re.compile(r"\b(non[- ]|(?:anti|inter|intra|micro|peri|post|pre)-)")
_ACID, _METAL = re.compile(r"ic acid\b"), re.compile(r"\b(sodium|potassium|calcium)\b")
_GENITIVE, _DIMENSIONS = re.compile(r"(?<=\w)'s?(?=\W|$)"), re.compile(r"\b(\d)-?d\b")
_NUMBERS = {"one": "1", "two": "2", "three": "3", "four": "4"}
_SPELLING = (
    (re.compile(r"(?<=\w{3})is(e|ed|es|ing|ation|er)$"), r"iz\1"),
    (re.compile(r"haem"), "hem"), (re.compile(r"aem(?=i)"), "em"), (re.compile(r"^oe(?=dema|soph|str)"), "e"), (re.compile(r"aesth"), "esth"),
    (re.compile(r"paed"), "ped"), (re.compile(r"our$"), "or"), (re.compile(r"(?<=\w)(b|t)re$"), r"\1er"), (re.compile(r"analogue$"), "analog"),
    (re.compile(r"^tendonitis$"), "tendinitis"),
)  # fmt: skip
_PLURALS = (
    (re.compile(r"(?<=\w{3})oses$"), "osis"),
    (re.compile(r"ies$"), "y"),
    (re.compile(r"(ss|x|ch|sh)es$"), r"\1"),
)


@functools.lru_cache(maxsize=50_000)
def _word(word: str) -> str:
    """Return a word without the marks of its number and of British spelling."""
    for pattern, new in _PLURALS:
        if pattern.search(word):
            word = pattern.sub(new, word)
            break
    else:
        if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")):
            word = word[:-1]
    for pattern, new in _SPELLING:
        word = pattern.sub(new, word)
    return word


@functools.lru_cache(maxsize=50_000)
def words(text: str) -> frozenset[str]:
    """Return the words of a wording, for comparing.

    Examples
    --------
    >>> sorted(words("Fasciitis, Plantar")) == sorted(words("plantar fasciitis"))
    True
    >>> sorted(words("Randomised controlled trials"))
    ['controlled', 'randomized', 'trial']
    >>> words("Hyaluronic acid, sodium salt") == words("sodium hyaluronate")
    True
    """
    bare = text.casefold().replace("’", "'")
    if not bare.isascii():
        bare = unicodedata.normalize("NFKD", bare).encode("ascii", "ignore").decode()
    if "'" in bare:
        bare = _GENITIVE.sub("", bare)
    if "-" in bare or "non " in bare:
        bare = _PREFIXED.sub(lambda m: m.group()[:-1], bare)
    if _DIMENSIONS.search(bare):
        bare = _DIMENSIONS.sub(r"\1 dimensional", bare)
    if "ic acid" in bare and _METAL.search(bare):  # a salt, which some call by its acid
        bare = re.sub(r"\bsalt\b", "", _ACID.sub("ate", bare))
    return frozenset(_word(_NUMBERS.get(w, w)) for w in _WORD.findall(bare) if w not in _STOP)


def _meant(bag: Iterable[str]) -> frozenset[str]:
    """Return words with one word for all that are used alike."""
    return frozenset(_ALIKE.get(w, w) for w in bag)


def is_short_form(text: str) -> bool:
    """Say whether a wording is a short form, which must not be linked by itself.

    Examples
    --------
    >>> [is_short_form(x) for x in ("VAS", "MSC-SVF", "cBMA", "SF-36", "talus", "Placebo", "3D printing")]
    [True, True, True, True, False, False, False]
    """
    return " " not in text.strip() and len(text) <= 9 and sum(c.isupper() for c in text) >= 2


def wordings(label: str, others: Iterable[str] = ()) -> tuple[list[str], list[str]]:
    """Return the long and the short forms of a term; what a bracket or a slash gives is a form of its own.

    Examples
    --------
    >>> wordings("hyaluronic acid (HA)", ["hyaluronan"])
    (['hyaluronic acid', 'hyaluronan'], ['HA'])
    """
    long: dict[str, None] = {}
    short: dict[str, None] = {}
    for text in (label, *others):
        parts = [re.sub(r"\s*\([^()]*\)|,[^,]* not [^,]*$", "", text)]
        parts += [p for inner in re.findall(r"\(([^()]*)\)", text) for p in re.split(r",\s*|;\s*", inner)]
        if alternative := re.search(r"([\w-]+)\s+/\s+([\w-]+)", parts[0]):
            parts += [parts[0].replace(alternative.group(), word) for word in alternative.groups()]
        for part in parts:
            if part := part.strip():
                (short if is_short_form(part) else long).setdefault(part)
    return list(long), list(short)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a candidate is looked for: the wording of a term and the list it is on ("" if unknown)."""

    label: str
    alt_labels: tuple[str, ...] = ()
    list: str = ""

    @classmethod
    def of(cls, term: Term) -> Wanted:
        """Return what to look for to map a term of ours."""
        return cls(term.label, term.alt_labels, term.list)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A term of another ontology that one of ours could be mapped to; `score` is from 0 to 1."""

    object: str  # CURIE
    label: str
    score: float
    reasons: tuple[str, ...]
    version: str

    @property
    def suggested(self) -> bool:
        """Say whether it is good enough to be put before a person as the same thing."""
        return self.score >= SUGGESTED


_SCOPE_WEIGHT = {"EXACT": 0.97, "RELATED": 0.93, "NARROW": 0.7, "BROAD": 0.7}


def _joined(text: str) -> str:
    return re.sub(r"[^a-z0-9]", "", text.casefold())


class Index:
    """The names of the terms in local copies, to look candidates up in.

    Parameters
    ----------
    copies : iterable of Copy
        What is searched.
    """

    def __init__(self, copies: Iterable[Copy]) -> None:
        self._by_word: dict[str, list[int]] = defaultdict(list)
        self._by_meaning: dict[str, list[int]] = defaultdict(list)
        self._joined: dict[str, list[int]] = defaultdict(list)
        self._classes: list[tuple[Class, Copy]] = []
        self._sizes: Counter[str] = Counter()
        for copy in copies:
            for c in copy.classes.values():
                if c.obsolete or c.label.lower().startswith("obsolete"):
                    continue
                me = len(self._classes)
                self._classes.append((c, copy))
                self._sizes[c.id.partition(":")[0]] += 1
                said = {w for name, _, _ in names(c) for w in words(name)}
                for word in said:
                    self._by_word[word].append(me)
                for word in _meant(said):
                    self._by_meaning[word].append(me)
                for joined in {_joined(name) for name, _, _ in names(c)}:
                    self._joined[joined].append(me)

    def rare(self, word: str) -> float:
        """Return how telling a word is: the rarer among the names, the more."""
        return math.log((len(self._classes) + 1) / (len(self._by_word.get(word, ())) + 0.5))

    def fit(self, wanted: Wanted, c: Class) -> tuple[float, tuple[str, ...]]:
        """Return how well a term fits what is wanted, from 0 to 1, with the reasons."""
        long, short = wordings(wanted.label, wanted.alt_labels)
        best, reason = 0.0, ""
        for n, mine in enumerate(long):
            bag, run = words(mine), _joined(mine)
            for name, weight, what in names(c):
                if is_short_form(name):
                    continue
                score, how = self._compare(bag, run, name)
                score *= weight * (1.0 if n == 0 else 0.93)
                if name.casefold() == mine.casefold():
                    score = min(1.0, score + 0.005)
                if score > best:
                    best, reason = score, f'{what} "{name}" {how} "{mine}"'
        reasons = [reason] if reason else []
        shared = [s for s in short if any(name == s for name, _, _ in names(c))]
        if shared and best >= 0.4:
            best = min(1.0, best + 0.05)
            reasons.append(f"so does the short form {shared[0]}")
        elif shared:
            reasons.append(f"only the short form {shared[0]} agrees")
        holds = sources()[c.id.partition(":")[0]].holds
        if best and holds and wanted.list and wanted.list not in holds:
            best *= 0.6
            reasons.append(f"{c.id.partition(':')[0]} holds other kinds of things than {wanted.list}")
        return best, tuple(reasons)

    def _compare(self, bag: frozenset[str], run: str, name: str) -> tuple[float, str]:
        other = words(name)
        if bag == other and bag:
            return 0.995, "is worded as"
        if run == _joined(name):
            return 0.99, "is worded, spaces aside, as"
        mine, theirs = _meant(bag), _meant(other)
        if mine == theirs and bag:
            return 0.94, "means, word by word,"
        if (more := mine ^ theirs) <= _OPTIONAL and len(more) == 1 and len(mine & theirs) >= 2:
            return 0.92, f'is, but for the word "{next(iter(more))}", worded as'
        both = sum(map(self.rare, bag & other))
        every = sum(map(self.rare, bag | other))
        return (0.8 * both / every if every else 0.0), "shares words with"

    def rank(self, wanted: Wanted, most: int = 5) -> list[Candidate]:
        """Return the candidates for what is wanted, the best first; those below `SUGGESTED` are merely near."""
        long, _ = wordings(wanted.label, wanted.alt_labels)
        weight: Counter[int] = Counter()
        for text in long:
            for word in words(text):
                for found in self._by_meaning.get(_ALIKE.get(word, word), ()):
                    weight[found] += self.rare(word)  # type: ignore[assignment]
            for found in self._joined.get(_joined(text), ()):
                weight[found] += 100
        out: dict[str, tuple[tuple[float, bool, int, str], Candidate]] = {}
        for found, _ in weight.most_common(400):
            c, copy = self._classes[found]
            score, reasons = self.fit(wanted, c)
            # Of equals, an ontology of just such things comes first, then the smaller, which is the more specialised.
            prefix = c.id.partition(":")[0]
            general = wanted.list not in sources()[prefix].holds
            key = (-round(score, 3), general, self._sizes[prefix], c.id)
            if c.id not in out or key < out[c.id][0]:
                out[c.id] = key, Candidate(c.id, c.label, round(score, 3), reasons, copy.version)
        return [candidate for _, candidate in sorted(out.values(), key=lambda x: x[0])[:most]]


def names(c: Class) -> list[tuple[str, float, str]]:
    """Return the names of a term: wording, how much it counts, what it is."""
    return [(c.label, 1.0, "label")] + [
        (text, _SCOPE_WEIGHT[scope], f"{scope.lower()} synonym") for scope, text in c.synonyms
    ]


def suggest(term: Term, index: Index, mappings: Sequence[Mapping], most: int = 5) -> list[tuple[Candidate, str]]:
    """Rank what a term of ours could be mapped to, and say of each what is known of the pair.

    Parameters
    ----------
    term : Term
        Ours.
    index : Index
        Of the copies to search.
    mappings : sequence of Mapping
        What is mapped already, and the near misses, which come after all others whatever their wording.
    most : int
        How many to return.

    Returns
    -------
    list of (Candidate, str)
        The best first; the words are empty for a pair that nobody has judged yet.
    """
    known = {m.object: m for m in mappings if m.concept == term}
    ranked = index.rank(Wanted.of(term), most + len(known))
    told = [(c, _judged(known.get(c.object))) for c in ranked]
    told.sort(key=lambda pair: pair[1].startswith("near miss"))
    return told[:most]


def _judged(mapping: Mapping | None) -> str:
    if mapping is None:
        return ""
    return f"near miss: {mapping.comment}" if mapping.near_miss else f"mapped: skos:{mapping.predicate}"


# --- keeping ---------------------------------------------------------------------------------------------------------


def wording_digest(terms: Terms) -> str:
    """Return the digest of our own wording, which decides what of an ontology is kept."""
    rows = sorted(f"{t.list}|{t.slug}|{t.label}|{'|'.join(t.alt_labels)}" for name in LISTS for t in terms.all(name))
    return hashlib.sha256("\n".join(rows).encode()).hexdigest()[:16]


def add(
    origin: str,
    prefix: str | None,
    terms: Terms,
    mappings: Sequence[Mapping],
    say: Callable[[str], None],
    *,
    max_mb: int = 4096,
    max_minutes: float = 60,
    sha256: str | None = None,
) -> Copy:
    """Read an ontology and keep what is needed of it: mapped terms, terms worded like ours, all above them.

    Parameters
    ----------
    origin : str
        A file, or an http or https address to download from.
    prefix : str or None
        What to file it under; by default what the file says.
    terms, mappings : Terms, sequence of Mapping
        Our terms, and the mappings and near misses whose objects are kept in any case.
    say : callable
        Takes lines on the progress.
    max_mb, max_minutes : int, float
        Limits of a download.
    sha256 : str or None
        What the file's digest must be.

    Returns
    -------
    Copy
        As written to the user's data folder, in place of a former copy of the same prefix.

    Raises
    ------
    OntologyError
        If the file can't be had or read whole; nothing is changed then.
    """
    if re.match(r"\w+://", origin):
        path = fetch(origin, say, max_bytes=max_mb * 2**20, max_seconds=max_minutes * 60)
    else:
        path = Path(origin)
    file = read_ontology(path, say)
    if sha256 and sha256.lower() != file.sha256:
        raise OntologyError(f"{path.name}: its SHA-256 is {file.sha256}, not the one given; nothing was changed")
    prefix = own_prefix(file, prefix)
    say(f"{path.name}: {len(file.classes):,} terms read as {file.form}; looking for those worded like ours")
    kept = _needed(file, terms, mappings, say)
    source = sources()[prefix]
    copy = Copy(
        prefix=prefix,
        version=file.version or "not stated",
        licence=f"{source.licence} {file.licence}".strip(),
        origin=origin if path != Path(origin) else path.name,
        sha256=file.sha256,
        added=datetime.date.today().isoformat(),
        wording=wording_digest(terms),
        of=len(file.classes),
        ids=" ".join(sorted(n.partition(":")[2] for n in file.classes if n.startswith(prefix + ":"))),
        classes=kept,
    )
    write_copy(copy)
    if not source.may_share:
        say(f"{source.name}: its licence forbids passing on altered copies; this one stays on this machine")
    return copy


def _needed(
    file: OntologyFile, terms: Terms, mappings: Sequence[Mapping], say: Callable[[str], None]
) -> dict[str, Class]:
    ours: dict[frozenset[str], int] = {}
    holding: dict[str, list[int]] = defaultdict(list)  # word -> which of ours hold it
    runs: set[str] = set()
    for term in (t for name in LISTS for t in terms.all(name)):
        for text in wordings(term.label, term.alt_labels)[0]:
            runs.add(_joined(text))
            if (bag := _meant(words(text))) not in ours:
                for word in bag:
                    holding[word].append(len(ours))
                ours[bag] = len(ours)
    sizes = [len(bag) for bag in ours]

    def worded_alike(text: str) -> bool:
        bag = _meant(words(text))
        shared = Counter(n for word in bag if word in holding for n in holding[word])
        return any(n >= _NEEDED * (len(bag) + sizes[other] - n) for other, n in shared.items())

    queue = [m.object for m in mappings if m.object in file.classes]
    for done, c in enumerate(file.classes.values(), 1):
        if done % 25_000 == 0:
            say(f"{file.name}: {done:,} terms compared")
        if any(_joined(name) in runs or worded_alike(name) for name, _, _ in names(c)):
            queue.append(c.id)
    kept: dict[str, Class] = {}
    while queue:
        name = queue.pop()
        if name not in kept and (found := file.classes.get(name)):
            kept[name] = found
            queue += [*found.parents, *found.part_of, *found.replaced_by]
    for c in kept.values():  # steps to terms that the file only names are no use
        c.parents = [p for p in c.parents if p in kept]
        c.part_of = [p for p in c.part_of if p in kept]
        c.replaced_by = [p for p in c.replaced_by if curie(p)]
    return dict(sorted(kept.items()))


# --- checking --------------------------------------------------------------------------------------------------------


def check(mappings: Sequence[Mapping], copies: Sequence[Copy], *, known: Sequence[Mapping] = ()) -> list[Finding]:
    """Compare mappings with local copies.

    Parameters
    ----------
    mappings : sequence of Mapping
        What to check; near misses among them count as known.
    copies : sequence of Copy
        The ontologies to check against; mappings to others are passed over.
    known : sequence of Mapping
        More near misses to hold mappings against.

    Returns
    -------
    list of Finding
        Rules `mapping-unknown-id`, `mapping-wrong-meaning` (violations), `mapping-obsolete`, `mapping-label-moved`,
        `mapping-not-kept` and `mapping-wording` (warnings), in the order of the mappings.
    """
    index = Index(copies)
    misses = {(m.concept.iri, m.object): m.comment for m in (*mappings, *known) if m.near_miss}
    owners: dict[str, list[Mapping]] = defaultdict(list)
    for m in mappings:
        if m.predicate == "exactMatch" and not m.near_miss:
            owners[m.object].append(m)
    ids = {copy.prefix: set(copy.ids.split()) for copy in copies}
    out: list[Finding] = []
    for m in mappings:
        if m.near_miss:
            continue
        wanted = Wanted.of(m.concept)
        rivals = [Wanted.of(o.concept) for o in owners[m.object] if o.concept != m.concept]
        miss = misses.get((m.concept.iri, m.object))
        found = judge(wanted, m.predicate, m.object, m.object_label, copies, index, ids, near_miss=miss, rivals=rivals)
        for rule, severity, message in found:
            focus = f"{m.concept.list}/{m.concept.slug} skos:{m.predicate}"
            out.append(Finding(f"mapping-{rule}", severity, "", None, "", m.object, message, focus))
    return out


def judge(
    wanted: Wanted,
    predicate: str,
    name: str,
    label: str,
    copies: Sequence[Copy],
    index: Index,
    ids: dict[str, set[str]],
    *,
    near_miss: str | None = None,
    rivals: Sequence[Wanted] = (),
) -> list[tuple[str, str, str]]:
    """Return what is wrong with one mapping: rule, severity, words. See `check`."""
    if near_miss is not None:
        return [("wrong-meaning", "violation", f"is a known near miss ({near_miss}); map to another term")]
    prefix, _, local = name.partition(":")
    holders = sorted((copy for copy in copies if name in copy.classes), key=lambda copy: copy.prefix != prefix)
    if not holders:
        if prefix not in ids:
            return []
        if local in ids[prefix]:
            return [("not-kept", "warning", "is in the ontology but not in the copy; add the ontology again")]
        return [("unknown-id", "violation", f"is not in {prefix}; look it up again by its label, {label}")]
    c = holders[0].classes[name]
    out: list[tuple[str, str, str]] = []
    if c.obsolete or c.label.lower().startswith("obsolete"):
        new = ", ".join(c.replaced_by)
        out.append(
            ("obsolete", "warning", f"is retired; {f'map to {new} instead' if new else 'no replacement is named'}")
        )
    fit, reasons = index.fit(wanted, c)
    if c.label != label:
        if fit < _NEEDED and not any(words(label) & words(n) for n, _, _ in names(c)):
            out.append(
                (
                    "wrong-meaning",
                    "violation",
                    f'is now "{c.label}", not "{label}", and nothing in it says that any more',
                )
            )
        else:
            out.append(("label-moved", "warning", f'is now labelled "{c.label}", was "{label}"; update object_label'))
    if (
        predicate not in ("exactMatch", "closeMatch")
        or c.obsolete
        or any(severity == "violation" for _, severity, _ in out)
    ):
        return out
    holds = sources()[prefix].holds
    better = next((x for x in index.rank(wanted, 10) if x.suggested and x.object.startswith(prefix + ":")), None)
    if predicate == "exactMatch" and holds and wanted.list and wanted.list not in holds:
        out.append(
            ("wrong-meaning", "violation", f'"{c.label}" is another kind of thing; {prefix} holds {", ".join(holds)}')
        )
    elif predicate == "exactMatch" and fit < 0.6 and better and better.object != name and better.score >= 0.94:
        out.append(
            (
                "wrong-meaning",
                "violation",
                f'"{c.label}" fits worse than {better.object}, "{better.label}"; map to that',
            )
        )
    elif predicate == "exactMatch" and fit < 0.5 and any(index.fit(r, c)[0] >= SUGGESTED for r in rivals):
        out.append(("wrong-meaning", "violation", f'"{c.label}" is the exact match of another term of ours'))
    elif fit < 0.4 and any(r.startswith("only the short form") for r in reasons):
        out.append(("wrong-meaning", "violation", f'"{c.label}" shares only a short form with "{wanted.label}"'))
    elif fit < 0.6 and predicate == "exactMatch":
        out.append(("wording", "warning", f'"{c.label}" and its synonyms are worded quite unlike "{wanted.label}"'))
    return out
