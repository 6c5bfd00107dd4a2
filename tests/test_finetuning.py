"""Fine-tuning: numbers, validation by subject, resuming after a kill, pickles, errors."""

import io
import multiprocessing
import os
import pickle
import signal
import time
from types import SimpleNamespace

import joblib
import numpy as np
import pandas as pd
import pytest
import torch
from scipy.special import log_softmax
from sklearn import config_context
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    GroupShuffleSplit,
    KFold,
    LeaveOneGroupOut,
    cross_validate,
)
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from skorch import NeuralNet

from sklearn_biomoe import BiosignalImageTransformer, TinyBioMoEEmbedder, UntrainedBackboneWarning
from sklearn_biomoe.backbone.network import TinyBioMoE
from sklearn_biomoe.finetuning import (
    TinyBioMoEClassifier,
    TinyBioMoERegressor,
    _base,
    checkpoints,
)
from sklearn_biomoe.finetuning.augmentation import (
    augment,
    augment_images,
    bridge_gaps,
    shift_time,
)
from sklearn_biomoe.finetuning.head_network import (
    EARLY_STAGES,
    Head,
    Network,
    hash_backbone,
    learnt_tensors,
    parameter_groups,
    stage_of,
)
from sklearn_biomoe.weights import BackboneWeights

CHANGES = {"noise": 0.1, "scaling": 0.1, "time_shift": 0.2, "time_masking": 0.2}
QUICK = {"max_epochs": 4, "learning_rate": 1e-2}


@pytest.fixture(scope="module")
def windows():
    """24 windows of 6 subjects: waves whose frequency determines the class, and is the value."""
    random = np.random.default_rng(0)
    y = np.tile([0, 1], 12)
    rates = 0.05 + 0.1 * y + random.uniform(0, 0.05, 24)  # in Hz
    phases = random.uniform(0, 2 * np.pi, 24)
    times = np.arange(0, 60, 0.5)
    X = np.sin(2 * np.pi * rates[:, None] * times + phases[:, None])
    X += 0.1 * random.normal(size=X.shape)
    return X, np.array(["rest", "stress"])[y], np.repeat(np.arange(6), 4), rates


@pytest.fixture(scope="module")
def images(windows):
    to_images = BiosignalImageTransformer(["waveform", "spectrogram_psd"], sampling_rate=2.0)
    return to_images.fit_transform(windows[0])


def assert_same_model(first, second):
    assert first.history_ == second.history_
    assert first.backbone_changes_.keys() == second.backbone_changes_.keys()
    for name in first.backbone_changes_:
        np.testing.assert_array_equal(first.backbone_changes_[name], second.backbone_changes_[name])
    for name in ("head_weight_", "head_bias_", "embedding_mean_", "embedding_scale_"):
        np.testing.assert_array_equal(getattr(first, name), getattr(second, name))


# Augmentation


def test_changes_of_known_windows():
    two = np.array([[[1.0, 2, 3, 4, 5]], [[5.0, 4, 3, 2, 1]]])
    moved = shift_time(two, np.array([2, -1]))
    np.testing.assert_array_equal(moved, [[[3, 2, 1, 2, 3]], [[4, 3, 2, 1, 2]]])
    np.testing.assert_array_equal(shift_time(two, np.array([0, 4]))[1], [[1, 2, 3, 4, 5]])
    np.testing.assert_array_equal(shift_time(two[:, :, :1], np.array([0, 0])), two[:, :, :1])
    scaled = augment(two, {"scaling": 0.3}, np.random.default_rng(0))
    factors = np.exp(0.3 * np.random.default_rng(0).standard_normal(2))
    np.testing.assert_allclose(scaled, two * factors.reshape(2, 1, 1))
    noisy = augment(two, {"noise": 0.5}, np.random.default_rng(0))
    noise = 0.5 * np.sqrt(2) * np.random.default_rng(0).standard_normal(two.shape)
    np.testing.assert_allclose(noisy, two + noise)


@pytest.mark.parametrize(
    ("start", "length", "expected"),
    [
        (1, 2, [0, 1, 2, 3, 9]),  # from 0 to 3
        (0, 2, [5, 5, 5, 3, 9]),
        (3, 2, [0, 7, 5, 5, 5]),
        (2, 0, [0, 7, 5, 3, 9]),
        (4, 1, [0, 7, 5, 3, 3]),
    ],
)
def test_bridged_gaps_of_known_windows(start, length, expected):
    window = np.array([[[0.0, 7, 5, 3, 9]]])
    found = bridge_gaps(window, np.array([start]), np.array([length]))
    np.testing.assert_allclose(found, [[expected]])


