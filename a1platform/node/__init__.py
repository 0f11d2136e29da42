"""The host over SSH: facts, preflight, hardening, and the one way to run a script or copy a file."""
