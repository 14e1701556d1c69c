// Validates custom resources, as JSON on standard input, against their definitions.
import { ScaledObject } from "@kubernetes-models/keda/keda.sh/v1alpha1";
import { PrometheusRule } from "@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1/PrometheusRule";
import { ServiceMonitor } from "@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1/ServiceMonitor";
import { text } from "node:stream/consumers";

const models = { PrometheusRule, ScaledObject, ServiceMonitor };
for (const resource of JSON.parse(await text(process.stdin))) {
  new models[resource.kind](resource).validate();
  console.log(`${resource.kind} is valid`);
}
