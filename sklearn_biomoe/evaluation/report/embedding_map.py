"""A map of embeddings in two dimensions, by subject and by target."""

from colorsys import hsv_to_rgb
from typing import Any

import numpy as np
import pandas as pd
from cmap import Colormap
from numpy.typing import ArrayLike
from sklearn.decomposition import PCA
from sklearn.linear_model import LinearRegression
from sklearn.metrics import r2_score
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from ..._typing import Array, FloatArray
from ..results import StudyResults
from .charts import Chart, Plot, Scale, colour_of, render_charts
from .overview import scored_windows
from .page import format_count, render_paragraph

MAX_POINTS = 1500  # keep the page small
MAX_NAMED = 12  # subjects in the legend
SEED = 0


def read_embeddings(embeddings: Any, n_rows: int) -> FloatArray:
    """Return a table of numbers with a row for each window; raise for other input."""
    values = np.asarray(embeddings, dtype=np.float64)
    if values.ndim != 2 or values.shape[1] < 2:
        raise ValueError(
            f"embeddings has shape {values.shape}; expected a row for each window, with two or "
            "more columns."
        )
    if len(values) != n_rows:
        raise ValueError(
            f"embeddings has {len(values)} rows, but the study has {n_rows} rows; pass those of "
            "the same rows in the same order."
        )
    if np.isinf(values).any():
        row = int(np.isinf(values).any(axis=1).argmax())
        raise ValueError(f"embeddings of row {row} are infinite; expected numbers, or NaN.")
    if np.isfinite(values).all(axis=1).sum() < 3:
        raise ValueError("embeddings are NaN in all but two rows or fewer; leave them out.")
    return values


def explained_share(values: FloatArray, factor: FloatArray) -> float:
    """Return the adjusted R² of a regression of standardised embeddings on a factor.

    The mean over columns, weighted by their variance. It is 0 on average if the factor is
    unrelated, however many columns it has.

    Examples
    --------
    >>> values = np.array([[1.0, 1], [1, 2], [2, 1], [2, 2]])
    >>> explained_share(values, np.array([[0], [0], [1], [1]]))
    0.25
    """
    predicted = LinearRegression().fit(factor, values).predict(factor)
    share = r2_score(values, predicted, multioutput="variance_weighted")
    n_rows, rank = len(values), np.linalg.matrix_rank(factor - factor.mean(axis=0))
    if n_rows - rank - 1 <= 0:
        return float("nan")
    return float(1 - (1 - share) * (n_rows - 1) / (n_rows - rank - 1))


def render_embedding_map(study: StudyResults, embeddings: ArrayLike | None) -> str:
    """Return maps of the scored windows, and how much of the variance subjects and targets explain.

    Embeddings are those of all rows of X; those with NaN are left out.
    """
    if embeddings is None:
        return ""
    rows = scored_windows(study)
    values = np.asarray(embeddings, dtype=np.float64)[rows["window"]]
    present = np.isfinite(values).all(axis=1)
    values = StandardScaler().fit_transform(values[present])
    subjects, target = (rows[name].to_numpy()[present] for name in ("subject", "target"))
    factor = target[:, None] if study.classes is None else _one_hot(target)
    shares = explained_share(values, _one_hot(subjects)), explained_share(values, factor)
    text = _describe_shares(study, *shares)
    chosen = _choose_rows(len(values))
    by_subject = _colour_names(subjects[chosen])
    by_target = _colour_targets(study, target[chosen])
    legend = _name_colours(study, subjects[chosen], by_subject)
    charts = [
        _plot(*each, colours, by)
        for each in (_map_by_pca(values, chosen), _map_by_umap(values, chosen))
        if each is not None
        for by, colours in (("subject", by_subject), (study.task.target, by_target))
    ]
    return f"{render_paragraph(text)}\n" + render_charts(
        charts,
        file="embeddings",
        caption=_describe_map(study, len(values), int((~present).sum())),
        legend=list(legend),
        colours=list(legend.values()),
    )


