"""What all parts of the page share: its frame and style, sections, tables, numbers."""

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from string import Template
from typing import Any

import pandas as pd

NOTHING, MINUS = "\N{EN DASH}", "\N{MINUS SIGN}"

# The policy keeps the page to itself even where something in it would ask for more.
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
</main>
</body>
</html>
""")

FOOTER = '<footer class="note">Research software, not a medical device.</footer>'

STYLE = """\
:root {
  color-scheme: light dark;
  --paper: #fff; --ink: #1c2127; --soft: #5b6570; --line: #d9dde2; --faint: #f4f5f7;
  --blue: #1f5f8b; --shade: 31 95 139; --alarm: #a4161a; --alarm-paper: #fdf1f0; --good: #2f6b3a;
  --c0: #1f5f8b; --c1: #c8553d; --c2: #3b8a5a; --c3: #8a5a9e; --c4: #b07d12; --c5: #5b6570;
  --prose: Charter, "Bitstream Charter", "Iowan Old Style", "Sitka Text", Cambria, Georgia, serif;
  --data: system-ui, -apple-system, "Segoe UI", "Helvetica Neue", "Liberation Sans", Arial,
    sans-serif;
}
@media screen and (prefers-color-scheme: dark) {
  :root {
    --paper: #15181c; --ink: #e4e7ea; --soft: #9aa4ae; --line: #343a41; --faint: #1e2227;
    --blue: #7db7de; --shade: 60 122 168; --alarm: #ff8f87; --alarm-paper: #331a1a;
    --good: #84c492;
    --c0: #7db7de; --c1: #ef8b74; --c2: #74c295; --c3: #c39ad4; --c4: #dcae4e; --c5: #9aa4ae;
  }
}
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; text-size-adjust: 100%; }
body {
  margin: 0; background: var(--paper); color: var(--ink);
  font: 1.0625rem/1.55 var(--prose); overflow-wrap: break-word;
}
main { max-width: 64rem; margin: 0 auto; padding: 3.5rem 1.5rem 5rem; }
h1 { font-size: 2.25rem; line-height: 1.15; font-weight: 600; letter-spacing: -.012em; margin: 0; }
h2 {
  font-size: 1.375rem; line-height: 1.25; font-weight: 600; margin: 0 0 .6rem;
  break-after: avoid;
}
h3 {
  font: 600 .875rem/1.4 var(--data); margin: 1.6rem 0 .8rem; break-after: avoid;
}
p { margin: 0 0 1rem; max-width: 44rem; text-wrap: pretty; }
section { margin-top: 3.5rem; }
nav, .note, figcaption { font: .8125rem/1.5 var(--data); color: var(--soft); }
.note { max-width: 46rem; break-inside: avoid; break-after: avoid; }
figure { margin: 0; }
strong { font-weight: 600; }
a { color: var(--blue); text-decoration-thickness: 1px; text-underline-offset: .2em; }
nav { display: flex; flex-wrap: wrap; gap: .3rem 1.3rem; margin-top: 2rem; }

.facts {
  display: grid; grid-template-columns: max-content 1fr; gap: .3rem 1.5rem; margin: 1.6rem 0 0;
  padding-top: 1.2rem; border-top: 1px solid var(--line); font: .9375rem/1.5 var(--data);
}
.facts dt { color: var(--soft); }
.facts dd { margin: 0; min-width: 0; }

.alarms {
  margin-top: 2rem; padding: 1.1rem 1.4rem; font: .9375rem/1.5 var(--data);
  background: var(--alarm-paper); border-left: 6px solid var(--alarm);
}
.alarms h2 { color: var(--alarm); font: 700 1.0625rem/1.4 var(--data); margin: 0 0 .5rem; }
.alarms ul { margin: 0; padding: 0; list-style: none; }
.alarms li + li { margin-top: .6rem; }
.alarms b { color: var(--alarm); }
.quiet { margin-top: 2rem; font: .9375rem/1.5 var(--data); }
.quiet b { color: var(--good); }

.lead { font-size: 1.25rem; line-height: 1.45; }
.scroll { overflow-x: auto; }
.scroll:focus-visible { outline: 2px solid var(--blue); outline-offset: 2px; }
table {
  border-collapse: collapse; font: .84375rem/1.35 var(--data); font-variant-numeric: tabular-nums;
}
.table figcaption { margin: .6rem 0 1rem; max-width: 46rem; text-wrap: pretty; }
.table + .table { margin-top: 2.2rem; }
th, td { padding: .42rem .55rem; text-align: right; vertical-align: baseline; }
td { white-space: nowrap; }
thead th {
  font-weight: 500; color: var(--soft); border-bottom: 1px solid var(--ink);
  vertical-align: bottom;
}
tbody th { font-weight: 500; text-align: left; overflow-wrap: anywhere; }
thead th:first-child { text-align: left; }
th:first-child {
  padding-left: 0; min-width: 8.5rem; position: sticky; left: 0; background: var(--paper);
}
tbody tr { border-bottom: 1px solid var(--line); break-inside: avoid; }
thead { display: table-header-group; }
.wide { width: 100%; }
.best thead th { white-space: nowrap; }
.best .first > * { font-weight: 650; }
.narrow thead th { min-width: 6rem; max-width: 7.5rem; overflow-wrap: anywhere; }
.narrow th:first-child { min-width: 4rem; }

