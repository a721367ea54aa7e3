"""What README, CONTRIBUTING and docs/ say is there: links, files, flags, commits, figures."""

import ast
import importlib.util
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest

from tests.conftest import ROOT

PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")])
TEXTS = {str(path.relative_to(ROOT)): path.read_text(encoding="utf-8") for path in PAGES}
CHECK = """
import importlib, shlex, sys
from absl import flags
from nsmc_bert.base import cli
module, *lines = sys.argv[1:]
importlib.import_module(module)
known = flags.FLAGS._flags()
known["help"] = known["verbosity"]  # absl's own, which takes no value
for line in lines:
    for argument in cli._without_flagfiles(shlex.split(line)):
        if argument.startswith("--"):
            name, equals, value = argument[2:].partition("=")
            if name not in known and not name.startswith("no"):
                sys.exit(f"{line}: no flag --{name}")
            flag = known[name if name in known else name[2:]]
            if equals and not value.isupper():  # --data=FOLDER
                flag.parser.parse(value)
"""


def anchors(text):
    """The names that GitHub gives the headings of a page."""
    headings = re.findall(r"^#+ (.+)$", re.sub(r"```.*?```", "", text, flags=re.S), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def commands():
    """{module: [the arguments of each `python -m module …` of the pages]}."""
    found = {}
    for text in TEXTS.values():
        text = text.replace("\\\n", " ")
        code = re.findall(r"^```\w*\n(.*?)^```", text, re.M | re.S)
        lines = "\n".join(code).split("\n")
        # in a sentence a command may run over the end of a line, and begin in a table's cell or in emphasis
        prose = re.sub(r"^```.*?^```", "", text, flags=re.M | re.S)
        lines += [" ".join(part.split()) for part in re.findall(r"[`*]([^`]*python -m [^`]+?)[`*]", prose)]
        for line in lines:
            if match := re.search(r"python -m ([\w.]+)(.*)", line):
                arguments = re.sub(r"\s(#|\||>|;|…|under ).*", "", match[2]).replace("…", "")
                arguments = arguments.replace("_TASK.flags", "_pos.flags")
                if arguments not in found.setdefault(match[1], []):
                    found[match[1]].append(arguments)
    return found


COMMANDS = commands()


def test_the_pages_are_found():
    assert {"README.md", "CONTRIBUTING.md", "CHANGELOG.md", "docs/architecture.md", "docs/classifier.md"} <= set(TEXTS)
    assert {"nsmc_bert.train", "nsmc_bert.predict", "probing.run", "probing.report", "probing.convert"} <= set(COMMANDS)
    assert sum(map(len, COMMANDS.values())) > 30


@pytest.mark.parametrize("name", TEXTS)
def test_links_lead_somewhere(name):
    for target in re.findall(r"\]\(([^)\s]+)\)", TEXTS[name]):
        if "://" in target:
            continue
        path, _, anchor = target.partition("#")
        there = (ROOT / name).parent / path if path else ROOT / name
        assert there.exists(), target
        if anchor:
            assert anchor in anchors(there.read_text(encoding="utf-8")), target


@pytest.mark.parametrize("module", COMMANDS)
def test_commands_take_the_flags_they_are_given(module):
    assert importlib.util.find_spec(module), module
    if not module.startswith(("nsmc_bert", "probing")):
        return  # pip, pytest and the campaign, which has no flags
    result = subprocess.run(
        [sys.executable, "-c", CHECK, module, *COMMANDS[module]], cwd=ROOT, capture_output=True, text=True
    )
    assert result.returncode == 0, result.stderr


def cells(row):
    """How many cells a row has; a bar in code, or behind a backslash, parts none."""
    return re.sub(r"\\\||`[^`]*`", "", row).strip().strip("|").count("|") + 1


@pytest.mark.parametrize("name", TEXTS)
def test_every_row_is_in_a_table_and_as_wide(name):
    text = re.sub(r"^```.*?^```", "", TEXTS[name], flags=re.M | re.S)
    for head, *rows in (block.split("\n") for block in re.findall(r"(?:^\|.*(?:\n(?=\|)|$))+", text, re.M)):
        assert rows and re.fullmatch(r"\|[|:\- ]+\|", rows[0]), f"no head: {head}"
        for row in rows:
            assert cells(row) == cells(head), row


@pytest.mark.parametrize("name", TEXTS)
def test_files_that_are_named_exist(name):
    for path in re.findall(r"`((?:flags|nsmc_bert|probing|tests|docs)/[\w/.-]+)`", TEXTS[name]):
        if not re.search(r"[A-Z]{4}|\bX\.|_X\.", path):  # probe_TASK.flags, test_X.py
            assert (ROOT / path).exists(), path


@pytest.mark.parametrize("name", TEXTS)
def test_make_targets_exist(name):
    targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M)
    for target in re.findall(r"`make (\w+)", TEXTS[name]):
        assert target in targets, target