def test_channels_are_changed_together():
    windows = np.random.default_rng(0).normal(size=(20, 1, 50)) * np.array([[[1.0], [10]]])
    for name in ("time_shift", "time_masking", "scaling"):
        changed = augment(windows, {name: 0.4}, np.random.default_rng(1))
        np.testing.assert_allclose(changed[:, 1], 10 * changed[:, 0])
        assert len({tuple(row) for row in (changed - windows)[:, 0]}) > 10  # each differently


def test_augmented_stacks(images):
    first, again, other = (
        augment_images(images, CHANGES, np.random.default_rng(seed)) for seed in (0, 0, 1)
    )
    assert first.image_names == images.image_names
    np.testing.assert_array_equal(first.windows.values, again.windows.values)
    assert (np.abs(first.windows.values - other.windows.values).max(axis=(1, 2)) > 0).all()
    assert (np.abs(first.windows.values - images.windows.values).max(axis=(1, 2)) > 0).all()


def test_windows_of_unequal_length_are_augmented():
    cells = [np.arange(5.0 + n % 3) for n in range(9)]
    images = BiosignalImageTransformer(["waveform"]).fit_transform(cells)
    changed = augment_images(images, {"scaling": 0.5}, np.random.default_rng(0))
    for window, cell in zip(changed.windows.values, cells, strict=True):
        np.testing.assert_allclose(window[0], window[0, 1] * cell)


# Stages, learning rates and modes, with the real backbone


def test_stages_of_the_backbone():
    backbone = TinyBioMoE()
    names = [name for name, _ in backbone.named_parameters()]
    for stage, prefixes in enumerate(EARLY_STAGES):
        for prefix in prefixes:
            assert any(name.startswith(f"{prefix}.") for name in names), prefix
            assert stage_of(f"{prefix}.weight") == stage
    last = {name.rpartition(".")[0] for name in names if stage_of(name) == 3}
    starts = {".".join(name.split(".")[:2]) for name in last if name.startswith("enc")}
    assert starts == {
        *("enc1.patch_embed4", "enc1.block4", "enc1.post_network", "enc1.norm4", "enc2.blocks3")
    }
    assert {name for name in last if not name.startswith("enc")} == {"ln_e", "fcn.1", "ln_out"}


@pytest.mark.parametrize(("trainable", "n_gradients"), [("last_stages", 1), ("all", 4)])
def test_which_parameters_are_trained(trainable, n_gradients):
    backbone, head = TinyBioMoE().eval(), Head(np.zeros(384), np.ones(384), 2, seed=0)
    network = Network(backbone, head, trainable).train()
    buffers = {name: buffer.clone() for name, buffer in backbone.named_buffers()}
    network(torch.rand(1, 2, 224, 224, 3)).sum().backward()
    moved = {
        stage_of(name)
        for name, parameter in backbone.named_parameters()
        if parameter.grad is not None and parameter.grad.abs().max() > 0
    }
    assert moved == set(range(4 - n_gradients, 4))
    for name, buffer in backbone.named_buffers():  # including averages of batch normalisations
        assert torch.equal(buffer, buffers[name]), name
    names = {name for name, _ in learnt_tensors(network)}
    assert not any("running" in name for name in names)
    assert "head.mean" in names


def test_learning_rates_by_stage():
    head = Head(np.zeros(192), np.ones(192), 2, seed=0)
    network = Network(TinyBioMoE(), head, "all")
    groups = parameter_groups(network, 1e-3, backbone_factor=0.1, weight_decay=0.05)
    assert groups[0]["lr"] == 1e-3
    rates = sorted({group["lr"] for group in groups})
    np.testing.assert_allclose(rates, [1.25e-5, 2.5e-5, 5e-5, 1e-4, 1e-3])
    decays = {id(p): group["weight_decay"] for group in groups for p in group["params"]}
    assert decays[id(network.backbone.ln_out.weight)] == 0
    assert decays[id(network.backbone.fcn[1].weight)] == 0.05
    assert sum(len(group["params"]) for group in groups) == len(list(network.parameters()))


# Training

pytest_small = pytest.mark.usefixtures("small_backbone")


