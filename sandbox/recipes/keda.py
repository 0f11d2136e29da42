"""KEDA's three programs from its Go module."""

from sandbox.build.go import GoRecipe

VERSION = "2.17.2"
_MODULE = "github.com/kedacore/keda/v2"

PROGRAMS = GoRecipe(
    name="keda",
    module=_MODULE,
    version=f"v{VERSION}",
    programs={
        "keda": "cmd/operator",
        "keda-adapter": "cmd/adapter",
        "keda-admission-webhooks": "cmd/webhooks",
    },
    variables={f"{_MODULE}/version.Version": VERSION},
)
