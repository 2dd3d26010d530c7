"""The one way through the house: who may import whom, and what an import costs."""

import ast
import doctest
import importlib
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

import elman

ROOT = Path(elman.__file__).parent

# A layer imports those above it in this list; those in one line do not import each other.
ORDER = [
    {"_json", "_memory", "_signals", "_typing", "errors"},
    {"_files"},
    {"data", "equations"},
    {"parameters", "reading"},
    {"engines", "merging"},
    {"derivatives", "persistence"},
    {"exporting", "mpi"},
    {"network"},
    {"check", "training"},
    {"estimators"},
    {"models", "datasets", "explanation", "inspection", "metrics", "preprocessing", "tuning"},
    {"displays"},
    {"cli"},
    {"__main__"},
]
LEVEL = {layer: level for level, layers in enumerate(ORDER) for layer in sorted(layers)}

# Beyond the standard library: where a package may be imported, and where only inside a function.
ANYWHERE = {
    "numpy": ("",),
    "numba": ("engines/compiled/",),
    "llvmlite": ("engines/compiled/", "cli/version.py"),
    "safetensors": ("persistence.py",),
    "narwhals": ("reading/",),
    "sklearn": (
        "estimators/",
        "explanation/",
        "inspection.py",
        "metrics.py",
        "preprocessing.py",
        "tuning/",
    ),
    "threadpoolctl": ("explanation/",),
    # which are imported inside functions
    "torch": ("exporting/torch_front_end.py", "exporting/torch_module.py"),
    "typer": ("cli/",),
    "rich": ("cli/",),
}
INSIDE_FUNCTIONS = {
    "sklearn": ("datasets.py", "displays/", "cli/"),
    "safetensors": ("reading/arrays.py",),
    "polars": ("reading/frames.py",),
    "pandas": ("reading/frames.py",),
    "pyarrow": ("reading/cells.py", "reading/frames.py", "reading/lists.py"),
    "scipy": ("reading/ts.py",),
    "joblib": ("engines/compiled/threads.py",),
    "mpi4py": ("mpi/job.py",),
    "pooch": ("datasets.py", "cli/"),
    "matplotlib": ("displays/", "cli/"),
}


class Import(NamedTuple):
    file: str
    module: str
    names: tuple[str, ...]
    inside_function: bool

    @property
    def package(self):
        return self.module.split(".")[0]


def imports_in(path):
    file = path.relative_to(ROOT).as_posix()

    def visit(node, inside_function):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            return  # never runs
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(file, alias.name, (), inside_function)
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file} imports relatively"
            names = tuple(alias.name for alias in node.names)
            yield Import(file, node.module, names, inside_function)
        inside_function |= isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        for child in ast.iter_child_nodes(node):
            yield from visit(child, inside_function)

    return list(visit(ast.parse(path.read_text(encoding="utf-8")), False))


MODULES = sorted(ROOT.rglob("*.py"))
IMPORTS = [found for path in MODULES for found in imports_in(path)]


def layer_of(file):
    return file.split("/")[0].removesuffix(".py")


def layers_imported(found):
    if found.module != "elman":
        return [found.module.split(".")[1]]
    # `from elman import X`: the home of X; of what has none (__version__), the package itself
    return [elman._HOMES[n].split(".")[1] for n in found.names if n in elman._HOMES]


def test_imports_were_found():
    assert len(MODULES) > 30
    assert len(IMPORTS) > 150
    assert {layer_of(found.file) for found in IMPORTS} <= LEVEL.keys() | {"__init__"}


@pytest.mark.parametrize("layer", LEVEL)
def test_layer_is_there(layer):
    assert (ROOT / layer).is_dir() or (ROOT / f"{layer}.py").is_file()


@pytest.mark.parametrize("layer", LEVEL)
def test_imports_point_one_way(layer):
    upward = [
        found
        for found in IMPORTS
        if found.package == "elman" and layer_of(found.file) == layer
        for other in layers_imported(found)
        if other != layer and LEVEL[other] >= LEVEL[layer]
    ]
    assert not upward


