"""Studies that leave subjects out, and their report."""

from .alarms import Alarm, LeakWarning
from .folds import RepeatedGroupKFold
from .study import Study, run_study

__all__ = ["Alarm", "LeakWarning", "RepeatedGroupKFold", "Study", "run_study"]
