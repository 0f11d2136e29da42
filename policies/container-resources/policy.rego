package a1containerresources

import data.lib.quantity
import data.lib.workload

# An ephemeral container can state no resources.
stated[container] {
	container := workload.spec[{"containers", "initContainers"}[_]][_]
}

violation[{"msg": msg}] {
	container := stated[_]
	list := {"requests", "limits"}[_]
	resource := input.parameters.resources[_]
	object.get(container, ["resources", list, resource], null) == null
	msg := sprintf("%s: set resources.%s.%s", [workload.name(container), list, resource])
}

violation[{"msg": msg}] {
	container := stated[_]
	ratio := input.parameters.maxRatio[resource]
	limit := container.resources.limits[resource]
	request := container.resources.requests[resource]
	quantity.value(limit) > quantity.value(request) * ratio
	msg := sprintf("%s: lower resources.limits.%s (%v) to at most %v times the request (%v), or raise the request", [workload.name(container), resource, limit, ratio, request])
}
