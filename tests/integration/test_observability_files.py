"""Dashboard and alert rules speak of metrics that a worker really shows, with labels that they really have."""

from __future__ import annotations

import json
import re
from collections import Counter as Tally
from pathlib import Path

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from ginkgo_data.adapters.prometheus.metrics import PrometheusMetrics
from ginkgo_data.domain.model.health import WorkerHealth
from ginkgo_data.domain.model.measures import ALL, Counted
from ginkgo_data.domain.model.quality import AlertKind
from support.health import WELL

FOLDER = Path(__file__).resolve().parents[2] / "deploy" / "observability"
DOCS = Path(__file__).resolve().parents[2] / "docs"
OPERATIONS, ALERTS = DOCS / "operations.md", DOCS / "alerts.md"
RULES = [rule for group in yaml.safe_load((FOLDER / "alerts.yml").read_text())["groups"] for rule in group["rules"]]
DASHBOARD = json.loads((FOLDER / "grafana-dashboard.json").read_text())
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
EXPRESSIONS = {
    **{f"alert {rule['alert']}": rule["expr"] for rule in RULES},
    **{f"panel {panel['title']} {target['refId']}": target["expr"] for panel in PANELS for target in panel["targets"]},
}
ADDED_BY_PROMETHEUS = {"instance", "job"}
SELECTOR = re.compile(r"\b((?:ginkgo_data|process)_[a-z0-9_]+)(\{[^}]*\})?")
MATCHER = re.compile(r'([a-z_]+)\s*(?:=~|!~|!=|=)\s*"[^"]*"')
GROUPING = re.compile(r"\b(?:by|on)\s*\(([^)]*)\)")


def shown() -> dict[str, set[str]]:
    """Return the names of all samples on the page of a worker that has done a bit of everything, with their labels."""
    metrics = PrometheusMetrics()
    metrics.show(lambda: WorkerHealth(WELL))
    for what in ALL:
        labels = dict.fromkeys(what.labels, "x")
        if isinstance(what, Counted):
            metrics.count(what, **labels)
        else:
            metrics.measure(what, 1.0, **labels)
    found: dict[str, set[str]] = {}
    for family in text_string_to_metric_families(metrics.page()[0].decode()):
        for sample in family.samples:
            found.setdefault(sample.name, set()).update(sample.labels)
    return found


@pytest.fixture(scope="module")
def names():
    return shown()


@pytest.mark.parametrize("where", EXPRESSIONS)
def test_every_name_is_on_the_page_and_every_label_is_one_of_its(names, where):
    expression = EXPRESSIONS[where]
    selectors = SELECTOR.findall(expression)
    assert selectors, expression
    known: set[str] = set(ADDED_BY_PROMETHEUS)
    for name, matchers in selectors:
        assert name in names, f"{where}: no worker shows {name}"
        labels = names[name] | ADDED_BY_PROMETHEUS
        known |= labels
        asked = set(MATCHER.findall(matchers))
        assert asked <= labels, f"{where}: {name} has no label {asked - labels}"
    for grouping in GROUPING.findall(expression):
        wanted = {label.strip() for label in grouping.split(",")}
        assert wanted <= known, f"{where}: nothing has a label {wanted - known}"


@pytest.mark.parametrize("where", EXPRESSIONS)
def test_expressions_are_whole(where):
    expression = re.sub(r'"(?:[^"\\]|\\.)*"', '""', EXPRESSIONS[where])
    for opening, closing in ("()", "{}", "[]"):
        assert expression.count(opening) == expression.count(closing), expression
    assert "ginkgo_data_" in expression or "process_" in expression
    # A counter or a histogram is read by how it grows.
    for name, _ in SELECTOR.findall(expression):
        if name.endswith(("_total", "_bucket", "_sum", "_count")):
            assert re.search(r"\b(rate|increase)\(", expression), f"{where}: {name} is read as it is"


def test_rules_say_how_bad_it_is_what_it_means_and_what_to_do():
    assert len({rule["alert"] for rule in RULES}) == len(RULES)
    for rule in RULES:
        assert set(rule) <= {"alert", "expr", "for", "labels", "annotations"}, rule
        assert rule["labels"]["severity"] in {"info", "warning", "critical"}
        assert all(rule["annotations"][part] for part in ("summary", "description", "action")), rule["alert"]
        assert re.fullmatch(r"\d+[smh]", rule.get("for", "1m")), rule


def rows_of(text: str, heading: str) -> dict[str, str]:
    """Return the tables' rows under a heading: first cell without its marks -> last cell."""
    section = text.split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in section.splitlines() if line.startswith("|")]
    return {name: row[-1] for row in cells for name in re.findall(r"`(\w+)`", row[0])}


@pytest.mark.parametrize(
    ("heading", "names"),
    [
        ("Alerts of the workers", [kind.value for kind in AlertKind]),
        ("Rules for Prometheus", [rule["alert"] for rule in RULES]),
    ],
)
def test_the_page_of_alerts_has_all_of_them_and_no_others_with_what_to_do(heading, names):
    rows = rows_of(ALERTS.read_text(), heading)
    assert rows.keys() == set(names)
    assert [name for name, what_to_do in rows.items() if len(what_to_do.split()) < 3] == []


def test_the_operators_page_has_every_metric(names):
    text = OPERATIONS.read_text()
    ours = {name for name in names if name.startswith("ginkgo_data_")}
    plain = {re.sub(r"_(bucket|sum|count|created)$", "", name) for name in ours}
    assert sorted(name for name in plain if name not in text) == []


def test_the_dashboard_is_whole_and_nothing_lies_on_top_of_another():
    places = [panel["gridPos"] for panel in DASHBOARD["panels"]]
    columns = [(range(p["x"], p["x"] + p["w"]), range(p["y"], p["y"] + p["h"])) for p in places]
    taken = Tally((x, y) for across, down in columns for x in across for y in down)
    assert max(taken.values()) == 1
    assert max(x for x, _ in taken) <= 23
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(set(ids)) == len(ids)
    variables = {variable["name"] for variable in DASHBOARD["templating"]["list"]}
    used = set(re.findall(r"\$\{?([a-z_]+)", json.dumps(PANELS))) - {"__rate_interval"}
    assert used <= variables, used - variables
    for panel in PANELS:
        assert panel["datasource"]["uid"] == "${datasource}"
        assert panel["targets"], panel["title"]


def test_whatever_is_counted_is_on_the_dashboard():
    everything = " ".join(target["expr"] for panel in PANELS for target in panel["targets"])
    assert [what.name for what in ALL if f"ginkgo_data_{what.name}" not in everything] == []
