"""Requests for TensorFlow Serving's warm-up, byte by byte."""

import tensorflow as tf

from nsmc_bert.serving import warmup


def field(number, content):
    """A field of bytes or of a message, as protocol buffers write it."""
    assert len(content) < 128
    return bytes([number << 3 | 2, len(content)]) + content


def test_a_request_is_what_the_protocol_says(tmp_path):
    # prediction_log.proto: predict_log = 6; PredictLog: request = 1; PredictRequest: model_spec = 1, inputs = 2;
    # ModelSpec: name = 1, signature_name = 3; an entry of a map: key = 1, value = 2
    tensor = tf.make_tensor_proto([b"a"]).SerializeToString()
    spec = field(1, b"nsmc") + field(3, b"serving_default")
    inputs = field(1, b"text") + field(2, tensor)
    expected = field(6, field(1, field(1, spec) + field(2, inputs)))
    assert warmup.request("serving_default", {"text": [b"a"]}, "nsmc") == expected
    warmup.write(tmp_path, [("serving_default", {"text": [b"a"]})] * 2, "nsmc")
    path = tmp_path / "assets.extra" / "tf_serving_warmup_requests"
    assert list(tf.data.TFRecordDataset(str(path)).as_numpy_iterator()) == [expected] * 2
