"""How Kubernetes objects reach the cluster: as Pulumi resources, or as files that Argo CD syncs."""
