"""Windows of biosignals: their modalities, and how they are read, cut, filtered and scaled."""

from .checks.findings import Finding
from .checks.window_report import WindowReport
from .checks.windows_check import check_windows
from .containers import missing_windows
from .cutting import cut_windows
from .eda_decomposer import EDADecomposer
from .event_tables import read_events
from .modalities import MODALITIES, Modality, ValueRange
from .signal_filter import SignalFilter
from .subject_scaler import SubjectScaler
from .windows import Windows, read_windows, validate_windows

__all__ = [
    "MODALITIES",
    "EDADecomposer",
    "Finding",
    "Modality",
    "SignalFilter",
    "SubjectScaler",
    "ValueRange",
    "WindowReport",
    "Windows",
    "check_windows",
    "cut_windows",
    "missing_windows",
    "read_events",
    "read_windows",
    "validate_windows",
]
