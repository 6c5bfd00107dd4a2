"""Parquet files whose rows are windows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from os import PathLike, fspath
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
from fsspec.core import url_to_fs

from .scheduler import EmbeddingRun, embed_parts
from .tasks import Columns, Part, SourceFile, holds_cells

if TYPE_CHECKING:
    from distributed import Client

ROWS_OF_PART = 20_000  # of larger files, whole row groups of so many rows are a task
# Column chunks are read so much at a time, not whole.
READ_BYTES = 2**20

Source = str | PathLike[str]


@dataclass(frozen=True)
class ParquetPart(Part):
    """Row groups of a Parquet file that follow each other.

    Parameters
    ----------
    row_groups : tuple of int
        The first, and the one after the last.
    row : int
        Of the file, that they begin with.
    n_rows : int
    id_fields : bytes
        The columns that are kept, as a serialized schema.
    """

    row_groups: tuple[int, int]
    row: int
    n_rows: int
    id_fields: bytes

    @property
    def place(self) -> str:
        """Its row groups."""
        return f"row groups {self.row_groups[0]} to {self.row_groups[1]}"

    @property
    def first_row(self) -> int:
        """Its first row's number in the file."""
        return self.row

    @property
    def id_schema(self) -> pa.Schema:
        """The columns that are kept."""
        return pa.ipc.read_schema(pa.py_buffer(self.id_fields))

    def batches(self, batch_rows: int) -> Iterator[pa.RecordBatch]:
        """Read its rows, up to so many at a time."""
        files, path = url_to_fs(self.source.url)
        names = [*self.columns.ids, *self.columns.signal_names]
        n_rows = 0
        with files.open(path) as file:
            table = pq.ParquetFile(file, buffer_size=READ_BYTES, pre_buffer=False)
            groups = range(*self.row_groups)
            for batch in table.iter_batches(batch_rows, row_groups=groups, columns=names):
                n_rows += batch.num_rows
                yield batch
        if n_rows != self.n_rows:
            raise ValueError(f"{n_rows} rows were read where {self.n_rows} had been counted.")


def embed_parquet(
    source: Source | Sequence[Source],
    destination: Source,
    transformer: Any,
    *,
    signal_columns: str | Sequence[str],
    id_columns: Sequence[str],
    batch_rows: int = 1024,
    client: Client | None = None,
    on_error: str = "raise",
    overwrite: bool = False,
    progress: bool = False,
) -> EmbeddingRun:
    """Embed the windows in Parquet files, and go on where an earlier call was cut off.

    Each file of up to 20,000 rows is a task, and so are row groups of about as many of a larger
    one. A task reads, embeds and writes ``batch_rows`` rows at a time, so that memory does not grow
    with files. Its embeddings come to stand in the destination once they are whole. The same
    call, after whatever failure, does only what is missing.

    Parameters
    ----------
    source : path, URL, or sequence of them
        Parquet files, patterns such as ``"windows/**/S*.parquet"``, or folders, of whose files
        those that end in ".parquet" are taken. URLs go to fsspec: "s3://bucket/windows".
    destination : path or URL
        A folder that every worker can write to. One call at a time may write to it.
    transformer : transformer
        Fitted; such as the Pipeline of `make_biosignal_embedder`, or the ColumnTransformer of
        `make_multimodal_embedder`. It is pickled into every task.
    signal_columns : str or sequence of str
        A column whose cells are windows (lists of numbers) is handed to the transformer as a
        Series. A sequence is handed to it as a DataFrame: of such columns, each a channel or a
        modality, or of wide columns, each a sample.
    id_columns : sequence of str
        Columns that are kept beside the embeddings.
    batch_rows : int, default=1024
        Rows embedded at a time, and in each row group that is written.
    client : distributed.Client, default=None
        Of a Dask cluster. None runs the same tasks one after the other in this process.
    on_error : {"raise", "quarantine"}, default="raise"
        What becomes of parts that cannot be read or embedded, or whose worker dies each time: raise
        the first one's error; or go on, list them in "_quarantine.json" in the destination, and
        warn. A later call tries them again.
    overwrite : bool, default=False
        Remove embeddings that are in the destination first.
    progress : bool, default=False
        Show a progress bar.

    Returns
    -------
    run : EmbeddingRun
        n_parts, n_rows, n_skipped (parts that were there before) and quarantined.

    Raises
    ------
    ValueError
        Before any work: for no files, columns that a file lacks or of types that hold no windows,
        files whose columns to keep differ, and a destination that holds something else or
        embeddings of another configuration (transformer, weights, columns, versions).
    NotFittedError
        For a transformer that is not fitted.
    PartError
        For the first part that cannot be embedded, with file and row, where
        ``on_error="raise"``. What is done by then stays.
    OSError
        Where the destination cannot be written to, whatever ``on_error`` is.
    ImportError
        Without pyarrow.

    Notes
    -----
    A file of embeddings has the columns to keep and "embedding", a list of fixed size of float32;
    missing windows are NaN throughout, never null. Its name is made of the source's and a hash.
    Its footer holds, as JSON under "sklearn_biomoe", the source with size and time, the
    transformer's parameters, weights' hashes, versions and names of the features. The bytes do not
    depend on where or in which order parts were embedded.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> import pandas as pd
    >>> import pyarrow.dataset
    >>> from sklearn.preprocessing import StandardScaler
    >>> folder = tempfile.mkdtemp()
    >>> windows = pd.DataFrame({"row": range(4), "mean": [1.0, 2, 3, 4], "slope": [4.0, 2, 0, 2]})
    >>> windows.to_parquet(f"{folder}/S1.parquet")
    >>> columns = ["mean", "slope"]
    >>> run = embed_parquet(
    ...     f"{folder}/S1.parquet",
    ...     f"{folder}/embeddings",
    ...     StandardScaler().fit(windows[columns]),
    ...     signal_columns=columns,
    ...     id_columns=["row"],
    ... )
    >>> run.n_parts, run.n_rows
    (1, 4)
    >>> table = pyarrow.dataset.dataset(f"{folder}/embeddings").to_table()
    >>> np.stack(table["embedding"].to_numpy()).shape
    (4, 2)
    """
    signals = signal_columns if isinstance(signal_columns, str) else tuple(signal_columns)
    columns = Columns(signals, tuple(id_columns))
    _check_names(columns)
    files = find_files(source, ".parquet")
    parts = [part for file in files for part in plan_file(file, columns)]
    return embed_parts(
        parts,
        fspath(destination),
        transformer,
        batch_rows=batch_rows,
        client=client,
        on_error=on_error,
        overwrite=overwrite,
        progress=progress,
    )


