"""Own the measurement of `regen-kg link add` on an ontology as large as the whole NCI Thesaurus, in each form."""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

WORDS = "acute ankle bone carcinoma cell chronic disease fascia foot gene injury lesion ligament measurement protein region score tendon therapy tissue".split()
OBO = "http://purl.obolibrary.org/obo/"
TEXT = " ".join(WORDS * 2)
CHILD = (
    "import resource, sys; from regen_kg import cli; code = cli.main(['link', 'add', sys.argv[1]]); "
    "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024); sys.exit(code)"
)


def terms(count: int) -> Iterator[tuple[str, str, list[str], str | None]]:
    """Invent terms: local identifier, label, four synonyms, the term above."""
    lot = random.Random(1)
    for n in range(count):
        names = [" ".join(lot.choices(WORDS, k=4)) + f" {n}" for _ in range(5)]
        yield f"C{n + 1}", names[0], names[1:], f"C{lot.randrange(n) + 1}" if n else None


def write(path: Path, count: int) -> None:
    """Write the terms in the form that the file's name asks for."""
    with path.open("w", encoding="utf-8") as file:
        if path.suffix == ".obo":
            file.write("format-version: 1.4\nontology: ncit\n")
            for me, label, others, parent in terms(count):
                file.write(f'\n[Term]\nid: NCIT:{me}\nname: {label}\ndef: "{TEXT}" []\n')
                file.writelines(f'synonym: "{other}" EXACT []\n' for other in others)
                file.write(f"is_a: NCIT:{parent}\n" if parent else "")
        elif path.suffix == ".json":
            file.write(f'{{"graphs": [{{"id": "{OBO}ncit.json", "nodes": [')
            for n, (me, label, others, _) in enumerate(terms(count)):
                meta = {
                    "definition": {"val": TEXT},
                    "synonyms": [{"pred": "hasExactSynonym", "val": x} for x in others],
                }
                file.write("," * bool(n) + json.dumps({"id": f"{OBO}NCIT_{me}", "lbl": label, "meta": meta}))
            file.write('], "edges": [')
            edges = (
                {"sub": f"{OBO}NCIT_{me}", "pred": "is_a", "obj": f"{OBO}NCIT_{up}"}
                for me, _, _, up in terms(count)
                if up
            )
            for n, edge in enumerate(edges):
                file.write("," * bool(n) + json.dumps(edge))
            file.write("]}]}")
        elif path.suffix == ".owl":
            file.write(
                f'<?xml version="1.0"?>\n<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns:obo="{OBO}" '
                'xmlns:rdfs="http://www.w3.org/2000/01/rdf-schema#" xmlns:owl="http://www.w3.org/2002/07/owl#" '
                f'xmlns:oio="http://www.geneontology.org/formats/oboInOwl#">\n<owl:Ontology rdf:about="{OBO}ncit.owl"/>\n'
            )
            for me, label, others, parent in terms(count):
                file.write(
                    f'<owl:Class rdf:about="{OBO}NCIT_{me}"><rdfs:label>{label}</rdfs:label><obo:IAO_0000115>{TEXT}</obo:IAO_0000115>'
                )
                file.writelines(f"<oio:hasExactSynonym>{other}</oio:hasExactSynonym>" for other in others)
                file.write(
                    f'<rdfs:subClassOf rdf:resource="{OBO}NCIT_{parent}"/></owl:Class>\n'
                    if parent
                    else "</owl:Class>\n"
                )
            file.write("</rdf:RDF>\n")
        else:
            file.write(
                f'<?xml version="1.0"?>\n<Ontology xmlns="http://www.w3.org/2002/07/owl#" ontologyIRI="{OBO}ncit.owl">\n'
            )
            says = "<AnnotationAssertion><AnnotationProperty IRI='{}'/><IRI>{}</IRI><Literal>{}</Literal></AnnotationAssertion>\n"
            for me, label, others, parent in terms(count):
                iri = f"{OBO}NCIT_{me}"
                file.write(f"<Declaration><Class IRI='{iri}'/></Declaration>\n")
                file.write(
                    says.format("http://www.w3.org/2000/01/rdf-schema#label", iri, label)
                    + says.format(OBO + "IAO_0000115", iri, TEXT)
                )
                file.writelines(
                    says.format("http://www.geneontology.org/formats/oboInOwl#hasExactSynonym", iri, x) for x in others
                )
                if parent:
                    file.write(f"<SubClassOf><Class IRI='{iri}'/><Class IRI='{OBO}NCIT_{parent}'/></SubClassOf>\n")
            file.write("</Ontology>\n")


def main() -> None:
    """Print a line per form: size of the file, seconds, peak memory."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--terms", type=int, default=200_000)
    args = parser.parse_args()
    print("| form | file, MB | seconds | peak memory, MiB |\n|---|---:|---:|---:|")
    for name in ("ncit.obo", "ncit.json", "ncit.owl", "ncit.owx"):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / name
            write(path, args.terms)
            start = time.perf_counter()
            home = {**os.environ, "REGEN_KG_HOME": folder}
            done = subprocess.run([sys.executable, "-c", CHILD, str(path)], env=home, capture_output=True, text=True)
            if done.returncode:
                sys.exit(done.stderr)
            took, peak = time.perf_counter() - start, done.stdout.split()[-1]
            print(f"| {name} | {path.stat().st_size / 1e6:.0f} | {took:.0f} | {peak} |", flush=True)


if __name__ == "__main__":
    main()
