"""A benchmark: methods that describe windows, compared on public data sets under one protocol."""

from .methods import make_methods
from .run import Benchmark, run_benchmark
from .sets import SETS, BenchmarkSet

__all__ = ["SETS", "Benchmark", "BenchmarkSet", "make_methods", "run_benchmark"]
