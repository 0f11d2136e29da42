# What all policies on pods ask: which pod does an object describe, and what holds for each of its containers.
package lib.workload

# An object that is being deleted is let through: refusing an update of its finalizers would keep it for ever.
subject = input.review.object {
	not input.review.object.metadata.deletionTimestamp
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
