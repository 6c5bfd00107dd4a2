"""Windows in memory, embedded by tasks that hold the rows of one subject each."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from .tasks import Columns, Part, SourceFile


@dataclass(frozen=True, kw_only=True)
class TablePart(Part):
    """Rows of a table."""

    rows: pa.Table

    def batches(self, batch_rows: int) -> Iterator[pa.RecordBatch]:
        """Return the id and signal columns, at most ``batch_rows`` rows at a time."""
        for batch in self.rows.combine_chunks().to_batches(batch_rows):
            yield batch.select([*self.columns.ids, *self.columns.signal_names])


def plan_table(url: str, table: pa.Table, columns: Columns, subject: str | None) -> list[TablePart]:
    """Make the rows of each subject a part, in the order of their first rows; None makes one part.

    The state of the source is a hash of the rows, so that equal windows are not embedded twice.
    """
    table = table.replace_schema_metadata(None)
    parts = []
    if subject is not None and pc.any(pc.is_null(table[subject], nan_is_null=True)).as_py():
        row = pc.is_null(table[subject], nan_is_null=True).to_pylist().index(True)
        raise ValueError(f"{url}: row {row} has no {subject!r}; every window needs one.")
    names = [None] if subject is None else table[subject].unique().to_pylist()
    for name in names:
        rows = table if subject is None else table.filter(pc.equal(table[subject], name))
        rows = rows.combine_chunks()
        source = SourceFile(url, rows.nbytes, hash_rows(rows))
        schema = pa.schema([table.schema.field(column) for column in columns.ids])
        parts.append(
            TablePart(
                source=source, columns=columns, id_schema=schema, place=f"subject {name}", rows=rows
            )
        )
    return parts


def hash_rows(table: pa.Table) -> str:
    """Return a hash of schema and rows."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return hashlib.sha256(sink.getvalue()).hexdigest()