def _name_colours(study: StudyResults, subjects: Array, by_subject: list[str]) -> dict[str, str]:
    """Return the colours of classes or levels, and of subjects unless these are too many."""
    classes = [] if study.classes is None else study.classes
    legend = {f"{study.task.target} {label}": colour_of(at) for at, label in enumerate(classes)}
    of_subjects = dict(zip(subjects.astype(str), by_subject, strict=True))
    if len(of_subjects) <= MAX_NAMED:
        legend |= {f"subject {name}": of_subjects[name] for name in sorted(of_subjects)}
    return legend


def _one_hot(labels: Array) -> FloatArray:
    return OneHotEncoder(sparse_output=False).fit_transform(labels.astype(str)[:, None])


def _describe_shares(study: StudyResults, by_subject: float, by_target: float) -> str:
    name = study.task.target
    targets = "classes" if name == "class" else f"{name}s"
    if np.isnan(by_subject) or np.isnan(by_target):
        return "There are too few windows to compare subjects with targets."
    dominant, other = ("subjects", targets) if by_subject > by_target else (targets, "subjects")
    return (
        f"Subjects explain <strong>{100 * by_subject:.1f} %</strong> of the variance of the "
        f"embeddings, {targets} <strong>{100 * by_target:.1f} %</strong>: embeddings differ more "
        f"by {dominant} than by {other}."
    )


def _choose_rows(n_rows: int) -> Array:
    """Return the rows that are drawn: all, or some at random."""
    if n_rows <= MAX_POINTS:
        return np.arange(n_rows)
    return np.sort(np.random.default_rng(SEED).choice(n_rows, MAX_POINTS, replace=False))


def _map_by_pca(values: FloatArray, chosen: Array) -> tuple[list[str], FloatArray]:
    """Return the names of both axes, and the points of some rows."""
    pca = PCA(2, random_state=SEED).fit(values)
    names = [
        f"principal component {number}, {100 * share:.1f} % of variance"
        for number, share in enumerate(pca.explained_variance_ratio_, start=1)
    ]
    return names, pca.transform(values[chosen])


def _map_by_umap(values: FloatArray, chosen: Array) -> tuple[list[str], FloatArray] | None:
    """Return the same by UMAP of these rows, or None if the package umap-learn is missing."""
    try:
        from umap import UMAP
    except ImportError:
        return None
    return ["UMAP 1", "UMAP 2"], UMAP(random_state=SEED, n_jobs=1).fit_transform(values[chosen])


def _plot(names: list[str], points: FloatArray, colours: list[str], by: str) -> Chart:
    x, y = (Scale.of(values, name) for values, name in zip(points.T, names, strict=True))
    plot = Plot(x, y)
    plot.add_points(points, "mapped", colours)
    return plot.chart(f"Map of embeddings in colours of each {by}", f"in colours of each {by}")


def _colour_names(names: Array) -> list[str]:
    """Return a colour for each different name, with hues around the circle."""
    different, numbers = np.unique(names.astype(str), return_inverse=True)
    hues = np.arange(len(different)) / len(different)
    colours = [
        "#" + "".join(f"{int(255 * part):02x}" for part in hsv_to_rgb(hue, 0.65, 0.8))
        for hue in hues
    ]
    return [colours[number] for number in numbers]


def _colour_targets(study: StudyResults, target: Array) -> list[str]:
    """Return the colours of the legend of classes, or from blue (low) to yellow (high) ratings."""
    if study.classes is not None:
        numbers = pd.Index(study.classes).get_indexer(pd.Index(target))
        return [colour_of(number) for number in numbers]
    low, high = target.min(), target.max()
    return [Colormap("viridis")(float(place)).hex for place in (target - low) / (high - low)]


def _describe_map(study: StudyResults, n_rows: int, n_missing: int) -> str:
    target = study.task.target
    drawn = f"{MAX_POINTS:,} of {n_rows:,} windows, chosen at random" if n_rows > MAX_POINTS else (
        f"{n_rows:,} windows"
    )  # fmt: skip
    text = (
        f"A dot for each of {drawn}, once in a colour for each subject, and once for each {target}"
        f"{' (dark: low, bright: high)' if study.classes is None else ''}, after each column of "
        f"the embeddings is standardised. Explained variance: adjusted R² of a linear regression "
        f"of the embeddings on subjects or on {target}, which is 0 on average if they are "
        "unrelated."
    )
    if n_missing:
        text += f" Left out: {format_count(n_missing, 'window')} without embeddings."
    return text