def modules_imported(path, modules):
    """The modules of elman that a file names in any import, those that never run included."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from modules & {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                name = f"{node.module}.{alias.name}"  # a module, or something in one
                yield from modules & {name if name in modules else node.module}


def circles(graph):
    """The strongly connected components of more than one node (Tarjan 1972)."""
    number, lowest, waiting, found = {}, {}, [], []

    def visit(node):
        number[node] = lowest[node] = len(number)
        waiting.append(node)
        for other in graph[node]:
            if other not in number:
                visit(other)
                lowest[node] = min(lowest[node], lowest[other])
            elif other in waiting:
                lowest[node] = min(lowest[node], number[other])
        if lowest[node] == number[node]:
            start = waiting.index(node)
            component = set(waiting[start:])
            del waiting[start:]
            if len(component) > 1 or node in graph[node]:
                found.append(component)

    for node in graph:
        if node not in number:
            visit(node)
    return found


@pytest.mark.parametrize(
    ("graph", "expected"),
    [
        ({"a": ["b", "c"], "b": ["c"], "c": []}, []),
        ({"a": ["a"]}, [{"a"}]),
        ({"a": ["b"], "b": ["c"], "c": ["b", "d"], "d": []}, [{"b", "c"}]),
        (
            {"a": ["b"], "b": ["c", "e"], "c": ["a"], "d": ["e"], "e": ["d"]},
            [{"d", "e"}, set("abc")],
        ),
    ],
)
def test_circles_are_seen(graph, expected):
    assert circles(graph) == expected


def test_no_modules_import_each_other_in_a_circle():
    names = {
        ".".join(path.relative_to(ROOT.parent).with_suffix("").parts).removesuffix(
            ".__init__"
        ): path
        for path in MODULES
    }
    graph = {name: set(modules_imported(path, names.keys())) for name, path in names.items()}
    assert sum(map(len, graph.values())) > 300  # they were found
    assert circles(graph) == []


def is_allowed(found):
    places = ANYWHERE.get(found.package, ())
    if found.inside_function:
        places += INSIDE_FUNCTIONS.get(found.package, ())
    return any(found.file.startswith(place) for place in places)


def test_other_packages_are_imported_where_they_belong():
    others = [f for f in IMPORTS if f.package not in {*sys.stdlib_module_names, "elman"}]
    assert {found.package for found in others} == ANYWHERE.keys() | INSIDE_FUNCTIONS.keys()
    assert not [found for found in others if not is_allowed(found)]


def test_nothing_can_run_code_from_a_file():
    unpicklers = {"pickle", "cloudpickle", "shelve", "marshal", "joblib"}
    found = {(f.file, f.module, f.names) for f in IMPORTS if f.package in unpicklers}
    assert found == {
        ("engines/compiled/threads.py", "joblib", ("cpu_count",)),
        (
            "engines/compiled/machine/compiling.py",
            "pickle",
            (),
        ),  # compiled code, which Numba pickles
    }
    for path in MODULES:
        calls = [n.func for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.Call)]
        assert not {"eval", "exec"} & {call.id for call in calls if isinstance(call, ast.Name)}


# What an import costs


def modules_after(statement):
    program = f"import sys\n{statement}\nprint(*sys.modules)"
    result = subprocess.run(
        [sys.executable, "-W", "error", "-c", program], capture_output=True, text=True, check=True
    )
    return {module.split(".")[0] for module in result.stdout.split()}


@pytest.mark.parametrize(
    ("statement", "absent"),
    [
        ("import elman", {"numpy", "numba", "sklearn", "scipy", "safetensors"}),
        ("import elman; elman.DataError; dir(elman)", {"numpy", "sklearn", "scipy"}),
        ("import elman; elman.Network", {"numba", "sklearn", "scipy"}),
        ("import elman; elman.RNNClassifier; elman.load", set()),
        ("import elman.datasets", {"sklearn", "scipy"}),
        ("import elman; elman.read_sequences", {"sklearn", "scipy", "numba", "safetensors"}),
    ],
)
def test_import_brings_no_more_than_it_needs(statement, absent):
    heavy = {"matplotlib", "pooch", "requests", "typer", "rich", "torch", "mpi4py"}
    heavy |= {"polars", "pandas", "pyarrow"}
    by_sklearn = modules_after("import sklearn.model_selection") if "RNN" in statement else set()
    assert not (modules_after(statement) - by_sklearn) & (heavy | absent)


# The public names


@pytest.mark.parametrize("name", elman.__all__)
def test_public_name_is_there(name):
    assert getattr(elman, name).__name__ == name
    assert name in dir(elman)
    assert getattr(elman, name).__doc__


def test_public_names_are_listed_once_and_in_order():
    assert elman.__all__ == sorted(set(elman.__all__), key=elman.__all__.index)
    assert set(elman.__all__) == elman._HOMES.keys()


def test_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'elman' has no attribute 'LSTM'"):
        _ = elman.LSTM


@pytest.mark.parametrize(
    "package",
    [
        "data",
        "displays",
        "engines",
        "equations",
        "estimators",
        "explanation",
        "exporting",
        "mpi",
        "reading",
        "training",
        "tuning",
    ],
)
def test_names_a_package_lists_are_there(package):
    module = importlib.import_module(f"elman.{package}")
    assert all(hasattr(module, name) for name in module.__all__)


# The examples in docstrings

EXAMPLES = [
    ".".join(path.relative_to(ROOT.parent).with_suffix("").parts).removesuffix(".__init__")
    for path in MODULES
    if ">>> " in path.read_text(encoding="utf-8")
]


def test_examples_were_found():
    assert {"elman.network", "elman.check", "elman.estimators.classifier"} <= set(EXAMPLES)


@pytest.mark.parametrize("name", EXAMPLES)
def test_examples_come_out_as_printed(name):
    result = doctest.testmod(importlib.import_module(name))
    assert result.attempted > 0
    assert result.failed == 0
