"""docs/metrics.md and the dashboard name what a daemon really tells."""

import json
import re
from pathlib import Path

from process import Daemon
from prometheus_text import Measured, measured

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "metrics.md"
DASHBOARD = ROOT / "packaging" / "grafana" / "cco-knowledge.json"
OWN_NAME = re.compile(r"\bcco_knowledge_\w+")


def all_metrics(daemon: Daemon) -> Measured:
    daemon.call("system.ping")  # the first call makes the counters of calls
    return measured(daemon.socket_path)


def rows_of(now: Measured) -> list[str]:
    """The table as the page has to show it."""
    return [
        f"| `{name_of(family.name, family.type, labels)}` | {family.type} "
        f"| {', '.join(f'`{label}`' for label in labels)} | {family.documentation} |"
        for family in now.families.values()
        for labels in [sorted({*family.samples[0].labels} - {"le"})]
    ]


def name_of(name: str, kind: str, labels: list[str]) -> str:
    return f"{name}_total" if kind == "counter" else name


def test_the_table_of_the_page_has_every_metric(shared_daemon: Daemon) -> None:
    page = PAGE.read_text("utf-8").splitlines()
    assert [line for line in page if line.startswith("| `cco_knowledge_")] == [
        *rows_of(all_metrics(shared_daemon)),
        *(line for line in page if line.startswith("| `cco_knowledge_disk_free_bytes <")),
    ]


def test_the_page_names_no_metric_that_does_not_exist(shared_daemon: Daemon) -> None:
    now = all_metrics(shared_daemon)
    named = set(OWN_NAME.findall(PAGE.read_text("utf-8")))
    assert named <= now.names() | now.families.keys()


def test_every_expression_of_the_dashboard_names_metrics_that_exist(
    shared_daemon: Daemon,
) -> None:
    panels = json.loads(DASHBOARD.read_text("utf-8"))["panels"]
    assert 8 <= len(panels) <= 16
    now = all_metrics(shared_daemon)
    shown: set[str] = set()
    for panel in panels:
        for target in panel["targets"]:
            names = OWN_NAME.findall(target["expr"])
            assert names, panel["title"]
            assert set(names) <= now.names(), panel["title"]
            shown.update(names)
    families = {
        family.name for family in now.families.values() if {s.name for s in family.samples} & shown
    }
    untold = {"cco_knowledge_build_info", "cco_knowledge_uptime_seconds"}
    assert now.families.keys() - families <= untold | {"cco_knowledge_embedding_cache_entries"}


def test_the_variables_of_the_dashboard_are_defined() -> None:
    text = DASHBOARD.read_text("utf-8")
    defined = {variable["name"] for variable in json.loads(text)["templating"]["list"]}
    used = set(re.findall(r"\$\{?(\w+)", text))
    assert {name for name in used if not name.startswith("__")} == defined
