"""Checks of windows before any score: units, sampling rates, sensors, quality and design.

`sklearn_biomoe.signals` offers the public names: check_windows, WindowReport and Finding.
"""
