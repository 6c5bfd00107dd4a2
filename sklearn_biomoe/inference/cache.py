"""Embeddings cached by content, in this process or in a file that several processes share.

An image's embedding is stored under the hash of everything that determines it: its samples, how
they are drawn, the weights, the engine, and the version of this format. Folds, grid points, clones
and other labels find the same rows.
"""

import hashlib
import sqlite3
import threading
import warnings
from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from functools import cache
from os import PathLike, fspath
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Row = NDArray[np.float32]

FORMAT_VERSION = 1  # of what is hashed and how rows are stored
MAX_BYTES = 256 * 2**20  # of rows kept in this process
APPLICATION = 0x42694D6F  # SQLite's application_id of these files
KEYS_AT_ONCE = 500  # SQLite accepts 999 parameters
LONGEST_WAIT = 30.0  # seconds for other processes that write
# Python decodes names and messages as text, which fails in damaged files.
ERRORS = (sqlite3.Error, UnicodeDecodeError)
TEMPORARY = ("SQLITE_BUSY", "SQLITE_LOCKED", "SQLITE_FULL", "SQLITE_IOERR")


class CacheInfo(NamedTuple):
    """Lookups in this process, and what a cache holds."""

    hits: int
    misses: int
    rows: int
    bytes: int


class EmbeddingCache(ABC):
    """Embeddings by key."""

    @abstractmethod
    def get(self, keys: Iterable[bytes]) -> dict[bytes, Row]:
        """Return the rows that are stored."""

    @abstractmethod
    def put(self, rows: Mapping[bytes, Row]) -> None:
        """Store rows."""

    @abstractmethod
    def info(self) -> CacheInfo:
        """Count lookups in this process, and stored rows."""

    @abstractmethod
    def clear(self) -> None:
        """Delete all rows and reset the counts."""


def open_cache(cache: str | PathLike[str] | None) -> EmbeddingCache | None:
    """Open the cache that a ``cache`` parameter names.

    Parameters
    ----------
    cache : "memory", path or None

    Returns
    -------
    cache : EmbeddingCache or None

    Raises
    ------
    ValueError
        If the file is not a sklearn_biomoe cache, is of another version or damaged, or its folder
        does not exist.

    Examples
    --------
    >>> open_cache(None) is None
    True
    """
    if cache is None:
        return None
    return _open(cache if cache == "memory" else str(Path(fspath(cache)).absolute()))


@cache
def _open(cache: str) -> EmbeddingCache:
    """Return this process's one object for a cache."""
    return ProcessCache(MAX_BYTES) if cache == "memory" else FileCache(Path(cache))


class ProcessCache(EmbeddingCache):
    """Rows in this process; the least recently used ones are dropped for new ones.

    Parameters
    ----------
    max_bytes : int
        Bytes of rows that are kept.

    Examples
    --------
    >>> cache = ProcessCache(max_bytes=16)
    >>> cache.put({b"a": np.float32([1, 2]), b"b": np.float32([3, 4]), b"c": np.float32([5, 6])})
    >>> sorted(cache.get([b"a", b"b", b"c"]))
    [b'b', b'c']
    >>> cache.info()
    CacheInfo(hits=2, misses=1, rows=2, bytes=16)
    """

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        self._lock = threading.Lock()
        self.clear()

    def get(self, keys: Iterable[bytes]) -> dict[bytes, Row]:
        """Return the rows that are stored."""
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
        """Store rows."""
        with self._lock:
            new = [key for key in rows if key not in self._rows]
            # Copied together, since many small allocations would fragment the heap.
            copies = np.array([rows[key] for key in new])
            for key, row in zip(new, copies, strict=True):
                self._rows[key] = row
                self._bytes += row.nbytes
            while self._bytes > self.max_bytes:
                self._bytes -= self._rows.popitem(last=False)[1].nbytes

    def info(self) -> CacheInfo:
        """Count lookups and stored rows."""
        with self._lock:
            return CacheInfo(self._hits, self._misses, len(self._rows), self._bytes)

    def clear(self) -> None:
        """Delete all rows and reset the counts."""
        with self._lock:
            self._rows: OrderedDict[bytes, Row] = OrderedDict()
            self._hits = self._misses = self._bytes = 0


