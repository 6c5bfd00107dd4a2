"""Embeddings remembered by content, in this process or in a file that several processes share.

What is remembered is one image's embedding under the hash of everything that decides it: its
samples, how they are drawn, the weights, what they are run by, and the version of this format.
Folds, grid points, clones and other labels thus find the same rows, and nothing else does.
"""

import hashlib
import sqlite3
import threading
import warnings
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from functools import cache
from os import PathLike, fspath
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

Row = NDArray[np.float32]

FORMAT_VERSION = 1  # of what is hashed and how rows are stored
LARGEST_MEMORY = 256 * 2**20  # bytes of rows kept in this process
APPLICATION = 0x42694D6F  # marks our files, as SQLite's documentation asks for
KEYS_AT_ONCE = 500  # SQLite takes 999 parameters
LONGEST_WAIT = 30.0  # seconds for other processes that write
# Python reads names and messages as text, which in damaged files need not be any.
TROUBLE = (sqlite3.Error, UnicodeDecodeError)
PASSING = ("SQLITE_BUSY", "SQLITE_LOCKED", "SQLITE_FULL", "SQLITE_IOERR")


class CacheInfo(NamedTuple):
    """What a memory was asked for in this process, and what it holds."""

    hits: int
    misses: int
    rows: int
    bytes: int


class Memory(Protocol):
    """Rows by key."""

    def get(self, keys: Iterable[bytes]) -> dict[bytes, Row]:
        """Return the rows that are known."""

    def put(self, rows: Mapping[bytes, Row]) -> None:
        """Remember rows."""

    def info(self) -> CacheInfo:
        """Tell what was asked for and what is held."""

    def clear(self) -> None:
        """Forget all rows."""


@cache
def open_memory(where: str) -> Memory:
    """Return the process's memory of a name: "memory", or the path of a file."""
    return ProcessMemory(LARGEST_MEMORY) if where == "memory" else FileMemory(Path(where))


def memory_of(where: str | PathLike[str] | None) -> Memory | None:
    """Open what a ``cache`` parameter asks for.

    Parameters
    ----------
    where : "memory", path or None

    Returns
    -------
    memory : Memory or None

    Raises
    ------
    ValueError
        Where the file is there but is no memory of ours, of another version or damaged, or its
        folder is not there.

    Examples
    --------
    >>> memory_of(None) is None
    True
    """
    if where is None:
        return None
    return open_memory(where if where == "memory" else str(Path(fspath(where)).absolute()))


class ProcessMemory:
    """Rows in this process; those not asked for the longest make room for new ones.

    Parameters
    ----------
    largest : int
        Bytes of rows that are kept.

    Examples
    --------
    >>> memory = ProcessMemory(largest=16)
    >>> memory.put({b"a": np.float32([1, 2]), b"b": np.float32([3, 4]), b"c": np.float32([5, 6])})
    >>> sorted(memory.get([b"a", b"b", b"c"]))
    [b'b', b'c']
    >>> memory.info()
    CacheInfo(hits=2, misses=1, rows=2, bytes=16)
    """

    def __init__(self, largest: int) -> None:
        self.largest = largest
        self._lock = threading.Lock()
        self.clear()

    def get(self, keys: Iterable[bytes]) -> dict[bytes, Row]:
        """Return the rows that are known."""
        found = {}
        with self._lock:
            for key in keys:
                if key in self._rows:
                    self._rows.move_to_end(key)
                    found[key] = self._rows[key]
                    self._hits += 1
                else:
                    self._misses += 1
        return found

    def put(self, rows: Mapping[bytes, Row]) -> None:
        """Remember rows."""
        with self._lock:
            new = [key for key in rows if key not in self._rows]
            # Copied together: many small pieces of memory would scatter the heap.
            copies = np.array([rows[key] for key in new])
            for key, row in zip(new, copies, strict=True):
                self._rows[key] = row
                self._bytes += row.nbytes
            while self._bytes > self.largest:
                self._bytes -= self._rows.popitem(last=False)[1].nbytes

    def info(self) -> CacheInfo:
        """Tell what was asked for and what is held."""
        with self._lock:
            return CacheInfo(self._hits, self._misses, len(self._rows), self._bytes)

    def clear(self) -> None:
        """Forget all rows, and start counting anew."""
        with self._lock:
            self._rows: OrderedDict[bytes, Row] = OrderedDict()
            self._hits = self._misses = self._bytes = 0


