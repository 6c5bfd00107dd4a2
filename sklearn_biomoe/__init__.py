"""Biosignals to images to Tiny-BioMoE embeddings, as scikit-learn transformers."""

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

from ._version import __version__

if TYPE_CHECKING:
    from .evaluation import run_study
    from .explanation import explain
    from .fusion import LateFusionClassifier, LateFusionRegressor
    from .images import BiosignalImages
    from .pipelines import make_biosignal_embedder, make_multimodal_embedder
    from .recordings import read_recording, read_study
    from .signals import (
        EDADecomposer,
        SignalFilter,
        SubjectScaler,
        check_windows,
        cut_windows,
        read_events,
    )
    from .transformers import (
        BiosignalImageTransformer,
        TinyBioMoEEmbedder,
        UntrainedBackboneWarning,
    )

# On processors with AVX-512, MKL, which torch uses, splits sums by the number of threads and rows
# unless configured otherwise. It reads the variable at its first call, in worker processes too.
os.environ.setdefault("MKL_CBWR", "AUTO,STRICT")

# Name -> module. Loaded when first used: importing the package imports neither torch nor
# scikit-learn.
_HOMES = {
    "BiosignalImageTransformer": "transformers",
    "BiosignalImages": "images",
    "EDADecomposer": "signals",
    "LateFusionClassifier": "fusion",
    "LateFusionRegressor": "fusion",
    "SignalFilter": "signals",
    "SubjectScaler": "signals",
    "TinyBioMoEEmbedder": "transformers",
    "UntrainedBackboneWarning": "transformers",
    "check_windows": "signals",
    "cut_windows": "signals",
    "explain": "explanation",
    "make_biosignal_embedder": "pipelines",
    "make_multimodal_embedder": "pipelines",
    "read_events": "signals",
    "read_recording": "recordings",
    "read_study": "recordings",
    "run_study": "evaluation",
}

__all__ = [
    "BiosignalImageTransformer",
    "BiosignalImages",
    "EDADecomposer",
    "LateFusionClassifier",
    "LateFusionRegressor",
    "SignalFilter",
    "SubjectScaler",
    "TinyBioMoEEmbedder",
    "UntrainedBackboneWarning",
    "__version__",
    "check_windows",
    "cut_windows",
    "explain",
    "make_biosignal_embedder",
    "make_multimodal_embedder",
    "read_events",
    "read_recording",
    "read_study",
    "run_study",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_HOMES[name]}", __name__), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