class FileCache(EmbeddingCache):
    """Rows in an SQLite file that several processes may share.

    Each row is stored with the hash of its bytes; rows with another hash are not used. If the file
    cannot be read or written, for example because the disk is full, a warning is issued and rows
    are computed again.

    Parameters
    ----------
    path : Path
        Created if it does not exist.

    Raises
    ------
    ValueError
        If the file is not a sklearn_biomoe cache, is of another version or damaged, or its folder
        does not exist.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._hits = self._misses = 0
        if not path.parent.is_dir():
            raise ValueError(
                f"cache={str(path)!r}: the folder {path.parent} does not exist; create it first."
            )
        try:
            self._connect().close()
        except ERRORS as error:
            if not getattr(error, "sqlite_errorname", "").startswith(TEMPORARY):
                raise ValueError(
                    f"cache={str(path)!r} is not a usable SQLite file ({error}); if it is a "
                    "damaged cache, delete it, else pass another path."
                ) from error
            self._warn(error)

    def _connect(self) -> sqlite3.Connection:
        # One for each call: threads and forked processes cannot share a connection.
        connection = sqlite3.connect(self.path, timeout=LONGEST_WAIT)
        try:
            self._prepare(connection)
        except (*ERRORS, ValueError):
            connection.close()
            raise
        return connection

    def _warn(self, error: Exception) -> None:
        warnings.warn(
            f"{self.path} cannot be read or written ({error}): its embeddings are computed again, "
            "and no new ones are stored.",
            UserWarning,
            stacklevel=3,
        )

    def _prepare(self, connection: sqlite3.Connection) -> None:
        """Create the table if it does not exist; refuse files of other programs."""
        # Another process may create the table meanwhile, which it does after the application_id.
        (n_tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        (application,) = connection.execute("PRAGMA application_id").fetchone()
        if n_tables and application != APPLICATION:
            raise ValueError(
                f"{self.path} is not a sklearn_biomoe cache; pass another path as cache=."
            )
        (written,) = connection.execute("PRAGMA user_version").fetchone()
        if n_tables and written != FORMAT_VERSION:
            raise ValueError(
                f"cache={str(self.path)!r} is a cache of another version; delete it, or pass "
                "another path."
            )
        if application != APPLICATION:  # before the table, so that no other process fails
            connection.execute(f"PRAGMA application_id = {APPLICATION}")
            connection.execute(f"PRAGMA user_version = {FORMAT_VERSION}")
        connection.execute("CREATE TABLE IF NOT EXISTS rows (key BLOB PRIMARY KEY, row, hash)")

    def get(self, keys: Iterable[bytes]) -> dict[bytes, Row]:
        """Return the rows that are stored and intact; a warning counts damaged ones."""
        keys, found, damaged = list(keys), {}, 0
        try:
            for key, row, digest in self._select(keys):
                if isinstance(key, bytes) and isinstance(row, bytes) and digest == _hash(key, row):
                    found[key] = np.frombuffer(row, dtype="<f4").astype(np.float32)
                else:
                    damaged += 1
        except ERRORS as error:
            self._warn(error)
        self._hits += len(found)
        self._misses += len(keys) - len(found)
        if damaged:
            warnings.warn(
                f"{damaged} rows of {self.path} are damaged; they are computed again.",
                UserWarning,
                stacklevel=2,
            )
        return found

    def put(self, rows: Mapping[bytes, Row]) -> None:
        """Store all rows or none."""
        values = [(key, row.astype("<f4").tobytes()) for key, row in rows.items()]
        try:
            with closing(self._connect()) as connection, connection:
                connection.executemany(
                    "INSERT OR REPLACE INTO rows VALUES (?, ?, ?)",
                    [(key, value, _hash(key, value)) for key, value in values],
                )
        except ERRORS as error:
            self._warn(error)

    def _select(self, keys: list[bytes]) -> Iterator[tuple[bytes, Any, Any]]:
        with closing(self._connect()) as connection:
            for start in range(0, len(keys), KEYS_AT_ONCE):
                some = keys[start : start + KEYS_AT_ONCE]
                marks = ",".join("?" * len(some))
                yield from connection.execute(
                    f"SELECT key, row, hash FROM rows WHERE key IN ({marks})", some
                )

    def info(self) -> CacheInfo:
        """Count lookups in this process, and rows in the file."""
        with closing(self._connect()) as connection:
            n_rows, n_bytes = connection.execute(
                "SELECT count(*), coalesce(sum(length(row)), 0) FROM rows"
            ).fetchone()
        return CacheInfo(self._hits, self._misses, n_rows, n_bytes)

    def clear(self) -> None:
        """Delete all rows and reset the counts."""
        self._hits = self._misses = 0
        with closing(self._connect()) as connection, connection:
            connection.execute("DELETE FROM rows")


def _hash(key: bytes, row: bytes) -> bytes:
    return hashlib.sha256(key + row).digest()
