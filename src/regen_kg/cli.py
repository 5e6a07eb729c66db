"""Own the command line: parse, call one function, exit code."""

from __future__ import annotations

import argparse
import difflib
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from regen_kg import __version__
from regen_kg.errors import InputError, QueryError, ReceiptError, RegenKGError, StoreError
from regen_kg.remote import Endpoint, RemoteStore, Target
from regen_kg.store import Store, doubt, refuse_unsafe

if TYPE_CHECKING:
    from regen_kg.build import Build
    from regen_kg.links import Mapping
    from regen_kg.ontologies import Copy
    from regen_kg.queries import SavedQuery
    from regen_kg.terms import Term, Terms

_FORMATS = ("table", "csv", "json", "ttl")


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _why(err: OSError | UnicodeDecodeError) -> str:
    return err.strerror or str(err) if isinstance(err, OSError) else "not UTF-8"


def _positive(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f'"{text}" should be a whole number from 1 up')
    return int(text)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="regen-kg",
        description="Evidence on regenerative medicine for the foot and ankle: what is charted, where, and what is missing. Not medical advice.",
    )
    parser.add_argument("--version", action="version", version=f"regen-kg {__version__}")
    sub = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    charted = argparse.ArgumentParser(add_help=False)
    charted.add_argument(
        "--charted", metavar="DIR", help="charted tables (default: graph/charted here, else the packaged review)"
    )

    build = sub.add_parser("build", parents=[charted], help="build and validate the graph")
    build.add_argument("--out", metavar="DIR", help="where to (default: your data folder)")
    build.add_argument(
        "--to",
        metavar="URL",
        help="load it into a SPARQL server too: its Graph Store or Update address, such as http://localhost:7878/store",
    )
    build.add_argument("--endpoint", metavar="URL", help="with --to: where that server answers, if --to does not tell")
    build.add_argument(
        "--processes",
        type=_number,
        default=1,
        metavar="N",
        help="of a large chart, work on N portions, and then on N saved questions, at a time (default 1; each takes 300 to 800 MB, and HermiT up to 1 GB)",
    )

    validate = sub.add_parser("validate", help="check charted folders; nothing is built")
    validate.add_argument("path", nargs="*", metavar="PATH", help="charted folders (default: as for build)")
    validate.add_argument("--format", choices=("text", "json", "csv", "ttl"), default="text")

    query = sub.add_parser("query", parents=[charted], help="ask a saved question")
    query.add_argument("name", nargs="?", metavar="NAME", help="a saved question, e.g. gap-matrix")
    query.add_argument(
        "--param",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="set a parameter of the question (may be given again), e.g. report=paget-2023",
    )
    query.add_argument("--format", choices=_FORMATS, default="table")
    query.add_argument("--endpoint", metavar="URL", help="ask a SPARQL endpoint instead of the local build")
    query.add_argument(
        "--list", action="store_true", help="list the saved questions, with their parameters in brackets"
    )
    query.add_argument(
        "--include-noted",
        action="store_true",
        help="keep values under a grave note, which effect sizes and mixes leave out",
    )
    query.add_argument("--receipt", metavar="FILE", help="write what it takes to check the answer: see verify")

    sparql = sub.add_parser("sparql", parents=[charted], help="run a SPARQL query")
    sparql.add_argument("query", nargs="?", metavar="QUERY", help="with its PREFIX lines; in quotes")
    sparql.add_argument("-f", "--file", metavar="FILE", help="read the query from a file")
    sparql.add_argument("--endpoint", metavar="URL", help="ask a SPARQL endpoint instead of the local build")
    sparql.add_argument(
        "--with",
        dest="copies",
        action="append",
        metavar="PREFIX",
        help="add the local copy of this ontology, e.g. mondo",
    )
    sparql.add_argument("--format", choices=_FORMATS, default="table")
    sparql.add_argument("--receipt", metavar="FILE", help="write what it takes to check the answer: see verify")
    sparql.add_argument(
        "--explain",
        action="store_true",
        help="say why a SELECT answers nothing: the pattern or filter at fault and the nearest known terms",
    )

    gap = sub.add_parser(
        "gap",
        parents=[charted],
        help="certify a gap: re-run it and say what its emptiness means",
        description="Re-run a gap against the present build and print its certificate: what was probed and searched, which statuses stand "
        "behind the emptiness, what is nearest. Exit code 0 if it holds, 1 if it no longer holds or cannot be certified.",
    )
    gap.add_argument("gap", metavar="ID", help="as in the column gap of: regen-kg query evidence-gaps")
    gap.add_argument("--endpoint", metavar="URL", help="ask a SPARQL endpoint instead of the local build")
    gap.add_argument("--format", choices=("text", "json"), default="text")

    verify = sub.add_parser(
        "verify",
        parents=[charted],
        help="ask the question of a receipt again and say what differs",
        description="Replay a receipt against the present build: its question, answer, charted rows and quality notes. "
        "Exit code 0 if all is as the receipt says, 1 if anything differs, 2 if it is no receipt.",
    )
    verify.add_argument("receipt", metavar="RECEIPT", help="a file that --receipt wrote")
    verify.add_argument("--endpoint", metavar="URL", help="ask a SPARQL endpoint instead of the local build")
    verify.add_argument("--format", choices=("text", "json"), default="text")

    explore = sub.add_parser("explore", parents=[charted], help="open the explorer in a browser")
    explore.add_argument("--port", type=int, default=8501, metavar="N", help="default: 8501")
    explore.add_argument(
        "--endpoint", metavar="URL", help="show what a SPARQL endpoint holds instead of the local build"
    )

    explore.add_argument(
        "--export", metavar="FILE", help="write the gap map as one HTML file for offline reading, and stop"
    )

    serve = sub.add_parser("serve", parents=[charted], help="answer SPARQL 1.1 at /sparql, on this machine only")
    serve.add_argument("--port", type=int, default=7878, metavar="N", help="default: 7878")
    serve.add_argument(
        "--host",
        default="127.0.0.1",
        help="address to listen at (default: 127.0.0.1); another than this machine's own opens it to others",
    )

    link = sub.add_parser("link", help="work on links to other ontologies")
    steps = link.add_subparsers(dest="step", required=True, metavar="STEP")
    tables = argparse.ArgumentParser(add_help=False)
    tables.add_argument("--mappings", metavar="DIR", help="SSSOM tables (default: those of the package)")
    add = steps.add_parser("add", parents=[tables], help="keep what is needed of an ontology on this machine")
    add.add_argument("origin", metavar="FILE_OR_URL", help="OBO, OBO graph JSON, RDF/XML, Turtle, N-Triples or OWL/XML")
    add.add_argument(
        "--as", dest="prefix", metavar="PREFIX", help="what to file it under (default: what the file says)"
    )
    add.add_argument("--sha256", metavar="HEX", help="refuse a file with another digest")
    add.add_argument("--max-mb", type=int, default=4096, metavar="N", help="largest download (default: 4096)")
    add.add_argument("--max-minutes", type=float, default=60, metavar="N", help="longest download (default: 60)")
    check = steps.add_parser("check", parents=[tables], help="compare the mappings with the local copies")
    check.add_argument("--against", action="append", metavar="PREFIX", help="this copy only (may be given again)")
    check.add_argument("--format", choices=("text", "json", "csv", "ttl"), default="text")
    near = steps.add_parser("suggest", parents=[tables], help="rank what a term could be mapped to")
    near.add_argument("concept", nargs="?", metavar="CONCEPT", help="a slug (default: all without an exact match)")
    near.add_argument("--top", type=_positive, default=5, metavar="N", help="candidates per term (default: 5)")
    near.add_argument("--format", choices=_FORMATS, default="table")
    near.add_argument("--accept", metavar="OBJECT", help="write the mapping to OBJECT, such as mondo:0005178")
    near.add_argument(
        "--predicate",
        choices=("exact", "close", "broad", "narrow", "related"),
        default="exact",
        help="with --accept: the kind of match (default: exact)",
    )
    near.add_argument("--confidence", metavar="0.95", help="with --accept: how sure you are, from 0 to 1")
    near.add_argument("--author", metavar="NAME", help="with --accept: who accepts")
    near.add_argument("--into", metavar="FILE", help="with --accept: the SSSOM table to write to")
    far = steps.add_parser("lookup", parents=[tables], help="ask a SPARQL endpoint about what a term is mapped to")
    far.add_argument("concept", metavar="CONCEPT", help="a slug, e.g. plantar-fasciitis")
    far.add_argument("--endpoint", required=True, metavar="URL", help="e.g. http://localhost:7878/query")
    far.add_argument("--timeout", type=_positive, default=30, metavar="S", help="seconds per try (default: 30)")
    far.add_argument("--tries", type=_positive, default=3, metavar="N", help="how often to ask (default: 3)")
    far.add_argument("--format", choices=_FORMATS, default="table")
    up = steps.add_parser(
        "roll-up", parents=[charted], help="count the evidence under each term of another ontology, as it sees things"
    )
    up.add_argument("under", metavar="PREFIX_OR_TERM", help="e.g. mondo, or mondo:0005178 for what is under that term")
    up.add_argument("--format", choices=_FORMATS, default="table")
    held = steps.add_parser("list", help="list the local copies of other ontologies")
    held.add_argument("--format", choices=_FORMATS, default="table")

    more = sub.add_parser(
        "enrich",
        parents=[charted],
        help="look reports up at bibliographic services and propose identifiers; no table is changed",
        description="Ask Crossref, Europe PMC, NCBI and OpenAlex for DOI, PMID, PMCID and retractions. Sends title, first author "
        "and charted identifiers of the reports, nothing else. Exit code 1 if a service left something unresolved.",
    )
    more.add_argument("--only", action="append", default=[], metavar="REPORT", help="this report (may be given again)")
    more.add_argument(
        "--mailto", default="", metavar="ADDRESS", help="where the services can reach you; they ask for it"
    )
    more.add_argument(
        "--at", action="append", default=[], metavar="SERVICE=URL", help="ask a service at another address"
    )
    more.add_argument("--refresh", action="store_true", help="ask again what was answered in the last 30 days")
    more.add_argument("--format", choices=_FORMATS, default="csv")

    info = sub.add_parser("info", parents=[charted], help="say what is built, from what, and how large it is")
    info.add_argument(
        "--why",
        nargs=2,
        metavar=("THING", "CLASS"),
        help="explain an inference, e.g. --why arm/gormeli-2015/saline PlaceboArm",
    )
    return parser