def reference_training(embeddings, codes, *, epochs, rate, decay, seed, weights):
    """AdamW in NumPy for a softmax regression on ELU of standardised embeddings, full batches."""
    x = StandardScaler().fit_transform(embeddings.astype(np.float64))
    x = np.where(x > 0, x, np.exp(np.minimum(x, 0)) - 1)
    head = Head(np.zeros(x.shape[1]), np.ones(x.shape[1]), len(weights), seed)
    parameters = [head.weight.detach().numpy().astype(np.float64), np.zeros(len(weights))]
    first, second, losses = [0, 0], [0, 0], []
    share = weights[codes] / weights[codes].sum()
    for step in range(1, epochs + 1):
        weight, bias = parameters
        logs = log_softmax(x @ weight.T + bias, axis=1)
        losses.append(-(share * logs[np.arange(len(x)), codes]).sum())
        error = (np.exp(logs) - np.eye(len(weights))[codes]) * share[:, None]
        gradients = [error.T @ x, error.sum(axis=0)]
        norm = np.sqrt(sum((each**2).sum() for each in gradients))
        gradients = [each * min(1, 1 / (norm + 1e-6)) for each in gradients]
        now = rate * (1 + np.cos(np.pi * (step - 1) / epochs)) / 2
        for i, (gradient, own_decay) in enumerate(zip(gradients, [decay, 0], strict=True)):
            first[i] = 0.9 * first[i] + 0.1 * gradient
            second[i] = 0.999 * second[i] + 0.001 * gradient**2
            size = np.sqrt(second[i] / (1 - 0.999**step)) + 1e-8
            parameters[i] = parameters[i] * (1 - now * own_decay)
            parameters[i] = parameters[i] - now * first[i] / (1 - 0.9**step) / size
    return parameters, losses


@pytest_small
@pytest.mark.parametrize(
    ("class_weight", "weights"),
    [(None, [1, 1]), ("balanced", [20 / 16, 20 / 24]), ({"rest": 3, "stress": 1}, [3, 1])],
)
def test_head_agrees_with_reference_training(images, windows, class_weight, weights):
    rows = np.r_[:16, 17:24:2]  # 8 at rest, 12 under stress
    chosen, y = images[rows], windows[1][rows]
    model = TinyBioMoEClassifier(
        max_epochs=5, learning_rate=0.01, batch_size=64, weight_decay=0.5, class_weight=class_weight
    ).fit(chosen, y)
    embeddings = TinyBioMoEEmbedder().fit_transform(chosen)
    (weight, bias), losses = reference_training(
        embeddings,
        (y == "stress").astype(int),
        epochs=5,
        rate=0.01,
        decay=0.5,
        seed=model.seed_,
        weights=np.array(weights, dtype=float),
    )
    np.testing.assert_allclose(model.head_weight_, weight, atol=2e-4)
    np.testing.assert_allclose(model.head_bias_, bias, atol=2e-4)
    np.testing.assert_allclose([epoch["train_loss"] for epoch in model.history_], losses, rtol=1e-4)


@pytest_small
def test_head_agrees_with_logistic_regression(images, windows):
    embeddings = TinyBioMoEEmbedder().fit_transform(images)
    reference = make_pipeline(StandardScaler(), LogisticRegression()).fit(embeddings, windows[1])
    model = TinyBioMoEClassifier(max_epochs=60, learning_rate=3e-3).fit(images, windows[1])
    assert model.score(images, windows[1]) == 1
    np.testing.assert_array_equal(model.predict(images), reference.predict(embeddings))
    expected = reference.predict_proba(embeddings)[:, 1]
    assert np.corrcoef(model.predict_proba(images)[:, 1], expected)[0, 1] > 0.98


@pytest_small
def test_regressor_does_not_depend_on_units(images, windows):
    *_, rates = windows
    model = TinyBioMoERegressor(max_epochs=30, learning_rate=5e-3).fit(images, rates)
    assert model.score(images, rates) > 0.9
    assert model.predict(images).shape == (24,)
    per_minute = clone(model).fit(images, 60 * rates + 7)
    np.testing.assert_allclose(
        per_minute.predict(images), 60 * model.predict(images) + 7, atol=1e-3
    )


