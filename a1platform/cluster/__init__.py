"""K3s on the nodes: configuration, installation, access."""
