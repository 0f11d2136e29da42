"""Every pin of the platform, one line each, under the comment that Renovate reads."""

# renovate: datasource=github-releases depName=k3s-io/k3s
K3S = "v1.30.5+k3s1"
# renovate: datasource=github-releases depName=pulumi/pulumi
PULUMI = "3.246.0"
# renovate: datasource=github-releases depName=pulumi/pulumi-kubernetes
PULUMI_KUBERNETES = "4.25.0"
# renovate: datasource=github-releases depName=pulumi/pulumi-command
PULUMI_COMMAND = "1.2.1"

# renovate: datasource=helm depName=argo-cd registryUrl=https://argoproj.github.io/argo-helm
ARGO_CD_CHART = "9.3.0"
# renovate: datasource=helm depName=gatekeeper registryUrl=https://open-policy-agent.github.io/gatekeeper/charts
GATEKEEPER_CHART = "3.14.0"
# renovate: datasource=helm depName=external-secrets registryUrl=https://charts.external-secrets.io
EXTERNAL_SECRETS_CHART = "0.19.2"
# renovate: datasource=helm depName=keda registryUrl=https://kedacore.github.io/charts
KEDA_CHART = "2.17.2"
# renovate: datasource=helm depName=kube-prometheus-stack registryUrl=https://prometheus-community.github.io/helm-charts
KUBE_PROMETHEUS_STACK_CHART = "75.18.1"
# renovate: datasource=helm depName=jaeger registryUrl=https://jaegertracing.github.io/helm-charts
JAEGER_CHART = "4.11.1"
# renovate: datasource=helm depName=trivy-operator registryUrl=https://aquasecurity.github.io/helm-charts
# Trivy 0.72.0 in it; never one with Trivy 0.69.4 to 0.69.6, whose images were an attacker's (CVE-2026-33634).
TRIVY_OPERATOR_CHART = "0.34.0"
# renovate: datasource=helm depName=prometheus-operator-crds registryUrl=https://prometheus-community.github.io/helm-charts
# The chart whose appVersion is the operator of the stack's chart above, v0.83.0.
PROMETHEUS_OPERATOR_CRDS_CHART = "21.0.0"
