package a1containerprobes

import data.lib.workload

serving[container] {
	container := workload.spec.containers[_]
}

# A sidecar: it runs as long as the pod.
serving[container] {
	container := workload.spec.initContainers[_]
	container.restartPolicy == "Always"
}

# Its Deployment is judged; were the old one of a Deployment that is put right refused, it could not be scaled down.
of_a_deployment {
	owner := workload.subject.metadata.ownerReferences[_]
	owner.controller
	owner.apiVersion == "apps/v1"
	owner.kind == "Deployment"
}

violation[{"msg": msg}] {
	not of_a_deployment
	container := serving[_]
	probe := input.parameters.probes[_]
	not container[probe]
	msg := sprintf("%s: declare a %s", [workload.name(container), probe])
}
