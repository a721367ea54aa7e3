"""Probes a frozen encoder: python -m probing.run --task=pos"""

import functools
from collections.abc import Collection
from typing import Any

from absl import flags

from nsmc_bert import bundled
from nsmc_bert.base import cli, runtime, text_tables
from nsmc_bert.base.cli import say
from nsmc_bert.base.errors import UserError
from nsmc_bert.base.usage import Usage
from probing import corpora, study
from probing.encoders import LAYER0
from probing.learning.schedule import Schedule
from probing.results import forms, tables
from probing.tasks import SPLITS, TASKS

flags.DEFINE_list("task", ["all"], f"Tasks, separated by commas: {', '.join(TASKS)}; or all.")
flags.DEFINE_string(
    "data",
    "",
    "Folder with TASK.train.jsonl, TASK.dev.jsonl and perhaps TASK.test.jsonl, as probing.convert writes them. "
    "Default: the sample that ships, a few dozen Korean sentences.",
)
flags.DEFINE_string("train_file", "", "A single task's training records, instead of --data.")
flags.DEFINE_string("dev_file", "", "Its records to choose the best weights on.")
flags.DEFINE_string("test_file", "", "Its records to report figures on; without them the figures are those of dev.")
flags.DEFINE_string(
    "encoder",
    "",
    "A folder of a BERT or one of its kin (RoBERTa, XLM-R, ELECTRA, DistilBERT, ALBERT), this project's classifiers "
    "among them, or of a GPT, an ELMo or a CoVe; the hub name of any but the last two, such as bert-base-uncased or "
    "openai-gpt; elmo:FOLDER or cove:FOLDER; bundled or classifier, those that ship. Default: bundled.",
)
flags.DEFINE_enum(
    "layer0",
    "lexical",
    LAYER0,
    "What layer 0 is: lexical, the word embedding without position, layer-normalised in BERT (Tenney et al., ICLR "
    "2019); positions, the embeddings' whole output (the figures of their ACL 2019 paper).",
)
flags.DEFINE_list(
    "representations",
    [],
    "What probes read, separated by commas: lex, layer 0; cat, the last layer beside layer 0; mix, a learned mean of "
    "all; top_K, layer K; mix_K, a learned mean of layers 0 to K. ELMo and CoVe have lex and full: a learned mean of "
    "ELMo's layers, GloVe beside CoVe. Default: the published ones, lex,cat,mix or lex,full.",
)
flags.DEFINE_list(
    "seeds", [], "Seeds of the probes, separated by commas. Default: 1, and 1 to 5 for dpr, as published."
)
flags.DEFINE_list(
    "control",
    [],
    "Controls to train beside, separated by commas: random_labels, Hewitt and Liang's control task, in which every "
    "type of the first span has a label drawn for it; random_encoder, the same encoder with random weights.",
)
flags.DEFINE_bool(
    "description_length",
    False,
    "Measure also how many bits the training labels take by the online code (Voita and Titov 2020), which trains each "
    "probe anew on ten growing parts of the data: twice the work on large corpora, several times on small ones.",
)
flags.DEFINE_bool(
    "attention",
    False,
    "Probe how much every head of a BERT attends from one span to the other and back, instead of the states of the "
    "spans; tasks of two spans, such as dep. --representations are heads, all of them, and heads_K, those of layer K.",
)
flags.DEFINE_string("run_dir", "runs/probing", "Folder of results. The same command run again trains what is missing.")
flags.DEFINE_string("store", "runs/activations", "Folder of stored activations, shared by all runs.")
flags.DEFINE_bool(
    "verify_store",
    False,
    "Compare all that the store has of this encoder with its checksums first, which reads the whole store. A part of "
    "it, 64 MB, is compared in any case.",
)
flags.DEFINE_enum(
    "activations",
    "auto",
    list(study.ACTIVATIONS),
    "store: encode every sentence once, keep its states below --store, and read them batch by batch. recompute: encode "
    "whenever states are read, at every step, which needs no disk and far more time. auto: a GPU encodes each task's "
    "sentences once, into its memory; where they do not fit, and without a GPU, store.",
)
flags.DEFINE_enum(
    "schedule",
    "linear",
    ["linear", "plateau"],
    "linear: warm-up and linear decay over --epochs, validated --epochs times; plateau: the published one, the rate "
    "halved when dev stops rising.",
)
flags.DEFINE_float(
    "learning_rate", 0.0, "Peak of the learning rate. 0: 4e-3 for linear, 1e-4 for plateau.", lower_bound=0.0
)
flags.DEFINE_integer(
    "batch_records", 0, "Records a batch, each with all its targets. 0: 128 for linear, 32 for plateau.", lower_bound=0
)
flags.DEFINE_integer("epochs", 20, "Passes over the training records, linear schedule.", lower_bound=1)
flags.DEFINE_integer(
    "least_steps",
    200,
    "More passes than --epochs over few records, to make so many steps; validated --epochs times all the same, linear "
    "schedule.",
    lower_bound=1,
)
flags.DEFINE_float(
    "warmup",
    0.1,
    "Share of all steps in which the learning rate rises, linear schedule.",
    lower_bound=0.0,
    upper_bound=1.0,
)
flags.DEFINE_integer(
    "steps", 0, "At most so many steps, plateau schedule. 0: the task's published number.", lower_bound=0
)
flags.DEFINE_integer(
    "interval", 0, "Steps between two validations, plateau schedule. 0: the task's published number.", lower_bound=0
)
flags.DEFINE_integer(
    "dev_records",
    0,
    "Records of dev that are validated on while training, the first ones; 0: all. The published study took 5,000.",
    lower_bound=0,
)
flags.DEFINE_integer("bootstrap", 1000, "Bootstrap samples for the intervals of the table.", lower_bound=100)
flags.DEFINE_enum(
    "precision",
    "auto",
    runtime.PRECISIONS,
    "Number format of the matrix products, of the encoder and of the probes; auto goes by the hardware. Activations "
    "are stored in float16.",
)
flags.DEFINE_enum("xla", "auto", runtime.XLA, "Whether XLA compiles the probes' steps; auto: on GPUs.")
flags.DEFINE_float("checkpoint_seconds", 60.0, "About how many seconds of work a kill may cost.", lower_bound=0.0)
FLAGS = flags.FLAGS
SCHEDULE = "learning_rate batch_records epochs warmup least_steps steps interval dev_records".split()
SHIPS = {"": bundled.ENCODER, "bundled": bundled.ENCODER, "classifier": bundled.CLASSIFIER}  # by what --encoder says
OTHER = {  # flags that a schedule does not read
    "linear": ("steps", "interval"),
    "plateau": ("epochs", "least_steps", "warmup"),
}
USAGE = Usage(
    {
        "What is probed": ["task", "encoder", "representations", "seeds", "control"],
        "Records": ["data", "train_file", "dev_file", "test_file"],
        "Results": ["run_dir", "store"],
        "The machine": ["precision", "batch_records"],
    },
    file="data",
    text="task",
)