def _table(columns: Sequence[str], rows: Sequence[dict[str, str]]) -> str:
    widths = {c: max([len(c), *(len(r[c]) for r in rows)]) if rows else len(c) for c in columns}
    widths = {c: min(w, 48) for c, w in widths.items()}

    def cut(text: str, width: int) -> str:
        text = text.replace("\n", " ")
        return (text if len(text) <= width else text[: width - 1] + "…").ljust(width)

    lines = ["  ".join(cut(c, widths[c]) for c in columns).rstrip(), "  ".join("-" * widths[c] for c in columns)]
    lines += ["  ".join(cut(r[c], widths[c]) for c in columns).rstrip() for r in rows]
    return "\n".join(lines) + "\n"


def _write_rows(columns: Sequence[str], rows: Sequence[dict[str, str]], form: str) -> str:
    if form == "json":
        return json.dumps(list(rows), indent=1, ensure_ascii=False) + "\n"
    if form == "csv":
        from regen_kg.validation import csv_text

        return csv_text(columns, rows)
    if form == "ttl":
        from regen_kg.queries import result_set

        return result_set(columns, rows)
    return _table(columns, rows)


def _path(text: str | None) -> Path | None:
    return Path(text) if text is not None else None


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text)):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of 1 or more")
    return int(text)


