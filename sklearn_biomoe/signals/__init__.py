"""Windows of biosignals: what kinds there are, how they are read, cut, filtered and scaled."""

from .cutting import cut_windows
from .modalities import MODALITIES, Modality, ValueRange, check_known
from .preparation import SignalFilter
from .reading import Signals, cell_columns, read_windows, validate_windows
from .scaling import SubjectScaler

__all__ = [
    "MODALITIES",
    "Modality",
    "SignalFilter",
    "Signals",
    "SubjectScaler",
    "ValueRange",
    "cell_columns",
    "check_known",
    "cut_windows",
    "read_windows",
    "validate_windows",
]
