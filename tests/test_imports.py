"""Modules of the package import each other in one direction, along the data flow."""

import ast
from graphlib import TopologicalSorter
from pathlib import Path

import sklearn_biomoe

ROOT = Path(sklearn_biomoe.__file__).parent
# A package imports packages of earlier lines only. "" is the package's own __init__.py.
LEVELS = [
    ["_typing", "_version"],
    ["_files", "_function_code", "_progress", "_validation"],
    ["recordings"],
    ["signals"],
    ["datasets", "representations"],
    ["images"],
    ["backbone"],
    ["weights"],
    ["inference"],
    ["transformers"],
    ["pipelines"],
    ["plotting", "fusion", "finetuning", "trials", "ordinal", "pretraining"],
    ["evaluation"],
    ["explanation", "distributed", "benchmark"],
    [""],
    ["cli"],
]
LEVEL = {package: level for level, packages in enumerate(LEVELS) for package in packages}


def module_name(path):
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__")


MODULES = {module_name(path): ast.parse(path.read_text("utf-8")) for path in ROOT.rglob("*.py")}
PACKAGES = {module_name(path) for path in ROOT.rglob("__init__.py")}


def imported_by(name, node):
    """Yield the modules that one import statement of module ``name`` refers to."""
    parts = name.split(".") if name else []
    package = parts if name in PACKAGES else parts[:-1]
    base = package[: len(package) - node.level + 1] + (
        node.module.split(".") if node.module else []
    )
    for alias in node.names:
        submodule = ".".join([*base, alias.name])
        yield submodule if submodule in MODULES else ".".join(base)


def find_imports(name):
    """Return the modules of the package that a module imports, in functions too."""
    return {
        module
        for node in ast.walk(MODULES[name])
        if isinstance(node, ast.ImportFrom) and node.level
        for module in imported_by(name, node)
    }


GRAPH = {name: find_imports(name) for name in MODULES}


def test_imports_have_no_cycle():
    TopologicalSorter(GRAPH).prepare()  # its CycleError lists the modules of a cycle


def package_of(module):
    return module.partition(".")[0]


def test_packages_import_only_earlier_packages():
    assert {package_of(module) for module in MODULES} == set(LEVEL)
    upward = {
        (module, package_of(imported))
        for module in MODULES
        for imported in GRAPH[module]
        if package_of(imported) != package_of(module)
        and LEVEL[package_of(imported)] >= LEVEL[package_of(module)]
    }
    assert upward == set()


def test_functions_import_nothing_of_the_package():
    """Apart from the command line, which loads what a command needs."""
    late = {
        (module, node.lineno)
        for module, tree in MODULES.items()
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
        for node in ast.walk(function)
        if isinstance(node, ast.ImportFrom) and node.level
    }
    assert {each for each in late if package_of(each[0]) != "cli"} == set()
