"""What the server counts, as Prometheus reads it."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest

SECONDS = (0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
TEXTS = (1, 2, 4, 8, 16, 32, 64, 128, 256)


class Counters:
    """The figures of one server, in a registry of its own."""

    content_type = "text/plain; version=0.0.4; charset=utf-8"

    def __init__(self) -> None:
        registry = self._registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        self.requests = Counter(
            "nsmc_requests", "Requests by what they asked and by status.", ("path", "status"), registry=registry
        )
        self.seconds = Histogram(
            "nsmc_predict_seconds", "Time of predictions that were answered.", buckets=SECONDS, registry=registry
        )
        self.texts = Counter("nsmc_texts", "Texts by the label that was more likely.", ("label",), registry=registry)
        self.truncated = Counter(
            "nsmc_texts_truncated", "Texts of which only the beginning was read.", registry=registry
        )
        self.rounds = Histogram("nsmc_round_texts", "Texts computed together.", buckets=TEXTS, registry=registry)
        self._waiting = Gauge("nsmc_waiting_texts", "Texts that wait or are computed.", registry=registry)
        self._connections = Gauge("nsmc_connections", "Open connections.", registry=registry)

    def watch(self, waiting: Callable[[], float], connections: Callable[[], float]) -> None:
        """Says where what is asked for when Prometheus asks comes from."""
        self._waiting.set_function(waiting)
        self._connections.set_function(connections)

    def text(self) -> bytes:
        """All figures in Prometheus' text format."""
        return generate_latest(self._registry)