def find_files(source: Source | Sequence[Source], *suffixes: str) -> list[SourceFile]:
    """List files in the order of their sources, and by name in each.

    Parameters
    ----------
    source : path, URL, or sequence of them
    *suffixes : str
        Of the files that are taken from folders.

    Raises
    ------
    ValueError
        For a source without files, and a file that is named twice.
    """
    given = [source] if isinstance(source, str | PathLike) else list(source)
    found = [file for each in given for file in _find(fspath(each), suffixes)]
    urls = [file.url for file in found]
    twice = next((url for url in urls if urls.count(url) > 1), None)
    if twice is not None or not found:
        named = "no files" if not found else f"{twice} twice"
        raise ValueError(f"source={source!r} names {named}; name each file once.")
    return found


def _find(source: str, suffixes: tuple[str, ...]) -> list[SourceFile]:
    files, path = url_to_fs(source)
    if files.isdir(path):
        names = files.ls(path, detail=False)
        paths = [name for name in names if name.lower().endswith(suffixes) and not _is_hidden(name)]
    else:
        paths = files.glob(path) if "*" in path else [path] * files.exists(path)
    if not paths:
        listed = " or ".join(suffixes)
        raise ValueError(f"source={source!r}: there is no such file, or no {listed} in it.")
    return [_look_at(files, each) for each in sorted(paths)]


def _is_hidden(path: str) -> bool:
    return path.rpartition("/")[2].startswith((".", "_"))


def _look_at(files: Any, path: str) -> SourceFile:
    try:
        modified = str(files.modified(path))
    except NotImplementedError:  # as of files behind plain HTTP
        modified = ""
    return SourceFile(files.unstrip_protocol(path), int(files.size(path)), modified)


def plan_file(source: SourceFile, columns: Columns) -> list[ParquetPart]:
    """Part a file into tasks, after looking at its footer alone.

    Raises
    ------
    ValueError
        For what is no Parquet file, and for columns that it lacks or of the wrong type.
    """
    files, path = url_to_fs(source.url)
    with files.open(path) as file:
        try:
            table = pq.ParquetFile(file)
        except pa.ArrowInvalid as error:
            raise ValueError(f"{source.url} cannot be read as Parquet: {error}") from error
        schema, metadata = table.schema_arrow, table.metadata
    _check_columns(source, schema, columns)
    kept = pa.schema([schema.field(name) for name in columns.ids])
    sizes = [metadata.row_group(group).num_rows for group in range(metadata.num_row_groups)]
    parts, row = [], 0
    for first, stop in _group(sizes):
        n_rows = sum(sizes[first:stop])
        fields = kept.serialize().to_pybytes()
        parts.append(ParquetPart(source, columns, (first, stop), row, n_rows, fields))
        row += n_rows
    return parts


def _group(sizes: list[int]) -> list[tuple[int, int]]:
    """Join row groups that follow each other while they have no more rows than a task may."""
    bounds, rows = [0], 0
    for group, size in enumerate(sizes):
        if rows and rows + size > ROWS_OF_PART:
            bounds.append(group)
            rows = 0
        rows += size
    return list(zip(bounds, [*bounds[1:], len(sizes)], strict=True))


def _check_names(columns: Columns) -> None:
    names = [*columns.ids, *columns.signal_names]
    twice = sorted({name for name in names if names.count(name) > 1})
    if not columns.signal_names or twice or "embedding" in columns.ids:
        raise ValueError(
            f"signal_columns={columns.signals!r} and id_columns={columns.ids!r}; expected one or "
            "more columns of signals, each name once, and no 'embedding' among those to keep."
        )


def _check_columns(source: SourceFile, schema: pa.Schema, columns: Columns) -> None:
    for name in [*columns.ids, *columns.signal_names]:
        if name not in schema.names:
            raise ValueError(f"{source.url} has no column {name!r}; there are {schema.names[:20]}.")
    kinds = [schema.field(name).type for name in columns.signal_names]
    cells = [holds_cells(kind) for kind in kinds]
    numbers = [pa.types.is_floating(kind) or pa.types.is_integer(kind) for kind in kinds]
    if not (all(cells) or (all(numbers) and not isinstance(columns.signals, str))):
        listed = ", ".join(sorted({str(kind) for kind in kinds}))
        raise ValueError(
            f"{source.url}: signal_columns={columns.signals!r} are of type {listed}; expected "
            "columns of lists, or a sequence of columns of numbers, each a sample."
        )
