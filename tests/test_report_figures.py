"""Figures, tables and files of reports, against scikit-learn and scipy, and in a browser."""

import re
import sys
from base64 import b64decode
from io import StringIO
from types import SimpleNamespace
from xml.etree import ElementTree as ET

import numpy as np
import pandas as pd
import pytest
from scipy.stats import pearsonr
from sklearn.calibration import calibration_curve
from sklearn.decomposition import PCA
from sklearn.dummy import DummyRegressor
from sklearn.feature_selection import f_classif
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import (
    brier_score_loss,
    cohen_kappa_score,
    mean_absolute_error,
    recall_score,
    root_mean_squared_error,
)
from sklearn.naive_bayes import GaussianNB
from sklearn.preprocessing import StandardScaler

from sklearn_biomoe import BiosignalImageTransformer, run_study
from sklearn_biomoe.evaluation import LeakWarning
from sklearn_biomoe.evaluation.report import examples, write_report
from sklearn_biomoe.evaluation.report.charts import Plot, Scale, join_charts
from sklearn_biomoe.evaluation.report.classes import compute_calibration, tabulate_thresholds
from sklearn_biomoe.evaluation.report.embedding_map import explained_share
from sklearn_biomoe.evaluation.report.ratings import bin_residuals
from sklearn_biomoe.ordinal import OrdinalClassifier

SUBJECTS, WINDOWS = 10, 20
GROUPS = np.repeat([f"S{number:02d}" for number in range(SUBJECTS)], WINDOWS)


def features(target, seed=0):
    """Return random features that depend on subjects and on the target."""
    random = np.random.default_rng(seed)
    levels = np.repeat(random.normal(size=(SUBJECTS, 6)), WINDOWS, axis=0)
    noise = random.normal(size=(len(target), 6))
    return levels + noise + 0.5 * np.asarray(target)[:, None] * np.linspace(0, 1, 6)


