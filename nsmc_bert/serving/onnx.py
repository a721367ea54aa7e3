"""A classifier as an ONNX model, for ONNX Runtime and whatever else reads them: token ids in, probabilities out."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from nsmc_bert.base import system
from nsmc_bert.base.errors import UserError, shorten
from nsmc_bert.base.quiet import silently
from nsmc_bert.serving.servable import Servable

FILE = "model.onnx"
OPSET = 18  # the newest that tf2onnx writes


def check() -> None:
    """Says whether there is what writes and runs ONNX models.

    Raises:
        UserError: a package is not installed.
    """
    system.check_installed(("onnx", "onnxruntime", "tf2onnx"), "onnx", "for ONNX")


def convert(servable: Servable, weights: str) -> bytes:
    """The file's content.

    Args:
        servable: of which the signature `tokens` is converted.
        weights: float32, or int8: the kernels of the dense layers, each output with a scale of its own, and the
            embeddings in one byte each; what a kernel is multiplied with is rounded to a byte as it comes (ONNX
            Runtime's dynamic quantisation).

    Raises:
        UserError: a package is missing, or ONNX has no operation for what the encoder computes.
    """
    check()
    import onnx
    import tf2onnx

    function = servable.signatures()["tokens"]
    try:
        with silently():
            proto, _ = tf2onnx.convert.from_function(
                function,
                input_signature=function.input_signature,
                opset=OPSET,
                custom_op_handlers={"Erfc": (_erfc, [])},
            )
        # what has no operation is left as it is by tf2onnx
        onnx.checker.check_model(proto, full_check=True)
    except Exception as error:  # of several kinds
        raise UserError(f"ONNX cannot compute this model ({shorten(str(error).split(chr(10))[0], 160)})") from None
    for tensor in (*proto.graph.input, *proto.graph.output):
        for dimension, name in zip(tensor.type.tensor_type.shape.dim, ("texts", "positions")):
            if not dimension.HasField("dim_value"):
                dimension.dim_param = name
    return _rounded(proto) if weights == "int8" else proto.SerializeToString()


def load(content: bytes) -> Callable[..., dict[str, Any]]:
    """The function of a file's content: called with input_ids and attention_mask, int32 [n, positions], it gives
    {"probabilities": float32 [n, classes]}.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    # threads that spin while they wait for work take it from whoever shares the processor
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])

    def answer(**inputs: Any) -> dict[str, Any]:
        (probabilities,) = session.run(["probabilities"], {name: np.asarray(value) for name, value in inputs.items()})
        return {"probabilities": probabilities}

    return answer


def _erfc(context: Any, node: Any, name: str, arguments: Any) -> None:
    """Writes 1 - erf(x), of TensorFlow's GELU, as operations that ONNX has: it has none for erfc."""
    from tf2onnx.utils import make_name

    result, shape, dtype = node.output[0], context.get_shape(node.output[0]), context.get_dtype(node.output[0])
    context.remove_node(name)
    one = context.make_const(make_name("one"), np.float32(1.0).reshape(()))
    erf = context.make_node("Erf", [node.input[0]])
    context.make_node(
        "Sub", [one.output[0], erf.output[0]], outputs=[result], name=name, shapes=[shape], dtypes=[dtype]
    )


def _rounded(proto: Any) -> bytes:
    """The content of a model with weights in a byte each."""
    from onnxruntime.quantization import QuantType, quantize_dynamic

    with tempfile.TemporaryDirectory() as folder:
        path, root = Path(folder, FILE), logging.getLogger()
        level = root.level
        root.setLevel(logging.ERROR)  # it advises to have the model optimised before, which is of no use here
        try:
            quantize_dynamic(proto, path, weight_type=QuantType.QInt8, per_channel=True)
        finally:
            root.setLevel(level)
        return path.read_bytes()
