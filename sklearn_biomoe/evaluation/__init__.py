"""Studies: methods compared on held-out subjects, with a report."""

from .calibration import Calibration
from .folds import FixedSplit, RepeatedGroupKFold
from .leaks import Alarm, LeakWarning
from .study import Study, run_study
from .tasks import Metric, Task

__all__ = [
    "Alarm",
    "Calibration",
    "FixedSplit",
    "LeakWarning",
    "Metric",
    "RepeatedGroupKFold",
    "Study",
    "Task",
    "run_study",
]
