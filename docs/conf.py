"""Configuration of Sphinx, for `make docs`."""

import re

from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx_gallery.sorting import ExplicitOrder

import sklearn_biomoe
from sklearn_biomoe import (
    datasets,
    distributed,
    evaluation,
    explanation,
    finetuning,
    fusion,
    plotting,
    recordings,
    signals,
    trials,
)

project = "sklearn_biomoe"
release = sklearn_biomoe.__version__
extensions = [
    "myst_parser",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx_gallery.gen_gallery",
]
exclude_patterns = ["_build", "_templates"]
templates_path = ["_templates"]

html_theme = "furo"
html_title = f"{project} {release}"
html_copy_source = False
html_static_path = ["_static"]
html_css_files = ["wide.css"]
html_show_copyright = False

myst_heading_anchors = 3

# Types are documented under Parameters; `names` in single backquotes are cross-references.
default_role = "py:obj"
autosummary_ignore_module_all = False
autosummary_context = {  # for _templates/autosummary/module.rst
    "top_level_names": sklearn_biomoe.__all__,
    "constants": {
        "sklearn_biomoe.signals": {"MODALITIES": "Presets (`Modality`) per modality name."},
        "sklearn_biomoe.representations": {"REPRESENTATIONS": "`Representation` per name."},
    },
}
autodoc_member_order = "bysource"
autodoc_typehints = "none"
numpydoc_show_class_members = False  # autodoc lists them

sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "auto_examples",
    "within_subsection_order": ExplicitOrder(
        [
            "plot_one_modality.py",
            "plot_early_and_late_fusion.py",
            "plot_missing_sensor.py",
            "plot_grid_search.py",
            "plot_fine_tuning.py",
            "plot_many_windows_one_label.py",
            "plot_explaining.py",
            "plot_own_data.py",
        ]
    ),
    "backreferences_dir": "auto_examples/uses",
    "doc_module": ("sklearn_biomoe",),
    # All examples run; each failure is a warning, and -W turns it into an error.
    "abort_on_example_error": False,
    "show_memory": False,
    "download_all_examples": False,
    "write_computation_times": False,
}


PAGES = {
    r"examples/(\w+)\.py": r"auto_examples/\1.rst",
    r"examples/README\.rst": "auto_examples/index.rst",
    r"SECURITY\.md": "security.md",
    r"benchmarks/results/README\.md": "results.md",
}


def skip_foreign_members(
    app: Sphinx, what: str, name: str, member: object, skip: bool, options: object
) -> bool:
    """Skip members inherited from other packages, such as scikit-learn."""
    function = getattr(member, "fget", None) or getattr(member, "func", None) or member
    module = getattr(function, "__module__", None) or ""
    return skip or not module.startswith("sklearn_biomoe")


def rewrite_links(app: Sphinx, name: str, text: list[str]) -> None:
    """Replace links to files of the repository by links to pages of this site."""
    for link, page in PAGES.items():
        text[0] = re.sub(rf"\]\(\.\./{link}(?=[)#])", rf"]({page}", text[0])


MODULES = (
    datasets,
    distributed,
    evaluation,
    explanation,
    finetuning,
    fusion,
    recordings,
    signals,
    sklearn_biomoe,
    trials,
)
NAMES = {name: f"{module.__name__}.{name}" for module in MODULES for name in module.__all__} | {
    function.__name__: f"{function.__module__}.{function.__name__}"
    for function in (plotting.plot_image, plotting.plot_images)
}


def link_names(app: Sphinx, page: nodes.document) -> None:
    """Link names in code style to the API."""
    for code in list(page.findall(nodes.literal)):
        name = code.astext()
        if name in NAMES and not isinstance(code.parent, pending_xref | nodes.reference):
            link = pending_xref(refdomain="py", reftype="obj", reftarget=NAMES[name])
            code.replace_self(link)
            link += code


def trim_blocks(app: Sphinx, page: nodes.document) -> None:
    """Remove the empty line that ends a block of code, which doctest needs."""
    for block in page.findall(nodes.literal_block):
        text = block.astext().rstrip("\n")
        if block.rawsource == block.astext():  # not with markup inside
            block.rawsource, block.children = text, [nodes.Text(text)]


def resolve_name(
    app: Sphinx, env: BuildEnvironment, link: pending_xref, shown: nodes.TextElement
) -> nodes.reference | None:
    """Resolve names in docstrings that are documented in another module."""
    target = NAMES.get(link["reftarget"])
    if link.get("refdomain") != "py" or target is None:
        return None
    return env.domains["py"].resolve_xref(
        env, link["refdoc"], app.builder, "obj", target, link, shown
    )


def setup(app: Sphinx) -> None:
    app.connect("autodoc-skip-member", skip_foreign_members)
    app.connect("source-read", rewrite_links)
    app.connect("doctree-read", link_names)
    app.connect("doctree-read", trim_blocks)
    app.connect("missing-reference", resolve_name)
