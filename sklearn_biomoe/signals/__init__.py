"""Windows of biosignals: their kinds, and how they are read, cut, filtered, parted and scaled."""

from .cutting import cut_windows
from .decomposition import EDADecomposer
from .missing import missing_windows
from .modalities import MODALITIES, Modality, ValueRange, check_known
from .preparation import SignalFilter
from .reading import (
    Signals,
    cell_columns,
    missing_rows,
    read_windows,
    shortest_window,
    validate_windows,
)
from .scaling import SubjectScaler

__all__ = [
    "MODALITIES",
    "EDADecomposer",
    "Modality",
    "SignalFilter",
    "Signals",
    "SubjectScaler",
    "ValueRange",
    "cell_columns",
    "check_known",
    "cut_windows",
    "missing_rows",
    "missing_windows",
    "read_windows",
    "shortest_window",
    "validate_windows",
]
