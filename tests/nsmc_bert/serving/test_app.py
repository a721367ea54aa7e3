"""What the paths answer: TensorFlow Serving's forms, with the model's own probabilities."""

import asyncio
import concurrent.futures
import json
import re
import select
import socket

import numpy as np
import pytest

TEXTS = ["이 영화 엄청 재미있네요", "노잼", "", "최고 ! ? 이 영화 다시는 안 본다", "\U0001f600", "최악 . " * 30]


@pytest.fixture(scope="module")
def expected(served):
    with pytest.warns(UserWarning, match="1 of 6 texts are longer"):
        return served.model.predict(TEXTS)


def test_probabilities_are_the_models(served, expected):
    status, headers, answer = served.predict({"instances": TEXTS})
    assert status == 200
    np.testing.assert_allclose(answer["predictions"], expected, atol=1e-6)
    assert headers["texts-truncated"] == "1"
    status, _, answer = served.predict({"inputs": {"text": TEXTS}, "signature_name": "serving_default"})
    np.testing.assert_allclose(answer["outputs"], expected, atol=1e-6)
    assert list(answer) == ["outputs"]
    path = "/v1/models/nsmc/versions/1:predict"
    status, headers, answer = served.ask("POST", path, {"instances": [{"text": TEXTS[0]}]})
    np.testing.assert_allclose(answer["predictions"], expected[:1], atol=1e-6)
    assert headers["texts-truncated"] == "0"


def test_many_at_a_time_get_their_own_answers(served, expected):
    def ask(number):
        first = number % len(TEXTS)
        _, _, answer = served.predict({"instances": TEXTS[first:]})
        return np.abs(np.array(answer["predictions"]) - expected[first:]).max()

    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        assert max(pool.map(ask, range(64))) < 1e-6


def test_status_and_metadata_are_tensorflow_servings(served):
    for version in ("", "/versions/1"):
        _, _, status = served.ask("GET", f"/v1/models/nsmc{version}")
        (state,) = status["model_version_status"]
        assert (state["version"], state["state"], state["status"]["error_code"]) == ("1", "AVAILABLE", "OK")
        _, _, metadata = served.ask("GET", f"/v1/models/nsmc{version}/metadata")
        assert metadata["model_spec"] == {"name": "nsmc", "signature_name": "", "version": "1"}
        signature = metadata["metadata"]["signature_def"]["signature_def"]["serving_default"]
        assert signature["method_name"] == "tensorflow/serving/predict"
        assert signature["inputs"]["text"]["dtype"] == "DT_STRING"
        sizes = [dim["size"] for dim in signature["outputs"]["probabilities"]["tensor_shape"]["dim"]]
        assert sizes == ["-1", "2"]
        assert metadata["labels"] == ["negative", "positive"]


@pytest.mark.parametrize(
    "method, path, body, status, error",
    [
        ("POST", "/v1/models/nsmc:predict", b'{"instances": [', 400, "expected JSON"),
        ("POST", "/v1/models/other:predict", {"instances": ["a"]}, 404, "there is /v1/models/nsmc:predict"),
        ("POST", "/v1/models/nsmc/versions/2:predict", {"instances": ["a"]}, 404, "there is /v1/models/nsmc:predict"),
        ("GET", "/v1/models/nsmc/", None, 404, "there is"),
        ("GET", "/../../etc/passwd", None, 404, "there is"),
        ("GET", "/%00%ff%0a", None, 404, "there is"),
        ("GET", "/v1/models/nsmc:predict", None, 405, "GET: expected POST"),
        ("PUT", "/healthz", b"", 405, "PUT: expected"),
        ("POST", "/v1/models/nsmc:predict", b"a" * 10_001, 413, "found a body of 10001 bytes or more, expected at"),
        ("POST", "/v1/models/nsmc:predict", b"a" * 10_000_000, 413, "expected a"),
        ("POST", "/v1/models/nsmc:predict", {"instances": ["a"] * 101}, 413, "found 101 texts, expected at most 100"),
        ("POST", "/v1/models/nsmc:predict", {"instances": ["a" * 501]}, 413, "instances[0]: found a text of 501 char"),
    ],
)
def test_errors_are_a_line_of_json(served, method, path, body, status, error):
    found, headers, answer = served.ask(method, path, body)
    assert (found, list(answer), headers["content-type"]) == (status, ["error"], "application/json")
    assert error in answer["error"] and "\n" not in answer["error"]
    assert (headers["allow"] is not None) == (status == 405)