@pytest.mark.parametrize("target, extra", [("train", ""), ("bench", "bench"), ("test", "test")])
@pytest.mark.parametrize("driver", ["Makefile", "none"])
def test_make_brings_cuda_where_a_driver_is(tmp_path, target, extra, driver):
    """Without TensorFlow's own CUDA libraries all would be computed on the CPU, which a GPU's machine has too."""
    if not shutil.which("make"):
        pytest.skip("needs make")
    command = ["make", "--dry-run", f"DRIVER={driver}", f"VENV={tmp_path}/venv", target]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    extras = ",".join(filter(None, [extra, "gpu" * (driver == "Makefile")]))
    assert f"--editable '.{f'[{extras}]' if extras else ''}'\n" in result.stdout


@pytest.mark.parametrize("name", TEXTS)
def test_extras_are_added_to_what_is_installed(name):
    assert "'.[" not in TEXTS[name]  # pip would put a copy in the place of the editable install that make has made


def test_commits_of_results_exist():
    commits = set(re.findall(r"`([0-9a-f]{7})`", TEXTS["docs/results.md"]))
    assert len(commits) > 10
    git = ["git", "-C", str(ROOT)]
    if subprocess.run([*git, "rev-parse", "--is-shallow-repository"], capture_output=True).stdout != b"false\n":
        pytest.skip("needs the whole history")
    objects = subprocess.run(
        [*git, "cat-file", "--batch-check"], input="\n".join(commits), capture_output=True, text=True
    ).stdout
    assert objects.count(" commit ") == len(commits), objects


def test_the_readme_is_short_and_has_one_picture_and_one_table():
    text = TEXTS["README.md"]
    assert len(text.encode()) < 8000
    assert text.count("![") == len(re.findall(r"^\|---", text, re.M)) == 1


def test_the_table_of_the_readme_is_that_of_the_results():
    rows = [line.split("|") for text in TEXTS.values() for line in text.split("\n") if line.count("|") == 7]
    known = {cells[1].strip(" *").lower(): [cell.strip() for cell in cells[2:5]] for cells in rows}
    table = re.findall(r"^\| ([^|]+) \| ([^|]+) \| ([\d.]+) \| ([^|]+) \|$", TEXTS["README.md"], re.M)
    assert len(table) == 9
    for model, *figures in table:
        assert known[model.partition("(")[0].strip(" *").lower()] == figures, model


def test_the_picture_is_of_the_table():
    path = ROOT / "docs" / "before_and_after.py"
    pytest.importorskip("matplotlib")
    spec = importlib.util.spec_from_file_location("before_and_after", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    columns, figures = module.read(TEXTS["docs/results.md"])
    assert columns == ["lex", "layer 1", "layer 2", "layer 3", "layer 4", "mix"]
    before, change, intervals = figures["Dependencies"]
    assert (before[4], change[4], intervals[4]) == (90.6, -3.8, (-4.1, -3.5))
    assert len(figures) == 2


def test_the_readme_quotes_what_the_model_that_ships_says():
    import nsmc_bert

    text = TEXTS["README.md"]
    quoted = re.findall(r'>>> model\.predict\("(.+)"\)\narray\((\[\[.+\]\])', text)
    quoted += [(review, row) for row, review in re.findall(r"^(\[\[.+\]\])  \w+ \w+  (.+)$", text, re.M)]
    assert len(quoted) == 4
    for review, row in set(quoted):
        found = nsmc_bert.load().predict(review)  # a model's first answer takes no compiling
        np.testing.assert_allclose(found, ast.literal_eval(row), atol=0.002, err_msg=review)


def test_the_citation_has_the_version():
    import nsmc_bert

    text = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert f"\nversion: {nsmc_bert.__version__}\n" in text
    assert text.startswith("cff-version: 1.2.0\n")
