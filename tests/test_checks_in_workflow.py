"""Checks that are part of fitting, of studies and of the command."""

import re
import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler

from sklearn_biomoe import (
    BiosignalImageTransformer,
    LateFusionClassifier,
    SignalFilter,
    check_windows,
    make_biosignal_embedder,
    make_multimodal_embedder,
)
from sklearn_biomoe.datasets import make_biosignal_windows
from sklearn_biomoe.evaluation import LeakWarning, run_study

RATES = {"eda": 4.0}


def windows(factor=1.0):
    made = make_biosignal_windows(6, 4, modalities=["eda"], random_state=0)
    made.data["eda"] = [factor * window for window in made.data["eda"]]
    return made


def resistance():
    """Windows in MΩ, which are within the axis in µS."""
    made = windows()
    made.data["eda"] = [1 / window for window in made.data["eda"]]
    return made


def fit(X, modality="eda", **parameters):
    return BiosignalImageTransformer(sampling_rate=4, modality=modality, **parameters).fit(X)


class TestFit:
    @pytest.mark.parametrize("factor", [1e-6, 1e4])
    def test_windows_beyond_the_axis(self, factor):
        X = windows(factor).data["eda"]
        with pytest.raises(ValueError, match=r"24 of 24 windows of 'eda_waveform' are entirely"):
            fit(X)
        for value_range in ("window", "training", (0.0, 1e-5)):
            fit(X, value_range=value_range)
        fit(X[:9])  # too few to tell

    @pytest.mark.parametrize(("modality", "level"), [("eda", 3.0), ("bvp", 0.0), ("ecg", 1.0)])
    def test_equal_windows(self, modality, level):
        X = np.full((20, 2400), level)
        transformer = BiosignalImageTransformer(sampling_rate=100, modality=modality)
        with pytest.raises(ValueError, match=f"All 20 windows of modality '{modality}' are equal"):
            transformer.fit(X)
        transformer.fit(X[:1])
        BiosignalImageTransformer("waveform").fit(X)

    @pytest.mark.parametrize("action", ["default", "always"])
    def test_one_warning_for_many_calls(self, action):
        X = windows(10).data["eda"]
        transformer = fit(X)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter(action)
            for size in range(23, 2, -1):
                transformer.transform(X[:size])
        assert len(caught) == 1
        n_outside = sum(max(window) > 20 for window in X[:23])
        highest = max(max(window) for window in X[:23])
        text = str(caught[0].message)
        assert f"{n_outside} of 23 windows of 'eda_waveform' leave value_range" in text
        assert f"to {highest:.3g}, and are drawn at the border" in text

    def test_errors_are_raised_each_time(self):
        X = windows(10).data["eda"]
        transformer = fit(X)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            for _ in range(2):
                with pytest.raises(UserWarning, match="leave value_range"):
                    transformer.transform(X)


