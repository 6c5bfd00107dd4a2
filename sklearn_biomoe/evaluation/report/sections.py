"""The parts of the page that tell in words, tables and curves."""

from collections.abc import Iterator, Mapping
from html import escape
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from .charts import curve, legend, roc_plot, strips
from .page import count, fold, interval, number, paragraph, percent, probability, table

MOST_CURVES = 6  # that can be told apart
DEEP = 0.8  # shares whose colour asks for white letters
METHODS_BESIDE = 8  # columns that fit a sheet of paper
MOST_IN_SIGHT = 12  # confusion matrices, and methods written out

CHANCE_BAND = {"chance_low", "chance_high"}


def best_first(study: Any) -> pd.DataFrame:
    """Return the summary, from the highest mean to the lowest, controls after all others."""
    ranked = study.summary().sort_values("mean", ascending=False, kind="stable")
    is_control = ranked.index.isin(study.controls)
    return pd.concat([ranked[~is_control], ranked[is_control]])


def rows_once(study: Any) -> pd.DataFrame:
    """Return each window's subject and target once, however many methods and repeats there are."""
    return study.predictions.drop_duplicates("window")


# Who was studied, and how


def facts(study: Any, title: str) -> str:
    """Say what was judged: windows, subjects, classes, protocol, chance."""
    rows = rows_once(study)
    of_subject = rows["subject"].value_counts()
    fewest, most = of_subject.min(), of_subject.max()
    each = f"{fewest:,}" if fewest == most else f"{fewest:,} to {most:,}"
    shares = [(rows["target"] == name).mean() for name in study.classes]
    n_classes = len(study.classes)
    told = {
        "Windows": f"{len(rows):,}",
        "Subjects": f"{len(of_subject):,}, with {each} windows each",
        "Classes": ", ".join(
            f"{name} {percent(share)}" for name, share in zip(study.classes, shares, strict=True)
        ),
        "Methods": f"{study.predictions['method'].nunique() - len(study.controls):,}",
        "Protocol": protocol(study.predictions),
        "Score": "balanced accuracy: the mean of the classes' recalls, for each subject",
        "Chance": f"{number(1 / n_classes)}, whatever the shares of the {n_classes} classes",
    }
    items = "\n".join(
        f"<dt>{name}</dt><dd>{escape(str(value))}</dd>" for name, value in told.items()
    )
    return f'<header>\n<h1>{escape(title)}</h1>\n<dl class="facts">\n{items}\n</dl>\n</header>'


def protocol(predictions: pd.DataFrame) -> str:
    """Say how windows came to be tested, as the predictions show it."""
    tested = predictions[["repeat", "fold", "subject"]].drop_duplicates()
    n_subjects = tested.groupby(["repeat", "fold"]).size()
    n_folds = n_subjects.groupby("repeat").size().max()
    n_repeats = tested["repeat"].nunique()
    repeated = f", repeated {n_repeats} times" if n_repeats > 1 else ""
    if not leaves_subjects_out(predictions):
        return f"{count(n_folds, 'fold')} that split subjects{repeated}"
    if n_subjects.max() == 1:
        return f"leave one subject out: {count(n_folds, 'fold')}{repeated}"
    few, many = n_subjects.min(), n_subjects.max()
    size = f"{few}" if few == many else f"{few} to {many}"
    return f"{count(n_folds, 'fold')}, each leaving out {size} whole subjects{repeated}"


def leaves_subjects_out(predictions: pd.DataFrame) -> bool:
    """Tell whether every subject was tested in one fold, whole."""
    folds = predictions[["repeat", "subject", "fold"]].drop_duplicates()
    return not folds.duplicated(["repeat", "subject"]).any()


def alarms(study: Any) -> str:
    """Raise the study's alarms, or say that there is none."""
    if not study.alarms:
        return paragraph(
            "<b>No alarm.</b> The documentation of studies says what was looked for.", "quiet"
        )
    items = []
    for alarm in study.alarms:
        about = f"{alarm.kind}, {alarm.method}" if alarm.method is not None else alarm.kind
        items.append(f"<li><b>{escape(about)}:</b> {escape(alarm.message)}</li>")
    heading = f"{count(len(items), 'alarm')}: read this before any score"
    return "\n".join(
        [f'<div class="alarms" role="alert"><h2>{heading}</h2>', "<ul>", *items, "</ul></div>"]
    )


# How methods scored


def ranking(study: Any, ranked: pd.DataFrame) -> str:
    """Tell every method's scores, best first, and show every subject's."""
    n_methods = len(ranked) - len(study.controls)
    row, several = ranked.iloc[0], n_methods > 1
    best = f"<strong>{escape(str(ranked.index[0]))}</strong>"
    who = f"Of {n_methods} methods, {best} scored highest:" if several else f"{best} scored"
    lead = (
        f"{who} a balanced accuracy of <strong>{number(row['mean'])}</strong>, the mean over "
        f"subjects (95 % interval {interval(row['low'], row['high'])}; chance "
        f"{number(1 / len(study.classes))})."
    )
    chosen = (
        "It was picked by these very scores as the highest of several, and would probably score "
        "lower on new subjects."
    )
    columns, rows = _ranking_table(study, ranked)
    return "\n".join(
        [
            paragraph(lead, "lead"),
            paragraph(chosen, "note") if several else "",
            table(columns, rows, caption=_ranking_caption(study, ranked), kind="best"),
            strips(study, ranked),
        ]
    )


