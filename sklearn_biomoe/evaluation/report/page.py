"""The page template, HTML elements, files to save, and formats of numbers."""

from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from importlib import resources
from string import Template
from typing import Any

import pandas as pd

MISSING, MINUS = "\N{EN DASH}", "\N{MINUS SIGN}"

# The policy blocks all requests to the network.
PAGE = Template("""\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<title>$title</title>
<style>
$style</style>
</head>
<body>
<main>
$body
<footer class="note">Research software, not a medical device.</footer>
</main>
</body>
</html>
""")


def render_page(title: str, body: str) -> str:
    """Return the page with its style sheet."""
    style = read_style("style.css") + read_style("charts.css")
    return PAGE.substitute(title=escape(title), style=style, body=body)


def read_style(name: str) -> str:
    """Return a style sheet of this package."""
    return resources.files(__package__).joinpath(name).read_text(encoding="utf-8")


def render_sections(contents: Mapping[str, str]) -> str:
    """Return links to all sections, and the sections under their headings."""
    links, sections = [], []
    for number, (title, content) in enumerate(contents.items(), start=1):
        links.append(f'<a href="#part{number}">{escape(title)}</a>')
        sections.append(
            f'<section id="part{number}">\n<h2>{escape(title)}</h2>\n{content}\n</section>'
        )
    return "\n".join(["<nav>", *links, "</nav>", *sections])


def render_table(
    columns: Sequence[Any],
    rows: Iterable[Sequence[Any]],
    *,
    caption: str,
    kind: str = "",
    link: str = "",
) -> str:
    """Return a table that scrolls within the page; the first column has the names of the rows."""
    head = "".join(f'<th scope="col">{escape(str(name))}</th>' for name in columns)
    body = []
    for number, (name, *values) in enumerate(rows):
        first = "" if number else ' class="first"'
        cells = "".join(f"<td>{escape(str(value))}</td>" for value in values)
        body.append(f'<tr{first}><th scope="row">{escape(str(name))}</th>{cells}</tr>')
    table = "\n".join(
        [
            f'<table class="wide {kind}">',
            f"<thead><tr>{head}</tr></thead>",
            "<tbody>",
            *body,
            "</tbody></table>",
        ]
    )
    return (
        f'<figure class="table">\n{render_scrolling(table, caption)}\n'
        f"<figcaption>{escape(caption)}{link}</figcaption>\n</figure>"
    )


def render_scrolling(table: str, label: str) -> str:
    """Return a table in a region that scrolls sideways, with a hint that shows if it has to."""
    return (
        f'<div class="scroll" role="region" tabindex="0" aria-label="{escape(label)}">'
        '<div class="content"><div class="hint" aria-hidden="true"><span>Scroll sideways '
        f"\N{RIGHTWARDS ARROW}</span></div>\n{table}</div></div>"
    )


MEDIA_TYPES = {"csv": "text/csv;charset=utf-8", "svg": "image/svg+xml"}


def render_link(name: str, content: str) -> str:
    """Return a link that saves a file, which the page contains."""
    kind = name.rpartition(".")[2]
    data = b64encode(content.encode()).decode()
    return (
        f' <a class="save" download="{name}" href="data:{MEDIA_TYPES[kind]};base64,{data}">'
        f"Save {kind.upper()}</a>"
    )


def render_csv_link(name: str, table: pd.DataFrame, *, index: bool = False) -> str:
    """Return a link that saves a table, with unrounded numbers, as a CSV file."""
    return render_link(f"{name}.csv", table.to_csv(index=index, lineterminator="\r\n"))


def render_details(summary: str, content: str) -> str:
    """Return content that is shown after a click on its summary."""
    return f"<details>\n<summary>{escape(summary)}</summary>\n{content}\n</details>"


def render_paragraph(html: str, kind: str = "") -> str:
    """Return a paragraph of HTML."""
    return f'<p class="{kind}">{html}</p>' if kind else f"<p>{html}</p>"


def format_number(value: Any, digits: int = 3) -> str:
    """Return a number with ``digits`` decimals, or a dash for NaN."""
    return MISSING if pd.isna(value) else f"{value:.{digits}f}".replace("-", MINUS)


def format_tick(value: float) -> str:
    """Return a round number on an axis."""
    return f"{round(value, 10):,g}".replace("-", MINUS)


def format_interval(low: Any, high: Any, digits: int = 3) -> str:
    """Return two numbers as a range."""
    if pd.isna(low) or pd.isna(high):
        return MISSING
    return f"{format_number(low, digits)} to {format_number(high, digits)}"


def format_range(numbers: pd.Series) -> str:
    """Return the lowest and highest of some counts, or the only one: 8, 8 to 12."""
    low, high = numbers.min(), numbers.max()
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def format_p_value(p_value: float) -> str:
    """Return a p-value, or that it is below 0.001."""
    return "< 0.001" if p_value < 0.001 else format_number(p_value)


def format_count(n: int, name: str) -> str:
    """Return a count with its noun: 1 window, 3,291 windows."""
    return f"{n:,} {name}" if n == 1 else f"{n:,} {name}s"
