"""From windows to trials and subjects: one label, and one prediction, for many windows."""

from .aggregation import TrialAggregator, WindowVotingClassifier, WindowVotingRegressor
from .attention import AttentionMILClassifier, AttentionMILRegressor
from .collection import Trials, aggregate_windows, gather_trials

__all__ = [
    "AttentionMILClassifier",
    "AttentionMILRegressor",
    "TrialAggregator",
    "Trials",
    "WindowVotingClassifier",
    "WindowVotingRegressor",
    "aggregate_windows",
    "gather_trials",
]