def _ranking_table(study: Any, summary: pd.DataFrame) -> tuple[list[str], list[list[str]]]:
    others = study.scores.groupby("method")[["macro_f1", "roc_auc"]].mean()
    told = pd.DataFrame(index=summary.index)
    told["Balanced accuracy"] = [
        f"{number(mean)} ± {number(sd)}"
        for mean, sd in zip(summary["mean"], summary["sd"], strict=True)
    ]
    told["95 % interval"] = list(map(interval, summary["low"], summary["high"]))
    if set(summary) >= CHANCE_BAND:
        told["By chance"] = list(map(interval, summary["chance_low"], summary["chance_high"]))
    if "p_value" in summary:
        told["p"] = summary["p_value"].map(probability)
    told["Macro-F1"] = others["macro_f1"].map(number)
    told["ROC-AUC"] = others["roc_auc"].map(number)
    if "n_subjects" in summary and len(set(summary["n_subjects"])) > 1:
        told["Subjects"] = summary["n_subjects"]
    if "seconds" in summary:
        told["Seconds"] = [f"{seconds:,.1f}" for seconds in summary["seconds"]]
    return ["Method", *told.columns], told.reset_index().to_numpy().tolist()


def _ranking_caption(study: Any, summary: pd.DataFrame) -> str:
    text = (
        "Mean ± standard deviation over subjects, best first. The interval is a bootstrap over "
        "subjects: what the mean could have been with others."
    )
    if study.controls:
        text += " Below the methods stand controls, which know only when a window was recorded."
    if set(summary) >= CHANCE_BAND:
        text += " By chance: where a method that knows nothing would come out."
    if "p_value" in summary:
        text += " p: of scoring so high by chance."
    return text


def comparisons(study: Any, ranked: pd.DataFrame) -> str:
    """Compare the best method with each other one, subject by subject."""
    best, pairs = ranked.index[0], study.comparisons()
    if not len(pairs):
        return ""
    against = _against(pairs, best)
    against = against.loc[ranked.index.intersection(against.index, sort=False)]
    rows = [
        [
            rival,
            ("+" if row["difference"] > 0 else "") + number(row["difference"]),
            interval(row["low"], row["high"]),
            probability(row["p_value"]),
            probability(row["p_corrected"]),
        ]
        for rival, row in against.iterrows()
    ]
    text = (
        f"How much higher <strong>{escape(str(best))}</strong> scores than each other method on "
        f"the same subjects: {count(len(rows), 'comparison')} of the {len(pairs):,} that the study "
        "makes."
    )
    caption = (
        "Mean over subjects of the difference in balanced accuracy. The corrected p, after Holm, "
        "allows for the number of comparisons: judge by it."
    )
    columns = ["Other method", "Difference", "95 % interval", "p", "p, corrected"]
    return paragraph(text) + table(columns, rows, caption=caption)


def _against(pairs: pd.DataFrame, best: Any) -> pd.DataFrame:
    """Return the comparisons of a method, all told as that method minus the other."""
    given = pairs[pairs["method"] == best].set_index("other")
    turned = pairs[pairs["other"] == best].set_index("method")
    turned = turned.assign(
        difference=-turned["difference"], low=-turned["high"], high=-turned["low"]
    )
    return pd.concat([given, turned])


def confusions(study: Any, ranked: pd.DataFrame) -> str:
    """Show each method's confusion matrix."""
    n_repeats = study.predictions["repeat"].nunique()
    summed = f", summed over {n_repeats} repeats" if n_repeats > 1 else ""
    note = (
        f"Rows are true classes, columns predicted ones. Numbers are windows of all "
        f"subjects{summed}; percentages and colours are shares of the row."
    )
    least = 3 + 4.4 * len(study.classes)  # rem, for names of classes to stay whole
    figures = [_confusion(study.confusion(name), str(name)) for name in ranked.index]
    grids = [
        f'<div class="multiples confusions" style="--least:{least:.1f}rem">{"".join(some)}</div>'
        for some in (figures[:MOST_IN_SIGHT], figures[MOST_IN_SIGHT:])
        if some
    ]
    return paragraph(note, "note") + _first_and_folded(grids, len(figures) - MOST_IN_SIGHT)


def _first_and_folded(parts: list[str], n_others: int) -> str:
    """Return the first part, of the best methods, and the others to be opened."""
    first, *others = parts
    if not others:
        return first
    return f"{first}\n{fold(count(n_others, 'other method'), chr(10).join(others))}"


