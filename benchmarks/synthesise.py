"""Own the synthetic charted folders: as many invented studies as wanted, in the layout of the review.

Nothing in such a folder was ever reported. Each row says so: slugs and citations begin with "synthetic".
"""

from __future__ import annotations

import argparse
import csv
import json
import shutil
from contextlib import ExitStack
from decimal import Decimal
from math import fsum, sqrt
from pathlib import Path
from random import Random
from statistics import NormalDist
from typing import Any, NamedTuple

from regen_kg.charting import read_description
from regen_kg.layout import ontology_dir, packaged_charted_dir
from regen_kg.terms import Terms
from regen_kg.triples import top_disease, top_technology

# What the review says of itself and of the literature at large: kept as packaged, none of it refers to a report.
PACKAGED = (
    "claims", "claim-citations", "citations", "search", "eligibility", "charting-form", "instruments", "study-flow",
    "source",
)  # fmt: skip
# About the mix of the review: platelets first, and no report at all on the last two.
_WEIGHTS = {
    "platelet-rich-plasma": 30, "hyaluronic-acid": 12, "bone-marrow-aspirate-concentrate": 8,
    "adipose-derived-stromal-cells": 6, "mesenchymal-stem-cells": 6, "autologous-chondrocyte-implantation": 6,
    "hypertonic-glucose": 4, "placental-tissue": 5, "3d-printing": 2, "exosomes": 0, "artificial-intelligence": 0,
}  # fmt: skip
_DIRECTIONS = (
    "favours-technology",
    "no-difference",
    "favours-comparator",
    "within-arm-improvement",
    "mixed",
    "not-charted",
)
_CONTROLS = (
    "saline-injection",
    "placebo",
    "corticosteroid-injection",
    "standard-care",
    "exercise-therapy",
    "microfracture",
)
_ADJUNCTS = (
    "microfracture",
    "arthroscopic-debridement",
    "stretching-exercise",
    "eccentric-training",
    "local-anaesthetic",
    "fibrin",
)
_FOLLOW_UPS = ((6, "week"), (12, "week"), (24, "week"), (6, "month"), (12, "month"), (24, "month"), (36, "month"))