def _build(args: argparse.Namespace) -> int:
    from regen_kg import build

    if args.endpoint and not args.to:
        raise QueryError("--endpoint says where the server of --to answers; give --to URL as well")
    target = Target(args.to, args.endpoint) if args.to else None
    made = build.make(_path(args.charted), _path(args.out), _say, args.processes)
    for finding in made.findings:
        _say(finding.line())
    total = sum(made.manifest["triples"].values())
    _say(f"built {total:,} triples in {len(made.manifest['triples'])} named graphs")
    print(made.folder)
    if target:
        print(build.publish(made, target, _say))
    return 0


def _validate(args: argparse.Namespace) -> int:
    from regen_kg import build, layout, validation

    findings = []
    for folder in [Path(p) for p in args.path] or [layout.charted_dir()]:
        _, found, manifest = build.assemble(folder, _say)
        findings += found
        rows = sum(manifest["rows"].values())
        bad = sum(f.severity == "violation" for f in found)
        _say(f"{folder}: {rows:,} rows checked, {bad} violations, {len(found) - bad} warnings and remarks")
    sys.stdout.write(validation.report_text(findings, args.format))
    return 1 if any(f.severity == "violation" for f in findings) else 0


def _parameters(given: Sequence[str]) -> dict[str, str]:
    out: dict[str, str] = {}
    for item in given:
        name, equals, value = item.partition("=")
        if not equals or not name:
            raise QueryError(f'--param "{item}" should be NAME=VALUE')
        if name in out:
            raise QueryError(f"parameter {name} is given twice")
        out[name] = value
    return out