def main() -> None:
    tasks = _choice("task", FLAGS.task, TASKS, everything="all")
    controls = _choice("control", FLAGS.control, study.CONTROLS)
    seeds = cli.integers("seeds", FLAGS.seeds) if FLAGS.seeds else []
    if len(set(FLAGS.representations)) < len(FLAGS.representations):
        raise UserError(f"--representations={','.join(FLAGS.representations)}: expected different names")
    if idle := [name for name in OTHER[FLAGS.schedule] if FLAGS[name].present]:
        value, other = getattr(FLAGS, idle[0]), next(kind for kind in OTHER if kind != FLAGS.schedule)
        raise UserError(
            f"--{idle[0]}={value}: found --schedule={FLAGS.schedule}, which does not read it, expected "
            f"--schedule={other} or no --{idle[0]}"
        )
    files: dict[str, str] = {split: getattr(FLAGS, f"{split}_file") for split in SPLITS}
    if any(files.values()) and len(tasks) > 1:
        raise UserError(f"--task={','.join(FLAGS.task)}: found several tasks and --train_file, expected one task")
    of_tasks = [corpora.find(TASKS[name], FLAGS.data, files) for name in tasks]
    if not FLAGS.data and not any(files.values()):
        say(
            "data: the sample that ships; it shows that everything works, and its figures mean little. Real ones: "
            "--data=FOLDER"
        )
    cli.import_tensorflow()
    devices = runtime.configure(precision=FLAGS.precision, xla=FLAGS.xla, strategy="one")
    say(f"computing on {devices.description}")
    schedule: dict[str, Any] = {name: getattr(FLAGS, name) for name in SCHEDULE}
    asked = study.Study(
        encoder=SHIPS.get(FLAGS.encoder, FLAGS.encoder),
        layer0=FLAGS.layer0,
        representations=FLAGS.representations,
        seeds=seeds,
        controls=controls,
        description_length=FLAGS.description_length,
        attention=FLAGS.attention,
        schedule=functools.partial(Schedule.for_task, kind=FLAGS.schedule, **schedule),
        run_dir=FLAGS.run_dir,
        store=FLAGS.store,
        activations=FLAGS.activations,
        verify_store=FLAGS.verify_store,
        checkpoint_seconds=FLAGS.checkpoint_seconds,
    )
    results = study.run(of_tasks, asked, devices, say)
    print(
        forms.draw(tables.build(results, samples=FLAGS.bootstrap, differences=True), width=text_tables.terminal_width())
    )
    print(f"results: {FLAGS.run_dir}")


def _choice(flag: str, names: list[str], known: Collection[str], everything: str = "") -> list[str]:
    """The values of a list flag, all of them known."""
    if names == [everything]:
        return list(known)
    wrong = [name for name in names if name not in known]
    if wrong or len(set(names)) < len(names):
        allowed = ", ".join([*known] + ([everything] if everything else []))
        found = ", ".join(wrong) or "one of them twice"
        raise UserError(f"--{flag}={','.join(names)}: found {found}, expected different ones of {allowed}")
    return list(names)


def command() -> None:
    """The console script nsmc-bert-probe."""
    cli.run(main, USAGE)


if __name__ == "__main__":
    command()
