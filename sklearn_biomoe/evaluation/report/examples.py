"""Images of windows that the best method classified with the highest probability."""

from base64 import b64encode
from collections.abc import Iterator, Mapping
from html import escape
from io import BytesIO
from typing import Any

import numpy as np
import pandas as pd

from ...images.stack import BiosignalImages
from ...plotting import plot_image
from ..results import StudyResults
from .page import format_number, render_paragraph

WINDOWS_PER_OUTCOME = 2  # correct or wrong, of each class
MAX_IMAGES = 4  # of a window
WIDTH, HEIGHT, DPI = 2.4, 2.75, 200  # inches, dots per inch


def render_examples(study: StudyResults, method: str, images: Mapping[str, BiosignalImages]) -> str:
    """Return images of correctly and wrongly classified windows of each class."""
    if not images:
        return ""
    available = [
        (name, stack, position)
        for name, stack in images.items()
        for position in range(len(stack.image_names))
    ]
    shown = available[:MAX_IMAGES]
    text = (
        f"Windows that <strong>{escape(method)}</strong> classified with the highest probability: "
        f"for each class up to {WINDOWS_PER_OUTCOME} correct and {WINDOWS_PER_OUTCOME} wrong ones, "
        "each of a different subject. Above each image is the signal on its own scale."
    )
    if len(available) > len(shown):
        text += f" The first {len(shown)} of {len(available)} images of each window are shown."
    classes = [
        f"<h3>True class: {escape(str(label))}</h3>"
        + '<div class="multiples windows">'
        + "".join(_render_window(row, shown) for row in _choose_windows(study, method, label))
        + "</div>"
        for label in study.classes
    ]
    return "\n".join([render_paragraph(text, "note"), *classes])


def _choose_windows(study: StudyResults, method: str, label: Any) -> Iterator[pd.Series]:
    """Yield rows of predictions of a class: correct ones, then wrong ones.

    Their "confidence" is the probability of the predicted class, NaN if the method has none.
    """
    rows = study.predictions[study.predictions["method"] == method]
    rows = rows[(rows["repeat"] == rows["repeat"].min()) & (rows["target"] == label)]
    probabilities = rows[[f"probability_{each}" for each in study.classes]].to_numpy(dtype=float)
    predicted = pd.Index(study.classes).get_indexer(rows["predicted"])
    rows = rows.assign(confidence=probabilities[np.arange(len(rows)), predicted])
    rows = rows.sort_values("confidence", ascending=False, kind="stable")
    correct = rows["predicted"] == label
    for outcome in (correct, ~correct):
        chosen = rows[outcome].drop_duplicates("subject").head(WINDOWS_PER_OUTCOME)
        yield from (row for _, row in chosen.iterrows())


def _render_window(row: pd.Series, images: list[tuple[str, BiosignalImages, int]]) -> str:
    outcome = "Correct" if row["predicted"] == row["target"] else "Wrong"
    text = f"true {row['target']}, predicted {row['predicted']}"
    if pd.notna(row["confidence"]):
        text += f", probability {format_number(row['confidence'], 2)}"
    text += f". Subject {row['subject']}, row {row['window']}"
    caption = f'<b class="{outcome.lower()}">{outcome}</b>: {escape(text)}'
    drawn = "".join(_render_image(*image, row["window"]) for image in images)
    return f"<figure>{drawn}<figcaption>{caption}</figcaption></figure>\n"


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
