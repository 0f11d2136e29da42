# Parts of an image reference, read as a container runtime reads them.
package lib.image

without_digest(reference) = split(reference, "@")[0]

has_digest(reference) {
	regex.match(`@sha256:[0-9a-f]{64}$`, reference)
}

# A colon before the last slash belongs to the registry's port.
tag(reference) = tag {
	parts := split(without_digest(reference), "/")
	named := split(parts[count(parts) - 1], ":")
	tag := concat(":", array.slice(named, 1, count(named)))
}

# The first part is a registry when it could be a host; without one it is Docker Hub, as the runtime assumes.
qualified(reference) = reference {
	is_host(split(reference, "/"))
}

qualified(reference) = sprintf("docker.io/%s", [reference]) {
	parts := split(reference, "/")
	not is_host(parts)
	count(parts) > 1
}

qualified(reference) = sprintf("docker.io/library/%s", [reference]) {
	count(split(reference, "/")) == 1
}

is_host(parts) {
	count(parts) > 1
	regex.match(`^localhost$|[.:]`, parts[0])
}
