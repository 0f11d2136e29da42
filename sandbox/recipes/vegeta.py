"""Vegeta, which loads a server at a constant rate or on so many connections, and takes little CPU for it."""

from sandbox.build.go import GoRecipe

PROGRAM = GoRecipe(
    name="vegeta",
    module="github.com/tsenart/vegeta/v12",
    version="v12.12.0",
    programs={"vegeta": ""},
)
