"""A broker of the tests whose connections can be cut without stopping it: a second way in, through a proxy."""

from __future__ import annotations

from pathlib import Path

from support.kafka_server import KafkaServer
from support.processes import HOST, free_port
from support.proxy import TcpProxy

_PROTOCOLS = "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,CUT:PLAINTEXT"


class CuttableKafka(KafkaServer):
    """Clients that start at `proxy.address` are sent back to it, those that start at `bootstrap` never meet it."""

    def __init__(self, directory: Path) -> None:
        self._inner = free_port()
        self.proxy = TcpProxy(self._inner)
        super().__init__(directory, {"listener.security.protocol.map": _PROTOCOLS})

    def kill(self) -> None:
        """End it at once, and the proxy with it."""
        self.proxy.close()
        super().kill()

    def _places(self) -> dict[str, object]:
        places = super()._places()
        places["listeners"] = f"{places['listeners']},CUT://{HOST}:{self._inner}"
        places["advertised.listeners"] = f"{places['advertised.listeners']},CUT://{self.proxy.address}"
        return places
