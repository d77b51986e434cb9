"""What the service counts, for Prometheus; a registry of its own for each application."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Protocol, runtime_checkable

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client import generate_latest as render_text
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from scenesearch.engine.tasks import Answer

REQUEST_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
STAGE_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
MEDIA_TYPE = CONTENT_TYPE_LATEST


@runtime_checkable
class Gauged(Protocol):
    """An engine that says how much waits and runs."""

    def gauges(self) -> Mapping[str, float]:
        """Figures by name: ``queue_heavy``, ``running_light``, ``rejected_total``."""


class _EngineGauges(Collector):
    """Asks the engine when it is scraped, so that nothing has to be kept up to date."""

    def __init__(self, engine: Gauged) -> None:
        self._engine = engine

    def describe(self) -> Iterator[Metric]:
        return iter(())

    def collect(self) -> Iterator[Metric]:
        for name, value in sorted(self._engine.gauges().items()):
            about = f"Of the queue before the engine: {name.replace('_', ' ')}."
            family = CounterMetricFamily if name.endswith("_total") else GaugeMetricFamily
            yield family(f"scenesearch_gate_{name}", about, value=value)


class Metrics:
    """The figures of one application.

    Attributes:
        registry: everything that ``/metrics`` shows.
    """

    def __init__(self, engine: object = None) -> None:
        self.registry = CollectorRegistry()
        self._requests = Counter(
            "http_requests_total",
            "Requests answered.",
            ("route", "method", "status"),
            registry=self.registry,
        )
        self._duration = Histogram(
            "http_request_duration_seconds",
            "From the request's head to the end of its answer.",
            ("route",),
            buckets=REQUEST_BUCKETS,
            registry=self.registry,
        )
        self._stages = Histogram(
            "scenesearch_stage_seconds",
            "Time of answers by stage.",
            ("stage",),
            buckets=STAGE_BUCKETS,
            registry=self.registry,
        )
        self.in_flight = Gauge(
            "http_requests_in_flight", "Requests being answered.", registry=self.registry
        )
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        if isinstance(engine, Gauged):
            self.registry.register(_EngineGauges(engine))

    def request(self, route: str, method: str, status: int, seconds: float) -> None:
        """Count one answered request; ``route`` is a template, never a path."""
        known = method if method in METHODS else "other"
        self._requests.labels(route, known, str(status)).inc()
        self._duration.labels(route).observe(seconds)

    def observe(self, answer: Answer) -> None:
        """Count the stages of one answer of the engine."""
        for stage, seconds in answer.seconds.items():
            self._stages.labels(stage).observe(seconds)

    def render(self) -> bytes:
        """Everything as Prometheus reads it."""
        return render_text(self.registry)