class FileMemory:
    """Rows in an SQLite file that several processes may share.

    Each row stands beside the hash of its bytes; one that does not fit it is not trusted. Where the
    file cannot be read or written for now, as on a full disk, a warning says so, and rows are
    embedded anew.

    Parameters
    ----------
    path : Path
        Made where there is none.

    Raises
    ------
    ValueError
        Where the file is none of ours, of another version or damaged, or its folder is not there.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._hits = self._misses = 0
        if not path.parent.is_dir():
            raise ValueError(
                f"cache={str(path)!r}: there is no folder {path.parent}; make it first."
            )
        try:
            self._connect().close()
        except TROUBLE as error:
            if not getattr(error, "sqlite_errorname", "").startswith(PASSING):
                raise ValueError(
                    f"cache={str(path)!r} cannot be used as an SQLite file ({error}); delete the "
                    "file if it was one, or pass another path."
                ) from error
            self._warn(error)

    def _connect(self) -> sqlite3.Connection:
        # A connection for each call: they cannot be shared by threads, nor by forked processes.
        connection = sqlite3.connect(self.path, timeout=LONGEST_WAIT)
        try:
            self._prepare(connection)
        except (*TROUBLE, ValueError):
            connection.close()
            raise
        return connection

    def _warn(self, error: Exception) -> None:
        warnings.warn(
            f"{self.path} cannot be used for now ({error}): what it holds is embedded anew, and "
            "nothing is added to it.",
            UserWarning,
            stacklevel=3,
        )

    def _prepare(self, connection: sqlite3.Connection) -> None:
        """Make the table where there is none, and refuse other programs' files."""
        (application,) = connection.execute("PRAGMA application_id").fetchone()
        (n_tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        if n_tables and application != APPLICATION:
            raise ValueError(
                f"{self.path} is an SQLite file of another program; pass another path as cache=."
            )
        (written,) = connection.execute("PRAGMA user_version").fetchone()
        if n_tables and written != FORMAT_VERSION:
            raise ValueError(
                f"cache={str(self.path)!r} was written by another version; delete it, or pass "
                "another path."
            )
        if application != APPLICATION:  # before there is a table, so that no other process errs
            connection.execute(f"PRAGMA application_id = {APPLICATION}")
            connection.execute(f"PRAGMA user_version = {FORMAT_VERSION}")
        connection.execute("CREATE TABLE IF NOT EXISTS rows (key BLOB PRIMARY KEY, row, hash)")

    def get(self, keys: Iterable[bytes]) -> dict[bytes, Row]:
        """Return the rows that are known and sound; a warning counts those that are damaged."""
        keys, found, damaged = list(keys), {}, 0
        try:
            for key, row, digest in self._select(keys):
                if isinstance(key, bytes) and isinstance(row, bytes) and digest == _hash(key, row):
                    found[key] = np.frombuffer(row, dtype="<f4").astype(np.float32)
                else:
                    damaged += 1
        except TROUBLE as error:
            self._warn(error)
        self._hits += len(found)
        self._misses += len(keys) - len(found)
        if damaged:
            warnings.warn(
                f"{damaged} rows of {self.path} are damaged; they are embedded anew.",
                UserWarning,
                stacklevel=2,
            )
        return found

    def put(self, rows: Mapping[bytes, Row]) -> None:
        """Remember rows, all or none of them."""
        values = [(key, row.astype("<f4").tobytes()) for key, row in rows.items()]
        try:
            with closing(self._connect()) as connection, connection:
                connection.executemany(
                    "INSERT OR REPLACE INTO rows VALUES (?, ?, ?)",
                    [(key, value, _hash(key, value)) for key, value in values],
                )
        except TROUBLE as error:
            self._warn(error)

    def _select(self, keys: list[bytes]) -> Iterator[tuple[bytes, Any, Any]]:
        with closing(self._connect()) as connection:
            for start in range(0, len(keys), KEYS_AT_ONCE):
                asked = keys[start : start + KEYS_AT_ONCE]
                marks = ",".join("?" * len(asked))
                yield from connection.execute(
                    f"SELECT key, row, hash FROM rows WHERE key IN ({marks})", asked
                )

    def info(self) -> CacheInfo:
        """Tell what this process asked for, and what the file holds."""
        with closing(self._connect()) as connection:
            n_rows, n_bytes = connection.execute(
                "SELECT count(*), coalesce(sum(length(row)), 0) FROM rows"
            ).fetchone()
        return CacheInfo(self._hits, self._misses, n_rows, n_bytes)

    def clear(self) -> None:
        """Forget all rows, and start counting anew."""
        self._hits = self._misses = 0
        with closing(self._connect()) as connection, connection:
            connection.execute("DELETE FROM rows")


def _hash(key: bytes, row: bytes) -> bytes:
    return hashlib.sha256(key + row).digest()