def _query(args: argparse.Namespace) -> int:
    from regen_kg import queries

    if args.list or not args.name:
        if not args.list:
            raise QueryError("give the name of a saved question, or --list")
        if args.name or args.param or args.endpoint or args.receipt or args.include_noted:
            raise QueryError("--list answers no question; leave out NAME and all options but --format")
        listed = queries.load_all().values()
        if args.format == "table":
            for saved in listed:
                parameters = "".join(f" [{p.name}]" for p in saved.parameters)
                print(f"{saved.name}{parameters}\n    {saved.summary}")
            return 0
        rows = [
            {"name": q.name, "parameters": "|".join(p.name for p in q.parameters), "summary": q.summary} for q in listed
        ]
        sys.stdout.write(_write_rows(("name", "parameters", "summary"), rows, args.format))
        return 0
    saved = queries.get(args.name)
    values = _parameters(args.param)
    if args.include_noted:
        _include_noted(saved, values)
    saved.bind(values)
    if args.receipt and "external" in saved.tags:
        raise QueryError(
            f"query {saved.name} also asks local copies of other ontologies, which no build holds; a receipt could not be checked"
        )
    store, content = _store(args, saved, values)
    if "external" in saved.tags and not args.endpoint:
        _say_what_is_held(values.get("object", "").partition(":")[0])
    rows = queries.run(store, saved, values)
    if args.receipt:
        rows = _receipt(args.receipt, store, saved.text, content, saved.name, values) or []
    sys.stdout.write(_write_rows(saved.columns, rows, args.format))
    if not rows:
        _say(f"no rows: {saved.empty}")
        return 0
    from regen_kg.analysis.noted import noted

    sys.stdout.flush()
    try:
        for line in noted(store, saved, rows, values).lines(" (--include-noted)"):
            _say(line)
    except (QueryError, StoreError) as err:
        if not args.endpoint:
            raise
        _say(f"which rows rest on noted cells was not found out: {err}")
    return 0


def _include_noted(saved: SavedQuery, values: dict[str, str]) -> None:
    from regen_kg import queries
    from regen_kg.analysis.noted import INCLUDE

    able = [q.name for q in queries.load_all().values() if any(p.name == INCLUDE for p in q.parameters)]
    if saved.name not in able:
        raise QueryError(f"query {saved.name} leaves nothing out for a note; --include-noted is for {', '.join(able)}")
    if values.setdefault(INCLUDE, "true") != "true":
        raise QueryError(f"--include-noted and --param {INCLUDE}={values[INCLUDE]} contradict each other")


def _receipt(
    file: str, store: Store, text: str, content: str, name: str = "", values: dict[str, str] | None = None
) -> list[dict[str, str]] | None:
    """Write a receipt; return the rows that it holds, if it is of a SELECT."""
    from regen_kg.analysis import receipts

    asked = receipts.Asked(text, name, tuple(sorted((values or {}).items())))
    made = receipts.receipt(store, asked, content)
    try:
        Path(file).write_text(receipts.receipt_text(made), "utf-8", newline="\n")
    except OSError as err:
        raise ReceiptError(f"{file}: cannot be written ({err.strerror}); give another file to --receipt") from err
    return [dict(zip(made["columns"], row, strict=True)) for row in made["answer"]] if made["columns"] else None


def _verify(args: argparse.Namespace) -> int:
    from regen_kg.analysis import receipts

    try:
        text = Path(args.receipt).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as err:
        raise ReceiptError(f"{args.receipt}: cannot be read ({_why(err)})") from err
    given = receipts.read_receipt(text, args.receipt)
    refuse_unsafe(given["question"]["text"])
    store, content = _store(args)
    checks = receipts.verify(store, given, content)
    bad = [c.part for c in checks if c.differs]
    if args.format == "json":
        found = [{"part": c.part, "differs": list(c.differs), "not_compared": c.not_compared} for c in checks]
        print(json.dumps({"same": not bad, "parts": found}, indent=1, ensure_ascii=False))
    else:
        print("\n".join(line for c in checks for line in c.lines()))
        print(f"differs: {', '.join(bad)}" if bad else "all as the receipt says")
    return 1 if bad else 0


