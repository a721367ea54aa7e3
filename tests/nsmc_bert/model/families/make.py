"""Tiny encoders of every family in the layout of transformers' PyTorch models, with weights that a seed decides.

What their tensors are called and how large they are is recorded from PyTorch, in recorded/tensors.json.
"""

import json
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from tests.conftest import VOCABULARY
from tests.probing.encoders.make import uniform

FOLDER = Path(__file__).parent / "recorded"
SHAPE = dict(
    vocab_size=24,
    hidden_size=8,
    num_hidden_layers=2,
    num_attention_heads=2,
    intermediate_size=12,
    max_position_embeddings=20,
    layer_norm_eps=1e-5,
)
DISTILBERT = dict(
    model_type="distilbert", vocab_size=24, dim=8, n_layers=2, n_heads=2, hidden_dim=12, max_position_embeddings=16
)
CONFIGS = {
    "bert": dict(model_type="bert", **SHAPE, hidden_act="relu"),
    "roberta": dict(model_type="roberta", **SHAPE, type_vocab_size=1, pad_token_id=1),
    "xlm-roberta": dict(model_type="xlm-roberta", **SHAPE, type_vocab_size=1, pad_token_id=3),
    "electra": dict(model_type="electra", **SHAPE, embedding_size=8),
    "electra, projected": dict(model_type="electra", **SHAPE, embedding_size=6),
    "distilbert": DISTILBERT,
    "distilbert, sinusoidal": dict(DISTILBERT, activation="relu", sinusoidal_pos_embds=True),
    "albert": dict(model_type="albert", **SHAPE, embedding_size=6, hidden_act="gelu_new"),
    "albert, groups": dict(
        model_type="albert",
        **{**SHAPE, "num_hidden_layers": 5},
        embedding_size=8,
        num_hidden_groups=2,
        inner_group_num=2,
        hidden_act="gelu",
    ),
}

DETECTION = {  # the head of a discriminator of eight hidden units
    "dense.weight": (8, 8),
    "dense.bias": (8,),
    "dense_prediction.weight": (1, 8),
    "dense_prediction.bias": (1,),
}


def inputs():
    """Token ids of three texts, none of them special: a list of int32 [positions]."""
    return [np.array(ids, np.int32) for ids in ([7, 5, 23, 9, 11, 8], [6], [12, 12, 5, 20])]


def recorded(name):
    """What PyTorch said: {"states 0": float32 [layers + 1, positions, hidden], …, "logits 0": [classes], "pieces 0":
    [positions, vocabulary]} for each of `inputs`.
    """
    return dict(np.load(FOLDER / f"{name}.npz"))


def recorded_detection(name):
    """What PyTorch said of an ELECTRA with `detection`: {"logits 0": [positions], …, "loss 0": [], …}, the loss with
    pieces of odd ids as replaced.
    """
    arrays = np.load(FOLDER / "detection.npz")
    return {key.removeprefix(name + ": "): arrays[key] for key in arrays if key.startswith(name + ": ")}


def detection():
    """The weights of a discriminator's head, as checkpoints.Loaded has them."""
    return uniform(7, DETECTION, 0.7)


def tensors(name):
    """{name in PyTorch: shape} of a classifier and a masked language model over one encoder."""
    return json.loads((FOLDER / "tensors.json").read_text())[name]


def vocabulary(name):
    """Pieces whose padding is where the configuration has it."""
    pieces, pad = list(VOCABULARY), CONFIGS[name].get("pad_token_id", 0)
    pieces[0], pieces[pad] = pieces[pad], pieces[0]
    return pieces


def write(folder, name, **changes):
    """Writes config.json and model.safetensors as transformers does, with both heads, and a WordPiece tokenizer."""
    folder.mkdir()
    (folder / "vocab.txt").write_text("\n".join(vocabulary(name)) + "\n", encoding="utf-8")
    (folder / "tokenizer_config.json").write_text('{"do_lower_case": false, "tokenizer_class": "BertTokenizer"}')
    (folder / "config.json").write_text(json.dumps({**CONFIGS[name], **changes}))
    save_file(uniform(len(name), tensors(name), 0.7), str(folder / "model.safetensors"), {"format": "pt"})
    return folder
