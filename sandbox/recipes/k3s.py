"""K3s from Go modules: its own code on upstream Kubernetes.

K3s is a library (RKE2 uses it so), but the fork of Kubernetes that it names is on no module proxy. The server
program is therefore K3s's packages, upstream Kubernetes v1.30.5, and an executor of our own in
`k3s/upstream`. The wrapper is K3s's own `cmd/k3s`; only the archive that it unpacks is packed by us.
"""

from pathlib import Path

from sandbox.build.go import Edit, GoRecipe

MODULE = "github.com/k3s-io/k3s"
VERSION = "v1.30.5+k3s1"
KUBERNETES = "v1.30.5"
_LIBRARIES = "v0.30.5"
_TOOLCHAIN = "go1.22.12"
_PROXY_CHECK = "\tif err := isProxyableHostname(ctx, info.Hostname); err != nil {"

VERSIONS = {
    "github.com/k3s-io/k3s/pkg/version.Version": VERSION,
    "github.com/k3s-io/k3s/pkg/version.GitCommit": "9b586704",
    # K3s refuses to start when it was built with another Go than Kubernetes of this version.
    "github.com/k3s-io/k3s/pkg/version.UpstreamGolang": _TOOLCHAIN,
    "k8s.io/component-base/version.gitVersion": VERSION,
    "k8s.io/component-base/version.gitMajor": "1",
    "k8s.io/component-base/version.gitMinor": "30",
    "k8s.io/client-go/pkg/version.gitVersion": VERSION,
    "github.com/containerd/containerd/version.Version": "v1.7.21-k3s2",
    "github.com/kubernetes-sigs/cri-tools/pkg/version.Version": "v1.29.0-k3s1",
}

PROGRAMS = GoRecipe(
    name="k3s-programs",
    module=MODULE,
    version=VERSION,
    programs={"k3s": "./server"},
    toolchain=_TOOLCHAIN,
    sources=Path(__file__).parent / "k3s",
    upstream={"github.com/k3s-io/kubernetes": _LIBRARIES},
    replaces=(
        # The proxy does not serve v0.30.5 of these two.
        "k8s.io/endpointslice => k8s.io/endpointslice v0.30.4",
        "k8s.io/kube-controller-manager => k8s.io/kube-controller-manager v0.30.4",
        "inet.af/tcpproxy => github.com/inetaf/tcpproxy v0.0.0-20200125044825-b6bb9b5b8252",
    ),
    edits=(
        # The fork's one variable that K3s sets: its tunnel reaches nodes, whatever their names resolve to.
        Edit(
            "k8s.io/kubernetes",
            KUBERNETES,
            "pkg/registry/core/node/strategy.go",
            _PROXY_CHECK,
            _PROXY_CHECK.replace("; err != nil", "; err != nil && !DisableProxyHostnameCheck"),
        ),
        Edit(
            "k8s.io/kubernetes",
            KUBERNETES,
            "pkg/registry/core/node/strategy.go",
            "func isProxyableHostname(",
            "// DisableProxyHostnameCheck lets requests be proxied to any node.\n"
            "var DisableProxyHostnameCheck = false\n\nfunc isProxyableHostname(",
        ),
    ),
    tags=("ctrd", "netcgo", "osusergo", "providerless", "urfave_cli_no_docs", "no_embedded_executor"),
    variables=VERSIONS,
    cgo=True,
)

SHIM = GoRecipe(
    name="k3s-containerd-shim",
    module="github.com/containerd/containerd",
    version="v1.7.21",
    programs={"containerd-shim-runc-v2": "cmd/containerd-shim-runc-v2"},
    toolchain=_TOOLCHAIN,
    variables={"github.com/containerd/containerd/version.Version": "v1.7.21"},
)
"""What stands between containerd and each pod; K3s, too, builds it apart, with requirements of its own."""

CNI = GoRecipe(
    name="k3s-cni",
    module="github.com/containernetworking/plugins",
    version="v1.5.1",
    programs={
        "bandwidth": "plugins/meta/bandwidth",
        "bridge": "plugins/main/bridge",
        "firewall": "plugins/meta/firewall",
        "host-local": "plugins/ipam/host-local",
        "loopback": "plugins/main/loopback",
        "portmap": "plugins/meta/portmap",
    },
    toolchain=_TOOLCHAIN,
)
"""The network plugins, at the version that K3s v1.30.5 packages."""

FLANNEL = GoRecipe(
    name="k3s-flannel",
    module="github.com/containernetworking/plugins",
    version="v0.9.1",
    programs={"flannel": "plugins/meta/flannel"},
)
"""The CNI plugin, last held by this version; it speaks CNI 0.4.0 at most."""

WRAPPER = GoRecipe(
    name="k3s-wrapper",
    module=MODULE,
    version=VERSION,
    programs={"k3s": "cmd/k3s"},
    toolchain=_TOOLCHAIN,
    upstream={"github.com/k3s-io/kubernetes": _LIBRARIES},
    replaces=PROGRAMS.replaces,
    edits=(
        Edit(
            MODULE,
            VERSION,
            "pkg/data/data.go",
            "package data\n",
            (Path(__file__).parent / "k3s_wrapper" / "data.go").read_text(encoding="utf-8"),
        ),
    ),
    tags=("urfave_cli_no_docs", "providerless"),
    variables={name: value for name, value in VERSIONS.items() if "/k3s/" in name},
)
"""What is started as `k3s`: it unpacks the programs and runs the one that was asked for."""
