"""Windows of biosignals: their kinds, and how they are read, cut, filtered, parted and scaled."""

from .cutting import cut_windows
from .eda_decomposer import EDADecomposer
from .missing import missing_windows
from .modalities import MODALITIES, Modality, ValueRange
from .signal_filter import SignalFilter
from .subject_scaler import SubjectScaler
from .windows import (
    Signals,
    cell_columns,
    missing_rows,
    read_windows,
    shortest_window,
    validate_windows,
)

__all__ = [
    "MODALITIES",
    "EDADecomposer",
    "Modality",
    "SignalFilter",
    "Signals",
    "SubjectScaler",
    "ValueRange",
    "cell_columns",
    "cut_windows",
    "missing_rows",
    "missing_windows",
    "read_windows",
    "shortest_window",
    "validate_windows",
]
