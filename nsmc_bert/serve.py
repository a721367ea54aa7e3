"""Serves a classifier over HTTP: python -m nsmc_bert.serve --model=runs/nsmc/model --port=8501"""

from absl import flags

from nsmc_bert import options
from nsmc_bert.base import cli, runtime
from nsmc_bert.base.cli import say
from nsmc_bert.base.usage import Usage
from nsmc_bert.serving import server
from nsmc_bert.serving.server import Serving

flags.DEFINE_string("model", Serving.model, "Model folder. Default: the classifier that ships.")
options.define_positive_label_flag()
flags.DEFINE_enum(
    "precision",
    Serving.precision,
    runtime.POLICIES,
    "Number format of the matrix products.",
)
flags.DEFINE_string(
    "host",
    Serving.host,
    "Name or address that the server is reached by. Default: this machine alone; 0.0.0.0 opens it to the network, "
    "without password or encryption.",
)
flags.DEFINE_integer("port", Serving.port, "Port; 0 takes one that is free. The address is printed.", lower_bound=0)
flags.DEFINE_list(
    "allow_origin",
    list(Serving.allow_origin),
    "Other origins whose pages may ask, such as https://example.org, without a slash at the end, separated by commas; "
    "* for all. Default: none.",
)
flags.DEFINE_float(
    "batch_wait",
    Serving.batch_wait,
    "Milliseconds that a request waits for others at most, to be computed with them. Whoever asks alone, a text at a "
    "time, does not wait, but for the first text behind a larger round.",
    lower_bound=0.0,
)
flags.DEFINE_integer(
    "queue",
    Serving.queue,
    "Texts that may wait or be computed at a time; a request that goes beyond gets 503 and a time to come again.",
    lower_bound=1,
)
flags.DEFINE_integer(
    "connections",
    Serving.connections,
    "Connections that may be open at a time; one more takes the place of the one that has kept the server waiting "
    "longest.",
    lower_bound=1,
)
flags.DEFINE_integer("body_limit", Serving.body_limit, "Bytes of a request's body at most.", lower_bound=1)
flags.DEFINE_integer("texts_limit", Serving.texts_limit, "Texts of a request at most.", lower_bound=1)
flags.DEFINE_integer("characters_limit", Serving.characters_limit, "Characters of a text at most.", lower_bound=1)
USAGE = Usage(
    {
        "The model": ["model", "precision"],
        "The address": ["host", "port", "allow_origin"],
        "Requests": ["batch_wait", "queue", "texts_limit"],
    },
    file="model",
)


def main() -> None:
    """Serves until it is told to stop."""
    how = options.from_flags(Serving)
    server.check()
    cli.import_tensorflow()
    server.serve(how, log=say, ready=lambda address: print(address, flush=True))


def command() -> None:
    """The console script nsmc-bert-serve."""
    cli.run(main, USAGE)


if __name__ == "__main__":
    command()
