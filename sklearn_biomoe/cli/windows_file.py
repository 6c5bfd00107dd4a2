"""Parquet files of windows, as ``sklearn-biomoe windows`` writes them."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from .._files import new_file
from .options import Signal

KEY = b"sklearn_biomoe_windows"  # of the schema's metadata


@dataclass(frozen=True)
class Description:
    """What the columns of a table of windows are."""

    signals: tuple[Signal, ...]  # with their sampling rates
    subject: str = "subject"
    label: str | None = None  # the target, one of the labels
    labels: tuple[str, ...] = ()
    start: str | None = None


@dataclass(frozen=True)
class StudyWindows:
    """Windows of a study: a row for each, with a column of arrays for each signal.

    Parameters
    ----------
    table : DataFrame
    description : Description
    dropped : DataFrame or None
        Columns subject and reason, and others that depend on the source; None if the source has
        been cut before.
    """

    table: pd.DataFrame
    description: Description
    dropped: pd.DataFrame | None = None

    @property
    def ids(self) -> list[str]:
        """All columns except those of signals."""
        signals = {signal.name for signal in self.description.signals}
        return [str(name) for name in self.table if name not in signals]

    def to_arrow(self) -> pa.Table:
        """Return lists for each signal, and the description in the schema's metadata."""
        columns = {name: pa.array(self.table[name], from_pandas=True) for name in self.ids}
        for signal in self.description.signals:
            cells = map(_samples, self.table[signal.name])
            columns[signal.name] = pa.array(cells, pa.list_(pa.float64()))
        metadata = {KEY: json.dumps(_to_json(self.description))}
        return pa.table(columns).replace_schema_metadata(metadata)

    def write(self, path: Path) -> None:
        """Write a Parquet file."""
        with new_file(path) as file:
            pq.write_table(self.to_arrow(), file)


def read_description(path: Path) -> Description | None:
    """Return the description in a Parquet file, None if it has none or is another file."""
    if path.suffix.lower() != ".parquet" or not path.is_file():
        return None
    try:
        metadata = pq.read_schema(path).metadata or {}
    except pa.ArrowInvalid as error:
        raise ValueError(f"{path} cannot be read as Parquet: {error}") from error
    return _from_json(json.loads(metadata[KEY])) if KEY in metadata else None


def _samples(cell: Any) -> Any:
    return None if cell is None else np.asarray(cell, dtype=np.float64)


def _to_json(description: Description) -> dict[str, Any]:
    signals = {
        signal.name: {"modality": signal.modality, "sampling_rate": signal.sampling_rate}
        for signal in description.signals
    }
    names = ("subject", "label", "labels", "start")
    return {"signals": signals} | {name: getattr(description, name) for name in names}


def _from_json(values: dict[str, Any]) -> Description:
    signals = tuple(
        Signal(name, entry["modality"], entry["sampling_rate"])
        for name, entry in values["signals"].items()
    )
    return Description(
        signals, values["subject"], values["label"], tuple(values["labels"]), values["start"]
    )
