"""Pretraining: the recipe, the pool, worker processes and the training run."""

import os
import signal
import subprocess
import sys
import time
from itertools import count, pairwise
from multiprocessing import active_children
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from numbered_groups import NumberedGroups

from sklearn_biomoe import TinyBioMoEEmbedder, make_biosignal_embedder
from sklearn_biomoe.pretraining import group_workers, targets, training_run
from sklearn_biomoe.pretraining.__main__ import main
from sklearn_biomoe.pretraining.group_workers import open_groups
from sklearn_biomoe.pretraining.image_groups import Group, ImageGroups
from sklearn_biomoe.pretraining.image_pool import ImagePool
from sklearn_biomoe.pretraining.objectives import OBJECTIVES
from sklearn_biomoe.pretraining.real_recordings import Recordings
from sklearn_biomoe.pretraining.recipe import Recipe
from sklearn_biomoe.pretraining.training_run import TrainingRun
from sklearn_biomoe.weights import convert, load_backbone

NOTHING = Recordings({})


@pytest.fixture(autouse=True, scope="module")
def _few_windows_to_standardise():
    """Scales of targets of 32 windows instead of 384, which take 13 seconds."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(targets, "N_TO_STANDARDISE", 32)
        targets.find_target_columns.cache_clear()
        yield
    targets.find_target_columns.cache_clear()


def short(**parameters):
    """Return a recipe of a second: three steps of 8 images of two modalities."""
    usual = {"n_images": 24, "batch_size": 8, "pool_size": 16, "group_size": 2, "n_workers": 0}
    return Recipe(**usual | {"modalities": ("eda", "resp")} | parameters)


# The recipe


def test_learning_rate_schedule():
    """Linear, constant, and half a cosine over the last 55 %."""
    recipe = Recipe(10_000, batch_size=100, peak_rate=1.0, warm_up=2000)
    assert recipe.rate_at(0, 0) == pytest.approx(0.05)
    assert recipe.rate_at(1900, 0) == recipe.rate_at(4500, 0) == 1
    assert recipe.rate_at(7250, 0) == pytest.approx(0.5)
    assert recipe.rate_at(4500 + 5500 // 3, 0) == pytest.approx(0.75, abs=1e-3)  # cos 60° is 1/2
    assert recipe.rate_at(10_000, 0) == 0
    assert not recipe.is_frozen(8900, 0)
    assert recipe.is_frozen(9000, 0)


def test_schedule_by_minutes():
    recipe = Recipe(minutes=2, batch_size=100, peak_rate=1.0, warm_up=100)
    assert recipe.rate_at(10**6, 54) == 1
    assert recipe.rate_at(10**6, 87) == pytest.approx(0.5)
    assert recipe.progress(0, 60) == 0.5
    assert recipe.progress(0, 500) == 1
    assert recipe.is_frozen(0, 109)


def test_as_many_images_are_made_as_seen():
    """After a quarter of the pool; in whole groups."""
    recipe = Recipe(10**6, pool_size=49_152, group_size=64)
    assert recipe.n_made(0) == 12_288
    assert recipe.n_made(1) == recipe.n_made(128) == 12_288 + 128
    assert recipe.n_made(10**6) == pytest.approx(10**6 + 12_288, abs=128)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"n_images": 0}, "n_images=0; expected an integer of 1 or more"),
        ({"n_images": None}, "n_images=None and minutes=None; give one of them"),
        ({"minutes": 3.0}, "n_images=48 and minutes=3.0; give one of them"),
        ({"n_images": None, "minutes": 0}, "minutes=0"),
        ({"batch_size": -6}, "batch_size=-6; expected an integer of 1 or more"),
        ({"n_workers": -1}, "n_workers=-1; expected an integer of 0 or more"),
        ({"peak_rate": float("nan")}, "peak_rate=nan"),
        ({"pool_size": 1000}, "pool_size=1000; expected a multiple of 128: groups of 64 windows"),
        ({"precision": "float16"}, "Unknown precision 'float16'"),
        ({"precision": "tf32"}, "device 'cpu' has no instructions for it"),
        ({"device": "gpu"}, "Unknown device 'gpu'"),
        ({"modalities": ()}, "expected some of eda, .*, generic, each at most once"),
        ({"modalities": ("eda", "emu")}, "expected some of eda, .*, generic, each at most once"),
        ({"modalities": ("eda", "eda")}, "expected some of eda, .*, generic, each at most once"),
        ({"objectives": ("kind", "stress")}, "expected some of kind, .*, each at most once"),
    ],
)
def test_bad_recipes(parameters, message):
    with pytest.raises(ValueError, match=message):
        Recipe(**{"n_images": 48} | parameters)


# The pool


def numbered(n_images=2):
    """Yield groups whose images, kinds and targets are the number of the group."""
    for number in count():
        group = Group.empty(n_images, 1)
        for part in group:
            part.fill_(number)
        yield group


def test_a_new_group_replaces_the_oldest():
    pool = ImagePool(numbered(), 6, 1, "cpu")
    pool.take_until(3)
    assert pool.n_made == 4
    drawn = pool.draw(200, np.random.default_rng(0)).kinds
    assert sorted(set(drawn.tolist())) == [0, 1]  # nothing that has not been made
    pool.take_until(10)
    assert pool.content.kinds.tolist() == [3, 3, 4, 4, 2, 2]
    batch = pool.draw(3000, np.random.default_rng(0))
    np.testing.assert_allclose(batch.kinds.bincount()[2:] / 3000, 1 / 3, atol=0.03)
    assert torch.equal(batch.targets[:, 0].long(), batch.kinds)
    assert torch.equal(batch.images[:, 0, 0, 0].long(), batch.kinds)


# Workers


@pytest.fixture
def forked_workers(monkeypatch):
    """Fork workers: a new process needs seconds to import torch."""
    load = group_workers.DataLoader
    forked = {"multiprocessing_context": "fork"}
    monkeypatch.setattr(
        group_workers, "DataLoader", lambda *args, **options: load(*args, **(options | forked))
    )


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")
@pytest.mark.usefixtures("forked_workers")
def test_groups_of_workers_come_in_order():
    with open_groups(NumberedGroups(), 4, 2) as made:
        numbers = [next(made).kinds.tolist() for _ in range(20)]
        assert len(active_children()) == 2
    assert numbers == [[number, number] for number in range(4, 24)]
    assert active_children() == []


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")
@pytest.mark.usefixtures("forked_workers")
@pytest.mark.parametrize(
    ("problem", "message"),
    [
        ({"failing": 3}, "Group 3 could not be made: no image"),
        ({"killing": 3}, "A process that makes images was killed .*fewer workers"),
    ],
)
def test_an_error_in_a_worker_ends_all_of_them(problem, message):
    with (
        pytest.raises(RuntimeError, match=message),
        open_groups(NumberedGroups(**problem), 0, 2) as made,
    ):
        list(made)
    assert active_children() == []


@pytest.mark.slow
def test_the_number_of_workers_does_not_change_the_groups():
    recipe = short()
    columns = targets.find_target_columns(recipe.modalities, 0)
    groups = ImageGroups(0, recipe.modalities, 2, columns, NOTHING)
    with open_groups(groups, 3, 0) as here, open_groups(groups, 3, 1) as there:
        for _ in range(4):
            for one, other in zip(next(here), next(there), strict=True):
                assert torch.equal(one.nan_to_num(), other.nan_to_num())
    assert active_children() == []


# The run


def test_an_interrupted_run_resumes_to_the_same_weights(small_backbone, tmp_path, monkeypatch):
    monkeypatch.setattr(training_run, "LOG_EVERY", 0.0)
    recipe = short(n_images=40)
    whole = TrainingRun(recipe, tmp_path / "whole", NOTHING)
    whole.run()

    first = TrainingRun(recipe, tmp_path / "parts", NOTHING)
    monkeypatch.setattr(training_run, "SAVE_EVERY", 0.0)
    log = first._log

    def interrupt(losses):
        log(losses)
        if first.n_seen == 24:  # after this step, before its checkpoint
            raise KeyboardInterrupt

    monkeypatch.setattr(first, "_log", interrupt)
    with pytest.raises(KeyboardInterrupt):
        first.run()
    second = TrainingRun(recipe, tmp_path / "parts", NOTHING)
    assert second.n_seen == 16
    second.run()
    for part in ("backbone", "averaged", "heads"):
        expected = getattr(whole, part).state_dict()
        for name, value in getattr(second, part).state_dict().items():
            assert torch.equal(value, expected[name]), (part, name)
    logs = [
        pd.read_csv(tmp_path / name / "log.csv").drop(columns="seconds")
        for name in ("whole", "parts")
    ]
    pd.testing.assert_frame_equal(*logs)
    assert list(logs[0]["images"]) == [8, 16, 24, 32, 40]
    assert list(logs[0]) == ["images", "rate", *OBJECTIVES]
    assert (tmp_path / "whole" / "curves.png").read_bytes().startswith(b"\x89PNG")


def test_a_run_that_ended_before_its_first_checkpoint_starts_again(
    small_backbone, tmp_path, monkeypatch
):
    monkeypatch.setattr(training_run, "LOG_EVERY", 0.0)
    first = TrainingRun(short(n_images=40), tmp_path, NOTHING)
    step = first._step

    def interrupt(pool):
        if first.n_seen == 24:
            raise KeyboardInterrupt
        return step(pool)

    monkeypatch.setattr(first, "_step", interrupt)
    with pytest.raises(KeyboardInterrupt):
        first.run()
    assert not (tmp_path / "checkpoint.pth").exists()
    TrainingRun(short(n_images=40), tmp_path, NOTHING).run()
    assert list(pd.read_csv(tmp_path / "log.csv")["images"]) == [8, 16, 24, 32, 40]


def test_a_complete_run_is_not_trained_further(small_backbone, tmp_path):
    TrainingRun(short(), tmp_path, NOTHING).run()
    content = (tmp_path / "checkpoint.pth").read_bytes()
    again = TrainingRun(short(), tmp_path, NOTHING)
    assert again.is_complete
    again.run()
    assert (tmp_path / "checkpoint.pth").read_bytes() == content


def test_torch_s_random_state_is_not_changed(small_backbone, tmp_path):
    state = torch.get_rng_state()
    TrainingRun(short(), tmp_path, NOTHING).run()
    assert torch.equal(torch.get_rng_state(), state)


def test_averaged_weights_are_stored(small_backbone, tmp_path, monkeypatch):
    """Against the recursion, computed by hand from the weights after each step."""
    run = TrainingRun(short(n_images=80), tmp_path, NOTHING)
    history = []
    step = run._step

    def recording(pool):
        losses = step(pool)
        history.append(run.backbone.linear.weight.detach().clone())
        return losses

    monkeypatch.setattr(run, "_step", recording)
    run.run()
    expected = history[0]
    for n_before, weights in enumerate(history[1:], 1):
        decay = min(0.999, (1 + n_before) / (10 + n_before))
        expected = decay * expected + (1 - decay) * weights
    stored = load_backbone(run.checkpoint).linear.weight
    torch.testing.assert_close(stored, expected)
    assert not torch.equal(stored, history[-1])


class Normalised(torch.nn.Module):
    """A backbone with a batch normalisation and a table of integers."""

    def __init__(self):
        super().__init__()
        self.normalise = torch.nn.BatchNorm2d(3)
        self.linear = torch.nn.Linear(3, 192)
        self.register_buffer("table", torch.arange(1000))

    def forward(self, images):
        return self.linear(self.normalise(images).mean(dim=(2, 3)))


def test_normalisations_are_frozen_at_the_end(small_backbone, tmp_path, monkeypatch):
    monkeypatch.setattr("sklearn_biomoe.weights.random_weights.TinyBioMoE", Normalised)
    run = TrainingRun(short(n_images=160), tmp_path, NOTHING)
    history = []
    step = run._step

    def recording(pool):
        losses = step(pool)
        history.append(run.backbone.normalise.running_mean.clone())
        return losses

    monkeypatch.setattr(run, "_step", recording)
    run.run()
    changed = [not torch.equal(*pair) for pair in pairwise(history)]
    assert changed == [True] * 17 + [False] * 2
    assert run.backbone.normalise.momentum == 0.02
    assert torch.equal(load_backbone(run.checkpoint).table, torch.arange(1000))


def test_checkpoints_are_on_disk_before_they_replace_the_last_one(
    small_backbone, tmp_path, monkeypatch
):
    run = TrainingRun(short(), tmp_path, NOTHING)
    run.save()
    before = run.checkpoint.read_bytes()
    run.n_seen = 8

    def full_disk(file):
        raise OSError("no space left on device")

    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(OSError, match="no space left"):
        run.save()
    assert run.checkpoint.read_bytes() == before
    assert list(tmp_path.iterdir()) == [run.checkpoint]


def test_objectives_can_be_left_out(small_backbone, tmp_path):
    run = TrainingRun(short(objectives=("kind", "clean")), tmp_path, NOTHING)
    parameters = run.groups.targets.columns["eda", "parameters"]
    before = run.heads.regression.weight[parameters].detach().clone()
    run.run()
    log = pd.read_csv(tmp_path / "log.csv")
    assert log[["kind", "clean"]].notna().all(axis=None)
    assert log[["parameters", "descriptors"]].isna().all(axis=None)
    assert torch.equal(run.heads.regression.weight[parameters], before)


def test_another_recipe_in_the_folder_is_an_error(small_backbone, tmp_path):
    TrainingRun(short(), tmp_path, NOTHING).save()
    with pytest.raises(ValueError, match="trained with other values of batch_size, seed"):
        TrainingRun(short(batch_size=16, seed=1), tmp_path, NOTHING)
    with pytest.raises(ValueError, match="trained with other values of recordings"):
        TrainingRun(short(), tmp_path, Recordings({}, ("bidmc",)))
    longer = TrainingRun(short(n_images=48, n_workers=3), tmp_path, NOTHING)
    assert not longer.is_complete


@pytest.mark.cuda
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_cuda_trains_as_the_cpu(small_backbone, tmp_path, precision):
    here = TrainingRun(short(n_images=80), tmp_path / "cpu", NOTHING)
    there = TrainingRun(
        short(n_images=80, device="cuda", precision=precision), tmp_path / "cuda", NOTHING
    )
    here.run()
    there.run()
    expected, found = (load_backbone(run.checkpoint).linear.weight for run in (here, there))
    assert (found - expected).abs().mean() < (1e-5 if precision == "float32" else 1e-3)


def test_mixed_precision(small_backbone, tmp_path, monkeypatch):
    """The backbone computes in bfloat16, also on a CPU without instructions for it."""
    monkeypatch.setattr("sklearn_biomoe.inference.precision._is_supported", lambda *_: True)
    run = TrainingRun(short(precision="bfloat16"), tmp_path, NOTHING)
    dtypes = set()
    run.backbone.linear.register_forward_hook(lambda *given: dtypes.add(given[2].dtype))
    run.run()
    assert dtypes == {torch.bfloat16}
    assert load_backbone(run.checkpoint).linear.weight.dtype == torch.float32


def test_a_diverging_run_says_so_and_keeps_its_checkpoint(small_backbone, tmp_path, monkeypatch):
    run = TrainingRun(short(), tmp_path, NOTHING)
    run.save()
    before = run.checkpoint.read_bytes()
    monkeypatch.setattr(training_run, "LOG_EVERY", 0.0)
    monkeypatch.setattr(training_run, "SAVE_EVERY", 0.0)
    monkeypatch.setattr(run, "_step", lambda pool: torch.full((4,), float("nan")))
    with pytest.raises(RuntimeError, match=r"diverged: after 0 images, .*smaller peak_rate than"):
        run.run()
    assert run.checkpoint.read_bytes() == before


def test_training_lowers_the_losses(small_backbone, tmp_path):
    """The pool is not renewed: its images are overfitted."""
    run = TrainingRun(short(n_images=10**6, batch_size=16), tmp_path, NOTHING)
    with run._open_pool() as pool:
        pool.take_until(16)
        losses = torch.stack([run._step(pool) for _ in range(80)])
    assert (losses[-10:].mean(dim=0) < 0.8 * losses[:10].mean(dim=0)).all()


# The command line


def embed(weights, windows):
    """Embed with torch: ONNX Runtime would first export the weights, which takes seconds."""
    embedder = TinyBioMoEEmbedder(weights, engine="torch")
    return make_biosignal_embedder("eda", 4, embedder=embedder).fit_transform(windows)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:weights='random'")
def test_the_real_network_learns(tmp_path, monkeypatch):
    monkeypatch.setattr(training_run, "LOG_EVERY", 0.0)
    recipe = short(n_images=96, batch_size=8, pool_size=64, group_size=4, warm_up=16)
    run = TrainingRun(recipe, tmp_path, NOTHING)
    run.run()
    losses = pd.read_csv(run.log)[list(OBJECTIVES)].sum(axis=1)
    assert losses.tail(4).mean() < 0.9 * losses.head(4).mean()
    path = convert(run.checkpoint, tmp_path / "weights.safetensors", "float16")
    untrained, trained = (
        embed(weights, np.random.default_rng(0).uniform(2, 3, size=(3, 240)))
        for weights in ("random", str(path))
    )
    assert np.isfinite(trained).all()
    assert np.abs(trained - untrained).max() > 0.1


@pytest.mark.slow
def test_the_command_trains_weights_that_embed(tmp_path, monkeypatch, capsys):
    """With the real network, for two steps."""

    def run_command(*options):
        command = ["pretraining", "--folder", str(tmp_path), "--batch-size", "4", "--workers", "0"]
        command += ["--pool-size", "16", "--group-size", "2", "--modalities", "eda", "spo2"]
        monkeypatch.setattr(sys, "argv", [*command, *options])
        main()

    run_command("--images", "8")
    assert capsys.readouterr().out.startswith("8 images in ")
    path = tmp_path / "weights.safetensors"
    assert path.stat().st_size < 15e6
    windows = np.random.default_rng(0).uniform(2, 3, size=(2, 240))
    assert np.isfinite(embed(str(path), windows)).all()
    with pytest.raises(SystemExit, match="2"):
        run_command("--images", "12", "--seed", "1")
    assert "trained with other values of seed" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "one of the arguments --images --minutes is required"),
        (["--images", "8", "--minutes", "3"], "not allowed with argument"),
        (["--images", "8", "--pool-size", "15"], "pool_size=15; expected a multiple of 4"),
        (["--images", "8", "--recordings", "/none"], "No recording at /none"),
    ],
)
def test_bad_options(tmp_path, monkeypatch, capsys, options, message):
    command = ["--folder", str(tmp_path / "run"), "--group-size", "2", "--pool-size", "16"]
    monkeypatch.setattr(sys, "argv", ["pretraining", *command, *options])
    with pytest.raises(SystemExit, match="2"):
        main()
    assert message in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def processes_of(group):
    """Return the processes of a process group that have not ended."""
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, own = status.read_text().rpartition(")")[2].split()[:3]
        except FileNotFoundError:
            continue
        if own == str(group) and state != "Z":
            found.append(status)
    return found


# As python -m sklearn_biomoe.pretraining, with a small network and a log after each step.
PRETRAINING = """
import runpy
from small_backbone import SmallBackbone
from sklearn_biomoe.pretraining import targets, training_run
from sklearn_biomoe.weights import random_weights
random_weights.TinyBioMoE = SmallBackbone
targets.N_TO_STANDARDISE = 32
training_run.LOG_EVERY = 0.0
runpy.run_module("sklearn_biomoe.pretraining", run_name="__main__", alter_sys=True)
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc").is_dir(), reason="processes are listed as Linux does")
@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGKILL])
@pytest.mark.usefixtures("interrupts")
def test_no_process_is_left(tmp_path, sent):
    """After Ctrl-C, which all processes receive, and after the parent was killed."""
    command = [sys.executable, "-c", PRETRAINING, "--folder", str(tmp_path)]
    command += ["--minutes", "30", "--modalities", "eda", "--workers", "1", "--batch-size", "2"]
    command += ["--pool-size", "16", "--group-size", "2"]
    path = os.pathsep.join([str(Path(__file__).parent), *filter(None, sys.path)])
    with subprocess.Popen(
        command,
        env=os.environ | {"PYTHONPATH": path},
        start_new_session=True,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        for _ in range(600):
            if (tmp_path / "log.csv").exists():
                break
            time.sleep(0.2)
        assert len(processes_of(process.pid)) >= 3
        if sent == signal.SIGINT:
            os.killpg(process.pid, sent)
        else:
            process.kill()
        try:
            _, errors = process.communicate(timeout=60)
        except subprocess.TimeoutExpired:  # leaving the context would wait for ever
            os.killpg(process.pid, signal.SIGKILL)
            raise
    assert process.returncode == (130 if sent == signal.SIGINT else -signal.SIGKILL), errors
    if sent == signal.SIGINT:
        assert errors == f"Interrupted. The same command resumes the run in {tmp_path}.\n"
    for _ in range(100):
        if not processes_of(process.pid):
            break
        time.sleep(0.1)
    assert processes_of(process.pid) == []
