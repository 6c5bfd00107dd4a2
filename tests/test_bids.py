"""Physiological recordings of BIDS with their sidecars and events."""

import gzip
import json

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sklearn_biomoe.recordings import RecordingError, list_channels, read_recording

STEM = "sub-es01_task-pain_run-01"
NAME = f"{STEM}_recording-belt_physio"
SIDECAR = {
    "SamplingFrequency": 100.0,
    "StartTime": -3.5,
    "Columns": ["cardiac", "skinconductance"],
    "skinconductance": {"Units": "uS"},
}
SAMPLES = np.column_stack([np.arange(500) - 250, np.round(5 + np.arange(500) / 1000, 3)])
EVENTS = (
    "onset\tduration\ttrial_type\trating\tnote\tid\n"
    "25.0\t0.125\tNone\t40.5\tn/a\t007\n"
    "-1.5\tn/a\tpain\tn/a\tNone\t1E3\n"
)


def write(folder, sidecar=SIDECAR, samples=SAMPLES, events=EVENTS, start="", name=NAME):
    folder.mkdir(parents=True, exist_ok=True)
    rows = "".join(
        "\t".join("n/a" if np.isnan(x) else repr(float(x)) for x in r) + "\n" for r in samples
    )
    (folder / f"{name}.tsv.gz").write_bytes(gzip.compress((start + rows).encode()))
    if sidecar is not None:
        (folder / f"{name}.json").write_text(json.dumps(sidecar))
    if events is not None:
        (folder / f"{STEM}_events.tsv").write_text(events)
    return folder / f"{name}.tsv.gz"


def test_a_recording(tmp_path):
    path = write(tmp_path)
    recording = read_recording(path)
    assert list(recording.channels) == ["cardiac", "skinconductance"]
    for i, channel in enumerate(recording.channels.values()):
        np.testing.assert_array_equal(channel.samples, SAMPLES[:, i])
        assert channel.sampling_rate == 100
    assert recording["skinconductance"].unit == "uS"
    assert (recording.subject, recording.start_time) == ("es01", None)
    assert recording.notes == ("The first sample is at -3.5 s on the clock of the events.",)
    listed = list_channels(path)
    assert listed["n_samples"].tolist() == [500, 500]
    assert listed["sampling_rate"].tolist() == [100, 100]
    assert list(read_recording(path, "skinconductance").channels) == ["skinconductance"]
    with pytest.raises(RecordingError, match="'cardiac' is recorded at 100 Hz, but"):
        read_recording(path, sampling_rate=64)
    with pytest.raises(RecordingError, match="There is no channel 'eda'; the channels are"):
        read_recording(path, "eda")


def test_a_rate_that_the_sidecar_leaves_open(tmp_path):
    path = write(tmp_path, SIDECAR | {"SamplingFrequency": None})
    assert np.isnan(list_channels(path)["sampling_rate"]).all()
    assert read_recording(path, sampling_rate=50)["cardiac"].sampling_rate == 50
    with pytest.raises(RecordingError, match="no SamplingFrequency; pass sampling_rate in Hz"):
        read_recording(path)


def test_events_are_annotations(tmp_path):
    """Onsets count from the first sample; labels are text, and ratings stay numbers."""
    annotations = read_recording(write(tmp_path)).annotations
    assert annotations["onset"].tolist() == [2.0, 28.5]
    np.testing.assert_array_equal(annotations["duration"], [np.nan, 0.125])
    assert annotations["label"].tolist() == ["pain", "None"]
    np.testing.assert_array_equal(annotations["rating"], [np.nan, 40.5])
    assert annotations["note"].tolist() == ["None", None]
    assert annotations["id"].tolist() == ["1E3", "007"]
    (tmp_path / f"{STEM}_events.tsv").write_text("onset\tduration\tvalue\n1\t0\tn/a\n2\t0\t007\n")
    assert read_recording(write(tmp_path, events=None)).annotations["label"].tolist() == [
        "n/a",
        "007",
    ]
    assert len(read_recording(write(tmp_path), annotations=False).annotations) == 0


def test_other_events_are_not_taken(tmp_path):
    path = write(tmp_path, events=None)
    (tmp_path / "sub-es01_task-pain_run-02_events.tsv").write_text(EVENTS)
    recording = read_recording(path)
    assert len(recording.annotations) == 0
    assert recording.notes[-1] == "There is no file of events beside the recording."


def test_inherited_sidecars(tmp_path):
    """Fields of the folders above apply, and those nearer to the file win."""
    (tmp_path / "dataset_description.json").write_text("{}")
    (tmp_path / "physio.json").write_text(json.dumps(SIDECAR))
    (tmp_path / "task-rest_physio.json").write_text('{"SamplingFrequency": 7}')
    (tmp_path / "task-pain_physio.json").write_text('{"SamplingFrequency": 50, "StartTime": 0}')
    path = write(tmp_path / "sub-es01" / "func", {"StartTime": 1.25})
    recording = read_recording(path)
    assert recording["cardiac"].sampling_rate == 50
    assert recording.annotations["onset"].tolist() == [-2.75, 23.75]


