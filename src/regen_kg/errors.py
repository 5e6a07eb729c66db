"""Own the errors that regen-kg raises.

RegenKGError
 ├── InputError          something given to us cannot be used (exit code 2)
 │    ├── ChartingError  charted tables: every fault of every file
 │    ├── TermError      term tables of the ontology
 │    ├── QueryError     a query, its name or its parameters
 │    ├── BuildError     a build that cannot be made or opened
 │    ├── OntologyError  a file, address or copy of another ontology that cannot be used
 │    └── ReceiptError   a receipt that cannot be written, read or replayed
 ├── ServiceError        a bibliographic service that does not answer as it should
 ├── StoreError          an engine or endpoint that does not answer
 └── ReasoningError      the ontology or the data contradict themselves
"""

from __future__ import annotations

from collections.abc import Sequence


class RegenKGError(Exception):
    """Root of all errors that regen-kg raises."""


class InputError(RegenKGError):
    """Something that was given to regen-kg cannot be used."""


class FaultsError(InputError):
    """An input with one or more faults, each a line that says where, what and what to do."""

    def __init__(self, faults: Sequence[str]) -> None:
        self.faults = list(faults)
        super().__init__("\n".join(self.faults))


class ChartingError(FaultsError):
    """Charted tables that cannot be read; `faults` names every faulty cell."""


class TermError(FaultsError):
    """Term tables of the ontology that cannot be read; `faults` names every faulty row."""


class QueryError(InputError):
    """A query that cannot be run, or a name or parameter that is not known."""


class BuildError(InputError):
    """A build that cannot be made, found or opened."""


class OntologyError(InputError):
    """A file, address or local copy of another ontology that cannot be used."""


class ReceiptError(InputError):
    """A receipt of an answer that cannot be written, read or replayed."""


class ServiceError(RegenKGError):
    """A bibliographic service that does not answer, or not as it should."""


class StoreError(RegenKGError):
    """An engine or endpoint that does not answer as it should."""


class ReasoningError(RegenKGError):
    """An ontology or data that contradict themselves, or a reasoner that cannot run."""
