"""The Kubernetes manifests are valid, contained, and agree with the settings and the alerts."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

from opsrun.settings import PREFIX, Settings
from tests.deploy.files import (
    DEPLOY,
    PROCESSES,
    READY_SECONDS,
    REPOSITORY,
    call,
    environment_file,
    load,
    seconds_to_stop,
)
from tests.nodejs import needs_node

FOLDER = DEPLOY / "kustomize"
CUSTOM = ("keda.sh/", "monitoring.coreos.com/")
KUBECTL = shutil.which("kubectl")
KUSTOMIZE = shutil.which("kustomize")

pytestmark = pytest.mark.skipif(
    KUBECTL is None and KUSTOMIZE is None, reason="neither kubectl nor kustomize is installed"
)


@pytest.fixture(scope="module")
def rendered() -> str:
    """The example as kustomize renders it."""
    command = [KUSTOMIZE, "build"] if KUSTOMIZE is not None else [KUBECTL, "kustomize"]
    return call(*map(str, command), FOLDER / "overlays" / "example")


@pytest.fixture(scope="module")
def resources(rendered: str) -> list[dict[str, Any]]:
    return [*yaml.safe_load_all(rendered)]


def of_kind(resources: list[dict[str, Any]], kind: str) -> dict[str, Any]:
    return {one["metadata"]["name"]: one for one in resources if one["kind"] == kind}


def pods(resources: list[dict[str, Any]]) -> Iterator[tuple[str, Any]]:
    """Yield the kind of process and the pod's specification of each workload."""
    for one in resources:
        if one["kind"] in ("Deployment", "Job"):
            yield one["metadata"]["name"].removeprefix("opsrun-"), one["spec"]["template"]["spec"]


def test_kubernetes_accepts_them(rendered: str, linters: Path, tmp_path: Path) -> None:
    (tmp_path / "all.yaml").write_text(rendered)
    validate = linters / "bin" / "kubernetes-validate"
    report = call(validate, "--strict", tmp_path / "all.yaml")
    assert report.count("passed for resource") == rendered.count("\nkind: ") - 3
    warnings = [line for line in report.splitlines() if "passed" not in line]
    assert len(warnings) == 3
    assert all("monitoring.coreos.com" in line or "keda.sh" in line for line in warnings)


@needs_node
def test_the_operators_accept_their_resources(
    resources: list[dict[str, Any]], custom_resources: Path
) -> None:
    custom = [one for one in resources if one["apiVersion"].startswith(CUSTOM)]
    assert sorted(one["kind"] for one in custom) == [
        "PrometheusRule",
        "ScaledObject",
        "ServiceMonitor",
    ]
    call("node", custom_resources, input=json.dumps(custom))
    [scaled] = of_kind(custom, "ScaledObject").values()
    wrong = {**scaled, "spec": {**scaled["spec"], "minReplicaCount": "two"}}
    with pytest.raises(AssertionError, match="minReplicaCount must be integer"):
        call("node", custom_resources, input=json.dumps([wrong]))


def test_every_pod_runs_the_image_with_the_least_rights(resources: list[dict[str, Any]]) -> None:
    workloads = dict(pods(resources))
    assert workloads.keys() == {*PROCESSES, "migrate"}
    for kind, pod in workloads.items():
        [container] = pod["containers"]
        assert container["args"] == [kind]
        assert container["image"] == "platform/opsrun:0.1.0"
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert pod["automountServiceAccountToken"] is False
        assert container["resources"].keys() == {"requests", "limits"}


def test_every_process_has_a_separate_secret(resources: list[dict[str, Any]]) -> None:
    for kind, pod in pods(resources):
        secrets = [one["secret"]["secretName"] for one in pod["volumes"] if "secret" in one]
        assert secrets == [f"opsrun-{kind}"]
    assert of_kind(resources, "Secret") == {}


def test_kubernetes_waits_longer_than_a_process_needs_to_stop(
    resources: list[dict[str, Any]],
) -> None:
    [settings] = of_kind(resources, "ConfigMap").values()
    workloads = dict(pods(resources))
    for process in PROCESSES:
        grace = workloads[process]["terminationGracePeriodSeconds"]
        assert grace > seconds_to_stop(process, settings["data"])


