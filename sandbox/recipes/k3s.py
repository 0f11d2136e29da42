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
    programs={
        "k3s": "./server",
        "containerd-shim-runc-v2": "github.com/containerd/containerd/cmd/containerd-shim-runc-v2",
        **{
            plugin: f"github.com/containernetworking/plugins/plugins/{plugin_path}"
            for plugin, plugin_path in {
                "bandwidth": "meta/bandwidth",
                "bridge": "main/bridge",
                "firewall": "meta/firewall",
                "host-local": "ipam/host-local",
                "loopback": "main/loopback",
                "portmap": "meta/portmap",
            }.items()
        },
    },
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
