"""What the service counts, for Prometheus; a registry of its own for each application."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from typing import Protocol, runtime_checkable

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client import generate_latest as render_text
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from scenesearch.engine.remote.gated import Figure
from scenesearch.engine.tasks import Answer

REQUEST_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
STAGE_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
ABOUT: Mapping[str, str] = {
    "queue_waiting": "Tasks that wait for the engine.",
    "queue_running": "Tasks at the engine.",
    "queue_expected_wait_seconds": "How long one more task would wait.",
    "queue_mean_seconds": "How long a task takes.",
    "queue_refused_total": "Tasks that were refused, by reason.",
    "engine_ready": "1 where the engine's process answers.",
    "engine_restarts_total": "How often the engine's process was started again.",
}
"""What the figures of the engine are."""
MEDIA_TYPE = CONTENT_TYPE_LATEST


@runtime_checkable
class Gauged(Protocol):
    """An engine that says how much waits and runs."""

    def gauges(self) -> Mapping[Figure, float]:
        """Figures of the queue before the engine, and of its process."""


class _EngineGauges(Collector):
    """Asks the engine when it is scraped, so that nothing has to be kept up to date."""

    def __init__(self, engine: Gauged) -> None:
        self._engine = engine

    def describe(self) -> Iterator[Metric]:
        return iter(())

    def collect(self) -> Iterator[Metric]:
        figures = self._engine.gauges()
        families: dict[str, CounterMetricFamily | GaugeMetricFamily] = {}
        for figure, value in figures.items():
            labels = {name: text for name, text in figure._asdict().items() if name != "name"}
            given = {name: text for name, text in labels.items() if text}
            kind = CounterMetricFamily if figure.name.endswith("_total") else GaugeMetricFamily
            family = families.setdefault(
                figure.name,
                kind(f"scenesearch_{figure.name}", ABOUT[figure.name], labels=list(given)),
            )
            family.add_metric(list(given.values()), value)
        yield from families.values()


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
        kept = partial(Gauge, registry=self.registry)
        self._items = kept("scenesearch_items", "Items of the catalogue, counted now and then.")
        self._points = kept("scenesearch_points", "Regions of their photos, likewise.")
        self._jobs = kept("scenesearch_jobs", "Jobs that are kept.", ("status",))
        self._feedback = kept("scenesearch_feedback", "Feedback that is kept.")
        quota = ("caller", "what")
        self._quota = kept("scenesearch_quota", "What a key may cost a day.", quota)
        self._used = kept("scenesearch_quota_used", "What a key cost today (UTC).", quota)
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

    def kept(self, jobs: Mapping[str, int], feedback: int) -> None:
        """What the state keeps: jobs by status, and feedback."""
        for status, count in jobs.items():
            self._jobs.labels(status).set(count)
        self._feedback.set(feedback)

    def quotas(self, keys: Iterable[tuple[str, Mapping[str, int], Mapping[str, int]]]) -> None:
        """What keys may cost a day, and did; a key that was withdrawn is shown no longer.

        Args:
            keys: as a short digest, with its limits and what it used of them.
        """
        self._quota.clear()
        self._used.clear()
        for caller, limits, used in keys:
            for what, limit in limits.items():
                self._quota.labels(caller, what).set(limit)
                self._used.labels(caller, what).set(used.get(what, 0))

    def catalogue(self, *, items: int | None, points: int) -> None:
        """What the store holds; None for items that are too many to be counted."""
        self._items.set(float("nan") if items is None else items)
        self._points.set(points)

    def render(self) -> bytes:
        """Everything as Prometheus reads it."""
        return render_text(self.registry)
