"""What the tests of the services share: a load, ways that can be cut, bad requests."""
