"""OSV-Scanner, which compares what is in images and lock files with the vulnerabilities that are known."""

from sandbox.build.go import GoRecipe

VERSION = "v2.5.1"
"""The newest that Go 1.26 compiles."""

PROGRAM = GoRecipe(
    name="osv-scanner",
    module="github.com/google/osv-scanner/v2",
    version=VERSION,
    programs={"osv-scanner": "cmd/osv-scanner"},
)
