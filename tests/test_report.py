"""Reports: numbers of the study, self-contained pages, and their look in a browser and in print."""

import re
import sys
from base64 import b64decode
from dataclasses import replace
from html.parser import HTMLParser
from io import BytesIO
from itertools import chain

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from sklearn.metrics import roc_auc_score

from sklearn_biomoe import BiosignalImageTransformer
from sklearn_biomoe.evaluation import Alarm, Study
from sklearn_biomoe.evaluation.report import examples, write_report

HOSTILE = 'EDA <b onclick="alert(1)">&amp;</b> $title'


def make_study(methods, n_subjects, classes, *, n_windows=20, n_repeats=1):
    """Simulate a study that leaves one subject out; methods are names with their skill."""
    rng = np.random.default_rng(0)
    subject = np.repeat([f"S{number:02d}" for number in range(2, n_subjects + 2)], n_windows)
    target = np.tile(np.arange(n_windows) % 3 % len(classes), n_subjects)
    ease = np.repeat(rng.normal(0, 0.8, n_subjects), n_windows)
    predictions = [
        predict(name, skill * (1 + ease), repeat, subject, target, np.array(classes), rng)
        for name, skill in methods.items()
        for repeat in range(n_repeats)
    ]
    return Study(
        predictions=pd.concat(predictions, ignore_index=True),
        classes=np.array(classes),
        alarms=(),
        methods={name: f"Pipeline(steps=[('model', Model({name!r}))])" for name in methods},
        environment={
            "python": "3.11.7",
            "packages": {"numpy": "2.4.6", "scikit-learn": "1.9.1", "torch": "2.13.0+cpu"},
            "weights_sha256": "5e1f" * 16,
            "seed": 0,
        },
        seconds={name: 10.0 * number + 0.25 for number, name in enumerate(methods)},
    )


def predict(name, skill, repeat, subject, target, classes, rng):
    """Return predictions of one repeat; a name with "vote" has no probabilities."""
    one_hot = np.eye(len(classes))[target]
    logits = one_hot * skill[:, None] + rng.normal(size=one_hot.shape)
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    frame = pd.DataFrame(
        {
            "method": name,
            "repeat": repeat,
            "fold": pd.factorize(subject)[0],
            "subject": subject,
            "window": np.arange(len(subject)),
            "target": classes[target],
            "predicted": classes[probabilities.argmax(axis=1)],
        }
    )
    if "vote" in name:
        probabilities = np.full_like(probabilities, np.nan)
    return frame.assign(**{f"probability_{c}": probabilities[:, i] for i, c in enumerate(classes)})


# Reading pages


class Page(HTMLParser):
    """Parses a page, and checks that tags are closed in order."""

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
        """Return the rows of the first table with this corner cell, as dicts by their names."""
        found = next(table for table in self.tables if table[0][0] == corner)
        return {row[0]: dict(zip(found[0], row, strict=True)) for row in found[1:]}


def read(study, tmp_path, **options):
    path = write_report(study, tmp_path / "study.html", **options)
    return Page(path.read_text(encoding="utf-8"))


def numbers(cell):
    return [float(n) for n in re.findall(r"[-+]?\d+\.\d+", cell.replace("\N{MINUS SIGN}", "-"))]


SKILLS = {"fused": 1.3, "eda only": 0.9, "a majority vote": 0.5, HOSTILE: 0.2}


@pytest.fixture(scope="module")
def study():
    return make_study(SKILLS, 9, ["rest", "stress"])


@pytest.fixture(scope="module")
def images():
    transformer = BiosignalImageTransformer(["spectrogram_psd"], sampling_rate=4, modality="eda")
    walks = np.random.default_rng(0).normal(size=(180, 80)).cumsum(axis=1)
    return {"skin": transformer.fit_transform(3 + walks / 50)}


@pytest.fixture(scope="module")
def path(study, images, tmp_path_factory):
    return write_report(study, tmp_path_factory.mktemp("report") / "study.html", images=images)


@pytest.fixture(scope="module")
def html(path):
    return path.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def page(html):
    return Page(html)


# Numbers and texts


