"""Holds encoders beside each other on movie reviews: python -m nsmc_bert.leaderboard bundled klue/bert-base a/folder"""

import dataclasses
from pathlib import Path

from absl import flags

from nsmc_bert import options
from nsmc_bert.base import cli, text_tables
from nsmc_bert.base.cli import say
from nsmc_bert.base.errors import UserError
from nsmc_bert.base.usage import Usage
from nsmc_bert.data.find import find_data
from nsmc_bert.learning import leaderboard
from nsmc_bert.learning.finetuning import FineTuning
from nsmc_bert.learning.provenance import command_line
from nsmc_bert.model import packing

options.define_data_flags()
flags.DEFINE_string(
    "run_dir",
    "runs/leaderboard",
    "Folder of all runs: one for each encoder in it, and the tables. The same command run again goes on from there; "
    "more encoders are added to those that it has finished.",
)
flags.DEFINE_list("seeds", ["1"], "Seeds, separated by commas: each encoder is trained with each of them.")
flags.DEFINE_integer(
    "epochs",
    FineTuning.epochs,
    "Passes over the training reviews, of which the best on validation counts. 0: two, and more on small data.",
    lower_bound=0,
)
flags.DEFINE_integer(
    "max_length",
    FineTuning.max_length,
    "Pieces of a review that are read, the two special ones included.",
    lower_bound=3,
    upper_bound=packing.LONGEST,
)
flags.DEFINE_integer(
    "token_budget", FineTuning.token_budget, "Tokens a batch, padding included; 0 goes by the hardware.", lower_bound=0
)
options.define_optimizer_flags("by the width of each encoder, 3e-4 for 256 or less, 5e-5 from 768 on", FineTuning)
flags.DEFINE_float(
    "augment",
    FineTuning.augment,
    "Share of the training reviews that each pass changes as people type.",
    lower_bound=0.0,
    upper_bound=1.0,
)
options.define_perturb_flag()
options.define_runtime_flags()
FLAGS = flags.FLAGS
USAGE = Usage(
    {
        "Reviews": ["nsmc_dir", "train_file", "test_file", "text_column", "label_column"],
        "The protocol": ["seeds", "epochs", "max_length", "augment", "perturb"],
        "Results": ["run_dir"],
    },
    takes="ENCODERS",
)


def main(encoders: list[str]) -> None:
    """Fine-tunes the encoders, and prints the table."""
    if not encoders:
        raise UserError("found no encoder, expected folders or hub names of some, such as klue/bert-base, or bundled")
    fixed = {field.name: field.default for field in dataclasses.fields(FineTuning) if field.name not in FLAGS}
    fixed |= {
        "head": "new",
        "folds": "0",
        "seeds": tuple(cli.integers("seeds", FLAGS.seeds)),
        "perturb": options.perturbations(),
    }
    how = options.from_flags(FineTuning, **fixed)
    data = find_data(options.review_sources(), log=say)
    cli.import_tensorflow()
    folder, command = Path(FLAGS.run_dir).expanduser(), command_line("leaderboard")

    def write(entries: list[leaderboard.Entry]) -> None:
        """So that a run that is stopped leaves a table of what was done."""
        first, *_ = leaderboard.write(folder, entries, data, command)
        say(f"wrote {first}, of {len(entries)} of {len(encoders)} encoders, and the same as Markdown and CSV")

    entries = leaderboard.compare(data, how, encoders, log=say, on_entry=write)
    print(text_tables.aligned(leaderboard.rows(entries), width=text_tables.terminal_width()))
    print()
    for line in leaderboard.notes(entries, data):
        print(line)


def command() -> None:
    """The console script nsmc-bert-leaderboard."""
    cli.run(main, USAGE)


if __name__ == "__main__":
    command()
