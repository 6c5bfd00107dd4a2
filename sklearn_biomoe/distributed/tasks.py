"""What one task embeds: a part of the source, read in batches of windows."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import PurePosixPath
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray


class PartError(ValueError):
    """A part of the source that cannot be read or embedded; the message names file and rows."""


@dataclass(frozen=True)
class SourceFile:
    """A file, and what tells that it has changed.

    Parameters
    ----------
    url : str
        With its protocol.
    size : int
        In bytes.
    modified : str
        When, as the file system tells it; empty where it does not.
    """

    url: str
    size: int
    modified: str


@dataclass(frozen=True)
class Columns:
    """Which columns hold the windows, and which are kept beside their embeddings.

    Parameters
    ----------
    signals : str or tuple of str
        One column of cells is handed to the transformer as a Series, a tuple as a DataFrame.
    ids : tuple of str
    """

    signals: str | tuple[str, ...]
    ids: tuple[str, ...]

    @property
    def signal_names(self) -> list[str]:
        """The columns of signals, whatever their number."""
        return [self.signals] if isinstance(self.signals, str) else list(self.signals)


class WindowBatch(NamedTuple):
    """Some rows of a part: what is kept of them, and their windows."""

    ids: pa.RecordBatch
    windows: pd.Series | pd.DataFrame


@dataclass(frozen=True)
class Part:
    """A part of the source. Subclasses say how it is read.

    Parameters
    ----------
    source : SourceFile
    columns : Columns
    """

    source: SourceFile
    columns: Columns

    @property
    def name(self) -> str:
        """The name of its file of embeddings, the same in every run, and no other part's."""
        which = f"{self.source.url} {self.place}"
        digest = hashlib.sha256(which.encode()).hexdigest()[:16]
        return f"{PurePosixPath(self.source.url).stem}-{digest}.parquet"

    @property
    def place(self) -> str:
        """What tells it from the other parts of its file."""
        raise NotImplementedError

    @property
    def first_row(self) -> int:
        """Its first row's number in the file."""
        return 0

    @property
    def id_schema(self) -> pa.Schema:
        """The columns that are kept."""
        raise NotImplementedError

    @property
    def settings(self) -> dict[str, Any]:
        """How windows are made, where that has to be the same for all parts of a folder."""
        return {}

    def describe(self) -> dict[str, Any]:
        """All that decides its rows."""
        return {"source": asdict(self.source), "place": self.place}

    def batches(self, batch_rows: int) -> Iterator[pa.RecordBatch]:
        """Read its rows, up to so many at a time: columns of ids and of signals."""
        raise NotImplementedError


def split_batch(batch: pa.RecordBatch, columns: Columns) -> WindowBatch:
    """Part the windows of a batch from what is kept of its rows.

    Cells stay in Arrow's memory; wide columns of numbers become float64 or what they are.

    Parameters
    ----------
    batch : RecordBatch
        May be a slice of another.
    columns : Columns

    Returns
    -------
    batch : WindowBatch

    Examples
    --------
    >>> batch = pa.RecordBatch.from_pydict({"subject": ["S1", "S2"], "eda": [[1.0, 2.0], None]})
    >>> ids, windows = split_batch(batch[1:], Columns("eda", ("subject",)))
    >>> ids.to_pydict(), windows.isna().tolist()
    ({'subject': ['S2']}, [True])
    """
    table = pa.Table.from_batches([batch.select(columns.signal_names)])
    # What pandas left in the schema would make an index of one of the columns.
    frame = table.to_pandas(types_mapper=_keep_lists, ignore_metadata=True)
    windows = frame[columns.signals] if isinstance(columns.signals, str) else frame
    return WindowBatch(batch.select(list(columns.ids)), windows)


def embed_batches(
    part: Part, transformer: Any, batch_rows: int, n_features: int
) -> Iterator[pa.RecordBatch]:
    """Embed a part, row by row what it was: ids, then the column "embedding".

    Raises
    ------
    PartError
        For whatever goes wrong while its windows are read or embedded; a fault of the transformer
        that moves rows is one too.
    """
    row = part.first_row
    try:
        for batch in part.batches(batch_rows):
            ids, windows = split_batch(batch, part.columns)
            embeddings = np.asarray(transformer.transform(windows), dtype=np.float32)
            _check_rows(embeddings, batch.num_rows, n_features)
            yield join_batch(ids, embeddings)
            row += batch.num_rows
    except Exception as error:
        raise PartError(
            f"{part.source.url} cannot be embedded from row {row} on, which is window 0 here: "
            f"{type(error).__name__}: {error}"
        ) from error


def embedding_schema(ids: pa.Schema, n_features: int) -> pa.Schema:
    """Describe the rows of embeddings: what is kept, then a list of fixed size."""
    embedding = pa.field("embedding", pa.list_(pa.float32(), n_features))
    return pa.schema([*ids.remove_metadata(), embedding])


def join_batch(ids: pa.RecordBatch, embeddings: NDArray[np.float32]) -> pa.RecordBatch:
    """Put embeddings, of shape (n_windows, n_features), beside what is kept of their rows."""
    values = pa.array(np.ascontiguousarray(embeddings).reshape(-1))
    lists = pa.FixedSizeListArray.from_arrays(values, embeddings.shape[1])
    schema = embedding_schema(ids.schema, embeddings.shape[1])
    return pa.RecordBatch.from_arrays([*ids.columns, lists], schema=schema)


def holds_cells(kind: pa.DataType) -> bool:
    """Tell types whose values are lists."""
    kinds: Sequence[Any] = (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list)
    return any(is_kind(kind) for is_kind in kinds)


def _keep_lists(kind: pa.DataType) -> pd.ArrowDtype | None:
    return pd.ArrowDtype(kind) if holds_cells(kind) else None


def _check_rows(embeddings: NDArray[np.float32], n_rows: int, n_features: int) -> None:
    if embeddings.shape != (n_rows, n_features):
        raise ValueError(
            f"the transformer made an array of shape {embeddings.shape} of {n_rows} windows and "
            f"names {n_features} features; expected {(n_rows, n_features)}."
        )
