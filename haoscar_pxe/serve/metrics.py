"""What was counted and what the process uses, as Prometheus reads it (`GET /metrics`).

Format: https://prometheus.io/docs/instrumenting/exposition_formats/ (by `prometheus_client`).
"""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.registry import Collector

from haoscar_pxe.serve.counters import Counters

CONTENT_TYPE = CONTENT_TYPE_LATEST


class Metrics:
    """Of one server."""

    def __init__(self, counters: Counters) -> None:
        self._registry = CollectorRegistry()
        self._registry.register(_Events(counters))
        ProcessCollector(registry=self._registry)

    def text(self) -> bytes:
        """All of them as they are now: `haoscar_pxe_events_total` and `process_…`."""
        return generate_latest(self._registry)


class _Events(Collector):
    """The counters: "tftp finished" becomes protocol="tftp", event="finished"."""

    def __init__(self, counters: Counters) -> None:
        self._counters = counters

    def collect(self) -> Iterator[CounterMetricFamily]:
        """See Collector."""
        events = CounterMetricFamily(
            "haoscar_pxe_events", "How often what happened.", labels=("protocol", "event")
        )
        for name, count in self._counters.snapshot().items():
            protocol, _, event = name.partition(" ")
            events.add_metric((protocol, event), count)
        yield events