@pytest_small
@pytest.mark.parametrize("trainable", ["head", "last_stages", "all"])
def test_predictions_equal_those_of_the_trained_module(images, windows, trainable, monkeypatch):
    nets = []
    initialize = NeuralNet.initialize
    monkeypatch.setattr(NeuralNet, "initialize", lambda net: nets.append(net) or initialize(net))
    model = TinyBioMoEClassifier(trainable, **QUICK).fit(images, windows[1])
    module = nets[0].module_.eval()
    inputs = torch.tensor(np.asarray(images)) / 255
    if trainable == "head":
        inputs = torch.tensor(TinyBioMoEEmbedder().fit_transform(images))
    with torch.no_grad():
        expected = module(inputs).softmax(dim=1)
    np.testing.assert_allclose(model.predict_proba(images), expected, atol=1e-5)
    assert sorted(model.backbone_changes_) == (
        [] if trainable == "head" else ["linear.bias", "linear.weight"]
    )
    assert (model.backbone_sha256_ == hash_backbone(model.weights_sha256_, {})) == (
        trainable == "head"
    )


@pytest_small
def test_head_embeds_each_window_once(images, windows, monkeypatch):
    seen = []

    def counting(engine, given, **parameters):
        seen.append(len(given))
        return embed(engine, given, **parameters)

    embed = _base.embed
    monkeypatch.setattr(_base, "embed", counting)
    model = TinyBioMoEClassifier(validation=1 / 3, **QUICK)
    model.fit(images, windows[1], groups=windows[2])
    assert seen == [24]
    seen.clear()
    model.set_params(augmentation={"noise": 0.1}, max_epochs=2, batch_size=16)
    model.fit(images, windows[1], groups=windows[2])
    assert seen == [24, 16, 16]  # all once, and the training windows again in each epoch


@pytest_small
def test_image_arrays_give_the_same_model(images, windows):
    arrays = np.asarray(images)
    lazy = TinyBioMoEClassifier("all", **QUICK).fit(images, windows[1])
    assert_same_model(TinyBioMoEClassifier("all", **QUICK).fit(arrays, windows[1]), lazy)
    np.testing.assert_array_equal(lazy.predict_proba(arrays), lazy.predict_proba(images))


@pytest_small
def test_random_states(images, windows):
    before = torch.get_rng_state()
    first, again, other = (
        TinyBioMoEClassifier("all", augmentation=CHANGES, random_state=seed, **QUICK).fit(
            images, windows[1]
        )
        for seed in (0, 0, 1)
    )
    assert torch.equal(torch.get_rng_state(), before)
    assert_same_model(first, again)
    assert not np.array_equal(first.head_weight_, other.head_weight_)


@pytest_small
def test_progress_bars(images, windows, capsys):
    _, y, groups, _ = windows
    model = TinyBioMoEClassifier("all", validation=1 / 3, max_epochs=2, batch_size=4)
    model.fit(images, y, groups=groups)
    assert capsys.readouterr() == ("", "")
    model.set_params(progress=True).fit(images, y, groups=groups)
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "0/6 [" in shown.err  # 4 batches of training, 2 of validation


def test_mixed_precision_keeps_parameters_in_float32(small_backbone, images, windows, monkeypatch):
    monkeypatch.setattr(_base, "check_precision", lambda *_: None)  # this CPU may be too old
    dtypes = set()
    forward = small_backbone.forward

    def spying(backbone, batch):
        embeddings = forward(backbone, batch)
        dtypes.add(embeddings.dtype)
        return embeddings

    models = {"bfloat16": None, "float32": None}
    for precision in models:
        model = TinyBioMoEClassifier("all", precision=precision, max_epochs=2, batch_size=24)
        with monkeypatch.context() as patch:
            patch.setattr(small_backbone, "forward", spying)
            models[precision] = model.fit(images, windows[1])
    mixed, plain = models.values()
    assert dtypes == {torch.bfloat16, torch.float32}
    assert mixed.head_weight_.dtype == mixed.backbone_changes_["linear.weight"].dtype == np.float32
    losses = [[epoch["train_loss"] for epoch in model.history_] for model in (mixed, plain)]
    assert losses[0] != losses[1]
    np.testing.assert_allclose(*losses, rtol=0.1)


