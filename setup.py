"""The README with absolute links, because PyPI shows it without the repository."""

import re
from pathlib import Path

from setuptools import setup

ROOT = Path(__file__).parent
SOURCE = "github.com/sklearn-biomoe/sklearn-biomoe"
module = (ROOT / "sklearn_biomoe" / "_version.py").read_text("utf-8")
version = re.search('__version__ = "(.+)"', module)[1]
readme = (ROOT / "README.md").read_text("utf-8")
readme = re.sub(r"\]\((?=[\w./]+\.png\))", f"](https://{SOURCE}/raw/v{version}/", readme)
readme = re.sub(r"\]\((?!https:|#)", f"](https://{SOURCE}/blob/v{version}/", readme)
setup(long_description=readme, long_description_content_type="text/markdown")
