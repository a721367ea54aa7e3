"""Counters: each server's own, in Prometheus' text format."""

import pytest

pytest.importorskip("prometheus_client")
from prometheus_client.parser import text_string_to_metric_families  # noqa: E402

from nsmc_bert.serving.counters import Counters  # noqa: E402


def read(counters):
    families = text_string_to_metric_families(counters.text().decode())
    return {(sample.name, *sample.labels.values()): sample.value for family in families for sample in family.samples}


def test_what_is_counted_is_told():
    one, other = Counters(), Counters()
    one.watch(lambda: 7, lambda: 3)
    one.requests.labels("predict", 200).inc()
    one.rounds.observe(5)
    found = read(one)
    assert found["nsmc_requests_total", "predict", "200"] == 1
    assert (found["nsmc_waiting_texts",], found["nsmc_connections",]) == (7, 3)
    assert (found["nsmc_round_texts_bucket", "4.0"], found["nsmc_round_texts_bucket", "8.0"]) == (0, 1)
    assert found["process_start_time_seconds",] > 0
    assert read(other)["nsmc_round_texts_count",] == 0
