"""A study's page holds the study's numbers, stands alone, and reads in a browser and on paper."""

import re
import shutil
import sys
from base64 import b64decode
from html.parser import HTMLParser
from io import BytesIO
from itertools import chain
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from sklearn.metrics import balanced_accuracy_score, f1_score, roc_auc_score

from sklearn_biomoe import BiosignalImageTransformer, plotting
from sklearn_biomoe.evaluation.report import write_report

HOSTILE = 'EDA <b onclick="alert(1)">&amp;</b> $title'


def fake_study(methods, n_subjects, classes, *, n_windows=20, n_repeats=1, seed=0):
    """Make up a study that leaves one subject out, of `methods`: names to how well they do."""
    rng = np.random.default_rng(seed)
    subject = np.repeat([f"S{number:02d}" for number in range(2, n_subjects + 2)], n_windows)
    target = np.tile(np.arange(n_windows) % 3 % len(classes), n_subjects)
    ease = np.repeat(rng.normal(0, 0.8, n_subjects), n_windows)
    frames = [
        _predictions(name, skill, repeat, subject, target, ease, classes, rng)
        for name, skill in methods.items()
        for repeat in range(n_repeats)
    ]
    predictions = pd.concat(frames, ignore_index=True)
    scores = pd.DataFrame(
        [
            {"method": method, "subject": subject, "n_windows": len(rows), **_scores(rows, classes)}
            for (method, subject), rows in predictions.groupby(["method", "subject"], sort=False)
        ]
    )
    return SimpleNamespace(
        predictions=predictions,
        scores=scores,
        summary=lambda: _summary(scores, classes, rng=np.random.default_rng(1)),
        comparisons=lambda: _comparisons(scores, list(methods)),
        confusion=lambda method: _confusion(predictions[predictions["method"] == method], classes),
        alarms=(),
        controls=(),
        classes=np.array(classes),
        environment={
            "python": "3.11.7",
            "packages": {"numpy": "2.4.6", "scikit-learn": "1.9.1", "torch": "2.13.0+cpu"},
            "weights_sha256": "5e1f" * 16,
            "seed": 0,
        },
        methods={name: f"Pipeline(steps=[('model', Model({name!r}))])" for name in methods},
    )


def _predictions(name, skill, repeat, subject, target, ease, classes, rng):
    one_hot = np.eye(len(classes))[target]
    logits = one_hot * (skill * (1 + ease))[:, None] + rng.normal(size=one_hot.shape)
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    frame = pd.DataFrame(
        {
            "method": name,
            "repeat": repeat,
            "fold": pd.factorize(subject)[0],
            "subject": subject,
            "window": np.arange(len(subject)),
            "target": np.array(classes)[target],
            "predicted": np.array(classes)[probabilities.argmax(axis=1)],
        }
    )
    given = probabilities if "vote" not in name else np.full_like(probabilities, np.nan)
    return frame.assign(**{f"probability_{c}": given[:, i] for i, c in enumerate(classes)})


def _scores(rows, classes):
    probabilities = rows[[f"probability_{name}" for name in classes]].to_numpy()
    decided = probabilities[:, 1] if len(classes) == 2 else probabilities
    auc = np.nan
    if np.isfinite(probabilities).all():
        auc = roc_auc_score(rows["target"], decided, multi_class="ovr", labels=classes)
    return {
        "balanced_accuracy": balanced_accuracy_score(rows["target"], rows["predicted"]),
        "macro_f1": f1_score(rows["target"], rows["predicted"], average="macro"),
        "roc_auc": auc,
    }


def _summary(scores, classes, rng):
    rows = {}
    for method, own in scores.groupby("method", sort=False)["balanced_accuracy"]:
        drawn = rng.choice(own.to_numpy(), (500, len(own))).mean(axis=1)
        rows[method] = {
            "mean": own.mean(),
            "sd": own.std(),
            "low": np.quantile(drawn, 0.025),
            "high": np.quantile(drawn, 0.975),
            "n_subjects": len(own),
            "chance_low": 1 / len(classes) - 0.03,
            "chance_high": 1 / len(classes) + 0.03,
            "p_value": 0.0002 if own.mean() > 1.1 / len(classes) else 0.31,
            "seconds": 10.0 * len(rows) + 0.25,
            "of_no_use_here": "x",
        }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("method")


