"""The Prometheus operator's stack from Go modules, without Grafana, which no package registry holds."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from sandbox.build.chart import own_chart, set_version
from sandbox.build.compose import Image, compose
from sandbox.build.go import Edit, GoRecipe, build, download
from sandbox.build.image import ImageFile, ImageSettings
from sandbox.cache import Cache
from sandbox.progress import Progress

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
    programs={"kube-state-metrics": ""},
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
    programs={"node_exporter": ""},
    tags=("netgo",),
    variables=_build_info("1.9.1"),
)

_NOBODY = "65534:65534"


def images(cache: Cache, progress: Progress) -> Sequence[ImageFile]:
    """Make the six images, or find them in the cache; raises as `build` does."""
    return [compose(image, cache, progress) for image in _images(cache, progress)]


def _images(cache: Cache, progress: Progress) -> Sequence[Image]:
    operator = build(OPERATOR, cache, progress)
    state = build(KUBE_STATE_METRICS, cache, progress)
    node = build(NODE_EXPORTER, cache, progress)
    alerts = build(ALERTMANAGER, cache, progress)
    prometheus = build(PROMETHEUS, cache, progress)
    of_operator = "quay.io/prometheus-operator"
    return (
        _image(f"{of_operator}/prometheus-operator:v{OPERATOR_VERSION}", operator / "operator", user=_NOBODY),
        _image(
            f"{of_operator}/prometheus-config-reloader:v{OPERATOR_VERSION}",
            operator / "prometheus-config-reloader",
            user=_NOBODY,
        ),
        Image(
            name="kube-state-metrics",
            references=("registry.k8s.io/kube-state-metrics/kube-state-metrics:v2.16.0",),
            settings=ImageSettings(entrypoint=("/kube-state-metrics",), user=_NOBODY),
            programs={"/kube-state-metrics": state / "kube-state-metrics"},
        ),
        _image("quay.io/prometheus/node-exporter:v1.9.1", node / "node_exporter", user=_NOBODY),
        _image(
            "quay.io/prometheus/alertmanager:v0.28.1",
            alerts / "alertmanager",
            alerts / "amtool",
            user=_NOBODY,
            home="/alertmanager",
        ),
        _image(
            "quay.io/prometheus/prometheus:v3.5.0",
            prometheus / "prometheus",
            prometheus / "promtool",
            user=_NOBODY,
            home="/prometheus",
        ),
    )


def _image(reference: str, *programs: Path, user: str, home: str = "/") -> Image:
    """The layout of the Prometheus project's images: programs in `/bin`, data in a folder of their user's."""
    own = {} if home == "/" else {home: int(user.partition(":")[0])}
    return Image(
        name=reference.rpartition("/")[2].partition(":")[0],
        references=(reference,),
        settings=ImageSettings(entrypoint=(f"/bin/{programs[0].name}",), user=user, folder=home, owners=own),
        programs={f"/usr/bin/{program.name}": program for program in programs},
        folders=dict.fromkeys(own, 0o755),
        certificates=True,
    )


def crds_chart(cache: Cache, progress: Progress, out: Path) -> str:
    """Fill a folder with the chart of the operator's kinds and return its version."""
    del progress
    folder = download(OPERATOR, cache) / "example" / "prometheus-operator-crd"
    own_chart(
        "monitoring-crds", out, "---\n".join(path.read_text() for path in sorted(folder.glob("*.yaml")))
    )
    return set_version(out, OPERATOR_VERSION, f"v{OPERATOR_VERSION}")


def chart(cache: Cache, progress: Progress, out: Path) -> str:
    """Fill a folder with our chart, its permissions from upstream's manifests, and return its version."""
    del progress
    example = download(OPERATOR, cache) / "example" / "rbac"
    roles = (
        example / "prometheus-operator" / "prometheus-operator-cluster-role.yaml",
        example / "prometheus" / "prometheus-cluster-role.yaml",
        download(KUBE_STATE_METRICS, cache) / "examples" / "standard" / "cluster-role.yaml",
    )
    own_chart("monitoring", out, "---\n".join(path.read_text() for path in roles))
    return set_version(out, OPERATOR_VERSION, OPERATOR_VERSION)
