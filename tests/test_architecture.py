"""The house: who may import whom, what is public where, and that every module is on the map and has its tests."""

import ast
import re
from pathlib import Path

import pytest

from tests.conftest import ROOT

# A floor: the modules on it, as prefixes, and the floors that it may import beside itself.
FLOORS = {
    "bundled": (["nsmc_bert.bundled"], []),
    "base": (["nsmc_bert.base"], []),
    "data": (["nsmc_bert.data"], ["base", "bundled"]),
    "model": (["nsmc_bert.model"], ["base", "bundled"]),
    "learning": (["nsmc_bert.learning"], ["base", "bundled", "data", "model"]),
    "serving": (["nsmc_bert.serving"], ["base", "bundled", "data", "model"]),
    "spark": (["nsmc_bert.spark"], ["base", "bundled", "model"]),
    "options": (["nsmc_bert.options"], ["base", "data", "learning"]),
    "commands": (
        [
            f"nsmc_bert.{name}"
            for name in ("train", "evaluate", "predict", "pretrain", "leaderboard", "serve", "export")
        ],
        ["base", "bundled", "data", "model", "learning", "serving", "options"],
    ),
    "nsmc_bert": (["nsmc_bert"], ["base", "model"]),
    "ground": (
        [f"probing.{name}" for name in ("tasks", "records", "scoring", "alignment", "activations", "conversion")],
        ["base"],
    ),
    "sources": (["probing.sources"], ["base", "ground"]),
    "encoders": (["probing.encoders"], ["base", "model", "ground"]),
    "probes": (["probing.learning"], ["base", "model", "learning", "ground", "encoders"]),
    "results": (["probing.results"], ["base", "ground"]),
    "studies": (
        [f"probing.{name}" for name in ("study", "corpora", "sentence")],
        ["base", "bundled", "ground", "encoders", "probes", "results"],
    ),
    "probing commands": (
        [f"probing.{name}" for name in ("run", "convert", "report")],
        ["base", "bundled", "ground", "sources", "encoders", "probes", "results", "studies"],
    ),
    "probing": (["probing"], ["nsmc_bert"]),
}
COMMANDS = {name for floor in ("commands", "probing commands") for name in FLOORS[floor][0]}
# where flags may be read
WITH_FLAGS = {*COMMANDS, "nsmc_bert.options", "nsmc_bert.base.cli", "nsmc_bert.base.usage"}
# tested where they are used
WITHOUT_TESTS = {"nsmc_bert.options"}
# of more than one module: the battery that every family of encoders passes
# and of files that are no modules: the server's page, in a browser
WITHOUT_MODULE = {"probing.encoders.families", "nsmc_bert.serving.page"}


def modules():
    """{dotted name: path} of both packages' modules."""
    out = {}
    for package in ("nsmc_bert", "probing"):
        for path in sorted((ROOT / package).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            out[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return out


MODULES = modules()


def floor_of(module):
    """The floor that a module stands on: the one with the longest prefix."""
    fitting = [
        (len(prefix), floor)
        for floor, (prefixes, _) in FLOORS.items()
        for prefix in prefixes
        if module == prefix or module.startswith(prefix + ".")
    ]
    return max(fitting)[1]


def imports(path, everywhere=True):
    """The modules that a file imports: of both packages with dots, of others the first part.

    Args:
        path: the file.
        everywhere: also inside of functions; else only what is imported with the module. What only types need, behind
            TYPE_CHECKING, is left out.
    """
    out, left = set(), [ast.parse(path.read_text(encoding="utf-8"))]
    while left:
        node = left.pop()
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            continue
        if isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                name = f"{node.module}.{alias.name}"
                out.add(name if name in MODULES else node.module)
        elif isinstance(node, ast.Import):
            out |= {alias.name for alias in node.names}
        elif everywhere or not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            left += ast.iter_child_nodes(node)
    return {name if name in MODULES else name.partition(".")[0] for name in out}


@pytest.mark.parametrize("module", MODULES)
def test_no_arrow_runs_up(module):
    floor = floor_of(module)
    may = {floor, *FLOORS[floor][1]} - ({floor} if module in COMMANDS else set())
    up = {name: floor_of(name) for name in imports(MODULES[module]) if name in MODULES and floor_of(name) not in may}
    # the packages themselves: their first lines select the Keras that is used
    up = {name: other for name, other in up.items() if name not in ("nsmc_bert", "probing")}
    assert not up, f"{module}, on the floor {floor}, imports {up}"


def test_no_circle():
    arrows = {name: {to for to in imports(path, everywhere=False) if to in MODULES} for name, path in MODULES.items()}
    while free := {name for name, to in arrows.items() if not to & arrows.keys() - {name}}:
        arrows = {name: to for name, to in arrows.items() if name not in free}
    assert not arrows


def test_flags_stand_in_commands_alone():
    assert {name for name, path in MODULES.items() if "absl" in imports(path)} <= WITH_FLAGS


def test_the_lower_floors_know_no_tensorflow_before_it_is_needed():
    """A command's first line, and its --help, come at once."""
    for name in ("nsmc_bert", "nsmc_bert.options", *COMMANDS):
        reached, left = set(), [name]
        while left:
            module = left.pop()
            if module not in reached:
                reached.add(module)
                left += [other for other in imports(MODULES[module], everywhere=False) if other in MODULES]
        heavy = {module for module in reached if "tensorflow" in imports(MODULES[module], everywhere=False)}
        assert not heavy, f"{name} imports TensorFlow through {heavy}"


@pytest.mark.parametrize("module", [name for name, path in MODULES.items() if path.name != "__init__.py"])
def test_every_module_has_its_tests(module):
    *folders, name = module.split(".")
    path = Path(ROOT, "tests", *folders, f"test_{name}.py")
    assert module in WITHOUT_TESTS or path.is_file(), f"{module} has no {path.relative_to(ROOT)}"


def test_every_test_has_its_module():
    wrong = []
    for package in ("nsmc_bert", "probing"):
        for path in (ROOT / "tests" / package).rglob("test_*.py"):
            module = ".".join((*path.parent.relative_to(ROOT / "tests").parts, path.stem.removeprefix("test_")))
            if module not in MODULES and module not in WITHOUT_MODULE:
                wrong.append(str(path.relative_to(ROOT)))
    assert not wrong


def test_every_module_is_on_the_map():
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    words = set(re.findall(r"\w+", text))
    assert not [name for name in MODULES if name.rpartition(".")[2] not in words]
