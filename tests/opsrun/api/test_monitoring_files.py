"""The example alerts, the dashboard and the operator's guide name existing metrics."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]
from prometheus_client import CollectorRegistry

from gql.metrics import ApiMetrics
from opsrun.api.monitoring import Monitor
from opsrun.postgres.engines import Login
from opsrun.postgres.replica import ReplicaMetrics
from opsrun.resources import pool_wait_histogram
from opsrun.valkey.wakeups import RedisWakeUps
from workers.metrics import MaintenanceMetrics, show_file_threads
from workers.providers.file_threads import FILE_THREADS

DOCS = Path(__file__).parents[3] / "docs"
ENDINGS = {"histogram": ("_bucket", "_count", "_sum"), "counter": ("_total",), "gauge": ("",)}
NAME = re.compile(r"\b(?:opsrun|process)_\w+")


def metrics(series: set[str]) -> set[str]:
    """Return the product's metrics that these series belong to."""
    ends = re.compile("_(bucket|count|sum)$")
    return {ends.sub("", name) for name in series if name.startswith("opsrun_")}


@pytest.fixture(scope="module")
def series() -> set[str]:
    """The names of all series that the processes export."""
    registry: CollectorRegistry = Monitor({}, use=RedisWakeUps("redis://127.0.0.1:9/0")).registry
    ApiMetrics(registry)
    MaintenanceMetrics(registry)
    show_file_threads(registry, FILE_THREADS)
    registry.register(pool_wait_histogram())
    registry.register(ReplicaMetrics({}))
    return {family.name + end for family in registry.collect() for end in ENDINGS[family.type]}


@pytest.fixture(scope="module")
def alerts() -> list[dict[str, Any]]:
    (group,) = yaml.safe_load((DOCS / "monitoring" / "alerts.yml").read_text())["groups"]
    rules: list[dict[str, Any]] = group["rules"]
    return rules


@pytest.fixture(scope="module")
def dashboard() -> dict[str, Any]:
    dashboard: dict[str, Any] = json.loads((DOCS / "monitoring" / "dashboard.json").read_text())
    return dashboard


def test_alerts_state_a_severity_and_what_to_do(alerts: list[dict[str, Any]]) -> None:
    assert len({alert["alert"] for alert in alerts}) == len(alerts) > 10
    for alert in alerts:
        assert re.fullmatch(r"\d+m", alert["for"])
        assert alert["labels"]["severity"] in ("critical", "warning")
        assert set(alert["annotations"]) == {"summary", "action"}
        assert all(text.endswith(".") for text in alert["annotations"].values())


def test_alerts_use_existing_series(alerts: list[dict[str, Any]], series: set[str]) -> None:
    for alert in alerts:
        named = set(NAME.findall(alert["expr"]))
        assert named <= series, alert["alert"]
        assert named or alert["expr"].startswith("up{"), alert["alert"]


def test_counters_of_alerts_exist_before_the_first_event(alerts: list[dict[str, Any]]) -> None:
    registry = CollectorRegistry()
    ApiMetrics(registry)
    MaintenanceMetrics(registry)
    begun = {
        (sample.name, label, value)
        for family in registry.collect()
        for sample in family.samples
        for label, value in sample.labels.items()
    }
    counted = {
        (name, label, value)
        for alert in alerts
        for name, label, values in re.findall(r'(\w+_total)\{(\w+)=~?"(.+?)"\}', alert["expr"])
        for value in values.split("|")
    }
    assert len(counted) >= 5
    assert counted <= begun


def test_an_alert_on_failures_works_without_admitted_operations(
    alerts: list[dict[str, Any]],
) -> None:
    # Without a database all operations are refused before the histogram counts them.
    (alert,) = [alert for alert in alerts if alert["alert"] == "OpsrunOperationsFail"]
    failures, operations = alert["expr"].split(" > ")
    assert NAME.findall(failures) == ["opsrun_errors_total"]
    assert 'code=~"INTERNAL|UNAVAILABLE"' in failures
    assert operations.endswith(" or vector(0))"), "nothing compares with no series"


def test_panels_use_existing_series_and_show_every_metric(
    dashboard: dict[str, Any], series: set[str]
) -> None:
    panels = [panel for panel in dashboard["panels"] if panel["type"] != "row"]
    assert len({panel["id"] for panel in dashboard["panels"]}) == len(dashboard["panels"])
    used: set[str] = set()
    for panel in panels:
        for target in panel["targets"]:
            named = set(NAME.findall(target["expr"]))
            assert named, panel["title"]
            assert named <= series, panel["title"]
            used |= named
    assert metrics(used) >= metrics(series)


def test_the_guide_explains_every_metric(series: set[str]) -> None:
    guide = (DOCS / "monitoring.md").read_text()
    assert set(re.findall(r"^\| `(opsrun_\w+)`", guide, re.MULTILINE)) == metrics(series)


def test_troubleshooting_covers_every_alert_and_names_existing_metrics(
    alerts: list[dict[str, Any]], series: set[str]
) -> None:
    page = (DOCS / "troubleshooting.md").read_text()
    assert set(re.findall(r"`(Opsrun\w+)`", page)) == {alert["alert"] for alert in alerts}
    named = metrics({*NAME.findall(page)} - {*Login})
    assert len(named) > 5
    assert named <= metrics(series)
