"""Labelled biosignal windows of several subjects: simulated, or fetched from a data set."""

from .bidmc import fetch_bidmc
from .cogwear import fetch_cogwear
from .exam_stress import fetch_exam_stress
from .fmov import fetch_fmov
from .freihaut import fetch_freihaut
from .simulated import make_biosignal_windows
from .simulated_events import make_event_windows
from .stress_predict import fetch_stress_predict

__all__ = [
    "fetch_bidmc",
    "fetch_cogwear",
    "fetch_exam_stress",
    "fetch_fmov",
    "fetch_freihaut",
    "fetch_stress_predict",
    "make_biosignal_windows",
    "make_event_windows",
]