@pytest.mark.usefixtures("small_backbone")
class TestStudy:
    def methods(self):
        embed = make_multimodal_embedder(RATES)
        return {"embeddings": make_pipeline(embed, LogisticRegression(max_iter=2000))}

    def run(self, made, **parameters):
        X = made.data[["eda"]]
        return run_study(self.methods(), X, made.target, made.groups, **parameters)

    def test_findings_are_alarms(self):
        with pytest.warns(LeakWarning, match="windows, unit: The median of 'eda' is"):
            study = self.run(resistance())
        assert study.alarms[0].kind == "windows, unit"
        assert "MΩ" in study.alarms[0].message

    def test_sound_windows_give_none(self, tmp_path):
        study = self.run(windows())
        assert study.alarms == ()
        assert study.checked[0].startswith("eda (eda at 4 Hz)")
        page = study.report(tmp_path / "study.html").read_text("utf-8")
        assert "<b>No alarms.</b>" in page
        assert re.search(r"What was checked.*eda \(eda at 4 Hz\): missing", page, re.DOTALL)

    @pytest.mark.parametrize("structure", ["name", "names", "filter", "late fusion", "selector"])
    def test_windows_are_found_in_any_structure(self, structure):
        made, embed = windows(), make_biosignal_embedder("eda", 4)
        clean = SignalFilter(sampling_rate=8, resample_to=4, missing="interpolate", modality="eda")
        predict = LogisticRegression(max_iter=2000)
        method = {
            "name": make_pipeline(make_column_transformer((embed, "eda")), predict),
            "names": make_pipeline(make_column_transformer((embed, ["eda"])), predict),
            "filter": make_pipeline(
                make_column_transformer((make_pipeline(clean, embed), "eda")), predict
            ),
            "late fusion": LateFusionClassifier([("eda", make_pipeline(embed, predict), "eda")]),
            "selector": make_pipeline(
                make_column_transformer((embed, make_column_selector("eda"))), predict
            ),
        }[structure]
        study = run_study({"m": method}, made.data[["eda"]], made.target, made.groups)
        if structure == "selector":
            assert study.checked == ()
            assert study.controls == ("training majority",)
            assert study.decisions[-1].startswith("Windows that 'm' draw are not checked")
        else:
            rate = 8 if structure == "filter" else 4  # that of X
            assert study.checked[0].startswith(f"eda (eda at {rate} Hz)")
            assert study.controls == ("training majority", "statistics")

    def test_no_checks_on_request(self):
        study = self.run(resistance(), check=False)
        assert study.alarms == ()
        assert study.checked == ()

    def test_features_are_not_windows(self):
        made = windows()
        X = np.random.default_rng(0).normal(size=(24, 3))
        study = run_study({"m": LogisticRegression()}, X, made.target, made.groups)
        assert study.checked == ()

    def test_report_that_was_made_before(self, monkeypatch):
        made = windows()
        report = check_windows(
            made.data[["eda"]], made.target, made.groups, sampling_rates={"eda": 4}
        )
        monkeypatch.setattr("sklearn_biomoe.evaluation.leaks.check_windows", None)
        assert self.run(made, check=report).checked == report.checked

    def test_label_in_windows_is_an_alarm(self):
        made = windows()
        made.data["eda"] = [
            np.r_[x, y + 2.0] for x, y in zip(made.data["eda"], made.target, strict=True)
        ]
        with pytest.warns(LeakWarning, match=r"windows, label: Sample 240 of all windows"):
            self.run(made)


def features():
    made = windows()
    X = pd.DataFrame(np.random.default_rng(0).normal(size=(24, 4))).add_prefix("eda_")
    return X, made.target, made.groups


def study_alarms(X, y, groups, model=LogisticRegression()):  # noqa: B008
    numbers = make_column_transformer(("passthrough", make_column_selector(dtype_include="number")))
    method = make_pipeline(numbers, model) if hasattr(X, "columns") else model
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LeakWarning)
        study = run_study({"m": method}, X, y, groups)
    return {each.kind: each.message for each in study.alarms}


class TestFeatures:
    def test_sound(self):
        X, y, groups = features()
        assert study_alarms(X, y, groups) == {}
        # Three values for two classes, and the subject, are not the label.
        rows = np.arange(24)
        X = X.assign(a=rows % 3, who=groups, name=groups.astype(str))
        assert study_alarms(X, y, groups) == {}

    @pytest.mark.parametrize(
        "label", [lambda y: y, lambda y: 1 - 2.5 * y, lambda y: np.where(y, "stress", "rest")]
    )
    def test_label_in_a_table_of_embeddings(self, label):
        X, y, groups = features()
        found = study_alarms(X.assign(condition=label(y)), y, groups)
        assert (
            "Column 'condition' of X has one value for each class" in found["label among features"]
        )

    def test_rating_in_a_table_of_embeddings(self):
        X, _, groups = features()
        y = np.random.default_rng(1).uniform(0, 10, len(X))
        assert "label among features" not in study_alarms(X, y, groups, Ridge())
        found = study_alarms(X.assign(score=10 * y - 3), y, groups, Ridge())
        assert (
            "Column 'score' of X is a linear function of the rating"
            in (found["label among features"])
        )

    def test_label_in_an_array(self):
        X, y, groups = features()
        found = study_alarms(np.column_stack([X, y]), y, groups)
        assert "Column 4 of X" in found["label among features"]

    @pytest.mark.parametrize("by", ["all", "subject"])
    def test_scaled_from_0_to_1_before(self, by):
        X, y, groups = features()
        if by == "all":
            scaled = MinMaxScaler().fit_transform(X)
        else:
            scaled = np.concatenate(
                [MinMaxScaler().fit_transform(X[groups == each]) for each in np.unique(groups)]
            )
            assert (np.diff(groups) >= 0).all()
        found = study_alarms(scaled, y, groups)
        assert "add MinMaxScaler to the method" in found["scaling over test subjects"]