def _store(
    args: argparse.Namespace, saved: SavedQuery | None = None, values: dict[str, str] | None = None
) -> tuple[Store, str]:
    """Return the store that a question is put to, and the hash of the dataset's file, if it is at hand."""
    if args.endpoint:
        return RemoteStore(args.endpoint), ""
    made = _current(args)
    if saved and "conflicts" in saved.tags and (left := made.manifest.get("conflicts_not_listed")):
        _say(f"{left:,} more conflicts are too many to list; direct ones and larger studies come first in each cell")
    store = made.store_for(saved, values or {}) if saved else made.store()
    return store, made.manifest["files"]["regen-kg.nq"]


def _say_what_is_held(prefix: str) -> None:
    """Say where the hierarchy of another ontology is not known, so that only mapped terms themselves were counted."""
    from regen_kg import ontologies

    if prefix in ontologies.sources() and prefix not in ontologies.held():
        _say(f"no copy of {prefix} is here, so nothing is known of its hierarchy; get one with regen-kg link add")


def _current(args: argparse.Namespace) -> Build:
    from regen_kg import build

    return build.current(_path(args.charted), _say)


def _open(args: argparse.Namespace) -> Store:
    return _current(args).store()


def _sparql(args: argparse.Namespace) -> int:
    from regen_kg import queries

    if bool(args.query) == bool(args.file):
        raise QueryError("give one query, as text or with -f FILE")
    try:
        text = args.query or Path(args.file).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as err:
        raise QueryError(f"{args.file}: cannot be read ({_why(err)})") from err
    refuse_unsafe(text)
    if args.endpoint and args.copies:
        raise QueryError("--with adds a local copy to the local build; leave it out with --endpoint")
    if args.receipt and args.copies:
        raise QueryError("no build holds what --with adds, so a receipt could not be checked; leave out one of them")
    store, content = (_current(args).store_with(args.copies), "") if args.copies else _store(args)
    if args.explain:
        from regen_kg.analysis.explain import explain

        if args.format != "table" or args.receipt:
            raise QueryError("--explain answers in words; leave out --format and --receipt")
        print("\n".join(explain(store, text).lines()))
        return 0
    answer = store.query(text)
    if answer.triples is not None and args.format in ("csv", "json"):
        raise QueryError(f"CONSTRUCT and DESCRIBE answer triples, which {args.format} cannot hold; use --format ttl")
    if args.receipt:
        _receipt(args.receipt, store, text, content)
    if why := doubt(store):
        _say(f"not checked: {why}; compare with a local build what you rest on")
    if answer.boolean is not None:
        print("true" if answer.boolean else "false")
    elif answer.triples is not None:
        sys.stdout.write(answer.triples)
    else:
        rows = queries.plain_rows(answer, answer.columns)
        sys.stdout.write(_write_rows(answer.columns, rows, args.format))
        if not rows:
            _say("no rows; --explain says why")
    return 0


def _gap(args: argparse.Namespace) -> int:
    from regen_kg.analysis.certificate import gap_certificate

    made = gap_certificate(RemoteStore(args.endpoint) if args.endpoint else _open(args), args.gap)
    if args.format == "json":
        print(json.dumps(made.data(), indent=1, ensure_ascii=False))
    else:
        print("\n".join(made.lines()))
    return 0 if made.holds else 1


def _explore(args: argparse.Namespace) -> int:
    import os
    import signal
    import subprocess
    import time
    import urllib.request
    import webbrowser

    from regen_kg import build, endpoint
    from regen_kg.explorer.server import command

    if args.export:
        return _export(args)
    endpoint.listen(args.port).close()  # says in words why it cannot be had
    if args.endpoint:
        from regen_kg.explorer.data import remote_build

        if args.charted:
            raise InputError("give --charted or --endpoint, not both: an endpoint shows its own build")
        remote_build(args.endpoint)  # refuses one that holds no build
        source = {"REGEN_KG_ENDPOINT": args.endpoint}
    else:
        source = {"REGEN_KG_BUILD": str(build.current(_path(args.charted), _say).folder)}
    address = f"http://127.0.0.1:{args.port}"
    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # a supervisor's stop ends the server too
    server = subprocess.Popen(command(args.port), env={**os.environ, **source}, stdout=subprocess.DEVNULL)
    try:
        for _ in range(300):
            if server.poll() is not None:
                return server.returncode
            try:
                urllib.request.urlopen(f"{address}/_stcore/health", timeout=1).close()
                break
            except OSError:
                time.sleep(0.1)
        _say(f"the explorer is at {address} (Ctrl+C stops it)")
        webbrowser.open(address)
        return server.wait()
    except KeyboardInterrupt:
        return 0
    finally:
        server.terminate()
        server.wait(10)
        signal.signal(signal.SIGTERM, before)


