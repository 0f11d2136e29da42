package a1ingresshost

import data.lib.workload

violation[{"msg": msg}] {
	rule := workload.subject.spec.rules[_]
	object.get(rule, "host", "") == ""
	msg := sprintf("Ingress '%s': set host in each of spec.rules; a rule without one takes all hosts", [workload.subject.metadata.name])
}

# One without rules has it too, as the API server asks for either.
violation[{"msg": msg}] {
	workload.subject.spec.defaultBackend
	msg := sprintf("Ingress '%s': replace spec.defaultBackend by a rule with a host; it takes all hosts", [workload.subject.metadata.name])
}

violation[{"msg": msg}] {
	host := workload.subject.spec.rules[_].host
	other := data.inventory.namespace[namespace]["networking.k8s.io/v1"].Ingress[name]
	[namespace, name] != [workload.subject.metadata.namespace, workload.subject.metadata.name]
	host == other.spec.rules[_].host
	msg := sprintf("Ingress '%s': choose another host than '%s', or add the path to Ingress '%s' in namespace '%s', which has it", [workload.subject.metadata.name, host, name, namespace])
}