def test_missing_samples_and_names_in_the_first_line(tmp_path):
    samples = SAMPLES[:4].copy()
    samples[1, 0] = np.nan
    path = write(tmp_path, samples=samples, start="cardiac\tskinconductance\n")
    np.testing.assert_array_equal(read_recording(path, "cardiac")["cardiac"].samples, samples[:, 0])


def test_a_truncated_file(tmp_path):
    path = write(tmp_path)
    path.write_bytes(path.read_bytes()[:-100])
    message = r"physio\.tsv\.gz: The compressed file is truncated after \d+ bytes; get a complete"
    with pytest.raises(RecordingError, match=message):
        read_recording(path)
    with pytest.raises(RecordingError, match=message):
        list_channels(path)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"sidecar": None}, rf"There is no sidecar {NAME}\.json; put it beside the file"),
        ({"sidecar": {"Columns": ["a", "b"]}}, "no SamplingFrequency; pass sampling_rate in Hz"),
        ({"sidecar": SIDECAR | {"Columns": "a"}}, "has Columns='a'; expected a list of names"),
        ({"sidecar": SIDECAR | {"Columns": ["a"]}}, r"Line 1 has 2 cells, but there is 1 column"),
        ({"sidecar": SIDECAR | {"SamplingFrequency": "100"}}, "SamplingFrequency='100'; expected"),
        ({"sidecar": SIDECAR | {"SamplingFrequency": 0}}, "SamplingFrequency=0; expected Hz"),
        ({"sidecar": SIDECAR | {"StartTime": "n/a"}}, "StartTime='n/a'; expected seconds"),
        ({"sidecar": [1]}, rf"The sidecar {NAME}\.json is not a JSON object"),
        ({"samples": []}, "The file has no samples"),
        ({"start": "1\tx\n"}, "Line 1, column 'skinconductance': 'x' is not a number"),
        ({"start": "1\t2\n1\n"}, "Line 2 has 1 cell, but there are 2 columns"),
        ({"events": "time\tlabel\n1\tx\n"}, r"_events\.tsv has the columns \['time', 'label'\]"),
        ({"events": "onset\tduration\nn/a\t1\n"}, r"_events\.tsv, line 2, has no onset"),
        ({"events": "onset\tduration\n1\tx\n"}, r"_events\.tsv, line 2, column 'duration': 'x' is"),
        ({"events": "onset\tduration\n1\t2\n3\n"}, r"_events\.tsv, line 3 has 1 cell, but"),
    ],
)  # fmt: skip
def test_recordings_that_are_refused(changed, message, tmp_path):
    with pytest.raises(RecordingError, match=rf"{NAME}\.tsv\.gz: .*{message}"):
        read_recording(write(tmp_path, **changed))


def test_a_sidecar_that_is_not_json(tmp_path):
    path = write(tmp_path)
    path.with_name(f"{NAME}.json").write_text("{'a': 1}")
    with pytest.raises(RecordingError, match=rf"The sidecar {NAME}\.json is not JSON: Expecting"):
        read_recording(path)
    path = write(tmp_path, {"Columns": ["a", "b"]})
    assert read_recording(path, sampling_rate=10)["a"].sampling_rate == 10


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    names=st.lists(
        st.sampled_from(["cardiac", "respiratory", "x y", "µ"]), min_size=1, unique=True
    ),
    n_samples=st.integers(1, 40),
    rate=st.sampled_from([0.5, 40, 1000]),
    start=st.sampled_from([0, -3.3035, 12.5]),
    events=st.lists(st.tuples(st.integers(-5, 900), st.sampled_from(["pain", "None", "1E3"]))),
    seed=st.integers(0, 99),
)
def test_random_recordings(tmp_path_factory, names, n_samples, rate, start, events, seed):
    generator = np.random.default_rng(seed)
    samples = generator.normal(size=(n_samples, len(names)))
    samples[generator.random(samples.shape) < 0.1] = np.nan
    sidecar = {"SamplingFrequency": rate, "StartTime": start, "Columns": names}
    text = "".join(f"{onset}\t1\t{label}\n" for onset, label in events)
    folder = tmp_path_factory.mktemp("bids")
    path = write(folder, sidecar, samples, "onset\tduration\ttrial_type\n" + text)
    recording = read_recording(path)
    assert list(recording.channels) == names
    for i, channel in enumerate(recording.channels.values()):
        assert channel.sampling_rate == rate
        np.testing.assert_array_equal(channel.samples, samples[:, i])
    expected = sorted(events, key=lambda event: event[0])
    np.testing.assert_allclose(recording.annotations["onset"], [at - start for at, _ in expected])
    assert recording.annotations["label"].tolist() == [label for _, label in expected]
