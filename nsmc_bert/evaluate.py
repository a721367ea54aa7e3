"""Measures a trained model on labelled reviews: python -m nsmc_bert.evaluate --model=runs/nsmc/model"""

import json
import shlex
import sys
from pathlib import Path

from absl import flags

from nsmc_bert import bundled, options, recipe
from nsmc_bert.base import cli, html_pages
from nsmc_bert.base.cli import say
from nsmc_bert.base.errors import UserError
from nsmc_bert.base.files import write_text
from nsmc_bert.learning import page
from nsmc_bert.model import checkpoints, metrics

options.define_data_flags()
flags.DEFINE_string("model", "", "Model folder. Default: the classifier that ships.")
options.define_positive_label_flag()
flags.DEFINE_string("json", "", "File to write all figures to, as JSON.")
flags.DEFINE_string(
    "page",
    "",
    "Folder for a page with plots, classifier.html, and the plots as .svg and .png; needs pip install '.[report]'.",
)
flags.DEFINE_integer("errors", 10, "How many of the most confident errors are shown.", lower_bound=0)
options.define_perturb_flag()
flags.DEFINE_string(
    "calibrate_on",
    "",
    "Labelled reviews, none of which the model has learned from, to fit a temperature and a bias of its logit on "
    "before it is measured: a file in the format of --test_file, or the word validation for those that its training "
    "held out. Goes with --calibrated.",
)
flags.DEFINE_string("calibrated", "", "New folder that the calibrated model is written to.")
flags.DEFINE_enum(
    "precision", "float32", ["float32", "mixed_bfloat16", "mixed_float16"], "Number format of the matrix products."
)
FLAGS = flags.FLAGS


def main():
    perturb = options.perturbations()
    if bool(FLAGS.calibrate_on) != bool(FLAGS.calibrated):
        raise UserError(
            "--calibrate_on and --calibrated: found one of them, expected both: the reviews, and where to write the "
            "model"
        )
    if FLAGS.calibrated:
        checkpoints.check_vacant(Path(FLAGS.calibrated).expanduser())
    if FLAGS.page:
        html_pages.check()
    folder = FLAGS.model or bundled.CLASSIFIER
    data = recipe.find_data(**options.data_flags(), log=say, to_train=False)
    say(f"model: {folder}")
    cli.import_tensorflow()
    from nsmc_bert.model.classifier import load

    model, command = (
        load(folder, FLAGS.precision, FLAGS.positive_label),
        " ".join(["python -m nsmc_bert.evaluate", *map(shlex.quote, sys.argv[1:])]),
    )
    record = recipe.record_of(checkpoints.resolve(folder))
    if FLAGS.calibrated:
        from nsmc_bert.learning import recalibration

        reviews = recalibration.find(FLAGS.calibrate_on, data, record, options.data_flags()["columns"], say)
        found, changed = recalibration.calibrate(model, reviews, record)
        print(found)
    figures = recipe.evaluate(model, data, errors=FLAGS.errors, perturb=perturb)
    if FLAGS.calibrated:
        target = Path(FLAGS.calibrated).expanduser()
        recalibration.save(model, target, record, changed, figures, data, command)
        say(f"wrote {target}")
    if FLAGS.json:
        record = {"model": str(folder), "data": data.measured, "test_sha1": data.test.sha1, **figures}
        write_text(FLAGS.json, json.dumps(record, ensure_ascii=False, indent=1) + "\n")
    for part, title in recipe.PARTS.items():
        if figures.get(part):
            print("\n".join(metrics.lines(figures[part], title)))
    if figures["errors"]:
        print("most confident errors:")
    for error in figures["errors"]:
        print("  {:.3f} {}, labelled {}: {}".format(error["confidence"], error["said"], error["label"], error["text"]))
    if FLAGS.page:
        parameters = model.count_params()
        for path in page.write(
            Path(FLAGS.page).expanduser(), figures, record, parameters, data.measured, FLAGS.model, command
        ):
            say(f"wrote {path}")


def command():
    """The console script nsmc-bert-evaluate."""
    cli.run(main)


if __name__ == "__main__":
    command()
