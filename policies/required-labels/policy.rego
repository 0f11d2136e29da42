package a1requiredlabels

import data.lib.workload

missing(labels) = {label | label := input.parameters.labels[_]; object.get(labels, label, "") == ""}

violation[{"msg": msg}] {
	label := missing(object.get(workload.subject.metadata, "labels", {}))[_]
	msg := sprintf("%s '%s': set metadata.labels[%s]", [workload.subject.kind, workload.subject.metadata.name, label])
}

violation[{"msg": msg}] {
	not {"Pod", "Service"}[workload.subject.kind]
	label := missing(object.get(workload.template, ["metadata", "labels"], {}))[_]
	msg := sprintf("%s '%s': set labels[%s] in the metadata of the pod template", [workload.subject.kind, workload.subject.metadata.name, label])
}
