"""The folder of embeddings: its files, and how a part is written to it."""

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq
from fsspec.core import url_to_fs

from .._files import new_file
from .tasks import Part, embed_batches

FOOTER = b"sklearn_biomoe"  # key of this package's metadata in a file's footer
QUARANTINE = "_quarantine.json"  # readers of Parquet folders skip names that start with "_"


@dataclass(frozen=True)
class Destination:
    """A folder on this machine or on any file system of fsspec."""

    url: str

    @cached_property
    def _location(self) -> tuple[Any, str]:
        """File system and path."""
        return url_to_fs(self.url)

    def path(self, name: str) -> str:
        """Return the path of a file for the folder's file system."""
        return f"{self._location[1].rstrip('/')}/{name}"

    def make(self) -> None:
        """Create the folder, and remove the incomplete files of killed processes."""
        files, root = self._location
        files.makedirs(root, exist_ok=True)
        for name in self._names():
            if name.startswith(".") and ".parquet." in name:
                files.rm_file(self.path(name))

    def footers(self) -> dict[str, dict[str, Any]]:
        """Return the metadata in each file's footer by name, {} for a damaged file."""
        return {name: self._footer(name) for name in self._names() if name[0] not in "._"}

    def _names(self) -> list[str]:
        files, root = self._location
        if not files.exists(root):
            return []
        return sorted(path.rpartition("/")[2] for path in files.ls(root, detail=False))

    def _footer(self, name: str) -> dict[str, Any]:
        metadata: dict[bytes, bytes] = {}
        if name.endswith(".parquet"):
            try:
                with self._location[0].open(self.path(name)) as file:
                    metadata = pq.read_metadata(file).metadata or {}
            except pa.ArrowInvalid:  # a truncated copy
                return {}
        if FOOTER not in metadata:
            raise ValueError(
                f"{self.url} holds {name!r}, which is not a file of embeddings of this package; "
                "name an empty or a new folder."
            )
        return json.loads(metadata[FOOTER])

    @contextmanager
    def open(self, name: str) -> Iterator[BinaryIO]:
        """Open a file that appears in the folder only once it is complete."""
        files, _ = self._location
        if "file" in files.protocol:
            with new_file(Path(self.path(name))) as file:
                yield file
            return
        with tempfile.NamedTemporaryFile() as local:
            yield local  # type: ignore[misc]
            local.flush()
            files.put_file(local.name, self.path(name))

    def remove(self, name: str) -> None:
        """Remove a file if it exists."""
        files, _ = self._location
        if files.exists(self.path(name)):
            files.rm_file(self.path(name))


def write_part(
    part: Part,
    destination: Destination,
    transformer: Any,
    batch_rows: int,
    configuration: dict[str, Any],
) -> int:
    """Embed a part into its file, completely or not at all; return the number of rows."""
    embedding = pa.field("embedding", pa.list_(pa.float32(), len(configuration["features"])))
    schema = part.id_schema.remove_metadata().append(embedding)
    footer = {"part": part.describe(), "configuration": configuration}
    n_rows = 0
    with destination.open(part.name) as file:
        # Embeddings rarely repeat, so that a dictionary of them would not be smaller.
        dictionaries = list(part.columns.ids) or False
        with pq.ParquetWriter(file, schema, use_dictionary=dictionaries) as writer:
            for batch in embed_batches(part, transformer, batch_rows, schema):
                writer.write_batch(batch)
                n_rows += batch.num_rows
            writer.add_key_value_metadata({FOOTER: json.dumps(footer, sort_keys=True)})
    return n_rows
