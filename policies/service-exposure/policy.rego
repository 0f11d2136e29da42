package a1serviceexposure

import data.lib.workload

exempt {
	key := sprintf("%s/%s", [workload.subject.metadata.namespace, workload.subject.metadata.name])
	key == input.parameters.allowed[_]
}

violation[{"msg": msg}] {
	type := workload.subject.spec.type
	{"NodePort", "LoadBalancer"}[type]
	not exempt
	msg := sprintf("Service '%s': set spec.type to ClusterIP instead of %s, and declare an Ingress for outside access", [workload.subject.metadata.name, type])
}

violation[{"msg": msg}] {
	count(workload.subject.spec.externalIPs) > 0
	msg := sprintf("Service '%s': remove spec.externalIPs; they can take over other addresses", [workload.subject.metadata.name])
}
