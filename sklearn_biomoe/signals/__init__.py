"""Windows of biosignals: what kinds there are, and how every form of them is read."""

from .modalities import MODALITIES, Modality, check_known
from .reading import Signals, cell_columns, read_windows, validate_windows

__all__ = [
    "MODALITIES",
    "Modality",
    "Signals",
    "cell_columns",
    "check_known",
    "read_windows",
    "validate_windows",
]
