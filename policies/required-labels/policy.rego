package a1requiredlabels

import data.lib.workload

missing(object_with_metadata) = {label |
	label := input.parameters.labels[_]
	object.get(object_with_metadata, ["metadata", "labels", label], "") == ""
}

violation[{"msg": msg}] {
	label := missing(workload.subject)[_]
	msg := sprintf("%s '%s': set metadata.labels[%s]", [workload.subject.kind, workload.subject.metadata.name, label])
}

violation[{"msg": msg}] {
	not {"Pod", "Service"}[workload.subject.kind]
	label := missing(workload.template)[_]
	msg := sprintf("%s '%s': set labels[%s] in the metadata of the pod template", [workload.subject.kind, workload.subject.metadata.name, label])
}