def test_facts(study, tmp_path):
    page = read(study, tmp_path, title="Rest & <stress>")
    assert page.text.count("Rest & <stress>") == 2  # the page's title and its heading
    for text in [
        "Windows 180",
        "Subjects 9, with 20 windows each",
        "rest 65.0 %, stress 35.0 %",  # windows 1, 4, ... 19 of 20
        "leave one subject out: 9 folds",
        "Chance 0.500",
        "No alarms.",
        "not a medical device",
        "5e1f" * 16,
        "packages: scikit-learn 1.9.1",
        "Model('fused')",
    ]:
        assert text in page.text
    assert HOSTILE in page.table("Method")
    assert HOSTILE in page.table("Subject")["S02"]
    assert page.text.count(HOSTILE) >= 8


@pytest.mark.parametrize(
    ("fold_of", "n_repeats", "text"),
    [
        (lambda rows: rows["fold"] // 3, 1, "3 folds, each leaving out 3 whole subjects"),
        (lambda rows: rows["fold"] // 4, 2, "each leaving out 1 to 4 whole subjects, repeated 2"),
        (lambda rows: rows["window"] % 5, 1, "5 folds that split subjects"),
    ],
)
def test_protocol_is_derived_from_the_predictions(fold_of, n_repeats, text, tmp_path):
    study = make_study({"fused": 1}, 9, ["rest", "stress"], n_repeats=n_repeats)
    study.predictions["fold"] = fold_of(study.predictions)
    page = read(study, tmp_path)
    assert text in page.text
    assert ("The scores do not apply to new subjects" in page.text) is ("split" in text)
    assert ("fitted without any window of the same subject" in page.text) is ("split" not in text)


def test_alarms_precede_scores(study, tmp_path):
    alarms = (
        Alarm("leak", HOSTILE, "Rows 3 and 17 are <the> same."),
        Alarm("time alone scores", None, "Time alone scores 0.87."),
    )
    page = read(replace(study, alarms=alarms), tmp_path)
    assert "2 alarms" in page.text
    assert "No alarms" not in page.text
    text = f'leak: "{HOSTILE}" Rows 3 and 17 are <the> same. time alone scores: Time alone'
    assert page.text.index(text) < page.text.index("scored best")


def test_scores_of_methods_best_first(study, page):
    rows, summary = page.table("Method"), study.summary()
    assert list(rows) == list(summary["mean"].sort_values(ascending=False).index)
    for name, row in rows.items():
        for column, keys in {
            "Balanced accuracy": ["mean", "sd"],
            "95 % interval": ["low", "high"],
            "Chance": ["chance_low", "chance_high"],
            "Macro-F1": ["macro_f1"],
            "Seconds": ["seconds"],
        }.items():
            rounded = 0.051 if column == "Seconds" else 0.00051
            expected = summary.loc[name, keys].tolist()
            np.testing.assert_allclose(numbers(row[column]), expected, atol=rounded)
    assert rows["a majority vote"]["ROC-AUC"] == "\N{EN DASH}"
    assert rows["fused"]["ROC-AUC"] == f"{summary.loc['fused', 'roc_auc']:.3f}"
    assert rows["fused"]["p"] == f"{summary.loc['fused', 'p_value']:.3f}"


def test_planned_comparisons(tmp_path):
    study = make_study({"poor": 0.1, "best": 2.0, "middling": 0.8}, 9, ["rest", "stress"])
    study.controls = ("middling",)
    page = read(study, tmp_path)
    table = next(table for table in page.tables if "Compared with" in table[0])
    expected = study.comparisons()
    assert len(table) - 1 == len(expected) == 3  # with the reference "poor", and the control
    for row, pair in zip(table[1:], expected.to_dict("records"), strict=True):
        assert row[:2] == [pair["method"], pair["other"]]
        effects = [pair[name] for name in ("effect_size", "effect_low", "effect_high")]
        found = numbers(row[2]) + numbers(row[3])
        differences = [pair[name] for name in ("difference", "low", "high")]
        np.testing.assert_allclose(found, differences, atol=0.00051)
        np.testing.assert_allclose(numbers(row[4]) + numbers(row[5]), effects, atol=0.0051)
        assert row[6] in (f"{pair['p_corrected']:.3f}", "< 0.001")
    assert page.text.index("Effect size") < page.text.index("p, corrected")
    assert "Nothing can be concluded" not in page.text


def test_too_few_subjects_for_any_conclusion(tmp_path):
    page = read(make_study({"eda": 0.5, "fused": 2.0}, 4, ["rest", "stress"]), tmp_path)
    assert (
        "Nothing can be concluded from p-values of comparisons with eda: with 4 subjects they "
        "cannot be below 0.125 after correction for 1 pair; 6 subjects are needed"
    ) in page.text
    assert "The smallest corrected p that 4 subjects allow: 0.125." in page.text


def test_one_method_without_comparisons(tmp_path):
    page = read(make_study({"only": 1}, 4, ["rest", "stress"]), tmp_path)
    assert "Comparisons" not in page.text
    assert "selected by these scores" not in page.text
    assert "only scored a mean balanced accuracy" in page.text


def test_one_subject_has_no_interval(tmp_path):
    page = read(make_study({"only": 1}, 1, ["rest", "stress"]), tmp_path)
    assert page.table("Method")["only"]["95 % interval"] == "\N{EN DASH}"


def test_confusions(study, page):
    tables = [table for table in page.tables if table[0][0] == ""]
    best = study.confusion("fused")
    assert len(tables) == len(SKILLS)
    assert tables[0][0][1:] == ["rest", "stress"]
    for cells, name in zip(tables[0][1:], ["rest", "stress"], strict=True):
        counts = best.loc[name]
        shares = 100 * counts / counts.sum()
        assert cells[0] == name
        assert cells[1:] == [f"{n}{share:.0f}%" for n, share in zip(counts, shares, strict=True)]


def test_scores_of_subjects(study, page):
    rows = page.table("Subject")
    assert list(rows) == [f"S{number:02d}" for number in range(2, 11)]
    for score in study.scores.itertuples():
        assert rows[score.subject][score.method] == f"{score.balanced_accuracy:.3f}"
        assert rows[score.subject]["Windows"] == "20"


def test_positions_of_dots(study, html):
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


def section(html, title):
    """Return a section of a page."""
    return html[html.index(f"<h2>{title}</h2>") :].split("</section>")[0]


def test_roc_curves_of_two_classes(study, html):
    html = section(html, "ROC curves")
    paths = re.findall(r'class="((?:first )?curve)" style="[^"]+" d="M([^"]+)"', html)
    assert len(paths) == 3  # the vote has no probabilities
    assert "Methods without probabilities have no curve: a majority vote." in html
    assert [kind for kind, _ in paths].count("first curve") == 1
    best = next(way for kind, way in paths if kind == "first curve")
    at = np.array([point.split() for point in best.split("L")], dtype=float)
    rates = (at - at[0]) / (at[-1] - at[0])
    area = np.trapezoid(rates[:, 1], rates[:, 0])
    rows = study.predictions[study.predictions["method"] == "fused"]
    expected = roc_auc_score(rows["target"] == "stress", rows["probability_stress"])
    assert area == pytest.approx(expected, abs=0.002)


def test_many_methods_and_classes(tmp_path):
    skills = {f"method {number}": number / 10 for number in range(20)}
    study = make_study(skills, 3, ["high", "low", "none"], n_repeats=2)
    page = read(study, tmp_path)
    folded = re.findall(r"<summary>(.*?)</summary>", (tmp_path / "study.html").read_text())
    assert folded == ["What was checked", "8 other methods", "13 other methods"]
    assert len(next(table for table in page.tables if "Compared with" in table[0])) == 20
    assert "The best 6 of 20 methods, each class against the others" in page.text
    assert "summed over 2 repeats" in page.text
    names = [table[0][2:] for table in page.tables if table[0][0] == "Subject"]
    assert list(map(len, names)) == [7, 7, 6]
    assert list(chain(*names)) == list(page.table("Method"))
    assert "Chance 0.333" in page.text


# Example windows


def test_examples_have_the_highest_probability(study, page):
    rows = study.predictions[study.predictions["method"] == "fused"]
    highest = rows[["probability_rest", "probability_stress"]].max(axis=1)
    for target in ("rest", "stress"):
        for predicted in ("rest", "stress"):
            kind = (rows["target"] == target) & (rows["predicted"] == predicted)
            row = rows.loc[highest[kind].idxmax()]
            outcome = "Correct" if target == predicted else "Wrong"
            assert (
                f"{outcome} : true {target}, predicted {predicted}, probability "
                f"{highest[kind].max():.2f}. Subject {row['subject']}, row {row['window']}"
            ) in page.text
            assert f"skin: eda_spectrogram_psd of row {row['window']}" in page.alts
    windows = [int(n) for n in re.findall(r"Subject S\d\d, row (\d+)", page.text)]
    assert len(windows) == len(set(windows)) == len(page.alts) == 8


def test_images_show_the_window_with_its_axes(study, images, page, tmp_path, monkeypatch):
    png = next(link for link in page.links if link.startswith("data:image/png"))
    png = b64decode(png.split(",")[1])
    assert Image.open(BytesIO(png)).size == (480, 550)
    shown, plot = [], examples.plot_image

    def record(*args, above):
        shown.append((*args, above))
        plot(*args, above=above)

    monkeypatch.setattr(examples, "plot_image", record)
    monkeypatch.setattr(examples, "WINDOWS_PER_OUTCOME", 1)
    alts = read(study, tmp_path, images=images).alts
    axis, stack, window, number, above = shown[0]
    np.testing.assert_array_equal(
        above.lines[0].get_ydata(), stack.windows.values[window][0].astype(float)
    )
    assert above.get_title() == stack.image_names[number]
    assert axis.get_xlabel() == "time (s)"
    assert axis.get_ylabel() == "frequency (Hz)"
    assert alts[0] == f"skin: {stack.image_names[number]} of row {window}"


def test_examples_without_probabilities_and_with_many_images(images, tmp_path, monkeypatch):
    monkeypatch.setattr(examples, "_render_image", lambda name, *_: f'<img alt="{name}">')
    study = make_study({"a vote": 1}, 9, ["rest", "stress"])
    page = read(study, tmp_path, images={f"skin {number}": images["skin"] for number in range(6)})
    assert "No method has probabilities" in page.text
    assert "The first 4 of 6 images" in page.text
    assert "predicted rest. Subject" in page.text
    assert page.alts == [f"skin {number}" for number in range(4)] * 8


def test_classes_and_subjects_may_be_numbers(images, tmp_path, monkeypatch):
    monkeypatch.setattr(examples, "_render_image", lambda name, *_: f'<img alt="{name}">')
    study = make_study({"fused": 1, "eda": 0.5}, 9, [0, 1])
    study.predictions["subject"] = study.predictions["subject"].str[1:].astype(int)
    page = read(study, tmp_path, images=images)
    assert list(page.table("Subject")) == [str(number) for number in range(2, 11)]
    assert "True class: 1" in page.text


# The file


def test_page_is_self_contained_and_well_formed(html, page):
    kinds = "image/png", "image/svg+xml", "text/csv;charset=utf-8"
    expected = ("#part", *(f"data:{kind};base64," for kind in kinds))
    assert all(link.startswith(expected) for link in page.links)
    assert {link[1:] for link in page.links if link.startswith("#")} == set(page.ids)
    assert len(page.ids) == len(set(page.ids)) == 11
    assert not {"script", "link", "iframe", "object"} & set(page.tags)
    assert "default-src 'none'" in html
    assert "color-scheme: light dark" in html
    assert 'onclick="' not in html
    assert "://" not in html


def test_same_study_gives_same_bytes(path, study, images, tmp_path):
    again = write_report(study, tmp_path / "study.html", images=images)
    assert again.read_bytes() == path.read_bytes()


def test_file_is_replaced_after_it_is_complete(study, tmp_path, monkeypatch):
    def fail(*args):
        raise OSError("disk full")

    path = tmp_path / "study.html"
    path.write_text("before")
    with monkeypatch.context() as patch:
        patch.setattr("pathlib.Path.replace", fail)
        with pytest.raises(OSError, match="full"):
            write_report(study, path)
    assert path.read_text() == "before"
    assert write_report(study, str(path)) == path
    assert path.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    assert list(tmp_path.iterdir()) == [path]


def test_wrong_input(study, images, tmp_path):
    stack, path = images["skin"], tmp_path / "study.html"
    with pytest.raises(TypeError, match="study is a dict; expected a Study"):
        write_report({}, path)
    with pytest.raises(ValueError, match=r"the folder .*none does not exist; create it first"):
        write_report(study, tmp_path / "none" / "study.html")
    with pytest.raises(ValueError, match=r"is a folder; pass a file in it"):
        write_report(study, tmp_path)
    with pytest.raises(TypeError, match="images is a BiosignalImages; expected a dict"):
        write_report(study, path, images=stack)
    with pytest.raises(TypeError, match=r"images\['skin'\] is a ndarray; expected Biosig"):
        write_report(study, path, images={"skin": np.zeros((180, 1, 8, 8, 3))})
    with pytest.raises(ValueError, match=r"images\['skin'\] has 60 windows, but the study has 180"):
        write_report(study, path, images={"skin": stack[:60]})
    assert not path.exists()


def test_only_images_need_matplotlib(study, images, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    write_report(study, tmp_path / "study.html")
    with pytest.raises(ImportError, match=r"need matplotlib: pip install 'sklearn-biomoe\[plot\]'"):
        write_report(study, tmp_path / "study.html", images=images)


# In a browser


def open_page(browser, path, width):
    """Open a page of a width; return it, its console messages, and the URLs it requests."""
    page = browser.new_page(viewport={"width": width, "height": 800})
    messages, requests = [], []
    page.on("console", lambda message: messages.append(message.text))
    page.on("pageerror", lambda error: messages.append(str(error)))
    page.on("request", lambda request: requests.append(request.url))
    page.goto(path.as_uri(), wait_until="load")
    return page, messages, [url for url in requests if not url.startswith("data:image/png")]


MANY = {f"spectrogram_psd_of_eda_and_bvp_by_method_{n}": n / 10 for n in range(12)}


@pytest.mark.parametrize("classes", [["rest", "stress"], ["amusement", "baseline", "stress"]])
def test_in_a_browser(browser, images, classes, tmp_path, monkeypatch):
    monkeypatch.setattr(examples, "WINDOWS_PER_OUTCOME", 1)
    study = make_study({**MANY, HOSTILE: 0.1}, 9, classes)
    path = write_report(study, tmp_path / "study.html", images=images, title=HOSTILE)
    for width in (375, 1200):
        page, messages, requests = open_page(browser, path, width)
        assert messages == []
        assert requests == [path.as_uri()]
        assert page.title() == HOSTILE
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.locator("section h2:visible").count() == {2: 11, 3: 10}[len(classes)]
        assert page.locator(".strip svg[role=img]:visible").count() == 13
        assert page.locator(".confusions table:visible").count() == 12
        page.get_by_text("1 other method", exact=True).click()
        assert page.locator(".confusions table:visible").count() == 13
        n_plots = {2: 2, 3: 3}[len(classes)]  # ROC and calibration; ROC of each class
        assert page.locator(".curves path:visible").count() == 6 * n_plots
        assert page.evaluate("[...document.images].every(image => image.naturalWidth == 480)")
        dots = (
            "[...document.querySelectorAll('.dot')].map(dot => dot.getBoundingClientRect().width)"
        )
        assert page.evaluate(dots) == pytest.approx([7] * 13 * 9, abs=0.1)  # at any width
        page.close()


def test_on_paper(browser, path):
    page, messages, _ = open_page(browser, path, 800)
    page.emulate_media(media="print")
    assert page.pdf(format="A4").startswith(b"%PDF")
    assert not page.locator("nav").is_visible()
    assert page.locator("section:visible").count() == 11
    hidden = (
        "[...document.querySelectorAll('.scroll')].some(e => e.scrollWidth > e.clientWidth + 1)"
    )
    assert not page.evaluate(hidden)
    assert messages == []
    page.close()
