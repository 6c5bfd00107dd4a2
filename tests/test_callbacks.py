"""scikit-learn's callbacks hear of fitting and of each batch."""

import numpy as np
import pytest
from sklearn.pipeline import make_pipeline

from sklearn_biomoe import BiosignalImageTransformer, TinyBioMoEEmbedder

callback = pytest.importorskip("sklearn.callback", reason="scikit-learn before 1.9 has none")
pytestmark = pytest.mark.usefixtures("small_backbone")


class Recorder:
    """Notes the tasks it is told of."""

    max_propagation_depth = None

    def __init__(self):
        self.begun, self.ended, self.most_subtasks = [], [], {}

    def setup(self, estimator, context):
        pass

    def teardown(self, estimator, context):
        self.ended.append("teardown")

    def on_fit_task_begin(self, estimator, context):
        self.begun.append(context.task_name)
        self.most_subtasks[context.task_name] = context.max_subtasks

    def on_fit_task_end(self, estimator, context):
        self.ended.append(context.task_name)


@pytest.fixture
def images():
    windows = np.random.default_rng(0).normal(size=(10, 30))
    return BiosignalImageTransformer(["waveform", "gadf"]).fit_transform(windows)


def test_each_batch_is_told(images):
    recorder = Recorder()
    embedder = TinyBioMoEEmbedder(batch_size=8, cache=None).set_callbacks(recorder)
    embedder.fit_transform(images)
    assert recorder.begun == ["fit", *["embed batch"] * 3]  # 20 images
    assert recorder.ended == [*["embed batch"] * 3, "fit", "teardown"]
    assert recorder.most_subtasks["fit"] == 3


def test_fit_alone_has_no_batches(images):
    recorder = Recorder()
    TinyBioMoEEmbedder(cache=None).set_callbacks(recorder).fit(images)
    assert recorder.ended == ["fit", "teardown"]


def test_a_pipeline_passes_its_callbacks_on():
    windows = np.random.default_rng(0).normal(size=(10, 30))
    recorder = Recorder()
    model = make_pipeline(BiosignalImageTransformer(), TinyBioMoEEmbedder(cache=None))
    model.set_callbacks(recorder).fit_transform(windows)
    assert recorder.begun.count("embed batch") == 2  # 10 images
    assert recorder.ended[-1] == "teardown"


def test_torn_down_where_embedding_is_interrupted(images, monkeypatch):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("sklearn_biomoe.inference.embedding._run", interrupt)
    recorder = Recorder()
    embedder = TinyBioMoEEmbedder(cache=None).set_callbacks(recorder)
    with pytest.raises(KeyboardInterrupt):
        embedder.fit_transform(images)
    assert recorder.ended == ["teardown"]
    monkeypatch.undo()
