"""The platform parts on the cluster: namespaces, policies, secrets, scaling, monitoring, delivery."""
