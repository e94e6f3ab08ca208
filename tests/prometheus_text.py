"""What a daemon measures, as Prometheus's own parser reads it."""

from dataclasses import dataclass
from pathlib import Path

from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families

from wire import HttpReply, Raw


@dataclass(frozen=True, slots=True)
class Measured:
    families: dict[str, Metric]

    def value(self, name: str, **labels: str) -> float:
        """0 for a sample that is not there yet."""
        return next(
            (
                sample.value
                for family in self.families.values()
                for sample in family.samples
                if (sample.name, sample.labels) == (name, labels)
            ),
            0.0,
        )

    def names(self) -> set[str]:
        """Of all samples, as an expression of PromQL names them."""
        return {sample.name for family in self.families.values() for sample in family.samples}


def get(socket_path: Path, target: str) -> HttpReply:
    with Raw(socket_path) as raw:
        raw.send(f"GET {target} HTTP/1.1\r\nHost: cco\r\nConnection: close\r\n\r\n".encode())
        return raw.http_reply()


def measured(socket_path: Path) -> Measured:
    reply = get(socket_path, "/metrics")
    assert reply.status == 200, reply
    return parsed(reply.body.decode())


def parsed(text: str) -> Measured:
    families = list(text_string_to_metric_families(text))
    assert len({family.name for family in families}) == len(families)
    return Measured({family.name: family for family in families})
