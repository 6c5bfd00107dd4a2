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

ROWS_OF_PART = 20_000  # larger files are split into row groups of about this many rows
READ_BYTES = 2**20  # buffer per column, so that column chunks are not read as a whole

Source = str | PathLike[str]


@dataclass(frozen=True, kw_only=True)
class ParquetPart(Part):
    """Consecutive row groups of a Parquet file, from the first up to but not including the last."""

    row_groups: tuple[int, int]
    n_rows: int

    def batches(self, batch_rows: int) -> Iterator[pa.RecordBatch]:
        """Read the id and signal columns, at most ``batch_rows`` rows at a time."""
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
            raise ValueError(f"expected {self.n_rows} rows, as in the footer, but read {n_rows}.")


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
    progress: bool | str = "auto",
) -> EmbeddingRun:
    """Embed the windows in Parquet files; a second call continues an interrupted one.

    A file of up to 20,000 rows is one task; a larger file is split into tasks of consecutive row
    groups. A task reads, embeds and writes ``batch_rows`` rows at a time, so that memory does not
    depend on the size of files. A file of embeddings appears in the destination only once it is
    complete. After a failure of any kind, the same call embeds only what is missing.

    Parameters
    ----------
    source : path, URL, or sequence of them
        Parquet files, patterns such as ``"windows/**/S*.parquet"``, or folders, of which all files
        with the suffix ".parquet" are read. URLs are opened by fsspec: "s3://bucket/windows".
    destination : path or URL
        A folder that every worker can write to. Only one call at a time may write to it.
    transformer : transformer
        Fitted, such as the Pipeline of `make_biosignal_embedder` or the ColumnTransformer of
        `make_multimodal_embedder`. It is pickled into every task.
    signal_columns : str or sequence of str
        A single column, whose cells are windows (lists of numbers), is passed to the transformer
        as a Series. A sequence is passed as a DataFrame: columns of such cells, one for each
        channel or modality, or wide columns, one for each sample.
    id_columns : sequence of str
        Columns to keep next to the embeddings.
    batch_rows : int, default=1024
        Rows to embed at a time, and in each row group of the destination.
    client : distributed.Client, default=None
        Client of a Dask cluster. None runs the same tasks one after the other in this process.
    on_error : {"raise", "quarantine"}, default="raise"
        For parts that cannot be read or embedded, or that kill each worker: "raise" raises the
        first error; "quarantine" continues, lists them in "_quarantine.json" in the destination,
        and warns. The next call tries them again.
    overwrite : bool, default=False
        Remove the embeddings in the destination first.
    progress : "auto" or bool, default="auto"
        Show a progress bar. "auto" shows it in terminals and notebooks if tqdm is installed.

    Returns
    -------
    run : EmbeddingRun
        n_parts, n_rows, n_skipped (parts that were complete before) and quarantined.

    Raises
    ------
    ValueError
        Before any work: if there are no files, columns are missing or do not hold windows, id
        columns differ between files, or the destination holds other files or embeddings of another
        configuration (transformer, weights, columns, versions).
    NotFittedError
        If the transformer is not fitted.
    PartError
        For the first part that cannot be embedded, with file and row, if ``on_error="raise"``.
        Parts that are complete by then are kept.
    OSError
        If the destination cannot be written to, whatever ``on_error`` is.
    ImportError
        If pyarrow is not installed.

    Notes
    -----
    A file of embeddings has the id columns and "embedding", a float32 list of fixed size; missing
    windows are NaN throughout, never null. Its name consists of the source's name and a hash. Its
    footer holds, as JSON under "sklearn_biomoe", the source with size and modification time, the
    transformer's parameters, the hashes of the weights, versions and feature names. The bytes do
    not depend on where or in which order parts are embedded.

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
    return embed_parts(
        [part for file in find_files(source, ".parquet") for part in plan_file(file, columns)],
        fspath(destination),
        transformer,
        batch_rows=batch_rows,
        client=client,
        on_error=on_error,
        overwrite=overwrite,
        progress=progress,
    )


def find_files(source: Source | Sequence[Source], *suffixes: str) -> list[SourceFile]:
    """List files in the order of the sources, and by name within each source.

    All files with one of the suffixes are taken from folders.
    """
    sources = [source] if isinstance(source, str | PathLike) else list(source)
    found = [file for each in sources for file in _find(fspath(each), suffixes)]
    urls = [file.url for file in found]
    twice = next((url for url in urls if urls.count(url) > 1), None)
    if twice is not None or not found:
        problem = "names no files" if not found else f"names {twice} twice"
        raise ValueError(f"source={source!r} {problem}; name each file once.")
    return found


def _find(source: str, suffixes: tuple[str, ...]) -> list[SourceFile]:
    files, path = url_to_fs(source)
    if files.isdir(path):
        names = [name for name in files.ls(path, detail=False) if name.lower().endswith(suffixes)]
        paths = [name for name in names if name.rpartition("/")[2][0] not in "._"]
    else:
        paths = files.glob(path) if "*" in path else [path] * files.exists(path)
    if not paths:
        kinds = " or ".join(suffixes)
        raise ValueError(f"source={source!r}: no such file, or no {kinds} file in the folder.")
    return [_describe_file(files, each) for each in sorted(paths)]


def _describe_file(files: Any, path: str) -> SourceFile:
    try:
        modified = str(files.modified(path))
    except NotImplementedError:  # plain HTTP
        modified = ""
    return SourceFile(files.unstrip_protocol(path), int(files.size(path)), modified)


def plan_file(source: SourceFile, columns: Columns) -> list[ParquetPart]:
    """Split a file into parts; only its footer is read."""
    files, path = url_to_fs(source.url)
    with files.open(path) as file:
        try:
            table = pq.ParquetFile(file)
        except pa.ArrowInvalid as error:
            raise ValueError(f"{source.url} cannot be read as Parquet: {error}") from error
        schema, metadata = table.schema_arrow, table.metadata
    _check_columns(source, schema, columns)
    sizes = [metadata.row_group(group).num_rows for group in range(metadata.num_row_groups)]
    return [
        ParquetPart(
            source=source,
            columns=columns,
            id_schema=pa.schema([schema.field(name) for name in columns.ids]),
            place=f"row groups {first} to {stop}",
            first_row=sum(sizes[:first]),
            row_groups=(first, stop),
            n_rows=sum(sizes[first:stop]),
        )
        for first, stop in _join_row_groups(sizes)
    ]


def _join_row_groups(sizes: list[int]) -> list[tuple[int, int]]:
    """Join consecutive row groups up to `ROWS_OF_PART` rows; return (first, stop) of each part."""
    bounds, rows = [0], 0
    for group, size in enumerate(sizes):
        if rows and rows + size > ROWS_OF_PART:
            bounds.append(group)
            rows = 0
        rows += size
    return list(zip(bounds, [*bounds[1:], len(sizes)], strict=True))


def _check_names(columns: Columns) -> None:
    names = [*columns.ids, *columns.signal_names]
    if not columns.signal_names or len(set(names)) < len(names) or "embedding" in columns.ids:
        raise ValueError(
            f"signal_columns={columns.signals!r} and id_columns={columns.ids!r}; expected one or "
            "more signal columns, each name once, and no id column named 'embedding'."
        )


def _check_columns(source: SourceFile, schema: pa.Schema, columns: Columns) -> None:
    for name in [*columns.ids, *columns.signal_names]:
        if name not in schema.names:
            raise ValueError(
                f"{source.url} has no column {name!r}; its columns are {schema.names[:20]}."
            )
    kinds = [schema.field(name).type for name in columns.signal_names]
    numbers = [pa.types.is_floating(kind) or pa.types.is_integer(kind) for kind in kinds]
    wide = all(numbers) and not isinstance(columns.signals, str)
    if not wide and not all(holds_cells(kind) for kind in kinds):
        listed = ", ".join(sorted({str(kind) for kind in kinds}))
        raise ValueError(
            f"{source.url}: signal_columns={columns.signals!r} are of type {listed}; expected "
            "columns of lists, or several columns of numbers, one for each sample."
        )
