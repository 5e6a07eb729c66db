"""Own the synthetic charted folders: as many invented studies as wanted, in the layout of the review.

Nothing in such a folder was ever reported. Each row says so: slugs and citations begin with "synthetic".
"""

from __future__ import annotations

import argparse
import csv
import json
import shutil
from contextlib import ExitStack
from pathlib import Path
from random import Random
from typing import Any

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
            (t.slug, t.label, int(str(t.value("range_min"))), int(str(t.value("range_max"))), str(t.value("unit")))
            for t in terms.all("outcome-measure")
            if str(t.value("range_min")).isdigit() and str(t.value("range_max")).isdigit()
        ]


def _p(rng: Random) -> str:
    return rng.choice(("<0.001", "<0.01", "<0.05", f"=0.{rng.randint(10, 99):03d}", f"=0.{rng.randint(10, 99)}"))


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
    results = _results(out, rng, slug, place, names, times, measures) if arms else []
    for slug_of, label, low, high, _ in measures:
        out.add(
            "scale-uses",
            report=slug,
            outcome_measure=slug_of,
            printed_as=label,
            range=f"{low} to {high}" if rng.random() < 0.3 else "not-charted",
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


def _results(
    out: _Tables,
    rng: Random,
    slug: str,
    place: str,
    arms: list[str],
    times: list[str],
    measures: list[tuple[str, str, int, int, str]],
) -> list[str]:
    """Write about eight results of one report and return their slugs."""
    made = []
    for index in range(rng.randint(5, 11)):
        measure, label, low, high, unit = rng.choice(measures)
        arm = rng.choice(arms)
        kind = rng.choices(
            ("arm-measurement", "within-arm-change", "between-arm-comparison", "association"),
            (50, 25, 23 if len(arms) > 1 else 0, 2),
        )[0]
        cells: dict[str, object] = {
            "arms": arm,
            "comparator_arms": "not-applicable",
            "scope": "arm",
            "time_point": rng.choice(times[1:]),
            "p_scope": "not-applicable",
            "direction": "not-applicable",
        }
        value = f"{low + (high - low) * rng.randint(100, 900) / 1000:.1f}"
        if kind == "arm-measurement":
            cells |= {
                "time_point": rng.choice(times),
                "statistic": "mean",
                "value": value,
                "unit": unit,
                "n_analysed": rng.randint(8, 60),
            }
            if rng.random() < 0.7:
                cells |= {
                    "dispersion": f"{(high - low) * rng.randint(50, 200) / 1000:.2f}",
                    "dispersion_kind": "not-stated",
                }
        elif kind == "within-arm-change":
            cells |= {
                "from_time_point": "baseline",
                "statistic": "none",
                "p": _p(rng),
                "p_scope": "within",
                "direction": "within-arm-improvement",
            }
        elif kind == "between-arm-comparison":
            cells |= {
                "comparator_arms": rng.choice([a for a in arms if a != arm]),
                "statistic": "none",
                "p": _p(rng),
                "p_scope": "between",
                "direction": rng.choice(_DIRECTIONS[:3]),
            }
            if rng.random() < 0.3:
                middle = rng.randint(-20, 20) / 10
                cells |= {
                    "statistic": "mean-difference",
                    "value": f"{middle:.1f}",
                    "unit": unit,
                    "ci_lower": f"{middle - 1.5:.1f}",
                    "ci_upper": f"{middle + 1.5:.1f}",
                    "ci_level": 95,
                }
        else:
            cells |= {"statistic": "none", "p": _p(rng), "p_scope": "not-stated"}
        made.append(f"r{index + 1}")
        text = f"{label[:60]}: {cells.get('value', 'changed')}"
        out.add(
            "results",
            report=slug,
            result=made[-1],
            kind=kind,
            outcome_measures=measure,
            charted_text=text,
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
