"""Checks of the estimators that a meta-estimator is given."""

from typing import Any

from sklearn.base import is_classifier, is_regressor


def check_predictor(name: str, estimator: Any, kind: str) -> None:
    """Raise TypeError if ``estimator`` is not an instance of a "classifier" or "regressor"."""
    is_of_kind = is_classifier if kind == "classifier" else is_regressor
    if isinstance(estimator, type) or not hasattr(estimator, "fit") or not is_of_kind(estimator):
        raise TypeError(
            f"{name} is {estimator!r:.80}; expected an unfitted {kind}, or a Pipeline that ends in "
            "one."
        )


def check_predict_proba(name: str, estimator: Any, alternative: str) -> None:
    """Raise TypeError if ``estimator`` has no ``predict_proba``; suggest an alternative."""
    if not hasattr(estimator, "predict_proba"):
        raise TypeError(
            f"{name} is {estimator!r:.80}, which has no predict_proba; pass another classifier, or "
            f"{alternative}."
        )