@pytest_small
def test_float32_does_not_depend_on_torch_settings(images, windows, small_backbone, monkeypatch):
    """Neither forward nor backward, in training and validation; settings are restored."""
    seen = []

    def note(*_):
        seen.append(torch.backends.mkldnn.matmul.fp32_precision)

    class Noting(small_backbone):
        def forward(self, images):
            note()
            embeddings = super().forward(images)
            if embeddings.requires_grad:
                embeddings.register_hook(note)
            return embeddings

    monkeypatch.setattr(BackboneWeights, "load", lambda _: Noting().eval())
    torch.set_float32_matmul_precision("medium")
    try:
        TinyBioMoEClassifier("all", validation=1 / 3, max_epochs=1, device="cpu").fit(
            images, windows[1], groups=windows[2]
        )
        assert torch.get_float32_matmul_precision() == "medium"
        assert torch.backends.mkldnn.matmul.fp32_precision == "bf16"
    finally:
        torch.set_float32_matmul_precision("highest")
        torch.backends.mkldnn.matmul.fp32_precision = "none"
        torch.backends.cuda.matmul.fp32_precision = "none"
    assert len(seen) >= 4
    assert set(seen) == {"ieee"}


# Validation by subject


@pytest_small
def test_stops_on_held_out_subjects(images, windows):
    _, y, groups, _ = windows
    y = np.where(np.random.default_rng(0).uniform(size=24) < 0.3, "rest", y)  # noisy labels
    model = TinyBioMoEClassifier(
        validation=1 / 3, patience=3, max_epochs=200, learning_rate=5e-3, random_state=1
    ).fit(images, y, groups=groups)
    held_out = model.held_out_
    assert len(np.unique(groups[held_out])) == 2
    assert len(held_out) == 8
    losses = [epoch["valid_loss"] for epoch in model.history_]
    assert model.n_epochs_ == len(losses) == model.best_epoch_ + 3 < 200
    assert np.argmin(losses) + 1 == model.best_epoch_
    kept = log_loss(y[held_out], model.predict_proba(images[held_out]))
    np.testing.assert_allclose(kept, losses[model.best_epoch_ - 1], rtol=1e-4)


@pytest_small
def test_validation_labels_do_not_change_training(images, windows):
    _, y, groups, rates = windows
    split = GroupShuffleSplit(1, test_size=2, random_state=3)
    parameters = {"validation": split, "max_epochs": 3, "patience": 3}
    model = TinyBioMoERegressor(**parameters).fit(images, rates, groups=groups)
    training, held_out = next(split.split(y, y, groups))
    np.testing.assert_array_equal(model.held_out_, np.sort(held_out))
    others = rates.copy()
    others[held_out] = 1e3
    again = clone(model).fit(images, others, groups=groups)
    found = [[epoch["train_loss"] for epoch in m.history_] for m in (model, again)]
    assert found[0] == found[1]
    alone = TinyBioMoERegressor(max_epochs=3).fit(
        images[np.sort(training)], rates[np.sort(training)]
    )
    assert [epoch["train_loss"] for epoch in alone.history_] == found[0]


@pytest_small
def test_splitters_must_keep_subjects_together(images, windows):
    model = TinyBioMoEClassifier(validation=KFold(2, shuffle=True, random_state=0))
    with pytest.raises(
        ValueError, match=r"puts subjects 0, 1, 2, 3, 4 and 1 more both in training"
    ):
        model.fit(images, windows[1], groups=windows[2])


@pytest_small
def test_groups_through_pipelines_and_folds(windows):
    X, y, groups, _ = windows
    to_images = BiosignalImageTransformer(["waveform"])
    classifier = TinyBioMoEClassifier(validation=0.4, **QUICK)
    model = make_pipeline(to_images, classifier)
    cv = LeaveOneGroupOut()
    plain = cross_validate(
        *(model, X, y),
        groups=groups,
        cv=cv,
        params={"tinybiomoeclassifier__groups": groups},
        return_estimator=True,
        error_score="raise",
    )
    for fold, fitted in enumerate(plain["estimator"]):
        left = groups[groups != fold]
        assert len(np.unique(left[fitted[-1].held_out_])) == 2
    with config_context(enable_metadata_routing=True):
        model = make_pipeline(to_images, clone(classifier).set_fit_request(groups=True))
        routed = cross_validate(
            *(model, X, y), cv=cv, params={"groups": groups}, error_score="raise"
        )
    np.testing.assert_array_equal(routed["test_score"], plain["test_score"])


