"""Pulumi's own programs, from the Go modules that hold them."""

from pathlib import Path

from a1platform.versions import PULUMI, PULUMI_KUBERNETES
from sandbox.build.go import Edit, GoRecipe

_KUBERNETES_MODULE = "github.com/pulumi/pulumi-kubernetes/provider/v4"
_KUBERNETES_SDK = "github.com/pulumi/pulumi-kubernetes/sdk/v4"
_KUBERNETES_COMMIT = "v4.0.0-20260115033456-f47bc2d6f199"
_PROVIDERS = f"{_KUBERNETES_MODULE}/pkg/provider"
_COMPONENTS = (
    f'\tproviderhelmv4 "{_PROVIDERS}/helm/v4"\n',
    f'\tproviderkustomizev2 "{_PROVIDERS}/kustomize/v2"\n',
    f'\tprovideryamlv2 "{_PROVIDERS}/yaml/v2"\n',
    '\t"kubernetes:yaml/v2:ConfigFile":     provideryamlv2.NewConfigFileProvider,\n',
    '\t"kubernetes:yaml/v2:ConfigGroup":    provideryamlv2.NewConfigGroupProvider,\n',
    '\t"kubernetes:helm.sh/v4:Chart":       providerhelmv4.NewChartProvider,\n',
    '\t"kubernetes:kustomize/v2:Directory": providerkustomizev2.NewDirectoryProvider,\n',
)
"""Where the provider names its four components. They alone need the whole of its SDK for Go, half of the time
that the build takes; this program uses none of them."""

CLI = GoRecipe(
    name="pulumi",
    module="github.com/pulumi/pulumi/pkg/v3",
    version=f"v{PULUMI}",
    programs={"pulumi": "cmd/pulumi"},
    variables={"github.com/pulumi/pulumi/sdk/v3/go/common/version.Version": f"v{PULUMI}"},
)
"""The command line."""

PYTHON_HOST = GoRecipe(
    name="pulumi-language-python",
    module="github.com/pulumi/pulumi/sdk/v3",
    version="v3.79.0",
    programs={"pulumi-language-python": "python/cmd/pulumi-language-python"},
    variables={"github.com/pulumi/pulumi/sdk/v3/go/common/version.Version": "v3.79.0"},
)
"""The Python language host. v3.79.0 is the last version of the module that holds it; later ones moved it to a
module that the module proxy does not serve."""

KUBERNETES = GoRecipe(
    name="pulumi-resource-kubernetes",
    module=_KUBERNETES_MODULE,
    version=_KUBERNETES_COMMIT,
    programs={"pulumi-resource-kubernetes": "."},
    requires=("github.com/pulumi/pulumi-kubernetes/sdk/v4 v4.24.0",),
    sources=Path(__file__).parent / "pulumi_kubernetes",
    copies=(
        "cmd/pulumi-resource-kubernetes/schema.json",
        "cmd/pulumi-resource-kubernetes/terraform-mapping.json",
    ),
    edits=tuple(
        Edit(_KUBERNETES_MODULE, _KUBERNETES_COMMIT, "pkg/provider/provider_construct.go", line, "")
        for line in _COMPONENTS
    ),
    variables={"main.version": PULUMI_KUBERNETES},
    sums=(
        f"{_KUBERNETES_MODULE} {_KUBERNETES_COMMIT} h1:j2bphCf7c2YhnBrhwht2f3TNRRgcMImltUlAgzxr9H4=",
        f"{_KUBERNETES_MODULE} {_KUBERNETES_COMMIT}/go.mod h1:61at6ZXhz4COFbTksqENrBzq5VUQ/LV8sdZ7WJt9KT4=",
        f"{_KUBERNETES_SDK} v4.24.0 h1:dlDJvsugKow8tCaD0yJngc7PXdv8WT2YwPEUmj48tF4=",
        f"{_KUBERNETES_SDK} v4.24.0/go.mod h1:8HDO923pZUokTAEMgS7XepoUIDCazm2WAwX6s4HUDtc=",
    ),
)
"""The Kubernetes provider of 4.25.0, without its components. The checksum database answers no query for this
commit; the sums are those that the go.sum of pulumi/crd2pulumi v1.6.1 publishes."""
