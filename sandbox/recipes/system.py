"""The images that K3s itself asks for, from Go modules, Debian packages and twenty lines of C."""

from pathlib import Path

from sandbox.build.go import GoRecipe

COREDNS = GoRecipe(
    name="coredns",
    module="github.com/coredns/coredns",
    version="v1.11.3",
    programs={"coredns": "."},
)

METRICS_SERVER = GoRecipe(
    name="metrics-server",
    module="sigs.k8s.io/metrics-server",
    version="v0.7.2",
    programs={"metrics-server": "cmd/metrics-server"},
    variables={"k8s.io/client-go/pkg/version.gitVersion": "v0.7.2"},
)

LOCAL_PATH = GoRecipe(
    name="local-path-provisioner",
    module="github.com/rancher/local-path-provisioner",
    # K3s asks for v0.0.28; this is the one version that the module proxy serves.
    version="v0.0.30",
    programs={"local-path-provisioner": "."},
    variables={"main.VERSION": "v0.0.30"},
)
