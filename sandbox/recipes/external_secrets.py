"""External Secrets: one program in three roles, and upstream's own chart, from one Go module."""

from sandbox.build.go import GoRecipe

VERSION = "v0.19.2"

PROGRAM = GoRecipe(
    name="external-secrets",
    module="github.com/external-secrets/external-secrets",
    version=VERSION,
    programs={"external-secrets": "."},
)