@pytest_small
def test_grid_search(windows):
    X, y, groups, _ = windows
    model = Pipeline(
        [("image", BiosignalImageTransformer()), ("classify", TinyBioMoEClassifier(max_epochs=3))]
    )
    grid = {"classify__trainable": ["head", "all"], "classify__learning_rate": [1e-12, 3e-2]}
    search = GridSearchCV(model, grid, cv=GroupKFold(3), error_score="raise")
    search.fit(X, y, groups=groups)
    assert search.cv_results_["mean_test_score"].shape == (4,)
    assert search.best_params_["classify__learning_rate"] == 3e-2
    assert search.predict(X[:3]).shape == (3,)


# Pickles


@pytest_small
@pytest.mark.parametrize("trainable", ["head", "all"])
def test_pickles(images, windows, trainable, tmp_path):
    model = TinyBioMoEClassifier(trainable, **QUICK).fit(images, windows[1])
    expected = model.predict_proba(images)
    joblib.dump(model, tmp_path / "model.joblib")
    cloudpickle = pytest.importorskip("cloudpickle")
    copies = [
        pickle.loads(pickle.dumps(model)),
        joblib.load(tmp_path / "model.joblib"),
        pickle.loads(cloudpickle.dumps(model)),
    ]
    for copy in copies:
        np.testing.assert_array_equal(copy.predict_proba(images), expected)
    assert not any(name.startswith("torch") for name in imported_modules(pickle.dumps(model)))
    if trainable == "head":
        assert len(pickle.dumps(model)) < 20_000


def imported_modules(content):
    """Modules that loading a pickle imports from."""
    names = set()

    class Spy(pickle.Unpickler):
        def find_class(self, module, name):
            names.add(module)
            return super().find_class(module, name)

    Spy(io.BytesIO(content)).load()
    return names


@pytest_small
def test_models_fitted_on_a_gpu_load_on_a_cpu(images, windows):
    model = TinyBioMoEClassifier("all", **QUICK).fit(images, windows[1])
    expected = model.predict_proba(images)
    model.device, model.precision = "cuda:0", "bfloat16"
    opened = pickle.loads(pickle.dumps(model))
    if not torch.cuda.is_available():
        with pytest.raises(ValueError, match="use device='auto' or 'cpu'"):
            opened.predict(images)
    opened.set_params(device="cpu")
    np.testing.assert_array_equal(opened.predict_proba(images), expected)


@pytest_small
def test_rows_do_not_depend_on_their_batch(images, windows):
    model = TinyBioMoEClassifier("all", **QUICK).fit(images, windows[1])
    together = model.predict_proba(images)
    alone = np.vstack([model.predict_proba(images[row : row + 1]) for row in range(24)])
    np.testing.assert_allclose(alone, together, rtol=1e-12)
    np.testing.assert_allclose(model.predict_proba(images[::-1]), together[::-1], rtol=1e-12)


# Checkpoints

RUN = {
    "trainable": "all",
    "weights": "random",
    "augmentation": CHANGES,
    "validation": 1 / 3,
    "patience": 2,
    "max_epochs": 8,
    "batch_size": 4,
}  # stops after epoch 7; epoch 5 is the best


def fit_slowly(images, y, groups, folder):
    """Fine-tune with a pause after each checkpoint; called in a process of its own."""
    write = checkpoints.Checkpoint.write

    def write_and_wait(checkpoint, state):
        write(checkpoint, state)
        time.sleep(0.3)

    checkpoints.Checkpoint.write = write_and_wait
    TinyBioMoEClassifier(checkpoint=folder, **RUN).fit(images, y, groups=groups)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")
@pytest_small
def test_a_killed_run_resumes_to_the_same_result(images, windows, tmp_path, request):
    _, y, groups, _ = windows
    context = multiprocessing.get_context("fork")
    folder = tmp_path / "runs"
    child = context.Process(target=fit_slowly, args=(images, y, groups, folder))
    child.start()
    while not list(folder.glob("*.pth")):
        assert child.is_alive()
        time.sleep(0.02)
    time.sleep(0.4)  # into a later epoch
    child.kill()
    child.join()
    assert child.exitcode == -signal.SIGKILL
    (path,) = folder.glob("*.pth")
    state = torch.load(path, weights_only=True)
    assert "result" not in state
    assert 1 <= len(state["history"]) < 7
    request.getfixturevalue("two_threads")  # after the fork, which threads would not survive
    uninterrupted = TinyBioMoEClassifier(**RUN).fit(images, y, groups=groups)
    resumed = TinyBioMoEClassifier(checkpoint=folder, **RUN)
    assert_same_model(resumed.fit(images, y, groups=groups), uninterrupted)
    assert list(folder.glob("*.pth")) == [path]


