"""
Your own data: CSV, Parquet and EDF
===================================

Read recordings of six subjects from files of three formats, cut them into one table of windows, and
write a report. The files are simulated.
"""

# %%
# The simulated files contain eight minutes of pulse per subject, and a table of the tasks of each
# subject with start and stop in seconds. Skip this part with your own files.

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
from edfio import Edf, EdfSignal

from sklearn_biomoe.datasets import make_biosignal_windows

temporary = TemporaryDirectory()
folder = Path(temporary.name)
simulated = make_biosignal_windows(6, 8, modalities=["bvp"], random_state=0)
for subject, cells in simulated.data.groupby("subject")["bvp"]:
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
        "subject": [f"S{subject}" for subject in simulated.groups],
        "start": starts,
        "stop": starts + 60,
        "state": np.where(simulated.target == 1, "stress", "rest"),
    }
).to_csv(folder / "tasks.csv", index=False)

# %%
# One function reads all formats, by channel name. EDF files contain the sampling rate; for CSV and
# Parquet files, it must be given.

from sklearn_biomoe import read_recording

recordings = {}
for path in sorted(folder.glob("S*")):
    options = {} if path.suffix == ".edf" else {"sampling_rate": 64}
    bvp = read_recording(path, "BVP", **options)["BVP"]
    recordings[path.stem] = {"bvp": bvp.samples}
    print(f"{path.name}: {len(bvp.samples)} samples at {bvp.sampling_rate:g} Hz")

# %%
# Labels are given on a regular grid, here one per second, with None for seconds without a label.

tasks = pd.read_csv(folder / "tasks.csv")
labels = {}
for subject, own in tasks.groupby("subject"):
    seconds = np.full(own["stop"].max(), None)
    for start, stop, state in zip(own["start"], own["stop"], own["state"], strict=True):
        seconds[start:stop] = state
    labels[subject] = seconds
tasks.head(3)

# %%
# ``cut_windows`` returns one row per window, and lists dropped windows with the reason.

from sklearn_biomoe import cut_windows

windows = cut_windows(recordings, {"bvp": 64}, duration=60, labels=labels)
table = windows.data.assign(state=windows.target, start=windows.start_times)
print(f"{len(table)} windows, {len(windows.dropped)} dropped")
table.head(3)

# %%
# Inspect one window of each format, with axes in seconds and hertz. An implausible heart rate
# indicates a wrong sampling rate.

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
# A study holds out each subject once. With the start and stop of each window, it adds control
# methods that use only the time, and warns if they score above chance.

from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_biomoe import make_multimodal_embedder, run_study

classifier = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, class_weight="balanced"))
study = run_study(
    {"embeddings": make_pipeline(make_multimodal_embedder({"bvp": 64}), classifier)},
    table[["bvp"]],
    table["state"],
    table["subject"],
    intervals=np.column_stack([table["start"], table["start"] + 60]),
)
for method, row in study.summary().iterrows():
    print(f"{method}: balanced accuracy {row['mean']:.2f} ± {row['sd']:.2f}")

# %%
# The report is one self-contained HTML file. The command ``sklearn-biomoe study`` accepts the same
# table as a Parquet file.

page = study.report(folder / "study.html", images={"bvp": images}, title="Rest against stress")
table.to_parquet(folder / "windows.parquet")
print(f"{page.name}: {page.stat().st_size / 1000:.0f} kB")
temporary.cleanup()
