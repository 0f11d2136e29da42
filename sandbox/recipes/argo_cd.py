"""Argo CD from its Go module, with the programs that its repository server calls."""

from sandbox.build.go import GoRecipe

VERSION = "3.2.3"
HELM_VERSION = "v3.18.4"
_MODULE = "github.com/argoproj/argo-cd/v3"

PROGRAM = GoRecipe(
    name="argo-cd",
    module=_MODULE,
    version=f"v{VERSION}",
    programs={"argocd": "cmd"},
    variables={
        f"{_MODULE}/common.version": VERSION,
        f"{_MODULE}/common.gitTag": f"v{VERSION}",
        f"{_MODULE}/common.gitTreeState": "clean",
        f"{_MODULE}/common.kubectlVersion": "v0.34.0",
    },
)
"""Every role of Argo CD, chosen by the name that the program is called by."""

HELM = GoRecipe(
    name="helm",
    module="helm.sh/helm/v3",
    version=HELM_VERSION,
    programs={"helm": "cmd/helm"},
    variables={"helm.sh/helm/v3/internal/version.version": HELM_VERSION},
)

KUSTOMIZE = GoRecipe(
    name="kustomize",
    module="sigs.k8s.io/kustomize/kustomize/v5",
    version="v5.7.0",
    programs={"kustomize": "."},
    variables={"sigs.k8s.io/kustomize/api/provenance.version": "kustomize/v5.7.0"},
)
