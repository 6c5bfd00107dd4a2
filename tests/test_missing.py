"""Which windows are missing, in every form that windows come in."""

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from sklearn_biomoe.signals import missing_windows

NAN = np.nan
CELLS = [np.array([1.0, 2.0]), None, np.array([NAN, NAN]), np.array([NAN, 1.0, 2.0])]
FORMS = {
    "list": CELLS,
    "series": pd.Series(CELLS, index=[7, 3, 5, 1]),
    "frame": pd.DataFrame({"eda": CELLS}),
    "objects": np.array([*CELLS, 0], dtype=object)[:-1],
    "arrow": pa.array([None if cell is None else list(cell) for cell in CELLS]),
    "sliced arrow": pa.array([[NAN], *[None if c is None else list(c) for c in CELLS]])[1:],
    "arrow in pandas": pd.Series(
        [None if cell is None else list(cell) for cell in CELLS],
        dtype=pd.ArrowDtype(pa.list_(pa.float64())),
    ),
    "polars": pl.Series([None if cell is None else list(cell) for cell in CELLS]),
    "numbers": np.array([[1.0, 2.0], [NAN, NAN], [NAN, NAN], [NAN, 1.0]]),
    "wide frame": pd.DataFrame({"a": [1.0, NAN, NAN, NAN], "b": [2.0, NAN, NAN, 1.0]}),
    "channels": np.array([[[1.0], [2.0]], [[NAN], [NAN]], [[NAN], [NAN]], [[NAN], [1.0]]]),
}


@pytest.mark.parametrize("form", FORMS)
def test_missing(form):
    assert missing_windows(FORMS[form]).tolist() == [False, True, True, False]


@pytest.mark.parametrize("nothing", [None, NAN, pd.NA, float("nan"), pd.NaT])
def test_what_stands_for_nothing(nothing):
    cells = [np.zeros(3), nothing]
    assert missing_windows(pd.Series(cells, dtype=object)).tolist() == [False, True]


def test_a_window_needs_all_its_channels():
    frame = pd.DataFrame(
        {"left": [np.ones(3), None, None], "right": [np.ones(3), np.ones(3), None]}
    )
    assert missing_windows(frame).tolist() == [False, True, True]


def test_whole_numbers_are_never_missing():
    assert missing_windows(np.zeros((2, 3), dtype=int)).tolist() == [False, False]
    assert (
        missing_windows([np.zeros(3, dtype=int), np.zeros(2, dtype=bool)]).tolist() == [False] * 2
    )


def test_empty_cells_are_no_gaps():
    """They are refused where windows are read."""
    assert missing_windows([np.zeros(0), np.ones(2)]).tolist() == [False, False]
