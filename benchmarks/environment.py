"""Environment of a result: machine, versions and date."""

import datetime as dt
import importlib.metadata
import json
import os
import platform
from pathlib import Path

PACKAGES = ["sklearn-biomoe", "numpy", "scipy", "pandas", "scikit-learn", "torch"]


def describe(**extra: object) -> dict[str, object]:
    """Return the machine and package versions, and ``extra``."""
    return {
        "date": dt.datetime.now(dt.UTC).strftime("%Y-%m-%d"),
        "processor": processor(),
        "cores": os.cpu_count(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "packages": {name: importlib.metadata.version(name) for name in PACKAGES},
        **extra,
    }


def processor() -> str:
    """Return the processor model as given by Linux, or by Python on other systems."""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor()


def write(path: Path, **extra: object) -> None:
    """Write the description as JSON."""
    path.write_text(json.dumps(describe(**extra), indent=2) + "\n")