.strips { margin-top: 1.8rem; font-family: var(--data); font-variant-numeric: tabular-nums; }
.strip {
  display: grid; grid-template: "name plot value" auto / 15rem minmax(0, 1fr) 3.5rem;
  column-gap: 1rem; align-items: center; font-size: .84375rem; line-height: 1.25;
  break-inside: avoid;
}
.strip > :nth-child(1) { grid-area: name; min-width: 0; overflow-wrap: anywhere; }
.strip > svg { grid-area: plot; display: block; width: 100%; }
.axis > svg { overflow: visible; }
.strip > :nth-child(3) { grid-area: value; text-align: right; font-weight: 600; }
.strips figcaption { margin-top: .6rem; max-width: 46rem; }
svg text { font: 11px var(--data); fill: var(--soft); font-variant-numeric: tabular-nums; }
.grid { stroke: var(--line); stroke-width: 1; }
.chance { stroke: var(--alarm); stroke-width: 1.25; stroke-dasharray: 4 3; }
.by-chance { fill: var(--alarm); opacity: .1; }
.dot { fill: var(--blue); opacity: .42; }
.halo { stroke: var(--paper); stroke-width: 6; stroke-linecap: round; opacity: .85; }
.interval { stroke: var(--ink); stroke-width: 2.5; stroke-linecap: round; }
.mean { fill: var(--ink); stroke: var(--paper); stroke-width: 1.5; }

details { margin-top: 1.6rem; }
summary {
  cursor: pointer; width: max-content; max-width: 100%; font: 500 .84375rem/1.5 var(--data);
  color: var(--blue);
}
details[open] > summary { margin-bottom: 1.2rem; }

