"""Programs and images built on this machine from package registries, cached by the digest of their recipe."""
