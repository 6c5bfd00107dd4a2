"""What notebooks show of images, fitted estimators and studies; examples as notebooks."""

import io
import json
import pickle
import re
import shutil
from base64 import b64decode
from pathlib import Path

import numpy as np
import pandas as pd
import PIL.Image
import pytest
import sklearn
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.utils.fixes import parse_version

from sklearn_biomoe import (
    BiosignalImageTransformer,
    LateFusionClassifier,
    TinyBioMoEEmbedder,
    make_biosignal_embedder,
    make_multimodal_embedder,
    run_study,
)
from sklearn_biomoe.datasets import make_biosignal_windows
from sklearn_biomoe.evaluation import Alarm
from sklearn_biomoe.finetuning import TinyBioMoEClassifier
from sklearn_biomoe.images.thumbnails import encode_png
from sklearn_biomoe.representations import REPRESENTATIONS
from sklearn_biomoe.signals import cut_windows

MAX_CHARACTERS = 200_000
EXAMPLES = Path(__file__).parents[1] / "examples"
RNG = np.random.default_rng(0)
WINDOWS = RNG.uniform(2, 3, (6, 240))
Y = np.tile([0, 1], 3)


def draw(windows, representations=("waveform",), **parameters):
    parameters = {"sampling_rate": 4, "modality": "eda", "value_range": "window"} | parameters
    return BiosignalImageTransformer(list(representations), **parameters).fit_transform(windows)


def shown_images(html):
    """Decode the thumbnails with another library."""
    data = re.findall("src='data:image/png;base64,([^']*)'", html)
    return [np.asarray(PIL.Image.open(io.BytesIO(b64decode(each)))) for each in data]


def test_png_files_are_read_by_another_library():
    for shape in [(1, 1, 3), (3, 5, 3), (112, 112, 3)]:
        image = RNG.integers(0, 256, shape, np.uint8)
        np.testing.assert_array_equal(PIL.Image.open(io.BytesIO(encode_png(image))), image)


@pytest.mark.parametrize(("size", "factor"), [(24, 1), (112, 1), (113, 2), (224, 2), (300, 3)])
def test_thumbnails_are_averages_of_squares(size, factor):
    images = draw(WINDOWS[:2], ["waveform", "spectrogram_psd"], image_size=size)
    found = shown_images(images._repr_html_())
    assert len(found) == 4
    side = size // factor
    for thumbnail, image in zip(found, np.asarray(images).reshape(4, size, size, 3), strict=True):
        resized = PIL.Image.fromarray(image[: side * factor, : side * factor])
        expected = np.asarray(resized.resize((side, side), PIL.Image.Resampling.BOX))
        np.testing.assert_allclose(thumbnail.astype(int), expected, atol=1)


def test_first_windows_are_shown_with_their_names():
    frame = pd.Series([*WINDOWS[:5], None], index=["a", "<b>", "c", "d", "e", "f"])
    images = draw(frame)
    html = images._repr_html_()
    assert "6 windows x 1 image, 224 x 224 pixels; 4 of 6 are shown." in html
    assert len(shown_images(html)) == 4
    assert "eda_waveform of &lt;b&gt;" in html
    assert "<b>" not in html
    assert images[4:]._repr_html_().count(">missing</td>") == 1
    assert "window 0" in draw(WINDOWS)._repr_html_()
    assert "0 windows" in images[:0]._repr_html_()


def test_large_stacks_stay_small():
    names = [name for name, entry in REPRESENTATIONS.items() if not entry.joins_channels]
    noise = RNG.normal(size=(4, 3840))
    html = draw(noise, names, sampling_rate=64, modality="bvp")._repr_html_()
    assert 100_000 < len(html) < MAX_CHARACTERS
    n_shown = len(shown_images(html))
    assert n_shown >= 5
    n_columns = html.count("<th", 0, html.index("</tr>")) - 1
    assert n_shown == n_columns < len(names)
    assert (
        f"{n_shown} of {4 * len(names)} are shown, in {n_columns} of {len(names)} columns" in html
    )
    assert len(draw(noise, tile_length=1)._repr_html_()) < MAX_CHARACTERS


@pytest.fixture
def caption(small_backbone):
    sha256 = TinyBioMoEEmbedder().fit(np.zeros((1, 224, 224, 3), np.uint8)).weights_sha256_
    return f"weights {sha256[:12]} on cpu"


def classifier(modality="eda"):
    return make_pipeline(make_biosignal_embedder(modality, 4), LogisticRegression(max_iter=1000))


def test_fitted_pipelines_show_weights_and_device(caption):
    model = classifier()
    assert 'class="caption"' not in model._repr_html_()
    html = model.fit(WINDOWS, Y)._repr_html_()
    assert html.count(f'<div class="caption">{caption}</div>') == 1
    assert len(html) < MAX_CHARACTERS
    model.set_params(pipeline__embed__device="cuda:9")
    assert "on cuda:9, which is not available" in model._repr_html_()


