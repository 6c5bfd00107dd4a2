"""Units of measurement as tables write them."""

import re

PREFIXES = ("", "k", "m", "u", "µ", "μ", "n", "M")
SYMBOLS = ("V", "S", "Ohm", "Ohms", "Ω", "s", "Hz", "A", "g", "Pa", "T", "m", "l", "L", "mho")
OTHERS = """
    % °C ° C K degC Celsius sec secs seconds milliseconds min minutes h bpm 1/min /min beats/min
    breaths/min mmHg cmH2O hPa m/s^2 m/(s^2) m/s2 m/s² deg/s rad/s dps l/s L/s l/min L/min dB lux
    g/64 a.u. au AU n.u. norm. no_units unitless counts local_flux
    volts millivolt millivolts microvolt microvolts microsiemens microSiemens Microsiemens
"""
UNITS = frozenset(prefix + symbol for prefix in PREFIXES for symbol in SYMBOLS)
UNITS |= {*OTHERS.split(), "Degrees Celsius", "deg C", "no units"}
IN_BRACKETS = re.compile(r".*[\[(]\s*([^\[\]()]+(?:\([^()]*\))?)\s*[\])]\s*")


def is_unit(text: str) -> bool:
    """Return whether text is a unit, such as "µS" or "[mV]"."""
    return text.strip("[] ") in UNITS or text.strip("() ") in UNITS


def unit_of_name(name: str) -> str:
    """Return the unit in brackets at the end of a name, or an empty text.

    Examples
    --------
    >>> unit_of_name("EDA (µS)"), unit_of_name("breaths [signal sample no]")
    ('µS', '')
    """
    match = IN_BRACKETS.fullmatch(name)
    return match[1].strip() if match and is_unit(match[1]) else ""
