"""Bodies: TensorFlow Serving's two forms, and one clear line for everything else."""

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nsmc_bert.serving import bodies
from nsmc_bert.serving.bodies import Limits, Question, Refused

SMALL = Limits(body=1000, texts=3, characters=20)


def read(value, limits=SMALL):
    return bodies.question(value if isinstance(value, bytes) else json.dumps(value).encode(), limits)


@pytest.mark.parametrize(
    "value, expected",
    [
        ({"instances": ["꿀잼", "노잼"]}, Question(["꿀잼", "노잼"])),
        ({"instances": [{"text": "꿀잼"}, "노잼"], "signature_name": "serving_default"}, Question(["꿀잼", "노잼"])),
        ({"instances": [""], "signature_name": ""}, Question([""])),
        ({"instances": [{"b64": base64.b64encode("꿀잼".encode()).decode()}]}, Question(["꿀잼"])),
        ({"instances": [{"text": {"b64": base64.b64encode("꿀잼".encode()).decode()}}]}, Question(["꿀잼"])),
        ({"inputs": ["꿀잼", "노잼"]}, Question(["꿀잼", "노잼"], by_columns=True)),
        ({"inputs": {"text": ["꿀잼"]}}, Question(["꿀잼"], by_columns=True)),
        (b'\xef\xbb\xbf{"instances": ["a"]}', Question(["a"])),
        (b'{"instances": ["\\ud800"]}', Question(["\ud800"])),
    ],
)
def test_forms(value, expected):
    assert read(value) == expected


@pytest.mark.parametrize(
    "value, status, error",
    [
        (b"", 400, "line 1, column 1 of the body: found the end, expected JSON"),
        (b'{"instances": ["a"', 400, "line 1, column 19 of the body: found the end, expected JSON"),
        (b'{"instances":\n ["a" "b"]}', 400, "line 2, column 7 of the body: found"),
        (b'{"instances": ["\xc7"]}', 400, "byte 16 of the body: found b'\\xc7\"]}', expected UTF-8"),
        (b"[" * 200_000, 400, "found JSON of too many levels"),
        (b'{"instances": NaN}', 400, "NaN is no number of JSON"),
        (b"9" * 900 + b"9" * 5000, 400, "found JSON that cannot be read"),
        ([], 400, 'found a list, expected an object: {"instances": ["…"]}'),
        (None, 400, "found null, expected an object"),
        ({}, 400, "found neither instances nor inputs, expected one of them"),
        ({"instances": ["a"], "inputs": ["a"]}, 400, "found both instances and inputs, expected one of them"),
        ({"instance": ["a"]}, 400, "found 'instance', expected instances or inputs"),
        (
            {"instances": ["a"], "signature_name": "other"},
            400,
            "signature_name: found 'other', expected serving_default",
        ),
        ({"instances": "a"}, 400, "instances: found a string, expected a list of texts"),
        ({"inputs": {"text": True}}, 400, "inputs.text: found true, expected a list of texts"),
        ({"inputs": {"texts": ["a"]}}, 400, "inputs: found an object with ['texts'], expected {\"text\": …}"),
        ({"instances": []}, 400, "instances: found an empty list, expected at least one text"),
        ({"instances": ["a", 7]}, 400, "instances[1]: found the number 7, expected a string"),
        ({"instances": [{"text": ["a"]}]}, 400, "instances[0].text: found a list, expected a string"),
        ({"instances": [{"b64": "?"}]}, 400, "instances[0]: found {'b64': '?'}, expected"),
        ({"instances": [{"b64": "/w=="}]}, 400, "instances[0]: found {'b64': '/w=='}, expected"),
        ({"instances": ["a"] * 4}, 413, "instances: found 4 texts, expected at most 3; send them in several requests"),
        ({"inputs": ["a", "b" * 21]}, 413, "inputs[1]: found a text of 21 characters, expected at most 20"),
    ],
)
def test_what_is_refused(value, status, error):
    with pytest.raises(Refused) as refused:
        read(value)
    assert refused.value.status == status
    assert error in refused.value.error


@given(st.lists(st.text(max_size=20), min_size=1, max_size=3), st.booleans())
def test_any_texts_come_as_they_were_sent(texts, by_columns):
    assert read({"inputs" if by_columns else "instances": texts}) == Question(texts, by_columns)


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["instances", "inputs", "text", "b64", "signature_name", "x"]), inner)
    ),
    max_leaves=8,
)


@given(st.binary(max_size=50) | JSON.map(lambda value: json.dumps(value).encode()))
def test_any_bytes_are_a_question_or_refused_in_a_line(body):
    try:
        found = read(body)
    except Refused as refused:
        assert refused.status in (400, 413)
        assert "\n" not in refused.error and "found" in refused.error
    else:
        assert 1 <= len(found.texts) <= 3 and all(isinstance(text, str) for text in found.texts)


@pytest.mark.parametrize(
    "headers, status",
    [
        ({}, None),
        ({"content-type": "application/json; charset=UTF-8", "content-length": "1000"}, None),
        ({"content-type": "application/x-www-form-urlencoded"}, None),  # curl -d
        ({"content-type": "application/vnd.api+json"}, None),
        ({"content-type": "text/plain"}, 415),
        ({"content-type": "application/json; charset=euc-kr"}, 415),
        ({"content-encoding": "gzip"}, 415),
        ({"content-length": "1001"}, 413),
        ({"content-length": "9" * 5000}, 413),
    ],
)
def test_headers_that_are_refused_before_the_body_is_read(headers, status):
    if status is None:
        bodies.check_headers(headers, SMALL)
        return
    with pytest.raises(Refused) as refused:
        bodies.check_headers(headers, SMALL)
    assert refused.value.status == status
