"""Requests that TensorFlow Serving answers before the first client's, so that no client waits for what comes once.

https://www.tensorflow.org/tfx/serving/saved_model_warmup
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import tensorflow as tf
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

FILE = Path("assets.extra", "tf_serving_warmup_requests")
# the fields of tensorflow_serving/apis/prediction_log.proto and predict.proto, model.proto that a request needs:
# {message: {field: (number, its message, or "" for bytes)}}. A map is on the wire what a repeated message of key and
# value is, and a message of another file what its bytes are.
MESSAGES = {
    "PredictionLog": {"predict_log": (6, "PredictLog")},
    "PredictLog": {"request": (1, "PredictRequest")},
    "PredictRequest": {"model_spec": (1, "ModelSpec"), "inputs": (2, "Input")},
    "ModelSpec": {"name": (1, ""), "signature_name": (3, "")},
    "Input": {"key": (1, ""), "value": (2, "")},
}
REPEATED = {"inputs"}


def write(folder: Path, requests: Iterable[tuple[str, Mapping[str, Any]]], model: str) -> None:
    """Writes requests into a SavedModel's folder.

    Args:
        folder: the SavedModel's.
        requests: (name of the signature, {name of the input: its value}).
        model: the name that the model is served by.
    """
    path = folder / FILE
    path.parent.mkdir(exist_ok=True)
    with tf.io.TFRecordWriter(str(path)) as writer:
        for signature, inputs in requests:
            writer.write(request(signature, inputs, model))


def request(signature: str, inputs: Mapping[str, Any], model: str) -> bytes:
    """One request: a PredictionLog."""
    log = _prediction_log()()
    asked = log.predict_log.request
    asked.model_spec.name, asked.model_spec.signature_name = model.encode(), signature.encode()
    for name, value in inputs.items():
        asked.inputs.add(key=name.encode(), value=tf.make_tensor_proto(value).SerializeToString())
    return log.SerializeToString()


@functools.cache
def _prediction_log() -> Any:
    """The class of the message, in a pool of its own: tensorflow-serving-api, where it is installed, has the same."""
    file = descriptor_pb2.FileDescriptorProto(name="warmup.proto", package="tensorflow.serving", syntax="proto3")
    for name, fields in MESSAGES.items():
        message = file.message_type.add(name=name)
        for field, (number, kind) in fields.items():
            of = descriptor_pb2.FieldDescriptorProto
            message.field.add(
                name=field,
                number=number,
                type=of.TYPE_MESSAGE if kind else of.TYPE_BYTES,
                type_name=f".tensorflow.serving.{kind}" if kind else None,
                label=of.LABEL_REPEATED if field in REPEATED else of.LABEL_OPTIONAL,
            )
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("tensorflow.serving.PredictionLog"))