def test_other_fitted_estimators_show_weights_and_device(caption):
    frame = pd.DataFrame({"eda": list(WINDOWS), "wrist": list(WINDOWS)})
    both = make_multimodal_embedder({"eda": 4, "wrist": ("eda", 4)})
    late = LateFusionClassifier([("a", classifier(), "eda"), ("b", classifier(), "wrist")])
    search = GridSearchCV(classifier(), {"logisticregression__C": [1]}, cv=2)
    tuned = make_pipeline(BiosignalImageTransformer(), TinyBioMoEClassifier(max_epochs=1))
    is_old = parse_version(sklearn.__version__) < parse_version("1.9")
    for model, X, n in [
        (both, frame, 0 if is_old else 2),  # it showed its parts before they were fitted
        (late, frame, 2),
        (search, WINDOWS, 1),
        (tuned, WINDOWS, 1),
    ]:
        html = model.fit(X, Y)._repr_html_()
        assert html.count(caption) == n, model
        assert len(html) < MAX_CHARACTERS


def test_windows_show_their_numbers_without_samples():
    recordings = {
        subject: {"eda": RNG.normal(size=4 * seconds), "bvp": RNG.normal(size=64 * seconds)}
        for subject, seconds in (("S1", 200), ("S2", 150))
    }
    labels = {"S1": ["rest"] * 120 + ["pain"] * 80, "S2": ["rest"] * 90 + ["pain"] * 60}
    windows = cut_windows(recordings, {"eda": 4, "bvp": 64}, duration=60, labels=labels)
    text = "<4 windows of 2 subjects: eda at 4 Hz, bvp at 64 Hz; 3 dropped; keys: data, target, "
    assert repr(windows).startswith(text)
    copied = pickle.loads(pickle.dumps(windows))
    assert repr(copied) == repr(windows)
    assert copied.groups.tolist() == ["S1", "S1", "S1", "S2"]
    assert repr(make_biosignal_windows(3, 2)).startswith("<6 windows of 3 subjects: ")
    del windows["sampling_rates"]
    assert "'dropped':" in repr(windows)


def test_studies_show_their_summary(monkeypatch):
    y, groups = np.tile([0, 1, 0, 1, 1], 8), np.repeat(np.arange(8), 5)
    X = RNG.normal(size=(40, 2)) + y[:, None]
    methods = {"logistic": LogisticRegression(), "<most frequent>": DummyClassifier()}
    study = run_study(methods, X, y, groups=groups)
    html = study._repr_html_()
    assert "Balanced accuracy, mean over subjects and 95 % interval: higher is better. " in html
    assert "No alarms." in html
    monkeypatch.setattr(study, "alarms", (Alarm("leak", None, "x"), Alarm("leak", None, "y")))
    assert "<b>2 alarms</b>, see <code>alarms</code>" in study._repr_html_()
    head = re.search(r"<thead>.*?</thead>", html, re.DOTALL)[0]
    shown = re.findall(r"<th>(\w+)</th>", head)
    assert shown[:6] == ["mean", "low", "high", "p_value", "n_subjects", "seconds"]
    assert re.findall(r"<th>([^<]*)</th>\s*<td>([^<]*)</td>", html) == [
        ("logistic", f"{study.summary().loc['logistic', 'mean']:.3g}"),
        ("&lt;most frequent&gt;", "0.5"),
        ("training majority", "0.5"),
    ]
    assert len(html) < MAX_CHARACTERS


@pytest.mark.slow
def test_an_example_runs_as_a_notebook(small_backbone, tmp_path, monkeypatch, capsys):
    notebook = pytest.importorskip("sphinx_gallery.notebook", reason="of the extra docs")
    pyplot = pytest.importorskip("matplotlib.pyplot")
    monkeypatch.setattr(pyplot, "show", lambda: None)
    script = shutil.copy(EXAMPLES / "plot_one_modality.py", tmp_path)
    notebook.python_to_jupyter_cli([str(script)])
    cells = json.loads(Path(script).with_suffix(".ipynb").read_text(encoding="utf-8"))["cells"]
    assert "".join(cells[0]["source"]).lstrip().startswith("# One modality")
    names = {}
    for cell in cells:
        if cell["cell_type"] == "code":
            exec("".join(cell["source"]), names)
    assert re.search(
        r"balanced accuracy 0\.\d\d ± 0\.\d\d over 6 subjects\n$", capsys.readouterr().out
    )
    assert len(pyplot.get_fignums()) == 1
    pyplot.close("all")


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.py")), ids=lambda path: path.stem)
def test_texts_of_examples_are_plain_in_notebooks(path):
    """Roles of Sphinx, such as :doc:, are not links in a notebook."""
    assert re.findall(r":[a-z]+:`", path.read_text(encoding="utf-8")) == []
