"""
Your own data: CSV, Parquet and EDF
===================================

Recordings of six subjects, in files of three formats, become one table of windows, and the table
becomes a report. The files are made up here, in the place of yours.
"""

# %%
# The made-up files: eight minutes of pulse of each subject, and a list of who did what
# from which second to which. Skip this part; you have files.

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
from edfio import Edf, EdfSignal

from sklearn_biomoe.datasets import make_biosignal_windows

temporary = TemporaryDirectory()
folder = Path(temporary.name)
made_up = make_biosignal_windows(6, 8, modalities=["bvp"], random_state=0)
for subject, cells in made_up.data.groupby("subject")["bvp"]:
    signal = np.concatenate(list(cells))
    if subject <= 2:
        pd.DataFrame({"BVP": signal}).to_csv(folder / f"S{subject}.csv", index=False)
    elif subject <= 4:
        pd.DataFrame({"BVP": signal}).to_parquet(folder / f"S{subject}.parquet")
    else:
        channel = EdfSignal(signal, sampling_frequency=64, label="BVP")
        Edf([channel]).write(folder / f"S{subject}.edf")
starts = np.tile(np.arange(8) * 60, 6)
pd.DataFrame(
    {
        "subject": [f"S{subject}" for subject in made_up.groups],
        "start": starts,
        "stop": starts + 60,
        "state": np.where(made_up.target == 1, "stress", "rest"),
    }
).to_csv(folder / "tasks.csv", index=False)

# %%
# One function reads all formats, by the names of channels. CSV and Parquet do not tell their
# sampling rate; EDF does.

from sklearn_biomoe.recordings import read_recording

recordings = {}
for path in sorted(folder.glob("S*")):
    told = {} if path.suffix == ".edf" else {"sampling_rate": 64}
    bvp = read_recording(path, "BVP", **told)["BVP"]
    recordings[path.stem] = {"bvp": bvp.samples}
    print(f"{path.name}: {len(bvp.samples)} samples at {bvp.sampling_rate:g} Hz")

# %%
# Labels are wanted on a grid: here one for each second, None where there is none.

tasks = pd.read_csv(folder / "tasks.csv")
labels = {}
for subject, own in tasks.groupby("subject"):
    seconds = np.full(own["stop"].max(), None)
    for start, stop, state in zip(own["start"], own["stop"], own["state"], strict=True):
        seconds[start:stop] = state
    labels[subject] = seconds
tasks.head(3)

# %%
# Cutting makes the table: a row for each window. What is left out is listed with the reason, here
# nothing.

from sklearn_biomoe.signals import cut_windows

windows = cut_windows(recordings, {"bvp": 64}, duration=60, labels=labels)
table = windows.data.assign(state=windows.target, start=windows.start_times)
print(f"{len(table)} windows, {len(windows.dropped)} dropped")
table.head(3)

# %%
# Look before you score: a window from each format, over axes in seconds and Hz. A heart rate that
# cannot be is a sampling rate that is wrong.

import matplotlib.pyplot as plt

from sklearn_biomoe import BiosignalImageTransformer
from sklearn_biomoe.plotting import plot_image

images = BiosignalImageTransformer(sampling_rate=64, modality="bvp").fit_transform(table["bvp"])
figure, axes = plt.subplots(1, 3, figsize=(11, 4), layout="constrained")
for axis, name in zip(axes, ["S1.csv", "S3.parquet", "S5.edf"], strict=True):
    window = np.flatnonzero(table["subject"] == name.split(".")[0])[0]
    plot_image(axis, images, window, 0)
    axis.set_title(f"{name}, {table['state'][window]}")
plt.show()

# %%
# A study leaves out each subject once. Told when windows began and ended, it adds methods that know
# nothing but the time, and warns where they score.

from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_biomoe import make_multimodal_embedder
from sklearn_biomoe.evaluation import run_study

classify = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, class_weight="balanced"))
study = run_study(
    {"embeddings": make_pipeline(make_multimodal_embedder({"bvp": 64}), classify)},
    table[["bvp"]],
    table["state"],
    table["subject"],
    intervals=np.column_stack([table["start"], table["start"] + 60]),
)
for method, row in study.summary().iterrows():
    print(f"{method}: balanced accuracy {row['mean']:.2f} ± {row['sd']:.2f}")

# %%
# The report is one file, which any browser opens without a network. The table, written to Parquet,
# is also what the command ``sklearn-biomoe study`` takes, see :doc:`/own_data`.

page = study.report(folder / "study.html", images={"bvp": images}, title="Rest against stress")
table.to_parquet(folder / "windows.parquet")
print(f"{page.name}: {page.stat().st_size / 1000:.0f} kB")
temporary.cleanup()