def _export(args: argparse.Namespace) -> int:
    from regen_kg import build
    from regen_kg.explorer import data, export

    if args.charted and args.endpoint:
        raise InputError("give --charted or --endpoint, not both: an endpoint shows its own build")
    made = data.remote_build(args.endpoint) if args.endpoint else build.current(_path(args.charted), _say)
    _say("gathering the map, its evidence and its gaps")
    text = export.html_map(made.store(), made)
    path = Path(args.export)
    part = path.with_name(f"{path.name}.part")
    try:
        part.write_text(text, "utf-8", newline="\n")
        part.replace(path)
    except OSError as err:
        raise InputError(f"{path}: cannot be written ({err.strerror}); give another file with --export") from err
    _say(f"{path}: {len(text.encode()) // 1024:,} kB, opens in any browser, without a server")
    return 0


def _serve(args: argparse.Namespace) -> int:
    from regen_kg import build, endpoint

    with endpoint.listen(args.port, args.host) as taken:
        endpoint.run(build.current(_path(args.charted), _say), taken, _say)
    return 0


def _link(args: argparse.Namespace) -> int:
    steps = {
        "add": _link_add, "check": _link_check, "suggest": _link_suggest, "list": _link_list,
        "roll-up": _link_roll_up, "lookup": _link_lookup,
    }  # fmt: skip
    return steps[args.step](args)


def _tables(args: argparse.Namespace) -> tuple[Terms, list[Mapping]]:
    from regen_kg import layout, links
    from regen_kg.terms import Terms

    terms = Terms.load(layout.ontology_dir())
    if args.mappings and not Path(args.mappings).is_dir():
        raise InputError(f"{args.mappings}: is no folder; give the one that holds the SSSOM tables")
    return terms, links.read_mappings(args.mappings or layout.mappings_dir(), terms)


def _link_add(args: argparse.Namespace) -> int:
    from regen_kg import matching, ontologies

    terms, mappings = _tables(args)
    copy = matching.add(
        args.origin, args.prefix, terms, mappings, _say,
        max_mb=args.max_mb, max_minutes=args.max_minutes, sha256=args.sha256,
    )  # fmt: skip
    _say(f"{copy.prefix} {copy.version}, {copy.licence}: {len(copy.classes):,} of {copy.of:,} terms kept")
    print(ontologies.folder() / f"{copy.prefix}.nq")
    return 0


def _copies(prefixes: Sequence[str] | None) -> list[Copy]:
    from regen_kg import ontologies

    copies = [ontologies.copy_of(prefix) for prefix in prefixes] if prefixes else ontologies.copies()
    if not copies:
        raise InputError("no copies of other ontologies are here; get one with regen-kg link add FILE_OR_URL")
    return copies


def _link_check(args: argparse.Namespace) -> int:
    from regen_kg import layout, links, matching, validation

    terms, mappings = _tables(args)
    copies = _copies(args.against)
    known = links.read_mappings(layout.mappings_dir(), terms) if args.mappings else ()
    findings = matching.check(mappings, copies, known=known)
    held = {c.prefix for c in copies}
    seen = sum(m.object.partition(":")[0] in held and not m.near_miss for m in mappings)
    bad = sum(f.severity == "violation" for f in findings)
    _say(
        f"{seen} of {sum(not m.near_miss for m in mappings)} mappings checked against {', '.join(sorted(held))}: {bad} violations, {len(findings) - bad} warnings"
    )
    sys.stdout.write(validation.report_text(findings, args.format))
    return 1 if bad else 0


def _link_suggest(args: argparse.Namespace) -> int:
    from regen_kg import links, matching

    terms, mappings = _tables(args)
    exact = {m.concept.iri for m in mappings if m.predicate == "exactMatch" and not m.near_miss}
    every = [t for name in links.LISTS for t in terms.all(name)]
    if args.accept:
        return _accept(args, terms)
    wanted = [_term(args.concept, terms)] if args.concept else [t for t in every if t.iri not in exact]
    index = matching.Index(_copies(None))
    columns = ("concept", "object", "object_label", "score", "suggested", "known", "reasons", "source_version")
    rows = []
    for n, term in enumerate(wanted):
        if n and n % 25 == 0:
            _say(f"{n} of {len(wanted)} terms looked up")
        found = matching.suggest(term, index, mappings, args.top)
        if args.concept and not any(c.suggested and not known.startswith("near miss") for c, known in found):
            _say(f'nothing is worded like "{term.label}"; what follows is merely near, and no exact match')
        rows += [
            dict(
                zip(
                    columns,
                    (
                        term.slug,
                        c.object,
                        c.label,
                        f"{c.score:.2f}",
                        str(c.suggested and known in ("", "mapped: skos:exactMatch")).lower(),
                        known,
                        "; ".join(c.reasons),
                        c.version,
                    ),
                    strict=True,
                )
            )
            for c, known in found
            if args.concept or c.suggested
        ]
    sys.stdout.write(_write_rows(columns, rows, args.format))
    if not rows:
        _say("no rows: nothing in the copies is worded like these terms")
    return 0


