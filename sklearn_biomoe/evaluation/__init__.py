"""Studies: methods compared on held-out subjects, with a report."""

from .calibration import Calibration
from .folds import FixedSplit, RepeatedGroupKFold
from .leaks import Alarm, LeakWarning
from .study import Study, run_study

__all__ = [
    "Alarm",
    "Calibration",
    "FixedSplit",
    "LeakWarning",
    "RepeatedGroupKFold",
    "Study",
    "run_study",
]
