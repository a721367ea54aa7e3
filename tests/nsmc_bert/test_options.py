"""What the flags say is what the library takes: every field of a dataclass of settings is a flag, with one default."""

import dataclasses
import json
import subprocess
import sys

import pytest

from nsmc_bert.data.find import ReviewSources, TextSources
from nsmc_bert.data.labels import Labelling
from nsmc_bert.data.reviews import Reading
from nsmc_bert.data.tables import Layout
from nsmc_bert.learning.evaluation import Evaluation
from nsmc_bert.learning.finetuning import FineTuning
from nsmc_bert.learning.pretraining import Pretraining
from tests.conftest import ROOT

DEFAULTS = """
import importlib, json, sys
from absl import flags
importlib.import_module("nsmc_bert." + sys.argv[1])
modules = flags.FLAGS.flags_by_module_dict()
own = modules["nsmc_bert." + sys.argv[1]] + modules["nsmc_bert.options"]
print(json.dumps({flag.name: [flag.default, flag.help] for flag in own}))
"""
REVIEWS = ReviewSources, Reading, Layout, Labelling
# what is put together of several flags, and what a command says itself
NO_FLAGS = {"reading", "layout", "labelling", "skip_empty", "two_classes"}
FILES_OF_TEXTS = {"unlabelled", "unlabelled_column"}  # what train reads, and fine_tune has as texts


def run(program, *arguments):
    """What a program prints in a process of its own: two commands' flags do not go together in one."""
    result = subprocess.run([sys.executable, "-c", program, *arguments], cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    return result.stdout


@pytest.mark.parametrize(
    ("command", "settings", "others"),
    [
        ("train", (FineTuning, *REVIEWS), FILES_OF_TEXTS),
        ("pretrain", (Pretraining, TextSources, Layout), set()),
        ("evaluate", (Evaluation, *REVIEWS), set()),
    ],
)
def test_every_flag_is_a_field_and_every_field_a_flag(command, settings, others):
    both = json.loads(run(DEFAULTS, command))
    flags, helps = ({name: each[place] for name, each in both.items()} for place in (0, 1))
    fields = [field for each in settings for field in dataclasses.fields(each) if field.name not in NO_FLAGS]
    assert sorted(flags) == sorted({field.name for field in fields} | others)
    assert len(fields) == len({field.name for field in fields})
    if "seeds" in flags:
        flags["seeds"] = [int(seed) for seed in flags["seeds"]]
    defaults = json.loads(json.dumps({field.name: field.default for field in fields}))  # tuples become lists
    assert {name: flags[name] for name in defaults} == defaults
    of_training = {"sample": "Train on", "download": "is trained on", "test_file": "no test figure is reported"}
    assert [words for name, words in of_training.items() if words in helps.get(name, "")] == (
        list(of_training.values()) if command == "train" else []
    )


VALUES = """
import dataclasses, json, sys
from absl import flags
import nsmc_bert.train
from nsmc_bert import options
from nsmc_bert.learning.finetuning import FineTuning
flags.FLAGS(["train", *sys.argv[1:]])
how = options.from_flags(FineTuning, seeds=(7,), perturb=options.perturbations())
assert how.teachers == ("a", "b") and how.perturb == ("typo",), how  # no list, which could be changed
print(json.dumps([dataclasses.asdict(how), dataclasses.asdict(options.review_sources())]))
"""


def test_a_flag_comes_to_the_field_of_its_name():
    of_reviews = ["--train_file=a.csv", "--label_column=별", "--columns=글,별", "--labels=나쁨,좋음", "--skip_bad_rows"]
    given = ["--teachers=a,b", "--perturb=typo", "--dropout=0.2", "--run_dir=here", "--epochs=3", "--weights=float16"]
    how = FineTuning(
        teachers=("a", "b"), perturb=("typo",), dropout=0.2, run_dir="here", epochs=3, weights="float16", seeds=(7,)
    )
    reading = Reading(
        "document", "별", Layout(columns=("글", "별")), Labelling(("나쁨", "좋음")), True, skip_empty=True
    )
    expected = [dataclasses.asdict(each) for each in (how, ReviewSources(train_file="a.csv", reading=reading))]
    assert json.loads(run(VALUES, *given, *of_reviews)) == json.loads(json.dumps(expected))