def _term(slug: str, terms: Terms) -> Term:
    from regen_kg import links

    for name in links.LISTS:
        if terms.has(name, slug):
            return terms.get(name, slug)
    near = next((n for name in links.LISTS if (n := terms.nearest(name, slug))), None)
    hint = f'; nearest: "{near}"' if near else "; regen-kg query mappings names those that have a match"
    raise InputError(f'"{slug}" is no term{hint}')


def _accept(args: argparse.Namespace, terms: Terms) -> int:
    from regen_kg import links, ontologies

    if missing := [f"--{x}" for x in ("concept", "into", "author", "confidence") if not getattr(args, x)]:
        raise InputError(f"--accept also needs {', '.join(missing).replace('--concept', 'CONCEPT')}")
    term = _term(args.concept, terms)
    prefix = args.accept.partition(":")[0]
    copy = ontologies.copy_of(prefix)
    found = copy.classes.get(args.accept)
    if found is None or found.obsolete:
        why = "is retired" if found else "is not in the copy"
        raise InputError(f"{args.accept}: {why} of {prefix} {copy.version}; nothing was written")
    row = {
        "subject_id": links.subject(term), "subject_label": term.label, "predicate_id": f"skos:{args.predicate}Match",
        "object_id": found.id, "object_label": found.label, "mapping_justification": "semapv:ManualMappingCuration",
        "author_label": args.author, "object_source": f"bioregistry:{prefix}", "object_source_version": copy.version,
        "confidence": args.confidence, "comment": "",
    }  # fmt: skip
    _, mappings = _tables(args)
    if any(m.near_miss and m.concept == term and m.object == found.id for m in mappings):
        raise InputError(f"{found.id}: is a known near miss of {term.slug}; nothing was written")
    links.write_mapping(Path(args.into), row, terms)
    print(args.into)
    return 0


def _link_list(args: argparse.Namespace) -> int:
    from regen_kg import ontologies

    columns = ("prefix", "name", "version", "licence", "may_share", "classes", "of", "origin", "added")
    rows = [
        {
            "prefix": c.prefix,
            "name": ontologies.sources()[c.prefix].name,
            "version": c.version,
            "licence": c.licence,
            "may_share": str(ontologies.sources()[c.prefix].may_share).lower(),
            "classes": str(len(c.classes)),
            "of": str(c.of),
            "origin": c.origin,
            "added": c.added,
        }
        for c in ontologies.copies()
    ]
    sys.stdout.write(_write_rows(columns, rows, args.format))
    if not rows:
        _say("no copies are here; get one with regen-kg link add FILE_OR_URL")
    return 0


def _link_lookup(args: argparse.Namespace) -> int:
    from regen_kg import lookup

    terms, mappings = _tables(args)
    term = _term(args.concept, terms)
    store = Endpoint(args.endpoint, args.timeout)
    found = lookup.look_up(store, term, mappings, _say, seconds=args.timeout, tries=args.tries)
    columns = ("concept", "predicate", "object", "expected_label", "found", "label", "synonyms", "parents", "retired")
    rows = []
    for f in found:
        parents = (f"{name} {label}".strip() for name, label in f.parents)
        flags = [str(x).lower() for x in (f.known, f.term.obsolete)]
        cells = (term.slug, f.predicate, f.object, f.expected, flags[0], f.term.label, "|".join(sorted({s for _, s in f.term.synonyms})), "|".join(parents), flags[1] if f.known else "")  # fmt: skip
        rows.append(dict(zip(columns, cells, strict=True)))
    sys.stdout.write(_write_rows(columns, rows, args.format))
    if not rows:
        _say(f"no rows: {term.slug} is mapped to nothing, and {args.endpoint} has no term of its names")
    elif not any(f.known for f in found):
        _say(f"{args.endpoint} says nothing of these terms")
    return 0