def test_other_content_is_refused(served):
    for headers in ({"Content-Type": "text/plain"}, {"Content-Encoding": "gzip", "Content-Type": "application/json"}):
        status, _, answer = served.ask("POST", "/v1/models/nsmc:predict", b'{"instances": ["a"]}', headers)
        assert status == 415 and "expected" in answer["error"]


def test_a_body_without_a_length_is_cut_off_at_the_limit(served):
    chunks = (b'{"instances": ["', b"a" * 9_000, b"a" * 9_000, b'"]}')
    body = b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in (*chunks, b""))
    status, _, answer = served.ask("POST", "/v1/models/nsmc:predict", body, {"Transfer-Encoding": "chunked"})
    assert status == 413 and "expected at most 10000" in answer["error"]


def test_too_much_at_a_time_is_told_to_come_again(served):
    def ask(_):
        return served.predict({"instances": ["이 영화"] * 100})

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(ask, range(24)))
    found = {status for status, _, _ in answers}
    assert found == {200, 503}
    for status, headers, answer in answers:
        if status == 503:
            assert headers["retry-after"] == "1" and "try again" in answer["error"]
    assert served.predict({"instances": ["꿀잼"]})[0] == 200


def figures(served):
    """The server's figures by name, as Prometheus reads them."""
    text = served.ask("GET", "/metrics")[2].decode()
    samples = [line.rpartition(" ") for line in text.splitlines() if not line.startswith("#")]
    return {name: float(value) for name, _, value in samples}


def test_figures_count_what_was_asked(served):
    before = figures(served)
    texts = ["노잼", "최악 . " * 10]
    served.predict({"instances": texts})
    served.predict(b"{")
    served.ask("GET", "/nowhere")
    after = figures(served)
    more = {name: value - before.get(name, 0) for name, value in after.items() if name.startswith("nsmc_")}
    assert more['nsmc_requests_total{path="predict",status="200"}'] == 1
    assert more['nsmc_requests_total{path="predict",status="400"}'] == 1
    assert more['nsmc_requests_total{path="other",status="404"}'] == 1
    assert more["nsmc_texts_truncated_total"] == 1
    with pytest.warns(UserWarning, match="longer"):
        predicted = served.model.predict(texts)
    labels = [more.get(f'nsmc_texts_total{{label="{label}"}}', 0) for label in ("negative", "positive")]
    assert labels == np.bincount(np.argmax(predicted, 1), minlength=2).tolist()
    assert more["nsmc_predict_seconds_count"] == 1 and more["nsmc_round_texts_sum"] == 2
    assert after["nsmc_waiting_texts"] == 0 and after["nsmc_connections"] >= 1


def test_what_the_connection_refuses_is_counted_once(served):
    predict = b"POST /v1/models/nsmc:predict HTTP/1.1\r\nHost: a\r\n"
    chunks = b"1;" + b"a" * 40 + b"\r\na\r\n"  # of which only a byte is the body's
    for sent, status in ((b"no HTTP", 400), (predict + b"Transfer-Encoding: chunked\r\n\r\n" + chunks * 4000, 413)):
        before = figures(served)
        with socket.create_connection(served.address, timeout=20) as one:
            one.sendall(sent)
            assert one.recv(1000).startswith(b"HTTP/1.1 %d" % status)
        more = {
            name: value - before.get(name, 0) for name, value in figures(served).items() if "requests_total" in name
        }
        assert {name: value for name, value in more.items() if value} == {
            f'nsmc_requests_total{{path="connection",status="{status}"}}': 1
        }


def test_explanations_are_the_models(served):
    expected = served.model.explain(TEXTS[0])
    status, _, answer = served.ask("POST", "/explain", {"text": TEXTS[0]})
    assert status == 200 and not answer["truncated"]
    np.testing.assert_allclose(answer["probabilities"], expected.probabilities, atol=1e-6)
    found = answer["explanation"]
    assert [word["text"] for word in found["words"]] == TEXTS[0].split()
    np.testing.assert_allclose([word["added"] for word in found["words"]], [w.added for w in expected.words], atol=1e-3)
    assert served.ask("POST", "/explain", {"text": TEXTS[-1]})[2]["truncated"]


def test_texts_are_changed_as_people_type(served):
    from nsmc_bert.data import perturbation

    for seed in (0, 5):
        _, _, changed = served.ask("POST", "/perturb", {"text": TEXTS[0], "seed": seed})
        assert changed["spaces"] == "이영화엄청재미있네요"
        assert changed["typo"] == perturbation.with_typo([TEXTS[0]], seed)[0] != TEXTS[0]


