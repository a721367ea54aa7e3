"""The serve command: its address, the model's own answers, and an end by SIGTERM."""

import http.client
import json
import os
import signal
import time
import urllib.parse

import numpy as np
import pytest

from tests import forked
from tests.conftest import ROOT

for package in ("uvicorn", "starlette", "httptools", "prometheus_client"):
    pytest.importorskip(package)


def test_it_serves_until_it_is_told_to_stop(make_model, tmp_path):
    model, folder = make_model(), tmp_path / "model"
    model.save(folder)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}
    program = ["-m", "nsmc_bert.serve", f"--model={folder}", "--host=0.0.0.0", "--port=0", "--texts_limit=2"]
    process = forked.Started(program, cwd=tmp_path, env=environment)
    deadline = time.monotonic() + 60
    while not (address := process.output()) and time.monotonic() < deadline:
        assert process.poll() is None, process.finish().stderr
        time.sleep(0.05)
    port = urllib.parse.urlsplit(address.strip()).port
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    for texts, status in ((["이 영화 엄청 재미있네요", "노잼"], 200), (["a", "b", "c"], 413)):
        connection.request("POST", "/v1/models/nsmc:predict", json.dumps({"instances": texts}))
        response = connection.getresponse()
        answer = json.loads(response.read())
        assert response.status == status
        if status == 200:
            expected = model.predict(texts)
            np.testing.assert_allclose(answer["predictions"], expected, atol=1e-6)
    process.signal(signal.SIGTERM)
    result = process.finish()
    assert result.returncode == 0, result.stderr
    assert result.stdout == address == f"http://0.0.0.0:{port}/\n"
    lines = result.stderr.splitlines()
    assert lines[0].startswith(f"http://0.0.0.0:{port}/ is open to the network: whoever reaches it may ask")
    assert lines[1:] == [f"model: {folder}"]


def test_what_is_wrong_is_a_line(command):
    result = command("serve", "--port=99999")
    assert (result.returncode, result.stderr) == (1, "error: --port=99999: expected 65535 at most\n")
