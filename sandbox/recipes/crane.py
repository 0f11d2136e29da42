"""Crane, which takes images from registries without a container engine, and serves one for tests."""

from sandbox.build.go import GoRecipe

PROGRAM = GoRecipe(
    name="crane",
    module="github.com/google/go-containerregistry",
    version="v0.22.1",
    programs={"crane": "cmd/crane"},
    variables={"github.com/google/go-containerregistry/cmd/crane/cmd.Version": "v0.22.1"},
)
