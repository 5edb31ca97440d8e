# Upstream: adapters.kafka.{broadcasts, member}
# Downstream: confluent_kafka
# Role: The end of a client, within a deadline
"""`Consumer.close()` can block for ever while the broker is away."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING

from confluent_kafka import KafkaException

if TYPE_CHECKING:
    from confluent_kafka import Consumer

log = logging.getLogger(__name__)


def close_within(consumer: Consumer, timeout: float) -> bool:
    """Close `consumer` on a thread of its own; return whether that was done within `timeout` seconds."""

    def close() -> None:
        try:
            consumer.close()
        except (KafkaException, RuntimeError) as error:
            log.warning("a client was not closed cleanly: %s", error)

    closing = threading.Thread(target=close, daemon=True)
    closing.start()
    closing.join(timeout)
    return not closing.is_alive()
