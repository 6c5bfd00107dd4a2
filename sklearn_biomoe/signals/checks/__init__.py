"""Checks of windows before any score: units, sampling rates, sensors, quality and design."""

from .findings import Finding
from .window_report import WindowReport
from .windows_check import check_windows

__all__ = ["Finding", "WindowReport", "check_windows"]
