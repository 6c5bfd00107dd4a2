"""Checks that are part of fitting, of studies and of the command."""

import re
import warnings

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from sklearn_biomoe import BiosignalImageTransformer, make_multimodal_embedder
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

    def test_one_warning_for_many_calls(self):
        X = windows(3).data["eda"]
        transformer = fit(X)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("default")
            for size in range(1, 24):
                transformer.transform(X[:size])
        assert len(caught) <= 2
        assert "check_windows" in str(caught[0].message)


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

    def test_no_checks_on_request(self):
        study = self.run(resistance(), check=False)
        assert study.alarms == ()
        assert study.checked == ()

    def test_features_are_not_windows(self):
        made = windows()
        X = np.random.default_rng(0).normal(size=(24, 3))
        study = run_study({"m": LogisticRegression()}, X, made.target, made.groups)
        assert study.checked == ()