def _confusion(counts: pd.DataFrame, name: str) -> str:
    head = "".join(f'<th scope="col">{escape(str(label))}</th>' for label in counts.columns)
    body = [
        f'<tr><th scope="row">{escape(str(label))}</th>{_confusion_cells(row)}</tr>'
        for label, row in zip(counts.index, counts.to_numpy(), strict=True)
    ]
    return (
        f"<figure><figcaption>{escape(name)}</figcaption>\n<table><thead><tr><td></td>{head}</tr>"
        f"</thead>\n<tbody>{''.join(body)}</tbody></table></figure>\n"
    )


def _confusion_cells(row: NDArray[np.integer]) -> str:
    shares = row / max(1, row.sum())
    return "".join(
        f'<td class="{"deep" if share > DEEP else "pale"}" style="--share:{share:.3f}">'
        f"{n:,.0f}<small>{share:.0%}</small></td>"
        for n, share in zip(row, shares, strict=True)
    )


def roc_curves(study: Any, ranked: pd.DataFrame) -> str:
    """Draw the curves of the best methods that give probabilities, for each class or the second."""
    columns = [f"probability_{name}" for name in study.classes]
    of_method = dict(list(study.predictions.groupby("method")))
    able = [name for name in ranked.index if of_method[name][columns].notna().all(axis=None)]
    if not able:
        return paragraph("No method gives probabilities, which the curves are made of.", "note")
    shown = able[:MOST_CURVES]
    decided = study.classes[1:] if len(study.classes) == 2 else study.classes
    figures = [
        roc_plot(
            [curve(of_method[m]["target"] == c, of_method[m][f"probability_{c}"]) for m in shown],
            str(c),
        )
        for c in decided
    ]
    auc = study.scores.groupby("method")["roc_auc"].mean()
    named = legend([(str(name), number(auc[name])) for name in shown])
    return (
        paragraph(escape(_about_curves(study, ranked, able, shown)), "note")
        + f'<div class="multiples curves">{"".join(figures)}{named}</div>'
    )


def _about_curves(study: Any, ranked: pd.DataFrame, able: list[Any], shown: list[Any]) -> str:
    n_classes = len(study.classes)
    which = f"The best {len(shown)} of {len(able)} methods" if len(able) > len(shown) else "Methods"
    what = f"class {study.classes[1]}" if n_classes == 2 else "each class against the others"
    unable = [str(name) for name in ranked.index if name not in able]
    without = f" Without probabilities, and so without curves: {'; '.join(unable)}."
    return (
        f"{which}, {what}, windows of all subjects pooled. Beside each name stands the mean of the "
        "subjects' own ROC-AUC, which pooled curves may flatter or belittle."
        f"{without if unable else ''}"
    )


# Details


def subjects(study: Any, ranked: pd.DataFrame) -> str:
    """Tell every subject's score by every method."""
    scores = study.scores.pivot_table("balanced_accuracy", "subject", "method", dropna=False)
    n_windows = rows_once(study)["subject"].value_counts()
    n_methods = len(ranked)
    tables = []
    for start in range(0, n_methods, METHODS_BESIDE):
        beside = list(ranked.index[start : start + METHODS_BESIDE])
        rows = [
            [subject, f"{n_windows[subject]:,}", *map(number, scores.loc[subject, beside])]
            for subject in scores.index
        ]
        which = f"methods {start + 1} to {start + len(beside)} of {n_methods}, best first"
        caption = f"Balanced accuracy of each subject by {which}."
        tables.append(table(["Subject", "Windows", *beside], rows, caption=caption, kind="narrow"))
    return _first_and_folded(tables, n_methods - METHODS_BESIDE)


def methods(study: Any) -> str:
    """Say what each method is."""
    items = "\n".join(
        f"<dt>{escape(str(name))}</dt><dd><pre>{escape(str(text))}</pre></dd>"
        for name, text in study.methods.items()
    )
    listed = f'<dl class="methods">\n{items}\n</dl>'
    n_methods = len(study.methods)
    return listed if n_methods <= MOST_IN_SIGHT else fold(count(n_methods, "method"), listed)


def environment(study: Any) -> str:
    """Say what the study ran on, and with which weights."""
    rows = [
        f'<tr><th scope="row">{escape(name)}</th><td>{escape(value)}</td></tr>'
        for name, value in _lines(study.environment)
    ]
    return "\n".join(['<table class="wide keys"><tbody>', *rows, "</tbody></table>"])


def basis(study: Any) -> str:
    """Say what of the test subject was used."""
    if leaves_subjects_out(study.predictions):
        text = (
            "Each window was predicted by a model that was fitted without any window of its "
            "subject: neither that subject's signals nor its labels were seen. When it predicts, a "
            "method may still look at all of the test subject's unlabelled windows, or at some "
            "marked for calibration, as SubjectScaler does with unseen='own' or 'calibration': the "
            "list of methods tells."
        )
    else:
        text = (
            "Windows of one subject were tested in several folds: models had been fitted to other "
            "windows of the subject that they predict. These scores do not tell how new subjects "
            "would fare."
        )
    return paragraph(escape(text))


def _lines(values: Mapping[str, Any], within: str = "") -> Iterator[tuple[str, str]]:
    """Yield a row for each value, of dicts in dicts too."""
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _lines(value, f"{within}{name}: ")
        else:
            yield f"{within}{name}", str(value)
