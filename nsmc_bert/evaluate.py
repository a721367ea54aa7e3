"""Measures a trained model on labelled reviews: python -m nsmc_bert.evaluate --model=runs/nsmc/model"""

import json
import shlex
import sys
from pathlib import Path

from absl import flags

from nsmc_bert import commands, metrics, page, pages, recipe
from nsmc_bert.commands import say
from nsmc_bert.files import write_text

commands.define_data_flags()
flags.DEFINE_string("model", "", "Model folder. Default: the classifier that ships.")
flags.DEFINE_string("json", "", "File to write all figures to, as JSON.")
flags.DEFINE_string("page", "", "Folder for a page with plots, classifier.html, and the plots as .svg and .png; needs pip install '.[report]'.")
flags.DEFINE_integer("errors", 10, "How many of the most confident errors are shown.", lower_bound=0)
commands.define_perturb_flag()
flags.DEFINE_enum("precision", "float32", ["float32", "mixed_bfloat16", "mixed_float16"], "Number format of the matrix products.")
FLAGS = flags.FLAGS


def main():
    perturb = commands.perturbations()
    if FLAGS.page:
        pages.check()
    folder = FLAGS.model or recipe.CLASSIFIER
    data = recipe.find_data(**commands.data_flags(), log=say, to_train=False)
    say("model: %s" % folder)
    commands.import_tensorflow()
    from nsmc_bert.classifier import load

    model = load(folder, FLAGS.precision)
    figures = recipe.evaluate(model, data, errors=FLAGS.errors, perturb=perturb)
    if FLAGS.json:
        record = {"model": str(folder), "data": data.name, "test_sha1": data.test.sha1, **figures}
        write_text(FLAGS.json, json.dumps(record, ensure_ascii=False, indent=1) + "\n")
    for part, title in recipe.PARTS.items():
        if figures.get(part):
            print("\n".join(metrics.lines(figures[part], title)))
    if figures["errors"]:
        print("most confident errors:")
    for error in figures["errors"]:
        print("  %.3f %s, labelled %s: %s" % (error["confidence"], error["said"], error["label"], error["text"]))
    if FLAGS.page:
        parameters = model.count_params()
        command = " ".join(["python -m nsmc_bert.evaluate", *map(shlex.quote, sys.argv[1:])])
        for path in page.write(Path(FLAGS.page).expanduser(), figures, recipe.record_of(folder), parameters, data.name, FLAGS.model, command):
            say("wrote %s" % path)


def cli():
    """The console script nsmc-bert-evaluate."""
    commands.run(main)


if __name__ == "__main__":
    cli()
