package a1containerresources

import data.lib.quantity
import data.lib.workload

# An ephemeral container can state no resources.
stated[container] {
	container := workload.spec[{"containers", "initContainers"}[_]][_]
}

# To the kernel a limit of 0 is none.
positive(amount) {
	quantity.value(amount) > 0
}

within(limit, request, ratio) {
	quantity.value(limit) <= quantity.value(request) * ratio
}

violation[{"msg": msg}] {
	container := stated[_]
	list := {"requests", "limits"}[_]
	resource := input.parameters.resources[_]
	not positive(object.get(container, ["resources", list, resource], 0))
	msg := sprintf("%s: set resources.%s.%s to more than 0", [workload.name(container), list, resource])
}

violation[{"msg": msg}] {
	container := stated[_]
	ratio := input.parameters.maxRatio[resource]
	limit := container.resources.limits[resource]
	request := container.resources.requests[resource]
	not within(limit, request, ratio)
	msg := sprintf("%s: lower resources.limits.%s (%v) to at most %v times the request (%v), or raise the request", [workload.name(container), resource, limit, ratio, request])
}