def test_probes_wait_for_the_health_checks_and_find_their_port(
    resources: list[dict[str, Any]],
) -> None:
    variables = environment_file(FOLDER / "base" / "settings.env")
    for kind, pod in pods(resources):
        [container] = pod["containers"]
        if kind == "migrate":
            continue
        ports = {port["name"]: port["containerPort"] for port in container["ports"]}
        assert ports["metrics"] == int(variables["OPSRUN_METRICS_PORT"])
        ready, alive = container["readinessProbe"], container["livenessProbe"]
        assert ready["timeoutSeconds"] > READY_SECONDS
        assert (ready["httpGet"]["path"], alive["httpGet"]["path"]) == ("/readyz", "/healthz")
        assert {ready["httpGet"]["port"], alive["httpGet"]["port"]} <= ports.keys()


def test_services_and_budgets_select_the_pods(resources: list[dict[str, Any]]) -> None:
    labels = {
        one["metadata"]["name"]: one["spec"]["template"]["metadata"]["labels"]
        for one in of_kind(resources, "Deployment").values()
    }
    for kind in ("Service", "PodDisruptionBudget"):
        chosen = of_kind(resources, kind)
        assert chosen.keys() == labels.keys()
        for name, one in chosen.items():
            selector = one["spec"]["selector"]
            assert selector.get("matchLabels", selector) == labels[name]


def test_nothing_may_connect_except_what_a_policy_names(resources: list[dict[str, Any]]) -> None:
    policies = of_kind(resources, "NetworkPolicy")
    assert policies["default-deny"]["spec"] == {
        "podSelector": {},
        "policyTypes": ["Ingress", "Egress"],
    }
    [rule] = policies["api-from-proxy"]["spec"]["ingress"]
    assert rule["ports"] == [{"port": 8000}]
    ports = {
        port["port"]
        for name in ("servers", "https")
        for rule in policies[name]["spec"]["egress"]
        for port in rule["ports"]
    }
    assert ports == {53, 5432, 6379, 6380, 443}


def test_the_alerts_are_those_of_the_documentation(resources: list[dict[str, Any]]) -> None:
    [rule] = of_kind(resources, "PrometheusRule").values()
    alerts = load(REPOSITORY / "docs" / "monitoring" / "alerts.yml")
    assert rule["spec"] == alerts, "copy docs/monitoring/alerts.yml into prometheus-rule.yaml"


def test_alerts_and_scaling_find_the_metrics(resources: list[dict[str, Any]]) -> None:
    [monitor] = of_kind(resources, "ServiceMonitor").values()
    # Prometheus takes the value of this label as the job.
    label = monitor["spec"]["jobLabel"]
    for service in of_kind(resources, "Service").values():
        assert service["metadata"]["labels"][label] == "opsrun"
        assert monitor["spec"]["endpoints"][0]["port"] in {
            port["name"] for port in service["spec"]["ports"]
        }
    [scaled] = of_kind(resources, "ScaledObject").values()
    deployment = of_kind(resources, "Deployment")[scaled["spec"]["scaleTargetRef"]["name"]]
    assert "replicas" not in deployment["spec"], "KEDA and the manifest would both set it"
    [trigger] = scaled["spec"]["triggers"]
    page = (REPOSITORY / "docs" / "monitoring.md").read_text()
    for metric in ("opsrun_active_runs", "opsrun_unserved_runs"):
        assert metric in trigger["metadata"]["query"]
        assert f"`{metric}`" in page
    slots = Settings.model_construct().worker_concurrency
    assert float(trigger["metadata"]["threshold"]) == 0.75 * slots


def test_settings_exist(resources: list[dict[str, Any]]) -> None:
    [settings] = of_kind(resources, "ConfigMap").values()
    known = {PREFIX + name.upper() for name in Settings.model_fields}
    assert settings["data"].keys() <= known
