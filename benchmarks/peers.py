"""Own the peers that need packages of their own: morph-kgc and DuckDB, run by an interpreter that has them.

python -m venv peers && peers/bin/pip install morph-kgc duckdb
python benchmarks/run.py --peers peers/bin/python
"""

from __future__ import annotations

import csv
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

RKG = "https://w3id.org/regen-kg/ontology#"
ID = "https://w3id.org/regen-kg/id/"


def morph(folder: Path) -> dict[str, float]:
    """Map every charted cell to one triple with morph-kgc, to N-Quads; the import is not counted, reading the files is."""
    import morph_kgc

    maps = ["@prefix rr: <http://www.w3.org/ns/r2rml#> . @prefix rml: <http://semweb.mmlab.be/ns/rml#> ."]
    maps.append("@prefix ql: <http://semweb.mmlab.be/ns/ql#> .")
    for resource in json.loads((folder / "datapackage.json").read_text("utf-8"))["resources"]:
        name, schema = resource["name"], resource["schema"]
        key = "/".join(f"{{{k}}}" for k in schema["primaryKey"])
        pairs = " ; ".join(
            f'rr:predicateObjectMap [ rr:predicate <{RKG}{f["name"]}> ; rr:objectMap [ rml:reference "{f["name"]}" ] ]'
            for f in schema["fields"]
        )
        maps.append(
            f'<#{name}> rml:logicalSource [ rml:source "{folder / name}.csv" ; rml:referenceFormulation ql:CSV ] ; '
            f'rr:subjectMap [ rr:template "{ID}row/{name}/{key}" ] ; {pairs} .'
        )
    with tempfile.TemporaryDirectory() as temporary:
        mapping, out = Path(temporary) / "map.ttl", Path(temporary) / "out.nq"
        mapping.write_text("\n".join(maps), "utf-8")
        config = f"[CONFIGURATION]\nnumber_of_processes=1\nlogging_level=ERROR\n[charted]\nmappings={mapping}\n"
        start, wall = os.times(), time.perf_counter()
        found = morph_kgc.materialize_set(config)
        out.write_text("".join(f"{line} .\n" for line in found), "utf-8")
        end = os.times()
        cpu = sum(end[:4]) - sum(start[:4])
        return {"cpu": cpu, "wall": time.perf_counter() - wall, "triples": len(found)}


