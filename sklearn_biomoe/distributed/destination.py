"""The folder of embeddings: what is in it already, and how a part is written into it."""

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

from .._files import new_file
from .tasks import Part, embed_batches, embedding_schema

FOOTER = "sklearn_biomoe"  # the key of what a file's footer tells
QUARANTINE = "_quarantine.json"  # readers of Parquet folders pass over such names


@dataclass(frozen=True)
class Destination:
    """A folder on this machine, or wherever fsspec reaches.

    Parameters
    ----------
    url : str
    """

    url: str

    @cached_property
    def _place(self) -> tuple[Any, str]:
        from fsspec.core import url_to_fs

        return url_to_fs(self.url)

    @property
    def is_local(self) -> bool:
        """Whether files are written beside their place and renamed, or put there at once."""
        return "file" in self._place[0].protocol

    def path(self, name: str) -> str:
        """Where a file is, for the folder's file system."""
        return f"{self._place[1].rstrip('/')}/{name}"

    def make(self) -> None:
        """Make the folder, and remove what killed processes left half written."""
        files, root = self._place
        files.makedirs(root, exist_ok=True)
        for name in self._names():
            if name.startswith(".") and ".parquet." in name:
                files.rm_file(self.path(name))

    def footers(self) -> dict[str, dict[str, Any]]:
        """Tell of each part that is there what its footer tells; {} of one that is damaged.

        Raises
        ------
        ValueError
            Where something else is in the folder.
        """
        footers = {name: self._footer(name) for name in self._names() if name[0] not in "._"}
        strange = [name for name, footer in footers.items() if footer is None]
        if strange:
            raise ValueError(
                f"{self.url} holds {strange[0]!r}, which is no file of embeddings of this package; "
                "name an empty or a new folder."
            )
        return {name: footer for name, footer in footers.items() if footer is not None}

    def _names(self) -> list[str]:
        files, root = self._place
        if not files.exists(root):
            return []
        return sorted(path.rpartition("/")[2] for path in files.ls(root, detail=False))

    def _footer(self, name: str) -> dict[str, Any] | None:
        files, _ = self._place
        if not name.endswith(".parquet"):
            return None
        try:
            with files.open(self.path(name)) as file:
                metadata = pq.read_metadata(file)
        except pa.ArrowInvalid:  # cut off by whatever copied it here
            return {}
        known = (metadata.metadata or {}).get(FOOTER.encode())
        return None if known is None else json.loads(known) | {"rows": metadata.num_rows}

    @contextmanager
    def open(self, name: str) -> Iterator[BinaryIO]:
        """Open a file that comes to stand in the folder once it is whole."""
        files, _ = self._place
        if self.is_local:
            with new_file(Path(self.path(name))) as file:
                yield file
            return
        with tempfile.NamedTemporaryFile() as local:
            yield local  # type: ignore[misc]
            local.flush()
            files.put_file(local.name, self.path(name))

    def remove(self, name: str) -> None:
        """Remove a file, if it is there."""
        files, _ = self._place
        if files.exists(self.path(name)):
            files.rm_file(self.path(name))


def write_part(
    part: Part,
    destination: Destination,
    transformer: Any,
    batch_rows: int,
    configuration: dict[str, Any],
) -> int:
    """Embed a part into its file, which is there whole or not at all; return its rows.

    Raises
    ------
    PartError
        Where its windows cannot be read or embedded.
    OSError
        Where its file cannot be written.
    """
    n_features = len(configuration["features"])
    schema = embedding_schema(part.id_schema, n_features)
    footer = {"part": part.describe(), "configuration": configuration}
    n_rows = 0
    with destination.open(part.name) as file:
        # Embeddings hardly repeat: a dictionary of them would be as large as they are.
        dictionaries = list(part.columns.ids)
        with pq.ParquetWriter(file, schema, use_dictionary=dictionaries or False) as writer:
            for batch in embed_batches(part, transformer, batch_rows, n_features):
                writer.write_batch(batch)
                n_rows += batch.num_rows
            writer.add_key_value_metadata({FOOTER: json.dumps(footer, sort_keys=True)})
    return n_rows
