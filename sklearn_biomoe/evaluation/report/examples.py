"""Images of windows that the best method predicted well and badly."""

from base64 import b64encode
from collections.abc import Iterator, Mapping
from html import escape
from io import BytesIO
from typing import Any

import numpy as np
import pandas as pd

from ..._typing import Array
from ...images.stack import BiosignalImages
from ...plotting import plot_image
from ...representations import REPRESENTATIONS
from ..results import StudyResults
from .page import format_number, render_paragraph

Window = tuple[str, pd.Series]  # what it is called, and its row of predictions
WINDOWS_PER_OUTCOME = 2  # correct or wrong, of each class
MAX_IMAGES = 4  # of a window
ABOVE = "Above each image is the signal on its own scale."
WIDTH, HEIGHT, DPI = 2.4, 2.75, 200  # inches, dots per inch


def render_examples(study: StudyResults, method: str, images: Mapping[str, BiosignalImages]) -> str:
    """Return images of correctly and wrongly predicted windows."""
    if not images:
        return ""
    available = [
        (name, stack, position)
        for name, stack in images.items()
        for position in range(len(stack.image_names))
    ]
    shown = available[:MAX_IMAGES]
    text = _describe_choice(study, method) + _describe_axes(images)
    if len(available) > len(shown):
        text += f" The first {len(shown)} of {len(available)} images of each window are shown."
    groups = [
        f"<h3>{escape(heading)}</h3>"
        + '<div class="multiples windows">'
        + "".join(_render_window(row, shown) for row in rows)
        + "</div>"
        for heading, rows in _choose_windows(study, method)
    ]
    return "\n".join([render_paragraph(text, "note"), *groups])


def _describe_choice(study: StudyResults, method: str) -> str:
    name = f"<strong>{escape(method)}</strong>"
    if study.classes is None:
        return (
            f"Windows that {name} predicted with the smallest (near) and the largest (far) error: "
            f"for each half of the ratings up to {WINDOWS_PER_OUTCOME} near ones of different "
            f"subjects, and up to {WINDOWS_PER_OUTCOME} far ones of different subjects. {ABOVE}"
        )
    return (
        f"Windows that {name} predicted with the highest probability: for each "
        f"{study.task.target} up to {WINDOWS_PER_OUTCOME} correct ones of different subjects, and "
        f"up to {WINDOWS_PER_OUTCOME} wrong ones of different subjects. {ABOVE}"
    )


def _describe_axes(images: Mapping[str, BiosignalImages]) -> str:
    """Return why curves are flat, if some have the same axis in all windows."""
    panels = [panel for stack in images.values() for panel in stack.settings.panels]
    if not any(
        REPRESENTATIONS[each.representation].has_values and each.limits[0] for each in panels
    ):
        return ""
    return (
        " On an axis of values that is the same for all windows, small changes of a signal are "
        'hardly visible; value_range="window" scales each window to the full height.'
    )


def _choose_windows(study: StudyResults, method: str) -> Iterator[tuple[str, Iterator[Window]]]:
    """Yield headings with rows of predictions and what they are called: correct ones first."""
    rows = study.predictions[study.predictions["method"] == method]
    rows = rows[rows["repeat"] == rows["repeat"].min()]
    if study.classes is None:
        yield from _choose_ratings(rows)
        return
    rows = rows.assign(confidence=_confidence(study, rows))
    rows = rows.sort_values("confidence", ascending=False, kind="stable")
    correct = rows["predicted"] == rows["target"]
    for label in study.classes:
        own = rows["target"] == label
        parts = {"Correct": rows[own & correct], "Wrong": rows[own & ~correct]}
        yield f"True {study.task.target}: {label}", _take(parts)


def _choose_ratings(rows: pd.DataFrame) -> Iterator[tuple[str, Iterator[Window]]]:
    errors = (rows["predicted"] - rows["target"]).abs()
    shown = [format_number(value, 2) for value in rows["predicted"]]
    rows = rows.assign(confidence=np.nan, predicted=shown)
    rows = rows.loc[errors.sort_values(kind="stable").index]
    middle = rows["target"].median()
    for heading, own in {
        f"Ratings up to {middle:g}": rows[rows["target"] <= middle],
        f"Ratings above {middle:g}": rows[rows["target"] > middle],
    }.items():
        if len(own):
            yield heading, _take({"Near": own, "Far": own[::-1]})


def _confidence(study: StudyResults, rows: pd.DataFrame) -> Array:
    """Return the probability of the predicted class, NaN if the method has none."""
    probabilities = rows[[f"probability_{each}" for each in study.classes]].to_numpy(dtype=float)
    predicted = pd.Index(study.classes).get_indexer(pd.Index(rows["predicted"]))
    return probabilities[np.arange(len(rows)), predicted]


def _take(parts: Mapping[str, pd.DataFrame]) -> Iterator[Window]:
    """Yield the first rows of each part, of different subjects, with the part's name."""
    for outcome, rows in parts.items():
        for _, row in rows.drop_duplicates("subject").head(WINDOWS_PER_OUTCOME).iterrows():
            yield outcome, row


def _render_window(window: Window, images: list[tuple[str, BiosignalImages, int]]) -> str:
    outcome, row = window
    target, predicted = (_format(row[name]) for name in ("target", "predicted"))
    text = f"true {target}, predicted {predicted}"
    if pd.notna(row["confidence"]):
        text += f", probability {format_number(row['confidence'], 2)}"
    text += f". Subject {row['subject']}, row {row['window']}"
    caption = f'<b class="{outcome.lower()}">{outcome}</b>: {escape(text)}'
    drawn = "".join(_render_image(*image, row["window"]) for image in images)
    return f"<figure>{drawn}<figcaption>{caption}</figcaption></figure>\n"


def _format(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _render_image(name: str, stack: BiosignalImages, position: int, window: int) -> str:
    """Return one image of a window below the signal, with their axes, as PNG data."""
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError(
            "Images in a report need matplotlib: pip install 'sklearn-biomoe[plot]'; or pass no "
            "images."
        ) from error
    figure = Figure(figsize=(WIDTH, HEIGHT), dpi=DPI, layout="constrained")
    above, axis = figure.subplots(2, height_ratios=(1, 4))
    plot_image(axis, stack, window, position, above=above)
    content = BytesIO()
    figure.savefig(content, format="png", metadata={"Software": None})
    alt = f"{name}: {stack.image_names[position]} of row {window}"
    return (
        f'<img src="data:image/png;base64,{b64encode(content.getvalue()).decode()}" '
        f'width="{100 * WIDTH:g}" height="{100 * HEIGHT:g}" alt="{escape(alt)}">'
    )
