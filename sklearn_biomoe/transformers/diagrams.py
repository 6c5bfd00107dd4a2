"""Diagrams of estimators in notebooks: blocks that show weights and device."""

from typing import Any

# scikit-learn has no public name for it.
from sklearn.utils._repr_html.estimator import _VisualBlock

from ..inference import resolve_device

N_DIGITS = 12  # of the hash


def make_block(kind: str, estimators: Any, **options: Any) -> Any:
    """Return a block of scikit-learn's diagrams, the result of ``_sk_visual_block_``."""
    return _VisualBlock(kind, estimators, **options)


def show_weights(estimator: Any) -> Any:
    """Return the block of an estimator that holds a backbone, with its hash if it is fitted."""
    caption = None
    if hasattr(estimator, "weights_sha256_"):
        digits = estimator.weights_sha256_[:N_DIGITS]
        caption = f"weights {digits} on {_find_device(estimator.device)}"
    return make_block(
        "single",
        estimator,
        names=type(estimator).__name__,
        name_details=str(estimator),
        name_caption=caption,
    )


def _find_device(device: str) -> str:
    try:
        return resolve_device(device)
    except (ValueError, RuntimeError):  # fitted on another machine, or in a forked process
        return f"{device}, which is not available"