def _link_roll_up(args: argparse.Namespace) -> int:
    from regen_kg import ontologies
    from regen_kg.analysis.external import COLUMNS, rollup

    prefix, colon, _ = args.under.partition(":")
    if prefix not in ontologies.sources():
        near = difflib.get_close_matches(prefix.lower(), ontologies.sources(), n=1, cutoff=0.3)
        raise InputError(f'"{prefix}" is no known prefix' + (f'; nearest: "{near[0]}"' if near else ""))
    held = prefix in ontologies.held()
    found = rollup(_current(args).store(), prefix, ontologies.copy_of(prefix) if held else None)
    if colon and args.under not in found.terms:
        raise InputError(f"{args.under}: no report is evidence under it" if held else f"{args.under}: no term of ours is mapped to it by an exact or broad match, and no copy of {prefix} is here to say what it holds; get one with regen-kg link add")  # fmt: skip
    rows = found.rows(args.under if colon else None)
    sys.stdout.write(_write_rows(COLUMNS, rows, args.format))
    _say_what_is_held(prefix)
    if not rows:
        _say(f"no rows: no term of ours with evidence has an exact or broad match in {prefix}")
    return 0


def _enrich(args: argparse.Namespace) -> int:
    import os
    from collections import Counter
    from dataclasses import asdict

    from regen_kg import build, charting, enrich, layout, registries
    from regen_kg.terms import Terms

    bases = {}
    for item in args.at:
        service, equals, address = item.partition("=")
        if not equals:
            raise InputError(f'--at "{item}" should be SERVICE=URL, such as crossref=http://localhost:8080')
        bases[service] = address
    mailto = args.mailto or os.environ.get("REGEN_KG_MAILTO", "")
    client = registries.Client(_say, bases, mailto, args.refresh)
    known = build.known_words(Terms.load(layout.ontology_dir()))
    chart = charting.read_chart(layout.charted_dir(args.charted), known)
    found = enrich.propose(chart, client, _say, args.only)
    sys.stdout.write(_write_rows(enrich.COLUMNS, [asdict(p) for p in found], args.format))
    counts = Counter(p.verdict for p in found)
    reports = len({p.report for p in found if p.verdict == "unresolved"})
    _say(f"{client.sent} requests sent; {', '.join(f'{n} {verdict}' for verdict, n in sorted(counts.items()))}")
    if reports:
        _say(
            f"{reports} {'report' if reports == 1 else 'reports'} left unresolved; run it again later, what was answered is kept"
        )
    return 1 if reports else 0


def _info(args: argparse.Namespace) -> int:
    from regen_kg import build, layout

    made = build.current(_path(args.charted), _say)
    if args.why:
        print(build.why(made, *args.why))
        return 0
    m = made.manifest
    print(f"regen-kg      {m['package']}")
    print(
        f"charted from  {layout.charted_dir(args.charted)}  (layout {m['charted_layout']}, {sum(m['rows'].values()):,} rows)"
    )
    print(f"build         {made.folder}")
    print(f"inputs        {m['inputs']}")
    print(f"triples       {sum(m['triples'].values()):,} in {len(m['triples'])} named graphs")
    print(f"reports       {m['rows'].get('reports', 0)}")
    print(f"source notes  {', '.join(f'{n} {k}' for k, n in m['notes'].items()) or 'none'}")
    print(f"findings      {', '.join(f'{n} {k}' for k, n in m['findings'].items()) or 'none'}")
    print("appraisal     none: the source review appraised no study for risk of bias")
    return 0


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; return 0 for fine, 1 for violations, 2 for wrong use or unreadable input."""
    args = _parser().parse_args(argv)
    commands = {
        "build": _build, "validate": _validate, "query": _query, "sparql": _sparql, "gap": _gap, "explore": _explore,
        "serve": _serve, "link": _link, "enrich": _enrich, "info": _info, "verify": _verify,
    }  # fmt: skip
    try:
        return commands[args.command](args)
    except InputError as err:
        _say(str(err))
        return 2
    except RegenKGError as err:
        _say(str(err))
        return 1
    except BrokenPipeError:
        return 0
    except OSError as err:  # what no layer below could say better: a full disk, a folder that may not be read
        _say(f"{err.filename or 'a file'}: cannot be read or written ({err.strerror or err})")
        return 2


if __name__ == "__main__":
    sys.exit(main())
