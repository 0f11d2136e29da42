"""`a1`: what Pulumi itself cannot do."""
