"""The Prometheus operator's stack from Go modules, without Grafana, which no package registry holds."""

from collections.abc import Mapping

from sandbox.build.go import Edit, GoRecipe

OPERATOR_VERSION = "0.83.0"
_OPERATOR = "github.com/prometheus-operator/prometheus-operator"
_PROMETHEUS = "github.com/prometheus/prometheus"
_PROMETHEUS_MODULE_VERSION = "v0.305.0"


def _build_info(version: str) -> Mapping[str, str]:
    return {
        "github.com/prometheus/common/version.Version": version,
        "github.com/prometheus/common/version.Branch": "HEAD",
        "github.com/prometheus/common/version.BuildUser": "a1platform",
    }


OPERATOR = GoRecipe(
    name="prometheus-operator",
    module=_OPERATOR,
    version=f"v{OPERATOR_VERSION}",
    programs={"operator": "cmd/operator", "prometheus-config-reloader": "cmd/prometheus-config-reloader"},
    # The module replaces these two by folders of its own repository, which are modules of their own.
    requires=(
        f"{_OPERATOR}/pkg/apis/monitoring v{OPERATOR_VERSION}",
        f"{_OPERATOR}/pkg/client v{OPERATOR_VERSION}",
    ),
    variables=_build_info(OPERATOR_VERSION),
)

KUBE_STATE_METRICS = GoRecipe(
    name="kube-state-metrics",
    module="k8s.io/kube-state-metrics/v2",
    version="v2.16.0",
    programs={"kube-state-metrics": "."},
    # The checksum database has no answer for this version; these are the sums of what the proxy serves.
    sums=(
        "k8s.io/kube-state-metrics/v2 v2.16.0 h1:9odhnjtWSngkq/6Maw9m0Fi9dH8DM4M/lQw/XCspAqk=",
        "k8s.io/kube-state-metrics/v2 v2.16.0/go.mod h1:w/LL+bRDjYoHC1KoUr2bhjjBdKIAdVv1Ieduwuj6/H8=",
    ),
    variables=_build_info("2.16.0"),
)

PROMETHEUS = GoRecipe(
    name="prometheus",
    module=_PROMETHEUS,
    version=_PROMETHEUS_MODULE_VERSION,
    programs={"prometheus": "cmd/prometheus", "promtool": "cmd/promtool"},
    # The operator finds targets through Kubernetes only. The clouds' libraries are left out, which saves most
    # of the build's time; a ScrapeConfig that names such a cloud is not understood by this build.
    edits=(
        Edit(
            _PROMETHEUS,
            _PROMETHEUS_MODULE_VERSION,
            "plugins/plugins.go",
            "import (\n\t// Register aws plugin.",
            'import (\n\t_ "github.com/prometheus/prometheus/discovery/dns"\n'
            '\t_ "github.com/prometheus/prometheus/discovery/kubernetes"\n)\n\n/*\n\t// Register aws plugin.',
        ),
        Edit(
            _PROMETHEUS,
            _PROMETHEUS_MODULE_VERSION,
            "plugins/plugins.go",
            'discovery/zookeeper"\n)',
            'discovery/zookeeper"\n)\n*/',
        ),
    ),
    tags=("netgo",),
    variables=_build_info("3.5.0"),
)

ALERTMANAGER = GoRecipe(
    name="alertmanager",
    module="github.com/prometheus/alertmanager",
    version="v0.28.1",
    programs={"alertmanager": "cmd/alertmanager", "amtool": "cmd/amtool"},
    tags=("netgo",),
    variables=_build_info("0.28.1"),
)

NODE_EXPORTER = GoRecipe(
    name="node-exporter",
    module="github.com/prometheus/node_exporter",
    version="v1.9.1",
    programs={"node_exporter": "."},
    tags=("netgo",),
    variables=_build_info("1.9.1"),
)
