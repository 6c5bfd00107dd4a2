"""Studies: methods compared on held-out subjects, with a report."""

from .folds import RepeatedGroupKFold
from .leaks import Alarm, LeakWarning
from .study import Study, run_study

__all__ = ["Alarm", "LeakWarning", "RepeatedGroupKFold", "Study", "run_study"]