@pytest.mark.parametrize(
    "body, status, error",
    [
        ({}, 400, "found an object with []"),
        ([], 400, "found a list"),
        ({"text": "a", "more": 1}, 400, "['text', 'more']"),
        ({"text": 1}, 400, "text: found the number 1, expected a string"),
        ({"text": "a", "seed": -1}, 400, "seed: found -1, expected a whole number from 0"),
        ({"text": "a", "seed": True}, 400, "seed: found True"),
        ({"text": "a" * 501}, 413, "text: found a text of 501 characters"),
    ],
)
def test_the_pages_questions_are_checked(served, body, status, error):
    for path in ("/explain", "/perturb"):
        found, _, answer = served.ask("POST", path, body)
        assert found == status and error in answer["error"]


def test_the_page_asks_nobody_else_and_inserts_no_html(served):
    status, headers, page = served.ask("GET", "/")
    assert status == 200 and headers["content-type"].startswith("text/html")
    policy = headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; ") and "unsafe" not in policy and "http" not in policy
    script, style = (served.ask("GET", f"/page.{kind}")[2].decode() for kind in ("js", "css"))
    page = page.decode()
    assert not re.search(r"\sstyle=|\son\w+=|<style|<script(?! src)", page)
    assert not re.search(r"innerHTML|outerHTML|insertAdjacent|document\.write|eval\(|Function\(|\.style\b", script)
    for text in (page, script, style):
        assert set(re.findall(r"https?://[^\s\"']+", text)) <= {"http://www.w3.org/2000/svg"}
    # both languages say the same things, and all that the page names
    both = script.split("const TEXTS = {")[1].split("\n};")[0].split("\n  en: {")
    ko, en = (set(re.findall(r"(?:^|[,{] ?|  )(\w+): (?=[\"(])", part, re.M)) for part in both)
    assert ko == en and set(re.findall(r'data-text="(\w+)"', page)) <= ko
    _, _, known = served.ask("GET", "/page.json")
    assert known == {
        "labels": ["negative", "positive"],
        "columns": ["label", "negative", "positive"],
        "values": [],
        "limits": {"body": 10_000, "texts": 100, "characters": 500},
    }


def test_of_ratings_the_page_knows_the_values(served):
    from nsmc_bert.base import classes
    from nsmc_bert.serving.app import App
    from nsmc_bert.serving.bodies import Limits
    from nsmc_bert.serving.counters import Counters

    app, sent = App(None, None, classes.ratings([1, 2.5, 4]), Limits(), Counters()), []

    async def send(message):
        sent.append(message)

    asyncio.run(app.asgi({"type": "http", "method": "GET", "path": "/page.json", "headers": []}, None, send))
    known = json.loads(sent[1]["body"])
    assert known["columns"] == ["label", "1", "2.5", "4", "expected_rating"] and known["values"] == [1.0, 2.5, 4.0]


def test_other_origins_ask_if_they_may(served):
    preflight = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type"}
    for origin, allowed in (("https://one.example", "https://one.example"), ("https://other.example", None)):
        _, headers, _ = served.predict({"instances": ["꿀잼"]}, Origin=origin)
        assert headers["access-control-allow-origin"] == allowed
        assert headers["access-control-expose-headers"] == "Texts-Truncated, Retry-After"
        status, headers, _ = served.ask("OPTIONS", "/v1/models/nsmc:predict", None, {"Origin": origin, **preflight})
        assert (status, headers["access-control-allow-origin"]) == (200 if allowed else 400, allowed)


def test_a_host_that_is_none_is_no_harm(served):
    status, _, answer = served.ask("GET", "/nowhere", None, {"Host": "["})
    assert status == 404 and answer["error"].startswith("/nowhere: not found")


def test_large_bodies_that_never_end_keep_no_small_ones_out(served, monkeypatch):
    monkeypatch.setattr("nsmc_bert.serving.app.SMALL", 100)
    head = b"POST /v1/models/nsmc:predict HTTP/1.1\r\nHost: a\r\nContent-Length: 9999\r\n\r\n"
    held = []
    for _ in range(34):  # of 10,000 bytes each: two more than all together may hold
        held.append(socket.create_connection(served.address, timeout=20))
        held[-1].sendall(head + b"a" * 9998)
    readable, _, _ = select.select(held, [], [], 20)
    assert readable[0].recv(1000).startswith(b"HTTP/1.1 503")
    assert served.predict({"instances": ["꿀잼"]})[0] == 200
    for one in held:
        one.close()


def test_health_and_no_sniffing(served):
    status, headers, answer = served.ask("GET", "/healthz")
    assert (status, answer, headers["x-content-type-options"]) == (200, {"status": "ok"}, "nosniff")
    assert headers["server"] is None