class Killed(BaseException):
    pass


@pytest_small
@pytest.mark.parametrize("run", [RUN, {"max_epochs": 5, "batch_size": 4}], ids=["all", "head"])
def test_runs_resume_from_any_step(images, windows, tmp_path, monkeypatch, run):
    _, y, groups, _ = windows
    uninterrupted = TinyBioMoEClassifier(**run).fit(images, y, groups=groups)
    train_step = NeuralNet.train_step
    for n_steps in (0, 5, 26):
        steps = iter(range(n_steps))

        def until_killed(net, batch, steps=steps, **parameters):
            if next(steps, None) is None:
                raise Killed
            return train_step(net, batch, **parameters)

        model = TinyBioMoEClassifier(checkpoint=tmp_path / str(n_steps), **run)
        monkeypatch.setattr(NeuralNet, "train_step", until_killed)
        with pytest.raises(Killed):
            model.fit(images, y, groups=groups)
        monkeypatch.setattr(NeuralNet, "train_step", train_step)
        assert_same_model(model.fit(images, y, groups=groups), uninterrupted)

    monkeypatch.delattr(NeuralNet, "train_step")  # finished runs are not trained again
    assert_same_model(model.fit(images, y, groups=groups), uninterrupted)


@pytest_small
@pytest.mark.parametrize("validation", [None, 1 / 3])
def test_interrupts_are_raised(images, windows, monkeypatch, validation):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(NeuralNet, "train_step", interrupted)
    with pytest.raises(KeyboardInterrupt):
        TinyBioMoEClassifier(validation=validation).fit(images, windows[1], groups=windows[2])


@pytest_small
def test_each_run_has_its_own_checkpoint(images, windows, tmp_path):
    _, y, groups, rates = windows
    model = TinyBioMoEClassifier(checkpoint=tmp_path, max_epochs=1, cache="memory")
    runs = [
        (model, images, y),
        (clone(model).set_params(learning_rate=0.1), images, y),
        (clone(model).set_params(random_state=1), images, y),
        (model, images, np.roll(y, 1)),
        (model, images[::-1], y),
        (model, np.asarray(images), y),
        (TinyBioMoERegressor(checkpoint=tmp_path, max_epochs=1), images, rates),
        (clone(model).set_params(validation=0.5), images, y),
    ]
    for n_before, (estimator, X, targets) in enumerate(runs):
        fitted = clone(estimator).fit(X, targets, groups=groups)
        assert len(list(tmp_path.iterdir())) == n_before + 1
        again = clone(estimator).set_params(checkpoint=None).fit(X, targets, groups=groups)
        assert_same_model(fitted, again)
    clone(model).set_params(progress=True, cache=None, device="cpu").fit(images, y)
    assert len(list(tmp_path.iterdir())) == len(runs)


@pytest_small
def test_another_validation_subject_has_its_own_checkpoint(images, windows, tmp_path):
    _, y, groups, _ = windows
    training, one, other = (np.flatnonzero(groups == subject) for subject in np.unique(groups)[:3])
    for held_out in (one, other):
        model = TinyBioMoEClassifier(
            validation=SimpleNamespace(split=lambda *_, to=held_out: iter([(training, to)])),
            max_epochs=2,
            checkpoint=tmp_path,
        )
        fitted = model.fit(images, y, groups=groups)
        again = clone(model).set_params(checkpoint=None).fit(images, y, groups=groups)
        assert fitted.history_ == again.history_


@pytest_small
def test_bad_checkpoints(images, windows, tmp_path):
    model = TinyBioMoEClassifier(checkpoint=tmp_path, max_epochs=2).fit(images, windows[1])
    (path,) = tmp_path.iterdir()
    other = clone(model).set_params(learning_rate=0.5).fit(images, windows[1])
    (copied,) = set(tmp_path.iterdir()) - {path}
    path.write_bytes(copied.read_bytes())
    with pytest.raises(ValueError, match="a run with other parameters, images or labels"):
        model.fit(images, windows[1])
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(ValueError, match=f"{path.name} cannot be read: .* Delete it"):
        model.fit(images, windows[1])
    torch.save({"fingerprint": other}, path)  # an object
    with pytest.raises(ValueError, match="which are never loaded"):
        model.fit(images, windows[1])


# Errors

