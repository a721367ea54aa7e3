"""Measures a trained model on labelled reviews: python -m nsmc_bert.evaluate --model=runs/nsmc/model"""

import json

from absl import flags

from nsmc_bert import commands, metrics, recipe
from nsmc_bert.commands import say
from nsmc_bert.errors import UserError
from nsmc_bert.files import write_text
from nsmc_bert.perturbation import PERTURBATIONS

commands.define_data_flags()
flags.DEFINE_string("model", "", "Model folder. Default: what `make train` left in runs/nsmc, runs/reviews or runs/sample.")
flags.DEFINE_string("json", "", "File to write all figures to, as JSON.")
flags.DEFINE_integer("errors", 10, "How many of the most confident errors are shown.", lower_bound=0)
flags.DEFINE_list("perturb", [], "Measure also with the test reviews changed as people type, separated by commas: spaces, all white space taken out; typo, one jamo of each review mistyped.")
flags.DEFINE_enum("precision", "float32", ["float32", "mixed_bfloat16", "mixed_float16"], "Number format of the matrix products.")
FLAGS = flags.FLAGS


def main():
    unknown = set(FLAGS.perturb) - set(PERTURBATIONS)
    if unknown:
        raise UserError("--perturb=%s: expected some of %s" % (",".join(FLAGS.perturb), ", ".join(PERTURBATIONS)))
    folder = FLAGS.model or recipe.default_model()
    data = recipe.find_data(**commands.data_flags(), log=say, to_train=False)
    say("model: %s" % folder)
    commands.import_tensorflow()
    from nsmc_bert.classifier import load

    figures = recipe.evaluate(load(folder, FLAGS.precision), data, errors=FLAGS.errors, perturb=FLAGS.perturb)
    if FLAGS.json:
        record = {"model": str(folder), "data": data.name, "test_sha1": data.test.sha1, **figures}
        write_text(FLAGS.json, json.dumps(record, ensure_ascii=False, indent=1) + "\n")
    titles = {"test": "test", "test_unseen": "test that is unseen", "test_spaces": "test without spaces", "test_typo": "test with a typo each"}
    for part, title in titles.items():
        if figures.get(part):
            print("\n".join(metrics.lines(figures[part], title)))
    if figures["errors"]:
        print("most confident errors:")
    for error in figures["errors"]:
        print("  %.3f %s, labelled %s: %s" % (error["confidence"], error["said"], error["label"], error["text"]))


def cli():
    """The console script nsmc-bert-evaluate."""
    commands.run(main)


if __name__ == "__main__":
    cli()
