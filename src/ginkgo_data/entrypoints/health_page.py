# Upstream: entrypoints.health_server
# Downstream: domain.model.health
# Role: A worker's health as one JSON object
"""What `/healthz` and `/readyz` answer, and `ginkgo-data health --json` prints."""

from __future__ import annotations

import os
import socket
from datetime import datetime

from ginkgo_data.domain.model.health import Server, Standing, VitalSigns, WorkerHealth


def as_object(health: WorkerHealth) -> dict[str, object]:
    """Return the verdict with its reasons, and the signs behind it, as strict JSON."""
    signs = health.signs
    return {
        "alive": health.alive,
        "healthy": health.healthy,
        "ready": health.ready,
        "dead": list(health.dead),
        "sick": list(health.sick),
        "unready": list(health.unready),
        "notes": list(health.notes),
        "node_id": signs.node_id,
        "group_id": signs.group_id,
        "status": signs.status.name.lower(),
        "at": signs.at.isoformat(),
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "uptime_seconds": round(signs.uptime, 1),
        "loop": _loop(signs),
        "client": {
            "still_seconds": round(signs.client_still_for, 1),
            "limit_seconds": signs.client_patience,
        },
        "stuck_calls": [_standing(call) for call in signs.stuck_calls],
        "servers": {server.value: _server(signs, server) for server in Server},
        "partitions": len(signs.stream.assigned),
        "lag": sum(signs.stream.lag.values()),
        "unfinished": signs.unfinished,
        "last_poll": _text(signs.last_poll),
        "last_commit": _text(signs.last_commit),
    }


def _loop(signs: VitalSigns) -> dict[str, object]:
    return {
        "still_seconds": round(signs.still_for, 1),
        "limit_seconds": signs.loop_patience,
        "rounds": signs.stats.rounds,
        "step": _standing(signs.standing) if signs.standing else None,
        "place": signs.place or None,
    }


def _standing(standing: Standing) -> dict[str, object]:
    return {"step": standing.step, "about": standing.about, "still_seconds": round(standing.still_for, 1)}


def _server(signs: VitalSigns, server: Server) -> dict[str, object]:
    away = signs.away.get(server)
    return {
        "answers": away is None,
        "reason": away.reason if away else None,
        "since": _text(away.since) if away else None,
    }


def _text(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None
