"""Pickles of other versions, other weights or a GPU machine; skops."""

import pickle
import warnings

import numpy as np
import pytest
from safetensors.torch import save_file
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_biomoe import (
    SubjectScaler,
    TinyBioMoEEmbedder,
    inference,
    make_biosignal_embedder,
    make_multimodal_embedder,
)
from sklearn_biomoe.datasets import make_biosignal_windows
from sklearn_biomoe.fusion import AdditiveFusion, LateFusionClassifier
from sklearn_biomoe.transformers import pickling
from sklearn_biomoe.weights import random_backbone

pytestmark = pytest.mark.usefixtures("small_backbone")


@pytest.fixture(scope="module")
def windows():
    return make_biosignal_windows(3, 6, modalities=["eda", "bvp"], random_state=0)


@pytest.fixture
def fitted(windows):
    return make_biosignal_embedder("eda", 4).fit(windows.data["eda"])


@pytest.mark.parametrize("package", ["sklearn-biomoe", "scikit-learn", "torch"])
def test_other_versions_warn(fitted, monkeypatch, package):
    pickled = pickle.dumps(fitted)
    other = pickling.installed_versions() | {package: "99.1"}
    monkeypatch.setattr(pickling, "installed_versions", lambda: other)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        pickle.loads(pickled)
    messages = [str(each.message) for each in caught]
    for name in ("BiosignalImageTransformer", "TinyBioMoEEmbedder"):
        assert any(f"{name} was pickled with {package} " in text for text in messages)
    assert all("(here 99.1)" in text for text in messages)


def test_the_same_versions_do_not_warn(fitted, windows):
    loaded = pickle.loads(pickle.dumps(fitted))
    assert vars(loaded[-1]) == vars(fitted[-1])
    found = loaded.transform(windows.data["eda"])
    np.testing.assert_array_equal(found, fitted.transform(windows.data["eda"]))


def test_versions_ignore_the_build_of_torch(monkeypatch):
    built = {"sklearn-biomoe": "1", "scikit-learn": "1", "torch": "2.13.0+cu130"}
    monkeypatch.setattr(pickling, "version", built.__getitem__)
    assert pickling.installed_versions()["torch"] == "2.13.0"


def test_other_weights_are_an_error(windows, tmp_path):
    path = tmp_path / "weights.safetensors"
    save_file(random_backbone(1).state_dict(), path)
    embedder = TinyBioMoEEmbedder(path)
    model = make_biosignal_embedder("eda", 4, embedder=embedder).fit(windows.data["eda"])
    pickled = pickle.dumps(model)
    save_file(random_backbone(2).state_dict(), path)
    inference.free_engines()  # as in another process
    with pytest.raises(ValueError, match=f"{model[-1].weights_sha256_} was expected"):
        pickle.loads(pickled).transform(windows.data["eda"])
    path.unlink()
    with pytest.raises(FileNotFoundError, match="No weights file at"):
        pickle.loads(pickled).transform(windows.data["eda"])


def test_pickles_from_a_gpu_open_on_the_cpu(fitted, windows):
    expected = fitted.transform(windows.data["eda"])
    fitted[-1].device = "cuda"
    opened = pickle.loads(pickle.dumps(fitted))
    with pytest.raises(ValueError, match="use device='auto' or 'cpu'"):
        opened.transform(windows.data["eda"])
    opened.set_params(embed__device="cpu")
    np.testing.assert_array_equal(opened.transform(windows.data["eda"]), expected)


PACKAGE = "sklearn_biomoe."
EMBEDDING = {
    f"{PACKAGE}images.settings.Panel",
    f"{PACKAGE}images.settings.ImageSettings",
    f"{PACKAGE}signals.modalities.Modality",
    f"{PACKAGE}transformers.image_transformer.BiosignalImageTransformer",
    f"{PACKAGE}transformers.embedder.TinyBioMoEEmbedder",
}


def models(rates):
    branches = [
        (
            name,
            make_pipeline(make_biosignal_embedder(name, rates[name]), LogisticRegression()),
            name,
        )
        for name in ("eda", "bvp")
    ]
    both, with_subjects = make_multimodal_embedder(rates), make_multimodal_embedder(rates)
    with_subjects.transformers.append(("subject", "passthrough", ["subject"]))
    return {
        "early": (make_pipeline(both, StandardScaler(), LogisticRegression()), EMBEDDING),
        "additive": (
            make_pipeline(both, AdditiveFusion(), LogisticRegression()),
            {*EMBEDDING, f"{PACKAGE}fusion.additive.AdditiveFusion"},
        ),
        "late": (
            LateFusionClassifier(branches, fusion="weighted"),
            {*EMBEDDING, f"{PACKAGE}fusion.late.LateFusionClassifier"},
        ),
        "imputed": (
            make_pipeline(make_multimodal_embedder(rates, impute=True), LogisticRegression()),
            {
                *EMBEDDING,
                f"{PACKAGE}pipelines._missing_names",
                f"{PACKAGE}pipelines.mark_missing",
                "numpy.dtype",
            },
        ),
        "scaled": (
            make_pipeline(with_subjects, SubjectScaler(subject_column=384), LogisticRegression()),
            {*EMBEDDING, f"{PACKAGE}signals.subject_scaler.SubjectScaler"},
        ),
    }


@pytest.mark.filterwarnings("ignore:.* has no subjects")
@pytest.mark.parametrize("name", ["early", "additive", "late", "imputed", "scaled"])
def test_skops_round_trip(windows, name):
    """The types to trust are listed in docs/reliability.md."""
    skops = pytest.importorskip("skops.io")
    model, types = models(windows.sampling_rates)[name]
    model.fit(windows.data, windows.target)
    written = skops.dumps(model)
    assert set(skops.get_untrusted_types(data=written)) == types
    read = skops.loads(written, trusted=sorted(types))
    np.testing.assert_array_equal(
        read.predict_proba(windows.data), model.predict_proba(windows.data)
    )