ABOVE_0 = "expected a finite number above 0"
BAD_PARAMETERS = [
    ({"trainable": "heads"}, "Unknown trainable 'heads'"),
    ({"max_epochs": 0}, "max_epochs=0; expected an integer of 1 or more"),
    ({"batch_size": 2.5}, "batch_size=2.5"),
    ({"patience": True}, "patience=True"),
    ({"learning_rate": 0}, f"learning_rate=0; {ABOVE_0}"),
    ({"backbone_learning_rate_factor": np.nan}, f"backbone_learning_rate_factor=nan; {ABOVE_0}"),
    ({"weight_decay": -1}, "weight_decay=-1; expected a finite number of 0 or more"),
    ({"augmentation": {"noises": 1}}, "Unknown augmentation 'noises'.*Did you mean 'noise'"),
    ({"augmentation": {"time_masking": 1}}, r"\['time_masking'\]=1; expected .* below 1"),
    ({"augmentation": 0.1}, "augmentation=0.1; expected None or a dict"),
    ({"validation": 1.5}, "validation=1.5; expected a finite number above 0 and below 1, or a"),
    ({"validation": "some"}, "validation='some'; expected None, a share"),
    ({"class_weight": "balance"}, "balance"),
    ({"device": "gpu"}, "Unknown device 'gpu'"),
    ({"precision": "float16"}, "Unknown precision 'float16'"),
    ({"weights_sha256": "0" * 64}, "was expected"),
    ({"trainable": "all", "cache": "memory"}, "cache='memory' .* trainable='all' .* cache=None"),
    ({"checkpoint": "here", "random_state": None}, "checkpoint requires a seed"),
]


@pytest_small
@pytest.mark.parametrize(("parameters", "message"), BAD_PARAMETERS)
def test_bad_parameters(images, windows, parameters, message):
    with pytest.raises((TypeError, ValueError), match=message):
        TinyBioMoEClassifier(**parameters).fit(images, windows[1], groups=windows[2])


@pytest_small
def test_bad_windows(images, windows):
    X, y, groups, _ = windows
    model = TinyBioMoEClassifier(max_epochs=1)
    with pytest.raises(ValueError, match="expects images"):
        model.fit(X, y)
    with pytest.raises(ValueError, match="y has 23 targets, but X has 24 rows"):
        model.fit(images, y[:-1])
    with pytest.raises(ValueError, match="All training windows are of one class, 'rest'"):
        model.fit(images[::2], y[::2])
    with pytest.raises(ValueError, match="fit got no groups"):
        clone(model).set_params(validation=0.5).fit(images, y)
    with pytest.raises(ValueError, match=r"groups has shape \(23,\)"):
        clone(model).set_params(validation=0.5).fit(images, y, groups=groups[1:])
    with pytest.raises(ValueError, match="All windows are of subject 7, which leaves no other"):
        clone(model).set_params(validation=0.5).fit(images, y, groups=np.full(24, 7))
    labels = np.where(groups == 0, "fear", y)
    first = LeaveOneGroupOut()  # its first split leaves out subject 0
    with pytest.raises(ValueError, match=r"Only validation subjects have windows of class 'fear'"):
        clone(model).set_params(validation=first).fit(images, labels, groups=groups)
    with pytest.raises(ValueError, match=r"augmentation changes signals .* X holds images"):
        clone(model).set_params(augmentation=CHANGES).fit(np.asarray(images), y)
    cells = pd.Series([*X[:3], None])
    gappy = BiosignalImageTransformer(["waveform"]).fit_transform(cells)
    with pytest.raises(ValueError, match=r"Window 3 is missing \(1 of 4 windows are\)"):
        model.fit(gappy, y[:4])
    model.fit(images, y)
    with pytest.raises(ValueError, match="Windows have 1 images, but TinyBioMoEClassifier was"):
        model.predict(gappy)


@pytest_small
def test_diverging_training(images, windows):
    model = TinyBioMoERegressor("all", learning_rate=1e30, max_epochs=5)
    with pytest.raises(
        RuntimeError, match=r"Training diverged.* Pass a smaller learning_rate than 1e\+30"
    ):
        model.fit(images, windows[3])


def test_frozen_random_weights_warn(small_backbone, images, windows):
    with pytest.warns(UntrainedBackboneWarning, match="weights='random' with trainable='head'"):
        TinyBioMoEClassifier(weights="random", max_epochs=1).fit(images, windows[1])