_LOAD = """
CREATE TABLE reports AS SELECT report, study, kind, try_cast(sample_size AS INTEGER) AS size FROM read_csv('{f}/reports.csv', all_varchar = true);
CREATE TABLE up AS WITH RECURSIVE u AS (SELECT slug AS low, slug AS high, parent FROM read_csv('{o}/conditions.csv', all_varchar = true)
  UNION ALL SELECT u.low, c.slug, c.parent FROM u JOIN read_csv('{o}/conditions.csv', all_varchar = true) c ON c.slug = u.parent)
  SELECT low, high FROM u WHERE parent = 'none';
CREATE TABLE tech AS WITH RECURSIVE u AS (SELECT slug AS low, slug AS high, parent, section4 FROM read_csv('{o}/interventions.csv', all_varchar = true)
  UNION ALL SELECT u.low, c.slug, c.parent, c.section4 FROM u JOIN read_csv('{o}/interventions.csv', all_varchar = true) c ON c.slug = u.parent WHERE u.section4 <> 'true')
  SELECT low, high FROM u WHERE section4 = 'true';
CREATE TABLE studied AS SELECT DISTINCT report, high AS disease FROM read_csv('{f}/populations.csv', all_varchar = true) p JOIN up ON up.low = p.condition;
CREATE TABLE technologies AS SELECT slug AS technology FROM read_csv('{o}/interventions.csv', all_varchar = true) WHERE section4 = 'true';
CREATE TABLE directions AS SELECT report, technology, direction FROM read_csv('{f}/directions.csv', all_varchar = true);
CREATE TABLE arms AS SELECT DISTINCT report, arm, high AS technology FROM read_csv('{f}/components.csv', all_varchar = true) c JOIN tech ON tech.low = c.intervention WHERE role = 'tested';
CREATE TABLE arm_names AS SELECT report, arm FROM read_csv('{f}/arms.csv', all_varchar = true);
CREATE TABLE domains AS SELECT slug, domain FROM read_csv('{o}/outcome-measures.csv', all_varchar = true);
CREATE TABLE results AS SELECT report, result, kind, unnest(string_split(arms, '|')) AS arm, comparator_arms, outcome_measures, time_point FROM read_csv('{f}/results.csv', all_varchar = true);
CREATE TABLE paired AS SELECT report, result, kind, arm, unnest(string_split(comparator_arms, '|')) AS other, outcome_measures, time_point FROM results;
CREATE TABLE measured AS SELECT report, result, kind, arm, other, unnest(string_split(outcome_measures, '|')) AS outcome_measure, time_point FROM paired;
"""
_CELLS = "FROM directions JOIN studied USING (report) JOIN reports USING (report)"
_QUERIES = {
    "gap-matrix": f"""
SELECT technology, disease, coalesce(r, 0), coalesce(s, 0), coalesce(p, 0), coalesce(c, 0)
FROM technologies CROSS JOIN (SELECT DISTINCT high AS disease FROM up)
LEFT JOIN (SELECT technology, disease, count(DISTINCT report) AS r, count(DISTINCT study) FILTER (kind = 'primary') AS s {_CELLS} GROUP BY ALL) USING (technology, disease)
LEFT JOIN (SELECT technology, disease, sum(most) AS p FROM (SELECT technology, disease, study, max(size) AS most {_CELLS} WHERE kind = 'primary' GROUP BY ALL) GROUP BY ALL) USING (technology, disease)
LEFT JOIN (SELECT a.technology, s.disease, count(DISTINCT (m.report, least(m.arm, other), greatest(m.arm, other), outcome_measure, time_point)) AS c
  FROM measured m JOIN arms a ON a.report = m.report AND (a.arm = m.arm OR a.arm = m.other)
  JOIN directions d ON d.report = m.report AND d.technology = a.technology JOIN studied s ON s.report = m.report
  WHERE m.kind = 'between-arm-comparison' AND m.other IN (SELECT arm FROM arm_names n WHERE n.report = m.report) GROUP BY a.technology, s.disease) USING (technology, disease)
ORDER BY ALL""",
    "coverage": """
SELECT d.technology, s.disease, o.domain, count(DISTINCT r.report), count(DISTINCT study) FILTER (r.kind = 'primary')
FROM directions d JOIN studied s USING (report) JOIN reports r USING (report) JOIN (
  SELECT DISTINCT m.report, a.technology, domain FROM measured m JOIN arms a ON a.report = m.report AND (a.arm = m.arm OR a.arm = m.other)
  JOIN domains ON slug = outcome_measure) o ON o.report = d.report AND o.technology = d.technology
GROUP BY ALL ORDER BY ALL""",
    "conflicts": """
SELECT a.technology, a.disease, a.report, b.report FROM (SELECT * FROM directions JOIN studied USING (report) JOIN reports USING (report) WHERE kind = 'primary') a
JOIN (SELECT * FROM directions JOIN studied USING (report) JOIN reports USING (report) WHERE kind = 'primary') b
ON a.technology = b.technology AND a.disease = b.disease AND a.report < b.report AND a.study <> b.study
WHERE (a.direction IN ('favours-technology', 'within-arm-improvement') AND b.direction IN ('no-difference', 'favours-comparator'))
OR (b.direction IN ('favours-technology', 'within-arm-improvement') AND a.direction IN ('no-difference', 'favours-comparator'))
ORDER BY ALL""",
}


def duck(folder: Path, ontology: Path, built: Path) -> dict[str, dict[str, Any]]:
    """Time DuckDB over tables in memory, in one thread: processor seconds, best of seven.

    Returns
    -------
    dict
        The question's name to `same rows` (seconds to hand Python the very rows of the kept answer, from a table that holds
        them) and, for the analytic ones, `seconds`, `rows` and `first` of an aggregate of the charted tables, where
        conflicts are bare pairs and coverage leaves out participants and comparisons.
    """
    import duckdb

    base = duckdb.connect(config={"threads": 1})
    for statement in _LOAD.format(f=folder, o=ontology).split(";\n"):
        if statement.strip():
            base.execute(statement)

    def best(query: str) -> tuple[float, list[tuple[Any, ...]]]:
        times, rows = [], []
        for _ in range(7):
            start = time.process_time()
            rows = base.execute(query).fetchall()
            times.append(time.process_time() - start)
            if times[-1] > 2:
                break
        return min(times), rows

    out: dict[str, dict[str, Any]] = {}
    for name, query in _QUERIES.items():
        seconds, rows = best(query)
        out[name] = {"seconds": seconds, "rows": len(rows), "first": [[str(c) for c in r] for r in rows[:60]]}
    with tempfile.TemporaryDirectory() as temporary:
        for path in sorted((built / "answers").glob("*.jsonl")):
            lines = path.read_text("utf-8").splitlines()
            if not lines:
                continue
            table = Path(temporary) / "rows.csv"
            with table.open("w", encoding="utf-8", newline="") as file:
                csv.writer(file).writerows(json.loads(line) for line in lines)
            base.execute(f"CREATE OR REPLACE TABLE kept AS FROM read_csv('{table}', header = false, all_varchar = true, delim = ',', quote = '\"', escape = '\"')")  # fmt: skip
            seconds, rows = best("FROM kept")
            if len(rows) != len(lines):
                raise SystemExit(f"{path.stem}: DuckDB read {len(rows)} of {len(lines)} rows")
            out.setdefault(path.stem, {})["same rows"] = seconds
    return out


if __name__ == "__main__":
    job, *places = sys.argv[1:]
    given = [Path(p).resolve() for p in places]
    print(json.dumps(morph(*given) if job == "morph" else duck(*given)))
