"""Parts of the source, each embedded by one task in batches of windows."""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import PurePosixPath
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa


class PartError(ValueError):
    """A part of the source cannot be read or embedded; the message names the file and the row."""


@dataclass(frozen=True)
class SourceFile:
    """A file in the state in which it was found."""

    url: str  # with the protocol
    size: int  # in bytes
    modified: str  # modification time; empty if the file system does not report it


@dataclass(frozen=True)
class Columns:
    """The columns that hold windows, and the columns that are kept next to the embeddings.

    The transformer is given a single column of windows as a Series, a tuple as a DataFrame.
    """

    signals: str | tuple[str, ...]
    ids: tuple[str, ...]

    @property
    def signal_names(self) -> list[str]:
        """The columns of windows as a list."""
        return [self.signals] if isinstance(self.signals, str) else list(self.signals)


@dataclass(frozen=True, kw_only=True)
class Part(ABC):
    """A part of the source, embedded into one file by one task."""

    source: SourceFile
    columns: Columns
    id_schema: pa.Schema
    place: str  # which part of the source file it is
    first_row: int = 0  # number of the first row in the source file

    @abstractmethod
    def batches(self, batch_rows: int) -> Iterator[pa.RecordBatch]:
        """Read the id and signal columns, at most ``batch_rows`` rows at a time."""

    @property
    def settings(self) -> dict[str, Any]:
        """Settings that must be the same for all parts of a destination."""
        return {}

    @property
    def name(self) -> str:
        """Name of the file of embeddings, unique and the same in every run."""
        digest = hashlib.sha256(f"{self.source.url} {self.place}".encode()).hexdigest()[:16]
        return f"{PurePosixPath(self.source.url).stem}-{digest}.parquet"

    def describe(self) -> dict[str, Any]:
        """Return everything that determines the rows of this part."""
        return {"source": asdict(self.source), "place": self.place}


def split_batch(
    batch: pa.RecordBatch, columns: Columns
) -> tuple[pa.RecordBatch, pd.Series | pd.DataFrame]:
    """Split a batch into ids and windows.

    Cells stay in Arrow's memory; wide columns of numbers become NumPy columns. The batch may be a
    slice of another one.

    Examples
    --------
    >>> batch = pa.RecordBatch.from_pydict({"subject": ["S1", "S2"], "eda": [[1.0, 2.0], None]})
    >>> ids, windows = split_batch(batch[1:], Columns("eda", ("subject",)))
    >>> ids.to_pydict(), windows.isna().tolist()
    ({'subject': ['S2']}, [True])
    """
    table = pa.Table.from_batches([batch.select(columns.signal_names)])
    # The metadata that pandas writes could turn one of the columns into an index.
    frame = table.to_pandas(types_mapper=_keep_lists, ignore_metadata=True)
    windows = frame[columns.signals] if isinstance(columns.signals, str) else frame
    return batch.select(list(columns.ids)), windows


def embed_batches(
    part: Part, transformer: Any, batch_rows: int, schema: pa.Schema
) -> Iterator[pa.RecordBatch]:
    """Embed a part batch by batch: the id columns, then the column "embedding"."""
    n_features = schema.field("embedding").type.list_size
    row = part.first_row
    try:
        for batch in part.batches(batch_rows):
            ids, windows = split_batch(batch, part.columns)
            embeddings = np.asarray(transformer.transform(windows), dtype=np.float32)
            if embeddings.shape != (batch.num_rows, n_features):
                raise ValueError(
                    f"the transformer returned an array of shape {embeddings.shape} for "
                    f"{batch.num_rows} windows; expected {(batch.num_rows, n_features)}."
                )
            values = pa.array(np.ascontiguousarray(embeddings).reshape(-1))
            cells = pa.FixedSizeListArray.from_arrays(values, n_features)
            yield pa.RecordBatch.from_arrays([*ids.columns, cells], schema=schema)
            row += batch.num_rows
    except Exception as error:
        raise PartError(
            f"{part.source.url} cannot be embedded from row {row} on (window 0 in this error): "
            f"{type(error).__name__}: {error}"
        ) from error


def holds_cells(kind: pa.DataType) -> bool:
    """Return whether the values of a type are lists."""
    types = pa.types
    return types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind)


def _keep_lists(kind: pa.DataType) -> pd.ArrowDtype | None:
    return pd.ArrowDtype(kind) if holds_cells(kind) else None