class _Tables:
    """Writes rows to the tables of a folder; a column that is not given gets the first status word it allows."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self._writers: dict[str, Any] = {}
        self._defaults: dict[str, dict[str, str]] = {}
        for resource in read_description(packaged_charted_dir())["resources"]:
            name, fields = resource["name"], resource["schema"]["fields"]
            if name in PACKAGED:
                continue
            file = stack.enter_context((folder / f"{name}.csv").open("w", encoding="utf-8", newline=""))
            self._writers[name] = csv.writer(file, lineterminator="\n")
            self._writers[name].writerow([f["name"] for f in fields])
            self._defaults[name] = {f["name"]: (f.get("missingValues") or [{"value": ""}])[0]["value"] for f in fields}

    def add(self, table: str, **cells: object) -> None:
        """Append one row; a name that is no column is an error."""
        row = dict(self._defaults[table])
        for column, value in cells.items():
            if column not in row:
                raise KeyError(f"{table}.csv has no column {column}")
            row[column] = str(value)
        self._writers[table].writerow(row.values())


class _Measure(NamedTuple):
    """A measure with its scale."""

    slug: str
    label: str
    low: int
    high: int
    unit: str
    whole: bool
    polarity: str

    @property
    def higher_is_better(self) -> bool:
        """Tell which end is good; where that is not established, any will do."""
        return self.polarity != "lower-is-better"

    def direction(self, value: Decimal, p: str, better: str, worse: str | None) -> str:
        """Return the direction that a difference and its p value give."""
        if not self.polarity:
            return "not-charted"
        if p.startswith("=") and float(p[1:]) >= 0.05:
            return "no-difference"
        return better if (value > 0) == self.higher_is_better else worse or "not-charted"


class _Words:
    """The controlled words that studies are made of."""

    def __init__(self, terms: Terms) -> None:
        self.technologies = [t.slug for t in terms.all("technology")]
        self.weights = [_WEIGHTS.get(t, 1) for t in self.technologies]
        self.forms: dict[str, list[str]] = {t: [] for t in self.technologies}
        for term in terms.all("intervention"):
            if top := top_technology(terms, term.slug):
                self.forms[top].append(term.slug)
        self.conditions = [t.slug for t in terms.all("condition")]
        self.disease = {c: top_disease(terms, c) for c in self.conditions}
        # Only measures whose scale has both ends, so that a value can be drawn inside it.
        self.measures = [
            _Measure(t.slug, t.label, int(str(t.value("range_min"))), int(str(t.value("range_max"))), str(t.value("unit")),
                     t.value("whole_number") == "true", t.value("polarity") or "")
            for t in terms.all("outcome-measure")
            if str(t.value("range_min")).isdigit() and str(t.value("range_max")).isdigit()
        ]  # fmt: skip


def _report(out: _Tables, rng: Random, words: _Words, slug: str, study: str, number: int) -> None:
    """Write all rows of one report."""
    place = f"T5.r{number}"
    secondary = slug == study and rng.random() < 0.04
    second = slug != study
    condition = rng.choice(words.conditions)
    disease = words.disease[condition]
    placed = disease if rng.random() < 0.95 else words.disease[rng.choice(words.conditions)]
    arms = 0 if secondary else rng.choices((1, 2, 3, 4), (35, 45, 14, 6))[0]
    sizes = [rng.randint(8, 60) for _ in range(arms)]
    sample = sum(sizes) + rng.randint(0, 4) if arms else rng.randint(80, 900)
    known = rng.random() < 0.9
    random = arms > 1 and rng.random() < 0.3
    out.add(
        "reports", report=slug, citation=f"Synthetic {number} et al. ({2005 + number % 20})", year=2005 + number % 20,
        study=study, study_basis="the same invented study, reported twice" if second else "not-applicable",
        kind="secondary" if secondary else "primary", kind_basis="row", placed_under=placed,
        sample_size=sample if known else "not-charted", sample_size_unit="participants" if known else "not-charted",
        sample_size_text=sample if known else "not-charted", allocation="random" if random else "not-charted",
        allocation_text="randomised" if random else "not-charted", source=f"{place}|S3.1.{1 + number % 5}.p1",
    )  # fmt: skip
    out.add("bibliography", report=slug, title=f"An invented study, number {number}", status="unverified")
    out.add(
        "populations",
        report=slug,
        condition=condition,
        basis="row",
        charted_text=condition.replace("-", " "),
        source=f"{place}.method",
    )
    if rng.random() < 0.1 and (other := rng.choice(words.conditions)) != condition:
        out.add(
            "populations",
            report=slug,
            condition=other,
            basis="prose",
            charted_text=other.replace("-", " "),
            source=f"S3.1.{1 + number % 5}.p2",
        )

    tested: list[str] = []
    names: list[str] = []
    components = arms
    for index in range(arms):
        comparator = index > 0 and rng.random() < 0.6
        arm = f"arm-{index + 1}"
        if comparator:
            used, role = rng.choice(_CONTROLS), "control"
        else:
            technology = rng.choices(words.technologies, words.weights)[0]
            used, role = rng.choice(words.forms[technology]), "tested"
            if technology not in tested:
                tested.append(technology)
        names.append(arm)
        label = used.replace("-", " ")
        n = sizes[index] if arms > 1 and rng.random() < 0.8 else "not-charted"
        out.add(
            "arms",
            report=slug,
            arm=arm,
            label=label,
            n=n,
            n_text=f"{n} {label}" if n != "not-charted" else n,
            role="comparator" if comparator else "intervention",
            source=f"{place}.method",
        )
        parts = [(used, role)]
        if components < 5 and (arms == 1 or rng.random() < 0.35):
            parts.append((rng.choice([a for a in _ADJUNCTS if a != used]), "adjunct"))
            components += 1
        for intervention, part in parts:
            out.add(
                "components", report=slug, arm=arm, component=intervention, intervention=intervention, role=part,
                printed_as=intervention.replace("-", " "), number=rng.choice(("1", "2", "3", "not-charted")),
                interval=rng.choice(("2 weeks", "not-charted")), volume=rng.choice(("3 mL", "5 mL", "not-charted")),
                charted_text=f"{rng.randint(1, 3)} injections of {intervention.replace('-', ' ')}", source=f"{place}.method",
            )  # fmt: skip
    if not tested:
        tested.append(rng.choices(words.technologies, words.weights)[0])

    times: list[str] = []
    if arms:
        out.add(
            "time-points",
            report=slug,
            time_point="baseline",
            label="before treatment",
            kind="undated",
            role="baseline",
            statistic="single",
            charted_text="before treatment",
            source=f"{place}.results",
        )
        times.append("baseline")
        for value, unit in sorted(rng.sample(_FOLLOW_UPS, 2), key=_FOLLOW_UPS.index):
            times.append(f"{unit}-{value}")
            out.add(
                "time-points",
                report=slug,
                time_point=times[-1],
                label=f"at {value} {unit}s",
                kind="instant",
                value=value,
                start="not-applicable",
                unit=unit,
                role="follow-up",
                statistic="single",
                charted_text=f"at {value} {unit}s",
                source=f"{place}.results",
            )

    measures = rng.sample(words.measures, rng.randint(1, 3))
    results = _results(out, rng, slug, place, dict(zip(names, sizes, strict=True)), times, measures) if arms else []
    for measure in measures:
        out.add(
            "scale-uses",
            report=slug,
            outcome_measure=measure.slug,
            printed_as=measure.label,
            range=f"{measure.low} to {measure.high}" if rng.random() < 0.3 else "not-charted",
            source=f"{place}.scoring-system",
        )

    for technology in tested:
        direction = rng.choices(_DIRECTIONS, (35, 15, 4, 25, 8, 13))[0]
        out.add(
            "directions", report=slug, technology=technology, comparator=rng.choice(_CONTROLS) if arms > 1 else "not-applicable",
            direction=direction, basis=rng.choice(("results", "conclusion", "prose")), reasoning="Drawn by lot for a synthetic study",
            charted_text="an invented conclusion", source=f"{place}.conclusion",
        )  # fmt: skip
    if len(tested) > 1:
        first, other = sorted(tested)[:2]
        out.add(
            "head-to-head",
            report=slug,
            technology_a=first,
            technology_b=other,
            direction=rng.choice(("no-difference", "mixed", "not-charted")),
            reasoning="Drawn by lot for a synthetic study",
            charted_text="both groups similar",
            source=f"{place}.results",
        )
    if rng.random() < 0.25:
        out.add(
            "safety",
            report=slug,
            statement="s1",
            status="charted",
            content=rng.choice(("stated-absence", "minor-events", "safe", "well-tolerated")),
            paraphrase="An invented safety statement",
            technology=tested[0],
            charted_text="no adverse events",
            source=f"{place}.conclusion",
        )
    else:
        out.add("safety", report=slug, statement="s1", status="not-charted", source=place)
    if results and rng.random() < 0.3:
        out.add(
            "notes", note=f"{slug}-wording", kind=rng.choice(("ambiguous-wording", "conclusion-not-carried", "misprint")),
            severity=rng.choice(("grave", "notable", "minor")), reports=slug, results=f"{slug}/{rng.choice(results)}", places=f"{place}.results",
            summary="An invented finding about an invented result.", reasoning="Both readings are invented as well.",
            evidence="synthetic", rule="synthetic", decision="accepted", decided_because="Part of the synthetic mix",
        )  # fmt: skip


class _Drawn:
    """Draws participants, so that mean, SD, n, change, interval and p of a study fit each other as those of a true one do."""

    def __init__(self, rng: Random, sizes: dict[str, int], times: list[str]) -> None:
        self._rng, self._times = rng, times
        self._n = {arm: max(8, size - rng.randint(0, 3)) for arm, size in sizes.items()}
        self._gain = {arm: rng.uniform(0.15, 0.35) for arm in sizes}
        self._start, self._spread = rng.uniform(0.25, 0.4), rng.uniform(0.08, 0.14)
        self._seen: dict[tuple[str, str, str], tuple[Decimal, Decimal, int]] = {}

    def summary(self, arm: str, measure: _Measure, time: str) -> tuple[Decimal, Decimal, int]:
        """Return mean, SD and n of an arm at a time, rounded as a report would."""
        key = (arm, measure.slug, time)
        if key not in self._seen:
            width, n = measure.high - measure.low, self._n[arm]
            share = self._start + (self._gain[arm] if time != self._times[0] else 0)
            middle = measure.low + width * share if measure.higher_is_better else measure.high - width * share
            draws = [
                min(max(self._rng.gauss(middle, self._spread * width), measure.low), measure.high) for _ in range(n)
            ]
            values = [round(x) if measure.whole else round(x, 1) for x in draws]
            mean = fsum(values) / n
            sd = sqrt(fsum((x - mean) ** 2 for x in values) / (n - 1))
            digits = 1 if width > 10 else 2
            self._seen[key] = Decimal(f"{mean:.{digits}f}"), Decimal(f"{sd:.{digits}f}"), n
        return self._seen[key]

    def difference(self, arm: str, other: str, measure: _Measure, time: str) -> tuple[Decimal, float]:
        """Return arm less other, and its standard error."""
        (a, s, n), (b, t, m) = self.summary(arm, measure, time), self.summary(other, measure, time)
        return a - b, sqrt(float(s) ** 2 / n + float(t) ** 2 / m) or 0.01


def _p(z: float) -> str:
    """Print the two-sided p value of a normal deviate."""
    p = min(2 * (1 - NormalDist().cdf(abs(z))), 0.999)
    return "<0.001" if p < 0.001 else f"={p:.3f}"


def _results(
    out: _Tables, rng: Random, slug: str, place: str, sizes: dict[str, int], times: list[str], measures: list[_Measure]
) -> list[str]:
    """Write about eight results of one report and return their slugs."""
    made: list[str] = []
    taken = set()
    arms, drawn = list(sizes), _Drawn(rng, sizes, times)
    for _ in range(rng.randint(6, 13)):
        measure, arm, time = rng.choice(measures), rng.choice(arms), rng.choice(times[1:])
        kind = rng.choices(
            ("arm-measurement", "event", "within-arm-change", "between-arm-comparison", "association"),
            (45, 5, 25, 23 if len(arms) > 1 else 0, 2),
        )[0]
        cells: dict[str, object] = {"arms": arm, "scope": "arm", "time_point": time, "statistic": "none"}
        cells |= {"comparator_arms": "not-applicable", "p_scope": "not-applicable", "direction": "not-applicable"}
        told, slug_of = "changed", measure.slug
        if kind == "arm-measurement":
            time = cells["time_point"] = rng.choice(times)
            mean, sd, n = drawn.summary(arm, measure, time)
            told = str(mean)
            cells |= {"statistic": "mean", "value": mean, "unit": measure.unit, "n_analysed": n}
            if rng.random() < 0.7:
                told += f" ± {sd}"
                cells |= {"dispersion": sd, "dispersion_kind": rng.choice(("not-stated", "SD"))}
        elif kind == "event":
            n = drawn.summary(arm, measure, time)[2]
            count, slug_of = rng.randint(0, n), "clinical-success"
            told, kind = f"success in {count} of {n}", "arm-measurement"
            cells |= {"statistic": "count", "value": count, "unit": "participant", "n_analysed": n}
            if rng.random() < 0.5:
                share = f"{100 * count / n:.1f}"
                told += f" ({share}%)"
                cells |= {"statistic": "percentage", "value": share, "unit": "percent"}
        elif kind == "within-arm-change":
            (before, _, _), (after, sd, n) = drawn.summary(arm, measure, times[0]), drawn.summary(arm, measure, time)
            cells |= {"from_time_point": times[0], "p_scope": "within"}
            cells["p"] = _p(float(after - before) / (float(sd) * sqrt(2 / n) or 0.01))
            cells["direction"] = measure.direction(after - before, str(cells["p"]), "within-arm-improvement", None)
            if rng.random() < 0.4:
                told = f"changed by {after - before}"
                cells |= {"statistic": "mean-change", "value": after - before, "unit": measure.unit}
        elif kind == "between-arm-comparison":
            cells["comparator_arms"] = other = rng.choice([a for a in arms if a != arm])
            value, error = drawn.difference(arm, other, measure, time)
            cells |= {"p": _p(float(value) / error), "p_scope": "between"}
            cells["direction"] = measure.direction(value, str(cells["p"]), "favours-technology", "favours-comparator")
            if rng.random() < 0.3 and abs(abs(float(value) / error) - 1.96) > 0.2:
                told = f"difference {value}"
                lower, upper = (f"{float(value) + d * 1.96 * error:.2f}" for d in (-1, 1))
                cells |= {"statistic": "mean-difference", "value": value, "unit": measure.unit}
                cells |= {"ci_lower": lower, "ci_upper": upper, "ci_level": 95}
        else:
            cells |= {"p": _p(rng.gauss(0, 2)), "p_scope": "not-stated"}
        slot = (kind, slug_of, arm, cells["comparator_arms"], time)
        if slot in taken:
            continue
        taken.add(slot)
        made.append(f"r{len(made) + 1}")
        out.add(
            "results",
            report=slug,
            result=made[-1],
            kind=kind,
            outcome_measures=slug_of,
            charted_text=f"{measure.label[:60]}: {told}",
            source=f"{place}.results",
            **cells,
        )
    return made


def synthesise(folder: Path, studies: int, seed: int = 1) -> dict[str, int]:
    """Write a charted folder of invented studies.

    Parameters
    ----------
    folder : Path
        Where to; made if absent, its tables are overwritten.
    studies : int
        How many; about three in a hundred get a second report.
    seed : int
        The same seed and number give byte-equal files.

    Returns
    -------
    dict
        Rows of each generated table, without headers.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name in PACKAGED:
        shutil.copyfile(packaged_charted_dir() / f"{name}.csv", folder / f"{name}.csv")
    shutil.copyfile(packaged_charted_dir() / "datapackage.json", folder / "datapackage.json")
    rng = Random(seed)
    words = _Words(Terms.load(ontology_dir()))
    with ExitStack() as stack:
        out = _Tables(folder, stack)
        for number in range(1, studies + 1):
            study = f"synthetic-{number:06d}"
            _report(out, rng, words, study, study, number)
            if rng.random() < 0.03:
                _report(out, rng, words, f"{study}b", study, number)
    counts = {}
    for path in sorted(folder.glob("*.csv")):
        if path.stem not in PACKAGED:
            with path.open(encoding="utf-8", newline="") as file:
                counts[path.stem] = sum(1 for _ in csv.reader(file)) - 1
    return counts


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Write a charted folder of invented studies.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--studies", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    print(json.dumps(synthesise(given.folder, given.studies, given.seed), indent=1))
