"""The stand-in for Pulumi's command plugin, which is on no package registry: test equipment, see docs/adr."""

from pathlib import Path

from a1platform.versions import PULUMI_COMMAND
from sandbox.build.go import GoRecipe

STAND_IN = GoRecipe(
    name="pulumi-resource-command",
    module="github.com/pulumi/pulumi-go-provider",
    version="v1.3.2",
    programs={"pulumi-resource-command": "."},
    requires=("golang.org/x/crypto v0.50.0", "github.com/pkg/sftp v1.13.12", "github.com/gobwas/glob v0.2.3"),
    sources=Path(__file__).parent.parent / "plugins" / "command",
    variables={"main.version": PULUMI_COMMAND},
)
"""Used only where the official plugin cannot be downloaded; it says what it is when it starts."""
