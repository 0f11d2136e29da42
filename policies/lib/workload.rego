# What all policies on pods ask: which pod does an object describe, and what holds for each of its containers.
package lib.workload

# An object that is being deleted can lose its finalizers, for a refusal would keep it for ever; it still works until
# then, so nothing else of it may change. The audit has no object of before and judges what is there.
subject = input.review.object {
	not leaving
}

leaving {
	input.review.object.metadata.deletionTimestamp
	object.remove(input.review.object, ["metadata"]) == object.remove(input.review.oldObject, ["metadata"])
}

# The pod itself, or the template that the object makes its pods from.
template = subject {
	subject.kind == "Pod"
}

template = subject.spec.jobTemplate.spec.template {
	subject.kind == "CronJob"
}

template = subject.spec.template {
	not {"Pod", "CronJob"}[subject.kind]
}

spec = template.spec

containers[container] {
	container := spec[{"containers", "initContainers", "ephemeralContainers"}[_]][_]
}

# A container's own setting wins over the pod's.
security(container, path) = object.get(container, whole, object.get(spec, whole, null)) {
	whole := array.concat(["securityContext"], path)
}

name(container) = sprintf("container '%s'", [container.name])