.multiples { display: grid; gap: 1.8rem 1.6rem; align-items: end; }
.confusions { grid-template-columns: repeat(auto-fill, minmax(min(100%, var(--least)), 1fr)); }
.confusions figure { break-inside: avoid; min-width: 0; overflow-x: auto; }
.confusions figcaption {
  color: var(--ink); font-weight: 600; margin-bottom: .35rem; overflow-wrap: anywhere;
}
.confusions table { font-size: .78125rem; width: 100%; }
.confusions :is(th, td) { padding: .35rem .4rem; text-align: center; border: 0; }
.confusions tbody > tr > * { vertical-align: middle; }
.confusions th { font-weight: 400; color: var(--soft); overflow-wrap: normal; }
.confusions th:first-child { min-width: 0; text-align: right; padding-right: .5rem; width: 1%; }
.confusions tr { border: 0; }
.confusions tbody td {
  background: rgb(var(--shade) / calc(var(--share) * .92)); border: 2px solid var(--paper);
  line-height: 1.25; min-width: 3rem;
}
.confusions .deep { color: #fff; }
.confusions small { display: block; font-size: .6875rem; opacity: .9; }

.curves {
  grid-template-columns: repeat(auto-fill, minmax(min(100%, 17rem), 1fr)); align-items: center;
}
.curves > * { break-inside: avoid; }
.curves svg { display: block; width: 100%; }
.curves figcaption { text-align: center; }
.frame { fill: none; stroke: var(--line); }
.curve { fill: none; stroke-width: 1.5; stroke-linejoin: round; }
.first.curve { stroke-width: 2.75; }
.legend {
  list-style: none; margin: 0; padding: 0; font: .84375rem/1.35 var(--data);
  font-variant-numeric: tabular-nums;
}
.legend li { position: relative; padding: .25rem 0 .25rem 2.2rem; }
.legend svg { position: absolute; left: 0; top: .5rem; width: 1.6rem; height: .6rem; }

.windows {
  grid-template-columns: repeat(auto-fill, minmax(min(100%, 13.5rem), 1fr)); align-items: start;
}
.windows figure { break-inside: avoid; min-width: 0; }
.windows img {
  display: block; width: 100%; height: auto; background: #fff; margin-bottom: .3rem;
}
.right { color: var(--good); }
.wrong { color: var(--alarm); }

.keys th { font-weight: 400; color: var(--soft); padding-right: 1.5rem; white-space: nowrap; }
.keys td { text-align: left; white-space: normal; overflow-wrap: anywhere; }
.keys td { width: 100%; min-width: 9rem; }
pre, .keys td { font: .78125rem/1.5 ui-monospace, "SF Mono", Menlo, Consolas, monospace; }
pre {
  white-space: pre-wrap; overflow-wrap: anywhere; margin: 0; padding: .6rem .8rem;
  background: var(--faint);
}
.methods {
  display: grid; grid-template-columns: 15rem minmax(0, 1fr); gap: .6rem 1rem; margin: 0;
}
.methods dt { font: 500 .84375rem/1.4 var(--data); padding-top: .5rem; overflow-wrap: anywhere; }
.methods dd { margin: 0; break-inside: avoid; }
footer { margin-top: 3.5rem; padding-top: 1rem; border-top: 1px solid var(--line); }

@media screen and (max-width: 44rem) {
  main { padding: 2rem 1rem 3rem; }
  h1 { font-size: 1.75rem; }
  .facts, .methods { grid-template-columns: minmax(0, 1fr); gap: 0; }
  .facts dd { margin-bottom: .7rem; }
  .methods dd { margin: .2rem 0 .5rem; }
  .strip { grid-template: "name value" auto "plot plot" auto / minmax(0, 1fr) max-content; }
  .strip:not(.axis) { padding-top: .5rem; }
  .multiples { gap: 1.4rem 1rem; }
  .confusions {
    grid-template-columns: repeat(auto-fill, minmax(min(100%, calc(.8 * var(--least))), 1fr));
  }
  .windows { grid-template-columns: repeat(2, minmax(0, 1fr)); }
  .keys th { white-space: normal; min-width: 6rem; padding-right: .8rem; }
}
@page { margin: 16mm 15mm; }
@media print {
  html { font-size: 12px; }
  main { max-width: none; padding: 0; }
  nav { display: none; }
  section { margin-top: 2.6rem; }
  .scroll { overflow: visible; }
  .alarms, .facts, .together, .keys { break-inside: avoid; }
  th:first-child { position: static; }
  .windows { grid-template-columns: repeat(4, minmax(0, 1fr)); gap: 1rem; }
  * { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
}
"""


def join_sections(contents: Mapping[str, str]) -> str:
    """Return sections under their headings, and a list of links to them before."""
    links, sections = [], []
    for number, (title, content) in enumerate(contents.items(), start=1):
        links.append(f'<a href="#part{number}">{escape(title)}</a>')
        sections.append(
            f'<section id="part{number}">\n<h2>{escape(title)}</h2>\n{content}\n</section>'
        )
    return "\n".join(["<nav>", *links, "</nav>", *sections])


def table(
    columns: Sequence[Any], rows: Iterable[Sequence[Any]], *, caption: str, kind: str = ""
) -> str:
    """Return a table of texts, whose first column names the rows, in a box that scrolls alone."""
    head = "".join(f'<th scope="col">{escape(str(name))}</th>' for name in columns)
    body = []
    for number, (name, *values) in enumerate(rows):
        first = "" if number else ' class="first"'
        cells = "".join(f"<td>{escape(str(value))}</td>" for value in values)
        body.append(f'<tr{first}><th scope="row">{escape(str(name))}</th>{cells}</tr>')
    return "\n".join(
        [
            '<figure class="table">',
            f'<div class="scroll" role="region" tabindex="0" aria-label="{escape(caption)}">',
            f'<table class="wide {kind}">',
            f"<thead><tr>{head}</tr></thead>",
            "<tbody>",
            *body,
            "</tbody></table></div>",
            f"<figcaption>{escape(caption)}</figcaption>",
            "</figure>",
        ]
    )


def fold(said: str, content: str) -> str:
    """Return content that opens where it is asked for."""
    return f"<details>\n<summary>{escape(said)}</summary>\n{content}\n</details>"


def paragraph(text: str, kind: str = "") -> str:
    """Return a paragraph of HTML."""
    return f'<p class="{kind}">{text}</p>' if kind else f"<p>{text}</p>"


def number(value: Any, digits: int = 3) -> str:
    """Return a number with so many decimals, or a dash where there is none."""
    return NOTHING if pd.isna(value) else f"{value:.{digits}f}".replace("-", MINUS)


def interval(low: Any, high: Any) -> str:
    """Return two numbers as a range."""
    return NOTHING if pd.isna(low) or pd.isna(high) else f"{number(low)} to {number(high)}"


def percent(share: float) -> str:
    """Return a share of one as a percentage."""
    return f"{number(100 * share, 1)} %"


def probability(p: Any) -> str:
    """Return a p value as texts print them."""
    return "< 0.001" if p < 0.001 else number(p)


def count(n: int, name: str) -> str:
    """Return how many of something there are: 1 window, 3,291 windows."""
    return f"{n:,} {name}" if n == 1 else f"{n:,} {name}s"
