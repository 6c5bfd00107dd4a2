"""Methods of ``sklearn-biomoe study``: embeddings of signals, and a predictor of each task."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from sklearn.linear_model import Ridge
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from .._typing import Array, Mask
from ..evaluation import baselines
from ..pipelines import make_multimodal_embedder
from ..signals import SubjectScaler
from ..transformers import TinyBioMoEEmbedder
from .options import ImageParameters, Signal

# Of embeddings: hundreds of columns, which are correlated. The penalty of ridge regression has the
# lowest error on simulated windows of 6 and 16 subjects.
PREDICTORS = baselines.PREDICTORS | {"regression": Ridge(alpha=300.0)}
SUBJECT_CODE, CALIBRATION_MARK = "_subject", "_calibration"  # columns of X


def make_methods(
    signals: Sequence[Signal],
    images: ImageParameters,
    weights: str,
    task: str,
    *,
    scale_by_calibration: bool,
) -> dict[str, Pipeline]:
    """Return Pipelines of all signals, the reference, and of each alone if there are several."""
    rates = {signal.name: (signal.modality, signal.rate) for signal in signals}
    selections = {"all signals": list(rates)} if len(rates) > 1 else {}
    selections |= {name: [name] for name in rates}
    methods = {}
    for title, selected in selections.items():
        embed = make_multimodal_embedder(
            {name: rates[name] for name in selected},
            embedder=TinyBioMoEEmbedder(weights),
            impute=True,
        )
        for name in selected:
            for parameter, value in images[name].items():
                embed.set_params(**{f"{name}__image__{parameter}": value})
        scalers: list[Any] = [StandardScaler()]
        if scale_by_calibration:
            embed.transformers.append(("marks", "passthrough", [SUBJECT_CODE, CALIBRATION_MARK]))
            by_subject = SubjectScaler("calibration", subject_column=-2, calibration_column=-1)
            scalers.insert(0, by_subject)
        methods[f"embeddings ({title})"] = make_pipeline(embed, *scalers, PREDICTORS[task])
    return methods


def add_marks(X: pd.DataFrame, subjects: Array, marks: Mask) -> pd.DataFrame:
    """Add columns for `SubjectScaler`: a number for each subject, and calibration windows."""
    codes = np.unique(subjects, return_inverse=True)[1]
    return X.assign(**{SUBJECT_CODE: codes, CALIBRATION_MARK: marks.astype(int)})
