# Upstream: entrypoints.{container, contracts}
# Downstream: adapters.kafka, domain.model.quality, ports.notifications
# Role: Port notifications on Kafka: reports, alerts and events on the notification topic
"""Telling waits for nothing: the acknowledgement comes later. Failures are counted, an outage is logged once."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from ginkgo_data.adapters.kafka.outage import Outage
from ginkgo_data.adapters.kafka.producer import KafkaProducer
from ginkgo_data.adapters.kafka.report_wire import REPORT_KEY, encode_report
from ginkgo_data.adapters.kafka.wire_json import Json, to_bytes
from ginkgo_data.adapters.kafka.wire_out import encode_alert, encode_event
from ginkgo_data.domain.model.quality import Alert, DataQualityReport
from ginkgo_data.ports.notifications import Told

log = logging.getLogger(__name__)

ALERT_KEY = "data_worker_alert"
EVENT_KEY = "data_worker_event"
"""Keys of the records, beside `REPORT_KEY`: one kind keeps its order."""


def _present() -> datetime:
    return datetime.now(UTC)


class KafkaNotifications:
    """Writes to `topic` as `node_id`; safe for several threads. The producer's owner closes it, which flushes."""

    def __init__(
        self, producer: KafkaProducer, topic: str, node_id: str, now: Callable[[], datetime] = _present
    ) -> None:
        self._producer = producer
        self._topic = topic
        self._node_id = node_id
        self._now = now
        self._lock = threading.Lock()
        self._failures = 0
        self._outage = Outage(log, logging.WARNING, "notifications")

    @property
    def failures(self) -> int:
        """How many messages were not kept, as far as the broker's word has come."""
        with self._lock:
            return self._failures

    def report(self, report: DataQualityReport, told: Told | None = None) -> None:
        """Publish a job's report, whole; `told` is called with the broker's word on it."""
        self._post(REPORT_KEY, encode_report(report), told)

    def alert(self, alert: Alert, told: Told | None = None) -> None:
        """Publish an alert; `told` is called with the broker's word on it."""
        self._post(ALERT_KEY, encode_alert(alert, self._node_id), told)

    def event(self, kind: str, data: Mapping[str, object]) -> None:
        """Publish an event as it is now, whatever becomes of `data`."""
        self._post(EVENT_KEY, encode_event(kind, data, self._node_id, self._now()))

    def _post(self, key: str, message: Json, told: Told | None = None) -> None:
        def failed(reason: str) -> None:
            with self._lock:
                self._failures += 1
            self._outage.failed(f"{message.get('type')} was not told: {reason}")
            if told is not None:
                told(False)

        def kept() -> None:
            self._outage.over()
            if told is not None:
                told(True)

        self._producer.post(self._topic, to_bytes(message), key.encode(), failed, kept)
