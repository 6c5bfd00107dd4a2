"""Multiple-instance learning: one label, and one prediction, for the windows of a trial."""

from .attention import AttentionMILClassifier, AttentionMILRegressor
from .grouping import Trials, aggregate_windows, gather_trials
from .trial_aggregator import TrialAggregator
from .window_voting import WindowVotingClassifier, WindowVotingRegressor

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
