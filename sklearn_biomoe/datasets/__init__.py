"""Labelled biosignal windows of several subjects: simulated, or of published data sets."""

from .ai4pain import load_ai4pain
from .bidmc import fetch_bidmc
from .biovid import load_biovid
from .cogwear import fetch_cogwear
from .exam_stress import fetch_exam_stress
from .fmov import fetch_fmov
from .freihaut import fetch_freihaut
from .painmonit import load_painmonit
from .simulated import make_biosignal_windows
from .simulated_events import make_event_windows
from .stress_predict import fetch_stress_predict
from .wesad import load_wesad

__all__ = [
    "fetch_bidmc",
    "fetch_cogwear",
    "fetch_exam_stress",
    "fetch_fmov",
    "fetch_freihaut",
    "fetch_stress_predict",
    "load_ai4pain",
    "load_biovid",
    "load_painmonit",
    "load_wesad",
    "make_biosignal_windows",
    "make_event_windows",
]
