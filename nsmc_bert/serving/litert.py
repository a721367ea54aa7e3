"""A classifier as a LiteRT model (formerly TensorFlow Lite), for phones and other small machines: token ids in,
probabilities out.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from nsmc_bert.base.errors import UserError, shorten
from nsmc_bert.base.quiet import silently
from nsmc_bert.serving.servable import Servable

FILE = "model.tflite"


def convert(servable: Servable, weights: str) -> bytes:
    """The file's content.

    Args:
        servable: of which the signature `tokens` is converted.
        weights: float32, or int8: the kernels of the dense layers and the embeddings in one byte each, activations in
            float32 (dynamic-range quantisation).

    Raises:
        UserError: LiteRT has no operation for what the encoder computes.
    """
    function = servable.signatures()["tokens"].get_concrete_function()
    converter = tf.lite.TFLiteConverter.from_concrete_functions([function], servable)
    converter.optimizations = [tf.lite.Optimize.DEFAULT] if weights == "int8" else []
    try:
        with silently():
            return converter.convert()
    except Exception as error:  # of several kinds
        raise UserError(f"LiteRT cannot compute this model ({shorten(str(error).split(chr(10))[0], 160)})") from None


def load(content: bytes) -> Callable[..., dict[str, Any]]:
    """The function of a file's content: called with input_ids and attention_mask, int32 [n, positions], it gives
    {"probabilities": float32 [n, classes]}.
    """
    with warnings.catch_warnings(), silently():
        # the interpreter is to move to a package of its own, ai-edge-litert
        warnings.simplefilter("ignore", UserWarning)
        runner = tf.lite.Interpreter(model_content=content, num_threads=os.cpu_count()).get_signature_runner()
        runner(input_ids=np.ones([1, 2], np.int32), attention_mask=np.ones([1, 2], np.int32))

    def answer(**inputs: Any) -> dict[str, Any]:
        return runner(**{name: np.asarray(value) for name, value in inputs.items()})

    return answer
