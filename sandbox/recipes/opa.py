"""Open Policy Agent, whose own test runner runs the unit tests of the policies' libraries."""

from sandbox.build.go import GoRecipe

VERSION = "v0.57.1"
"""What the module of Gatekeeper v3.14.0 names."""

PROGRAM = GoRecipe(
    name="opa",
    module="github.com/open-policy-agent/opa",
    version=VERSION,
    programs={"opa": "github.com/open-policy-agent/opa"},
)