def _comparisons(scores, methods):
    table = scores.pivot_table("balanced_accuracy", "subject", "method")
    rows = []
    for i, method in enumerate(methods):
        for other in methods[i + 1 :]:
            gain = table[method] - table[other]
            rows.append((method, other, gain.mean(), gain.min(), gain.max(), 0.004, 0.04))
    columns = ["method", "other", "difference", "low", "high", "p_value", "p_corrected"]
    return pd.DataFrame(rows, columns=columns)


def _confusion(rows, classes):
    table = pd.crosstab(rows["target"], rows["predicted"])
    return table.reindex(index=classes, columns=classes, fill_value=0)


# Reading pages


class Page(HTMLParser):
    """Reads a page, and refuses tags that are not closed in order."""

    VOID = frozenset(["meta", "img"])

    def __init__(self, html):
        super().__init__()
        self.open, self.tags, self.links, self.ids, self.texts = [], [], [], [], []
        self.tables, self.alts = [], []
        self.feed(html)
        self.close()
        assert not self.open
        self.text = " ".join(" ".join(self.texts).split())

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.tags.append(tag)
        self.links += [attrs[name] for name in ("src", "href", "srcset", "data") if name in attrs]
        self.ids += [attrs["id"]] if "id" in attrs else []
        self.alts += [attrs["alt"]] if tag == "img" else []
        if tag not in self.VOID:
            self.open.append(tag)
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag in ("td", "th"):
            self.tables[-1][-1].append("")

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)

    def handle_endtag(self, tag):
        if tag not in self.VOID:
            assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] != "style":
            self.texts.append(data)
        if {"td", "th"} & set(self.open):
            self.tables[-1][-1][-1] += data

    def table(self, corner):
        """Return the first table with this in its corner: dicts of its rows, by their names."""
        found = next(table for table in self.tables if table[0][0] == corner)
        return {row[0]: dict(zip(found[0], row, strict=True)) for row in found[1:]}


def read(study, tmp_path, **options):
    path = write_report(study, tmp_path / "study.html", **options)
    return Page(path.read_text(encoding="utf-8"))


SKILLS = {"fused": 1.3, "eda only": 0.9, "a majority vote": 0.5, HOSTILE: 0.2}


@pytest.fixture(scope="module")
def study():
    return fake_study(SKILLS, 9, ["rest", "stress"])


@pytest.fixture(scope="module")
def drawn():
    rng = np.random.default_rng(0)
    drawer = BiosignalImageTransformer(
        ["waveform", "spectrogram_psd"], sampling_rate=4, modality="eda"
    )
    return {"skin": drawer.fit_transform(3 + rng.normal(size=(180, 80)).cumsum(axis=1) / 50)}


def numbers(cell):
    return [float(n) for n in re.findall(r"[-+]?\d+\.\d+", cell.replace("\N{MINUS SIGN}", "-"))]


# What the page tells


def test_facts(study, tmp_path):
    page = read(study, tmp_path, title="Rest & <stress>")
    assert page.text.count("Rest & <stress>") == 2  # the page's name and its heading
    for told in [
        "Windows 180",
        "Subjects 9, with 20 windows each",
        "rest 65.0 %, stress 35.0 %",  # windows 1, 4, ... 19 of 20
        "leave one subject out: 9 folds",
        "Chance 0.500",
        "No alarm.",
        "not a medical device",
        "5e1f" * 16,
        "packages: scikit-learn 1.9.1",
        "Model('fused')",
    ]:
        assert told in page.text


