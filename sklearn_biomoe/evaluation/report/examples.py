"""Images of windows that the best method got right and wrong while it was surest."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator, Mapping
from html import escape
from io import BytesIO
from typing import Any

import numpy as np
import pandas as pd

from ...images.stack import BiosignalImages
from .page import number, paragraph

WINDOWS_OF_A_KIND = 2  # of each class, right and wrong
MOST_IMAGES = 4  # of a window
WIDTH, HEIGHT, DPI = 2.4, 2.25, 200  # inches, dots per inch


def examples(study: Any, ranked: pd.DataFrame, images: Mapping[str, BiosignalImages]) -> str:
    """Show windows of each class that the best method was surest of, rightly and wrongly."""
    if not images:
        return ""
    best = ranked.index[0]
    all_shown = [
        (name, stack, position)
        for name, stack in images.items()
        for position in range(len(stack.image_names))
    ]
    shown = all_shown[:MOST_IMAGES]
    of_class = [
        f"<h3>True class: {escape(str(name))}</h3>"
        + '<div class="multiples windows">'
        + "".join(_figure(window, shown) for window in chosen_windows(study, best, name))
        + "</div>"
        for name in study.classes
    ]
    more = (
        f" The first {MOST_IMAGES} of {len(all_shown)} images of each window are shown."
        if len(all_shown) > MOST_IMAGES
        else ""
    )
    note = paragraph(
        f"What <strong>{escape(str(best))}</strong> was surest of: for each class, up to "
        f"{WINDOWS_OF_A_KIND} windows that it got right and as many that it got wrong, each of "
        f"another subject.{more}",
        "note",
    )
    return "\n".join([note, *of_class])


def chosen_windows(study: Any, method: str, name: Any) -> Iterator[pd.Series]:
    """Yield rows of a class: those surest right, then those surest wrong.

    Confidence is the probability of the predicted class, NaN where the method has none.
    """
    rows = study.predictions[study.predictions["method"] == method]
    rows = rows[(rows["repeat"] == rows["repeat"].min()) & (rows["target"] == name)]
    probabilities = rows[[f"probability_{each}" for each in study.classes]].to_numpy(dtype=float)
    predicted = pd.Index(study.classes).get_indexer(rows["predicted"])
    rows = rows.assign(confidence=probabilities[np.arange(len(rows)), predicted])
    rows = rows.sort_values("confidence", ascending=False, kind="stable")
    right = rows["predicted"] == name
    for kind in (right, ~right):
        of_kind = rows[kind].drop_duplicates("subject").head(WINDOWS_OF_A_KIND)
        yield from (row for _, row in of_kind.iterrows())


def _figure(window: pd.Series, images: list[tuple[str, BiosignalImages, int]]) -> str:
    kind = "Right" if window["predicted"] == window["target"] else "Wrong"
    told = f"true {window['target']}, predicted {window['predicted']}"
    if pd.notna(window["confidence"]):
        told += f", probability {number(window['confidence'], 2)}"
    told += f". Subject {window['subject']}, row {window['window']}"
    caption = f'<b class="{kind.lower()}">{kind}</b>: {escape(told)}'
    drawn = "".join(_image(*image, window["window"]) for image in images)
    return f"<figure>{drawn}<figcaption>{caption}</figcaption></figure>\n"


def _image(name: str, stack: BiosignalImages, position: int, window: int) -> str:
    """Draw one image of a window over its axes."""
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError(
            "Images in a report need matplotlib: pip install 'sklearn-biomoe[plot]'; or pass no "
            "images."
        ) from error
    from ...plotting import plot_image

    figure = Figure(figsize=(WIDTH, HEIGHT), dpi=DPI, layout="constrained")
    plot_image(figure.subplots(), stack, window, position)
    content = BytesIO()
    figure.savefig(content, format="png", metadata={"Software": None})
    alt = f"{name}: {stack.image_names[position]} of row {window}"
    return (
        f'<img src="data:image/png;base64,{b64encode(content.getvalue()).decode()}" '
        f'width="{100 * WIDTH:g}" height="{100 * HEIGHT:g}" alt="{escape(alt)}">'
    )
