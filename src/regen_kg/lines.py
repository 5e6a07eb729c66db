"""Own the lines of a dataset: gathered in any order, given back sorted and each once, in bounded memory."""

from __future__ import annotations

import gc
import heapq
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import groupby
from typing import IO

from regen_kg.errors import BuildError

HELD = 250_000  # lines in memory, about 70 MB; more go to files


class Lines:
    """Lines of N-Quads; those that memory should not hold lie in sorted files without a name, which go with the process."""

    def __init__(self, lines: Iterable[str] = (), most: int = HELD) -> None:
        self.counts: Counter[str] = Counter()
        self._most = most
        self._held: list[str] = []
        self._runs: list[IO[str]] = []
        self.add(lines)

    def add(self, lines: Iterable[str]) -> None:
        """Add lines, each with its end; `counts` has how many lines were added to each named graph.

        Raises
        ------
        BuildError
            If the temporary folder can't be written.
        """
        for line in lines:
            self._held.append(line)
            self.counts[line[line.rindex("<") + 1 : -4]] += 1
            if len(self._held) >= self._most:
                self._put_away()

    def _put_away(self) -> None:
        try:
            file = tempfile.TemporaryFile("w+", encoding="utf-8", newline="\n")  # closed by clear
            file.writelines(sorted(set(self._held)))
            file.flush()
        except OSError as err:
            where = tempfile.gettempdir()
            raise BuildError(
                f"{where}: the lines of the build cannot be written ({err.strerror}); make room there, or set TMPDIR"
            ) from err
        self._runs.append(file)
        self._held.clear()

    def __iter__(self) -> Iterator[str]:
        """Yield the lines in the order of their characters, each once; one reader at a time."""
        if not self._runs:
            yield from sorted(set(self._held))
            return
        for file in self._runs:
            file.seek(0)
        for line, _ in groupby(heapq.merge(*self._runs, sorted(set(self._held)))):
            yield line

    def clear(self) -> None:
        """Forget all lines and their files."""
        self._held.clear()
        for file in self._runs:
            file.close()
        self._runs.clear()


def give_back_memory() -> None:
    """Give the system back what is free: glibc keeps it, half of a large build's memory; other C libraries don't need this."""
    import ctypes  # not before it is needed: questions to a finished build must start fast

    gc.collect()
    with suppress(OSError, AttributeError, TypeError):
        ctypes.CDLL(None).malloc_trim(0)
