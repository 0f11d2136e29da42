package a1rbacclusterwildcards

import data.lib.rbac
import data.lib.workload

known {
	glob.match(input.parameters.allowed[_], null, workload.subject.metadata.name)
}

violation[{"msg": msg}] {
	not known
	wildcard := rbac.wildcards(workload.subject)[_]
	msg := sprintf("ClusterRole '%s': replace '*' in %s by the names that are needed", [workload.subject.metadata.name, wildcard])
}
