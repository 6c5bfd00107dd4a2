"""Predicted against true ratings of each subject, and residuals."""

import numpy as np
import pandas as pd

from ..._typing import FloatArray
from ..results import StudyResults
from .charts import Chart, Plot, Scale, render_charts
from .page import format_count, format_number, render_details

MAX_UNFOLDED = 12  # subjects
N_BINS = 10  # of true ratings, with about as many windows each


def render_ratings(study: StudyResults, ranked: pd.DataFrame) -> str:
    """Return predicted against true ratings of each subject by the best method."""
    if study.classes is not None:
        return ""
    method = str(ranked.index[0])
    rows = study.predictions[study.predictions["method"] == method]
    scale = Scale.of(rows[["target", "predicted"]], "true rating")
    scores = study.scores[study.scores["method"] == method]
    titles = {
        row.subject: f"{row.subject}: MAE {format_number(row.mae)}, r {format_number(row.pearson)}"
        for row in scores.itertuples()
    }
    charts = [_plot_subject(titles[name], own, scale) for name, own in rows.groupby("subject")]
    caption = (
        f'Ratings predicted by "{method}": a dot for each window; predicted and true ratings are '
        "equal on the line. r: Pearson correlation of the subject's windows."
    )
    shown = render_charts(charts[:MAX_UNFOLDED], file="ratings", caption=caption, kind="small")
    others = charts[MAX_UNFOLDED:]
    if not others:
        return shown
    folded = render_charts(others, file="ratings_of_others", caption=caption, kind="small")
    return f"{shown}\n{render_details(format_count(len(others), 'other subject'), folded)}"


def _plot_subject(title: str, rows: pd.DataFrame, scale: Scale) -> Chart:
    plot = Plot(scale, Scale(scale.low, scale.high, "predicted rating"))
    plot.add_line((scale.low, scale.low), (scale.high, scale.high), "equal")
    plot.add_points(rows[["target", "predicted"]].to_numpy(), "dot")
    return plot.chart(f"Predicted and true ratings of subject {title}", title)


def bin_residuals(rows: pd.DataFrame) -> FloatArray:
    """Return mean true ratings and mean residuals in bins of true ratings, (n_bins, 2)."""
    residuals = (rows["predicted"] - rows["target"]).to_numpy()
    edges = np.unique(np.quantile(rows["target"], np.linspace(0, 1, N_BINS + 1)))
    bins = np.searchsorted(edges[1:-1], rows["target"], side="right")
    means = pd.DataFrame({"target": rows["target"].to_numpy(), "residual": residuals})
    return means.groupby(bins).mean().to_numpy()


def render_residuals(study: StudyResults, ranked: pd.DataFrame) -> str:
    """Return residuals of the best method against true ratings."""
    if study.classes is not None:
        return ""
    method = str(ranked.index[0])
    rows = study.predictions[study.predictions["method"] == method]
    residuals = rows["predicted"] - rows["target"]
    bias = float(residuals.groupby(rows["subject"]).mean().mean())
    x = Scale.of(rows["target"], "true rating")
    plot = Plot(x, Scale.of([*residuals, 0], "predicted minus true rating"))
    plot.add_points(np.column_stack([rows["target"], residuals]), "faint dot")
    plot.add_line((x.low, 0), (x.high, 0), "chance")
    plot.add_curves([bin_residuals(rows)], marked=True)
    caption = (
        f'Residuals of "{method}", windows of all subjects. Curve: means of windows with similar '
        f"true ratings. The mean over subjects is {format_number(bias)}. A curve that falls from "
        "left to right means that predictions vary less than ratings."
    )
    chart = plot.chart(f"Residuals of {method}")
    return render_charts([chart], file="residuals", caption=caption)
