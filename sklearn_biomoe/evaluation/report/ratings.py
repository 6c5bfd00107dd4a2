"""Predicted against true ratings of each subject, and residuals."""

from typing import Any

import numpy as np
import pandas as pd

from ..results import StudyResults
from .charts import Chart, Plot, Scale, render_charts
from .page import format_number, render_csv_link, render_details, render_paragraph

MAX_SUBJECTS = 12  # shown unfolded
N_BINS = 10  # of true ratings, with as many windows each


def render_ratings(study: StudyResults, ranked: pd.DataFrame) -> str:
    """Return predicted against true ratings of each subject by the best method, and residuals."""
    if study.classes is not None:
        return ""
    method = str(ranked.index[0])
    rows = study.predictions[study.predictions["method"] == method]
    link = render_csv_link("predictions", study.predictions)
    return "\n".join(
        [_render_subjects(study, method, rows), _render_residuals(method, rows)]
    )