@pytest.mark.parametrize(
    ("fold_of", "n_repeats", "told"),
    [
        (lambda rows: rows["fold"] // 3, 1, "3 folds, each leaving out 3 whole subjects"),
        (lambda rows: rows["fold"] // 4, 2, "each leaving out 1 to 4 whole subjects, repeated 2"),
        (lambda rows: rows["window"] % 5, 1, "5 folds that split subjects"),
    ],
)
def test_protocol_is_told_by_the_predictions(fold_of, n_repeats, told, tmp_path):
    study = fake_study({"fused": 1}, 9, ["rest", "stress"], n_repeats=n_repeats)
    study.predictions["fold"] = fold_of(study.predictions)
    page = read(study, tmp_path)
    assert told in page.text
    assert ("do not tell how new subjects would fare" in page.text) is ("split" in told)
    assert ("fitted without any window of its subject" in page.text) is ("split" not in told)


def test_alarms_come_before_scores(study, tmp_path):
    alarm = SimpleNamespace(kind="leak", method=HOSTILE, message="Rows 3 and 17 are <the> same.")
    other = SimpleNamespace(kind="time tells", method=None, message="Time alone scores 0.87.")
    page = read(SimpleNamespace(**{**vars(study), "alarms": (alarm, other)}), tmp_path)
    assert "2 alarms" in page.text
    assert "No alarm" not in page.text
    told = f"leak, {HOSTILE}: Rows 3 and 17 are <the> same. time tells: Time alone scores 0.87."
    assert page.text.index(told) < page.text.index("scored highest")


def test_scores_are_the_studys_best_first(study, tmp_path):
    rows = read(study, tmp_path).table("Method")
    summary = study.summary()
    assert list(rows) == list(summary["mean"].sort_values(ascending=False).index)
    for name, row in rows.items():
        own = study.scores[study.scores["method"] == name]
        for column, expected in {
            "Balanced accuracy": [
                own["balanced_accuracy"].mean(),
                own["balanced_accuracy"].std(),
            ],
            "95 % interval": summary.loc[name, ["low", "high"]].tolist(),
            "By chance": [0.47, 0.53],
            "Macro-F1": [own["macro_f1"].mean()],
            "Seconds": [summary.loc[name, "seconds"]],
        }.items():
            rounded = 0.051 if column == "Seconds" else 0.00051
            np.testing.assert_allclose(numbers(row[column]), expected, atol=rounded)
    assert rows["a majority vote"]["ROC-AUC"] == "\N{EN DASH}"
    auc = study.scores.groupby("method")["roc_auc"].mean()["fused"]
    assert rows["fused"]["ROC-AUC"] == f"{auc:.3f}"
    assert rows["fused"]["p"] == "< 0.001"
    assert "Subjects" not in rows["fused"]


def test_columns_that_a_study_may_lack_or_add(study, tmp_path):
    summary = study.summary()[["mean", "sd", "low", "high"]]
    lean = SimpleNamespace(**{**vars(study), "summary": lambda: summary})
    assert list(read(lean, tmp_path).table("Method")["fused"]) == [
        "Method",
        "Balanced accuracy",
        "95 % interval",
        "Macro-F1",
        "ROC-AUC",
    ]
    uneven = summary.assign(n_subjects=[9, 9, 9, 8])
    fewer = SimpleNamespace(**{**vars(study), "summary": lambda: uneven})
    assert read(fewer, tmp_path).table("Method")[HOSTILE]["Subjects"] == "8"


def test_comparisons_are_told_from_the_best_methods_side(tmp_path):
    study = fake_study({"poor": 0.1, "best": 2.0, "middling": 0.8}, 9, ["rest", "stress"])
    page = read(study, tmp_path)
    rows, pairs = page.table("Other method"), study.comparisons().set_index(["method", "other"])
    assert list(rows) == ["middling", "poor"]
    given, turned = pairs.loc[("best", "middling")], pairs.loc[("poor", "best")]
    for row, expected in [
        (rows["middling"], [given["difference"], given["low"], given["high"]]),
        (rows["poor"], [-turned["difference"], -turned["high"], -turned["low"]]),
    ]:
        found = numbers(row["Difference"]) + numbers(row["95 % interval"])
        np.testing.assert_allclose(found, expected, atol=0.00051)
        assert row["p, corrected"] == "0.040"
    assert "2 comparisons of the 3 that the study makes" in page.text


def test_one_method_has_nothing_to_compare(tmp_path):
    page = read(fake_study({"only": 1}, 4, ["rest", "stress"]), tmp_path)
    assert "Comparisons" not in page.text
    assert "picked by these very scores" not in page.text
    assert "only scored a balanced accuracy" in page.text


def test_confusions(study, tmp_path):
    tables = [table for table in read(study, tmp_path).tables if table[0][0] == ""]
    best = study.confusion("fused")
    assert len(tables) == len(SKILLS)
    assert tables[0][0][1:] == ["rest", "stress"]
    for cells, name in zip(tables[0][1:], ["rest", "stress"], strict=True):
        counts = best.loc[name]
        shares = 100 * counts / counts.sum()
        assert cells[0] == name
        assert cells[1:] == [f"{n}{share:.0f}%" for n, share in zip(counts, shares, strict=True)]


def test_scores_of_each_subject(study, tmp_path):
    rows = read(study, tmp_path).table("Subject")
    assert list(rows) == [f"S{number:02d}" for number in range(2, 11)]
    for score in study.scores.itertuples():
        assert rows[score.subject][score.method] == f"{score.balanced_accuracy:.3f}"
        assert rows[score.subject]["Windows"] == "20"


def test_dots_stand_at_their_scores(study, tmp_path):
    html = write_report(study, tmp_path / "study.html").read_text(encoding="utf-8")
    strip = html[html.index("fused: mean ") :].split("</svg>")[0]
    dots = re.findall(r'cx="([\d.]+)%"[^>]*><title>subject (S\d\d): ([\d.]+)', strip)
    scores = study.scores[study.scores["method"] == "fused"].set_index("subject")
    assert {name: value for _, name, value in dots} == {
        name: f"{value:.3f}" for name, value in scores["balanced_accuracy"].items()
    }
    places, values = np.array([(place, value) for place, _, value in dots], dtype=float).T
    slope, start = np.polyfit(values, places, 1)
    np.testing.assert_allclose(places, start + slope * values, atol=0.1)
    labels = re.findall(r'<text x="([\d.]+)%" y="13"[^>]*>([\d.]+)<', html)
    ticks = np.array(labels, dtype=float)
    np.testing.assert_allclose(ticks[:, 0], start + slope * ticks[:, 1], atol=0.2)


def test_roc_curves_of_two_classes(study, tmp_path):
    html = write_report(study, tmp_path / "study.html").read_text(encoding="utf-8")
    paths = re.findall(r'class="((?:first )?curve)" d="M([^"]+)"', html)
    assert len(paths) == 3  # the vote gives no probabilities
    assert "Without probabilities, and so without curves: a majority vote." in html
    assert [kind for kind, _ in paths].count("first curve") == 1
    best = next(way for kind, way in paths if kind == "first curve")
    at = np.array([point.split() for point in best.split("L")], dtype=float)
    rates = (at - at[0]) / (at[-1] - at[0])
    area = np.trapezoid(rates[:, 1], rates[:, 0])
    rows = study.predictions[study.predictions["method"] == "fused"]
    expected = roc_auc_score(rows["target"] == "stress", rows["probability_stress"])
    assert area == pytest.approx(expected, abs=0.002)


def test_many_methods_and_classes(tmp_path):
    skills = {f"method {number}": number / 20 for number in range(40)}
    classes = ["high", "low", "none"]
    page = read(fake_study(skills, 5, classes, n_repeats=2), tmp_path)
    assert "39 comparisons of the 780" in page.text
    folded = re.findall(r"<summary>(.*?)</summary>", (tmp_path / "study.html").read_text())
    assert folded == ["28 other methods", "32 other methods", "40 methods"]
    assert "The best 6 of 40 methods, each class against the others" in page.text
    assert "summed over 2 repeats" in page.text
    beside = [table[0][2:] for table in page.tables if table[0][0] == "Subject"]
    assert list(map(len, beside)) == [8] * 5
    assert list(chain(*beside)) == list(page.table("Method"))
    assert "Chance 0.333" in page.text


def test_without_probabilities(tmp_path):
    study = fake_study({"a vote": 1, "another vote": 0.5}, 4, ["rest", "stress"])
    assert "No method gives probabilities" in read(study, tmp_path).text


def test_classes_and_subjects_may_be_numbers(drawn, tmp_path):
    study = fake_study({"fused": 1, "eda": 0.5}, 9, [0, 1])
    for frame in (study.predictions, study.scores):
        frame["subject"] = frame["subject"].str[1:].astype(int)
    page = read(study, tmp_path, images=drawn)
    assert list(page.table("Subject")) == [str(number) for number in range(2, 11)]
    assert "True class: 1" in page.text


# Example windows


def test_examples_are_the_surest_right_and_wrong(study, drawn, tmp_path):
    page = read(study, tmp_path, images=drawn)
    rows = study.predictions[study.predictions["method"] == "fused"]
    sure = rows[["probability_rest", "probability_stress"]].max(axis=1)
    for target in ("rest", "stress"):
        for predicted in ("rest", "stress"):
            kind = (rows["target"] == target) & (rows["predicted"] == predicted)
            row = rows.loc[sure[kind].idxmax()]
            verdict = "Right" if target == predicted else "Wrong"
            assert (
                f"{verdict} : true {target}, predicted {predicted}, probability "
                f"{sure[kind].max():.2f}. Subject {row['subject']}, row {row['window']}"
            ) in page.text
            assert f"skin: eda_waveform of row {row['window']}" in page.alts
    windows = [int(n) for n in re.findall(r"Subject S\d\d, row (\d+)", page.text)]
    assert len(windows) == len(set(windows)) == len(page.alts) / 2 == 8


def test_images_show_the_window_over_its_axes(study, drawn, tmp_path, monkeypatch):
    shown = []
    plot = plotting.plot_image
    monkeypatch.setattr(plotting, "plot_image", lambda *args: (shown.append(args), plot(*args)))
    page = read(study, tmp_path, images=drawn)
    axis, stack, window, number = shown[1]
    assert axis.get_xlabel() == "time (s)"
    assert axis.get_ylabel() == "frequency (Hz)"
    assert page.alts[1] == f"skin: {stack.image_names[number]} of row {window}"
    png = b64decode(next(link for link in page.links if link.startswith("data:")).split(",")[1])
    assert Image.open(BytesIO(png)).size == (480, 450)


def test_examples_without_probabilities_and_with_many_images(drawn, tmp_path):
    study = fake_study({"a vote": 1}, 9, ["rest", "stress"])
    page = read(study, tmp_path, images={**drawn, "again": drawn["skin"], "more": drawn["skin"]})
    assert "The first 4 of 6 images" in page.text
    assert "predicted rest. Subject" in page.text
    assert len(page.alts) == 8 * 4


# The file


def test_page_stands_alone_and_is_well_formed(study, drawn, tmp_path):
    page = read(study, tmp_path, images=drawn)
    assert all(link.startswith(("#part", "data:image/png;base64,")) for link in page.links)
    assert {link[1:] for link in page.links if link.startswith("#")} == set(page.ids)
    assert len(page.ids) == len(set(page.ids)) == 9
    assert not {"script", "link", "iframe", "object"} & set(page.tags)
    html = (tmp_path / "study.html").read_text(encoding="utf-8")
    assert "default-src 'none'" in html
    assert 'onclick="' not in html
    assert "://" not in html


def test_names_are_shown_as_they_are(study, tmp_path):
    page = read(study, tmp_path, title=HOSTILE)
    assert HOSTILE in page.table("Method")
    assert HOSTILE in page.table("Subject")["S02"]
    assert page.text.count(HOSTILE) >= 8


def test_same_study_same_bytes(study, drawn, tmp_path):
    first = write_report(study, tmp_path / "a.html", images=drawn).read_bytes()
    assert write_report(study, tmp_path / "b.html", images=drawn).read_bytes() == first


def test_file_is_replaced_only_when_whole(study, tmp_path, monkeypatch):
    path = tmp_path / "study.html"
    path.write_text("before")
    monkeypatch.setattr("pathlib.Path.replace", _fail)
    with pytest.raises(OSError, match="full"):
        write_report(study, path)
    assert path.read_text() == "before"
    monkeypatch.undo()
    assert write_report(study, str(path)) == path
    assert path.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    assert list(tmp_path.iterdir()) == [path]


def _fail(*args):
    raise OSError("disk full")


def test_bad_input(study, drawn, tmp_path):
    stack, path = drawn["skin"], tmp_path / "study.html"
    with pytest.raises(TypeError, match="study is a dict without predictions, scores, summary"):
        write_report({}, path)
    with pytest.raises(ValueError, match=r"there is no folder .*none; make it first"):
        write_report(study, tmp_path / "none" / "study.html")
    with pytest.raises(ValueError, match=r"is a folder; name a file in it"):
        write_report(study, tmp_path)
    with pytest.raises(TypeError, match="images is a BiosignalImages; expected a dict"):
        write_report(study, path, images=stack)
    with pytest.raises(TypeError, match=r"images\['skin'\] is a ndarray; expected a Biosig"):
        write_report(study, path, images={"skin": np.zeros((180, 1, 8, 8, 3))})
    with pytest.raises(ValueError, match=r"images\['skin'\] holds 60 windows, but 180 rows were"):
        write_report(study, path, images={"skin": stack[:60]})
    assert not path.exists()


def test_matplotlib_is_needed_for_images_alone(study, drawn, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    write_report(study, tmp_path / "study.html")
    with pytest.raises(ImportError, match=r"need matplotlib: pip install 'sklearn-biomoe\[plot\]'"):
        write_report(study, tmp_path / "study.html", images=drawn)


# In a browser

BROWSERS = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"]


@pytest.fixture(scope="module")
def browser():
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None:
        pytest.skip(f"no browser: none of {', '.join(BROWSERS)} is on the path")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path)
        yield browser
        browser.close()


def look(browser, path, width):
    """Open a page so wide; return it, what it said to the console, and what it asked for."""
    page = browser.new_page(viewport={"width": width, "height": 800})
    said, asked = [], []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(path.as_uri(), wait_until="load")
    return page, said, [url for url in asked if not url.startswith("data:image/png")]


MANY = {f"spectrogram_psd_of_eda_and_bvp_by_method_{n}": n / 10 for n in range(12)}


@pytest.mark.parametrize("classes", [["rest", "stress"], ["amusement", "baseline", "stress"]])
def test_in_a_browser(browser, drawn, classes, tmp_path):
    study = fake_study({**MANY, HOSTILE: 0.1}, 9, classes)
    path = write_report(study, tmp_path / "study.html", images=drawn, title=HOSTILE)
    for width in (375, 1200):
        page, said, asked = look(browser, path, width)
        assert said == []
        assert asked == [path.as_uri()]
        assert page.title() == HOSTILE
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.locator("section h2:visible").count() == 9
        assert page.locator(".strip svg[role=img]:visible").count() == 13
        assert page.locator(".confusions table:visible").count() == 12
        page.get_by_text("1 other method", exact=True).click()
        assert page.locator(".confusions table:visible").count() == 13
        n_plots = {2: 1, 3: 3}[len(classes)]
        assert page.locator(".curves path:visible").count() == 6 * n_plots
        assert page.evaluate("[...document.images].every(image => image.naturalWidth == 480)")
        dots = (
            "[...document.querySelectorAll('.dot')].map(dot => dot.getBoundingClientRect().width)"
        )
        assert page.evaluate(dots) == pytest.approx([7] * 13 * 9, abs=0.1)  # at any width
        page.close()


def test_on_paper(browser, study, drawn, tmp_path):
    path = write_report(study, tmp_path / "study.html", images=drawn)
    page, said, _ = look(browser, path, 800)
    page.emulate_media(media="print")
    assert page.pdf(format="A4").startswith(b"%PDF")
    assert not page.locator("nav").is_visible()
    assert page.locator("section:visible").count() == 9
    hidden = (
        "[...document.querySelectorAll('.scroll')].some(e => e.scrollWidth > e.clientWidth + 1)"
    )
    assert not page.evaluate(hidden)
    assert said == []
    page.close()
