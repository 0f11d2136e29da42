package a1containerprobes

import data.lib.workload

violation[{"msg": msg}] {
	container := workload.spec.containers[_]
	probe := input.parameters.probes[_]
	not container[probe]
	msg := sprintf("%s: declare a %s", [workload.name(container), probe])
}
