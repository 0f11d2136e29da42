package a1imageregistry

import data.lib.image
import data.lib.workload

violation[{"msg": msg}] {
	container := workload.containers[_]
	reference := image.qualified(container.image)
	trusted := [prefix | prefix := input.parameters.registries[_]; startswith(reference, prefix)]
	count(trusted) == 0
	msg := sprintf("%s: take image '%s' from a trusted registry: %s", [workload.name(container), reference, concat(", ", input.parameters.registries)])
}