@pytest.fixture(scope="module")
def binary():
    y = np.tile([0, 1], len(GROUPS) // 2)
    methods = {"logistic": LogisticRegression(), "bayes": GaussianNB()}
    return run_study(methods, features(y), np.array(["rest", "stress"])[y], GROUPS)


@pytest.fixture(scope="module")
def ratings():
    y = np.random.default_rng(1).integers(0, 11, len(GROUPS)).astype(float)
    y[GROUPS == "S03"] = 4.0
    methods = {"ridge": Ridge(), "mean": DummyRegressor()}
    return run_study(methods, features(y / 3), y, GROUPS)


@pytest.fixture(scope="module")
def ordinal():
    y = np.tile([0, 1, 2, 2], len(GROUPS) // 4)
    levels = pd.Categorical.from_codes(y, ["none", "low", "high"], ordered=True)
    methods = {"steps": OrdinalClassifier(LogisticRegression()), "ridge": Ridge()}
    return run_study(methods, features(y), levels, GROUPS)


def write(study, folder, **options):
    return write_report(study, folder / "study.html", **options).read_text(encoding="utf-8")


def section(html, title):
    return html[html.index(f"<h2>{title}</h2>") :].split("</section>")[0]


def headings(html):
    return re.findall(r"<h2>(.*?)</h2>", html)


def table(html, corner):
    """Return the first table with this corner cell as a frame of texts."""
    for found in re.findall(r"<table.*?</table>", html, re.DOTALL):
        rows = [
            [re.sub("<.*?>", "", cell) for cell in re.findall(r"<t[hd].*?</t[hd]>", row)]
            for row in re.findall(r"<tr.*?</tr>", found)
        ]
        if rows[0][0] == corner:
            return pd.DataFrame(rows[1:], columns=rows[0]).set_index(corner)
    raise AssertionError(f"no table {corner!r}")


def number(cell):
    return float(cell.split(" ±")[0].replace("\N{MINUS SIGN}", "-"))


def files(html):
    """Return the files that a page can save, by name."""
    links = re.findall(r'download="([^"]+)" href="data:[^,]+;base64,([^"]+)"', html)
    assert len({name for name, _ in links}) == len(links)
    return {name: b64decode(data).decode() for name, data in links}


def points(shapes, kind):
    """Return the places of dots of a class in a plot, from 0 to 1."""
    found = re.findall(rf'<circle class="{kind}" cx="([\d.]+)" cy="([\d.]+)"', shapes)
    return (np.array(found, dtype=float) - [44, 274]) / [264, -264]


# Calibration and thresholds


def test_calibration_curves(binary, tmp_path):
    html = section(write(binary, tmp_path), "Calibration and thresholds")
    rows = binary.predictions[binary.predictions["method"] == "logistic"]
    target, probability = rows["target"] == "stress", rows["probability_stress"]
    shares, means = calibration_curve(target, probability, n_bins=10, strategy="quantile")
    np.testing.assert_allclose(compute_calibration(rows, "stress"), np.c_[means, shares])
    brier = brier_score_loss(target, probability)
    assert f"logistic, {brier:.3f}<" in html
    found = re.findall(r'<circle cx="([\d.]+)" cy="([\d.]+)" r="2.5" style="fill:var\(--c0\)', html)
    best = binary.summary()["mean"].drop("training majority").idxmax()
    assert best == "logistic"
    drawn = (np.array(found, dtype=float) - [44, 274]) / [264, -264]
    np.testing.assert_allclose(drawn, np.c_[means, shares], atol=0.0003)


def test_thresholds(binary, tmp_path):
    html = write(binary, tmp_path)
    scores = tabulate_thresholds(binary, "logistic").set_index("threshold")
    rows = binary.predictions[binary.predictions["method"] == "logistic"]
    for threshold in (0.3, 0.5):
        predicted = np.where(rows["probability_stress"] >= threshold, "stress", "rest")
        for label, name in [("stress", "sensitivity"), ("rest", "specificity")]:
            expected = np.mean(
                [
                    recall_score(own["target"], predicted[own.index], pos_label=label)
                    for _, own in rows.reset_index(drop=True).groupby("subject")
                ]
            )
            assert scores.loc[threshold, name] == pytest.approx(expected)
    # Where the methods decide, as in the table of scores.
    mean = binary.summary().loc["logistic", "mean"]
    shown = table(html, "Threshold").loc["0.5"]
    assert shown["Balanced accuracy"] == f"{mean:.3f}" == table(html, "Method").loc["logistic"][
        "Balanced accuracy"
    ].split(" ±")[0]  # fmt: skip
    assert shown["Predicted stress"] == f"{100 * scores.loc[0.5, 'predicted']:.1f} %"


def test_only_binary_studies_have_thresholds(ordinal, ratings, tmp_path):
    for study in (ordinal, ratings):
        titles = headings(write(study, tmp_path))
        assert not {"Calibration and thresholds", "ROC curves"} & set(titles)


# Ratings


def test_scores_of_ratings(ratings, tmp_path):
    html = write(ratings, tmp_path)
    rows = ratings.predictions[ratings.predictions["method"] == "ridge"]
    by_subject = [own for _, own in rows.groupby("subject")]
    mae = np.mean([mean_absolute_error(own["target"], own["predicted"]) for own in by_subject])
    rmse = np.mean([root_mean_squared_error(own["target"], own["predicted"]) for own in by_subject])
    main = table(html, "Method").loc["ridge"]
    assert number(main["MAE"]) == pytest.approx(mae, abs=0.00051)
    others = table(html[html.index("Subjects left out") - 2000 :], "Method").loc["ridge"]
    assert number(others["RMSE"]) == pytest.approx(rmse, abs=0.00051)
    within = [
        pearsonr(own["target"], own["predicted"]).statistic
        for own in by_subject
        if own["subject"].iloc[0] != "S03"
    ]
    assert number(others["Pearson within subjects"]) == pytest.approx(np.mean(within), abs=0.00051)
    means = rows.groupby("subject")[["target", "predicted"]].mean()
    between = pearsonr(means["target"], means["predicted"]).statistic
    assert number(others["Pearson between subjects"]) == pytest.approx(between, abs=0.00051)
    assert others["Subjects left out"] == "1 of 10"  # whose ratings are constant
    assert "Of 2 methods, <strong>ridge</strong> scored best: a mean MAE" in html
    constant = ratings.predictions[ratings.predictions["method"] == "training median"]
    errors = (constant["target"] - constant["predicted"]).abs().groupby(constant["subject"])
    assert f"; training median: {errors.mean().mean():.3f})" in html
    # All permutations of a subject's predictions have the mean error of all pairs of windows.
    pairs = [
        np.abs(own["target"].to_numpy()[:, None] - own["predicted"].to_numpy()).mean()
        for own in by_subject
    ]
    permuted = re.search(r"with its predictions permuted: ([\d.]+);", html)[1]
    assert float(permuted) == pytest.approx(np.mean(pairs), abs=0.01)
    assert "Negative differences are better" in html


def test_predicted_against_true_ratings_of_subjects(ratings, tmp_path):
    html = section(write(ratings, tmp_path), "Predicted and true ratings")
    plots = html.split("<figure>")[1:]
    assert len(plots) == SUBJECTS
    rows = ratings.predictions[ratings.predictions["method"] == "ridge"]
    own = rows[rows["subject"] == "S01"]
    mae = mean_absolute_error(own["target"], own["predicted"])
    r = pearsonr(own["target"], own["predicted"]).statistic
    assert f"S01: MAE {mae:.3f}, r {r:.3f}</figcaption>" in plots[1]
    assert ", r \N{EN DASH}</figcaption>" in plots[3]  # constant ratings
    low = np.floor(rows[["target", "predicted"]].to_numpy().min() / 2) * 2
    scale = np.array(re.findall(r'text-anchor="middle">([\d\N{MINUS SIGN}]+)<', plots[1]))
    high = float(scale[-1])
    drawn = points(plots[1], "dot") * (high - low) + low
    np.testing.assert_allclose(drawn, own[["target", "predicted"]], atol=0.01)


def test_residuals(ratings, tmp_path):
    rows = ratings.predictions[ratings.predictions["method"] == "ridge"]
    means = bin_residuals(rows)
    ordered = rows.assign(residual=rows["predicted"] - rows["target"])
    lowest = ordered[ordered["target"] == ordered["target"].min()]
    np.testing.assert_allclose(means[0], [0, lowest["residual"].mean()])
    assert means[0, 1] > 0 > means[-1, 1]  # predictions vary less than ratings
    bias = ordered.groupby("subject")["residual"].mean().mean()
    shown = f"{bias:.3f}".replace("-", "\N{MINUS SIGN}")
    assert f"The mean over subjects is {shown}." in write(ratings, tmp_path)


def test_examples_of_ratings(ratings, tmp_path, monkeypatch):
    monkeypatch.setattr(examples, "_render_image", lambda name, *_: f'<img alt="{name}">')
    transformer = BiosignalImageTransformer(sampling_rate=4, modality="eda")
    images = transformer.fit_transform(3 + np.random.default_rng(0).random((len(GROUPS), 40)))
    html = section(write(ratings, tmp_path, images={"eda": images}), "Example windows")
    rows = ratings.predictions[ratings.predictions["method"] == "ridge"]
    errors = (rows["predicted"] - rows["target"]).abs()
    nearest, farthest = rows.loc[errors.idxmin()], rows.loc[errors.idxmax()]
    for row, outcome in [(nearest, "Near"), (farthest, "Far")]:
        predicted = f"{row['predicted']:.2f}".replace("-", "\N{MINUS SIGN}")
        text = f"true {row['target']:.4g}, predicted {predicted}. Subject "
        assert f"{outcome}</b>: {text}{row['subject']}, row {row['window']}" in html
    assert html.count("<h3>Ratings ") == 2
    assert "axis of values that is the same for all windows" in html
    own = BiosignalImageTransformer(sampling_rate=4, modality="eda", value_range="window")
    images = own.fit_transform(3 + np.random.default_rng(0).random((len(GROUPS), 40)))
    html = section(write(ratings, tmp_path, images={"eda": images}), "Example windows")
    assert "the same for all windows" not in html


# Ordered levels


def test_ordinal_page(ordinal, tmp_path):
    html = write(ordinal, tmp_path)
    row = table(html, "Method").loc["steps"]
    rows = ordinal.predictions[ordinal.predictions["method"] == "steps"]
    codes = {"none": 0, "low": 1, "high": 2}
    kappas = [
        cohen_kappa_score(
            own["target"].map(codes), own["predicted"].map(codes), weights="quadratic"
        )
        for _, own in rows.groupby("subject")
    ]
    assert number(row["Quadratic weighted kappa"]) == pytest.approx(np.mean(kappas), abs=0.00051)
    assert "none 25.0 % &lt; low 25.0 % &lt; high 50.0 %" in html
    confusion = table(html, "")
    assert list(confusion.index) == list(confusion.columns) == ["none", "low", "high"]


def test_intervals_of_errors_are_cut_at_zero(tmp_path):
    """Of three subjects, one with other features: the t interval of a mean error is wide."""
    y, groups = np.tile([0.0, 1, 2, 3, 4, 5], 6), np.repeat([1, 2, 3], 12)
    noise = np.random.default_rng(0).normal(0, 0.1, len(y))
    X = (y + noise + np.where(groups == 3, 3.0, 0.0))[:, None]
    study = run_study({"ridge": Ridge()}, X, y, groups)
    assert study.summary().loc["ridge", "low"] < 0
    html = write(study, tmp_path)
    assert table(html, "Method").loc["ridge", "95 % interval"].startswith("0.000 to ")
    assert "lower is better; intervals are cut at 0." in html
    assert "95 % interval \N{MINUS SIGN}" not in html
    saved = pd.read_csv(StringIO(files(html)["scores.csv"]), index_col=0)
    low = study.summary().loc["ridge", "low"]
    assert saved.loc["ridge", "low"] == pytest.approx(low, rel=1e-12)


# Maps of embeddings


def test_explained_share_is_that_of_an_analysis_of_variance():
    random = np.random.default_rng(0)
    labels = np.repeat([0, 1, 2], [5, 9, 16])
    values = StandardScaler().fit_transform(random.normal(size=(30, 4)) + labels[:, None])
    f_values, _ = f_classif(values, labels)
    shares = 2 * f_values / (2 * f_values + 27)  # R² of three groups of 30 windows
    adjusted = 1 - (1 - shares) * 29 / 27
    assert explained_share(values, np.eye(3)[labels]) == pytest.approx(adjusted.mean())
    unrelated = [
        explained_share(random.normal(size=(40, 5)), np.eye(10)[np.arange(40) % 10])
        for _ in range(200)
    ]
    assert abs(np.mean(unrelated)) < 0.02


def test_map_of_embeddings(binary, tmp_path):
    embeddings = features(np.tile([0, 1], len(GROUPS) // 2))
    embeddings[7] = np.nan
    html = section(write(binary, tmp_path, embeddings=embeddings), "Embeddings")
    assert "embeddings differ more by subjects than by classes" in html
    assert "Left out: 1 window without embeddings." in html
    present = np.arange(len(GROUPS)) != 7
    values = StandardScaler().fit_transform(embeddings[present])
    places = PCA(2).fit(values).transform(values)
    drawn = points(html.split("<figure>")[1], "mapped")
    for column in (0, 1):
        assert pearsonr(drawn[:, column], places[:, column]).statistic > 0.9999
    share = 100 * PCA(2).fit(values).explained_variance_ratio_[0]
    assert f"principal component 1, {share:.1f} % of variance" in html
    assert len(set(re.findall(r'class="mapped"[^>]*style="fill:(#\w+)"', html))) == SUBJECTS
    assert len(set(re.findall(r'class="mapped"[^>]*style="fill:(var[^"]+)"', html))) == 2
    legend = re.findall(r'<li>.*?fill:([^"]+)".*?</svg>([^<]+)</li>', html)
    assert len({colour for colour, _ in legend}) == len(legend) == SUBJECTS + 2
    by_subject, by_class = (
        re.findall(r'class="mapped"[^>]*style="fill:([^"]+)"', part)
        for part in html.split("<figure>")[1:]
    )
    labels = np.tile(["rest", "stress"], len(GROUPS) // 2)
    for colour, name in legend:
        kind, _, label = name.partition(" ")
        found, own = (by_subject, GROUPS) if kind == "subject" else (by_class, labels)
        of_dots = np.array(found[: present.sum()]) == colour
        np.testing.assert_array_equal(of_dots, own[present] == label)


def test_classes_may_dominate(binary, tmp_path):
    y = np.tile([0, 1], len(GROUPS) // 2)
    embeddings = 5 * y[:, None] + np.random.default_rng(0).normal(size=(len(y), 3))
    assert "more by classes than by subjects" in write(binary, tmp_path, embeddings=embeddings)


def test_map_of_ratings_and_of_many_windows(ratings, tmp_path, monkeypatch):
    monkeypatch.setattr("sklearn_biomoe.evaluation.report.embedding_map.MAX_POINTS", 50)
    html = section(write(ratings, tmp_path, embeddings=features(np.zeros(200))), "Embeddings")
    assert "50 of 200 windows, chosen at random" in html
    assert len(points(html.split("<figure>")[1], "mapped")) == 50
    assert "(dark: low, bright: high)" in html


def test_umap_is_used_if_it_is_installed(binary, tmp_path, monkeypatch):
    class UMAP:
        def __init__(self, random_state, n_jobs):
            assert (random_state, n_jobs) == (0, 1)

        def fit_transform(self, values):
            return values[:, :2]

    monkeypatch.setitem(sys.modules, "umap", SimpleNamespace(UMAP=UMAP))
    embeddings = features(np.zeros(len(GROUPS)))
    html = section(write(binary, tmp_path, embeddings=embeddings), "Embeddings")
    assert html.count("<figure>") == 4
    assert "UMAP 2" in html
    monkeypatch.setitem(sys.modules, "umap", None)
    html = section(write(binary, tmp_path, embeddings=embeddings), "Embeddings")
    assert html.count("<figure>") == 2


@pytest.mark.parametrize(
    ("embeddings", "message"),
    [
        (np.zeros((len(GROUPS), 1)), r"shape \(200, 1\); expected a row for each window"),
        (np.zeros((3, 4)), "embeddings has 3 rows, but the study has 200 rows"),
        (np.full((len(GROUPS), 4), np.inf), "embeddings of row 0 are infinite"),
        (np.full((len(GROUPS), 4), np.nan), "NaN in all but two rows or fewer"),
    ],
)
def test_wrong_embeddings(binary, embeddings, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        write_report(binary, tmp_path / "study.html", embeddings=embeddings)


# Files


def test_saved_tables_equal_those_of_the_study(binary, tmp_path):
    saved = files(write(binary, tmp_path))
    scores = pd.read_csv(StringIO(saved["scores.csv"]), index_col=0)
    pd.testing.assert_frame_equal(scores.loc[list(binary.methods)], binary.summary())
    subjects = pd.read_csv(StringIO(saved["subjects.csv"]))
    pd.testing.assert_frame_equal(subjects, binary.scores, check_dtype=False)
    pairs = pd.read_csv(StringIO(saved["comparisons.csv"]))
    pd.testing.assert_frame_equal(pairs, binary.comparisons(), check_dtype=False)
    counts = pd.read_csv(StringIO(saved["confusion.csv"]))
    own = counts[counts["method"] == "bayes"].pivot_table("windows", "true", "predicted")
    assert own.to_numpy().tolist() == binary.confusion("bayes").to_numpy().tolist()
    assert {"thresholds.csv", "roc.svg", "calibration.svg", "scores.svg"} <= set(saved)


@pytest.mark.parametrize("kind", ["binary", "ratings"])
def test_saved_figures_stand_alone(kind, request, tmp_path):
    study = request.getfixturevalue(kind)
    saved = files(write(study, tmp_path, embeddings=features(np.zeros(len(GROUPS)))))
    figures = {name: text for name, text in saved.items() if name.endswith(".svg")}
    assert len(figures) == {"binary": 4, "ratings": 4}[kind]
    for text in figures.values():
        root = ET.fromstring(text)
        assert root.tag == "{http://www.w3.org/2000/svg}svg"
        assert root[0].tag.endswith("title")
        assert "var(" not in text
        assert "<script" not in text
    for name in study.methods:
        assert f">{name}</text>" in figures["scores.svg"]


def test_long_names_fit_into_saved_figures():
    plot = Plot(Scale(0, 1, "x"), Scale(0, 1, "y"))
    name = "embeddings of spectrograms of electrodermal activity and of pulse"
    assert join_charts([plot.chart("plot")], [name], "plot").width > 7 * len(name)
    assert join_charts([plot.chart("plot")], ["short"], "plot").width < 400


def test_axes_have_round_numbers():
    scale = Scale.of([0.13, 0.91], "score")
    assert (scale.low, scale.high) == (0, 1)
    np.testing.assert_allclose(scale.ticks(), [0, 0.2, 0.4, 0.6, 0.8, 1])
    np.testing.assert_allclose(Scale.of([-3, 11], "x").ticks(), [-5, 0, 5, 10, 15])
    assert Scale.of([2, 2], "x").at([2, 3]).tolist() == [0, 1]


def test_numbers_agree_between_parts(binary, tmp_path):
    html = write(binary, tmp_path)
    mean = f"{binary.summary().loc['logistic', 'mean']:.3f}"
    lead = re.search(r'<p class="lead">(.*?)</p>', html)[1]
    assert f"<strong>{mean}</strong>" in lead
    assert f"logistic: mean {mean}, " in html  # the strip
    subjects = table(html, "Subject")
    assert np.mean([float(cell) for cell in subjects["logistic"]]) == pytest.approx(
        float(mean), abs=0.001
    )
    assert len(subjects) == 10
    assert "10, with 20 windows each" in html
    assert "on the same 10 subjects" in html


# In a browser


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["ratings", "ordinal"])
def test_tables_hint_at_scrolling(browser, kind, request, tmp_path):
    study = request.getfixturevalue(kind)
    path = write_report(study, tmp_path / "study.html", embeddings=features(np.zeros(len(GROUPS))))
    wide = "node => node.scrollWidth > node.clientWidth + 1"
    hint = "node => node.querySelector('.hint').getBoundingClientRect().height > 15"
    for width in (390, 1200):
        page = browser.new_page(viewport={"width": width, "height": 800})
        page.goto(path.as_uri())
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        regions = page.locator(".scroll:visible").all()
        hints = [region.evaluate(hint) for region in regions]
        assert hints == [region.evaluate(wide) for region in regions]
        assert any(hints) is (width == 390)
        page.close()


@pytest.mark.slow
def test_files_are_saved(browser, binary, tmp_path):
    path = write_report(binary, tmp_path / "study.html")
    saved = files(path.read_text(encoding="utf-8"))
    page = browser.new_page()
    page.goto(path.as_uri())
    for name in ("scores.csv", "roc.svg"):
        with page.expect_download() as download:
            page.locator(f'a[download="{name}"]').click()
        assert download.value.suggested_filename == name
        assert download.value.path().read_text(encoding="utf-8") == saved[name].replace(
            "\r\n", "\n"
        )
    page.close()


@pytest.mark.slow
@pytest.mark.parametrize("task", ["classification", "regression"])
def test_six_methods_need_six_pages_of_paper(browser, task, tmp_path, monkeypatch):
    random = np.random.default_rng(0)
    n_subjects = 34
    groups = np.repeat(np.arange(n_subjects), 20)
    y = np.tile([0, 1], 10 * n_subjects)
    X = random.normal(size=(len(y), 6)) + y[:, None]
    if task == "regression":
        y, models = y + random.normal(size=len(y)), [Ridge(10.0**n) for n in range(6)]
    else:
        models = [LogisticRegression(C=10.0**-n) for n in range(6)]
    methods = {f"embeddings of eda and bvp, {n}": model for n, model in enumerate(models)}
    starts = np.tile(np.arange(20) * 60.0, n_subjects)
    intervals = np.column_stack([starts, starts + 60])
    with pytest.warns(LeakWarning, match="time alone"):
        study = run_study(methods, X, y, groups, intervals=intervals)
    transformer = BiosignalImageTransformer(sampling_rate=4, modality="eda")
    images = transformer.fit_transform(3 + random.random((len(y), 40)))
    drawn = examples._render_image("eda", images, 0, 0)  # once: its size counts
    monkeypatch.setattr(examples, "_render_image", lambda *_: drawn)
    path = write_report(study, tmp_path / "a.html", embeddings=X, images={"eda": images})
    page = browser.new_page()
    page.goto(path.as_uri())
    pdf = page.pdf(format="A4")
    assert study.task.name == task
    assert len(re.findall(rb"/Type\s*/Page\b", pdf)) <= 6
    page.close()
