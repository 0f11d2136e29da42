package a1replicas

import data.lib.workload

exempt {
	key := sprintf("%s/%s", [workload.subject.metadata.namespace, workload.subject.metadata.name])
	key == input.parameters.single[_]
}

beside[other] {
	objects := data.inventory.namespace[workload.subject.metadata.namespace]
	other := objects[_][{"HorizontalPodAutoscaler", "ScaledObject"}[_]][_]
}

autoscaled {
	target := beside[_].spec.scaleTargetRef
	object.get(target, "kind", "Deployment") == workload.subject.kind
	target.name == workload.subject.metadata.name
}

violation[{"msg": msg}] {
	{"Deployment", "StatefulSet"}[workload.subject.kind]
	not exempt
	not autoscaled
	object.get(workload.subject.spec, "replicas", 1) < input.parameters.least
	msg := sprintf("%s '%s': set spec.replicas to %v or more, or declare an autoscaler for it", [workload.subject.kind, workload.subject.metadata.name, input.parameters.least])
}

# The API server's own default is 1, KEDA's is 0.
violation[{"msg": msg}] {
	[field, least] := {
		"HorizontalPodAutoscaler": ["minReplicas", 1],
		"ScaledObject": ["minReplicaCount", 0],
	}[workload.subject.kind]
	not exempt
	object.get(workload.subject.spec, field, least) < input.parameters.least
	msg := sprintf("%s '%s': set spec.%s to %v or more", [workload.subject.kind, workload.subject.metadata.name, field, input.parameters.least])
}
