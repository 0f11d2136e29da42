package a1disruptionbudget

import data.lib.workload

labels = object.get(workload.template, ["metadata", "labels"], {})

# Without a selector a budget has no pods, with an empty one all.
budgets[budget] {
	budget := data.inventory.namespace[workload.subject.metadata.namespace]["policy/v1"].PodDisruptionBudget[_]
	selector := budget.spec.selector
	others := {key | value := selector.matchLabels[key]; object.get(labels, key, null) != value}
	unmet := {expression | expression := selector.matchExpressions[_]; not met(expression)}
	count(others) + count(unmet) == 0
}

met(expression) {
	expression.operator == "In"
	labels[expression.key] == expression.values[_]
}

met(expression) {
	expression.operator == "NotIn"
	count({value | value := expression.values[_]; labels[expression.key] == value}) == 0
}

met(expression) {
	expression.operator == "Exists"
	labels[expression.key]
}

met(expression) {
	expression.operator == "DoesNotExist"
	not labels[expression.key]
}

# Kubernetes rounds a share up.
pods(least, _) = least {
	is_number(least)
}

pods(least, replicas) = ceil((to_number(trim_suffix(least, "%")) * replicas) / 100) {
	is_string(least)
}

violation[{"msg": msg}] {
	{"Deployment", "StatefulSet"}[workload.subject.kind]
	count(budgets) == 0
	msg := sprintf("%s '%s': declare a PodDisruptionBudget that selects its pods", [workload.subject.kind, workload.subject.metadata.name])
}

violation[{"msg": msg}] {
	replicas := workload.subject.spec.replicas
	replicas > 0
	budget := budgets[_]
	pods(budget.spec.minAvailable, replicas) >= replicas
	msg := sprintf("%s '%s': lower spec.minAvailable of PodDisruptionBudget '%s' below %v, the number of its pods, or no node is drained", [workload.subject.kind, workload.subject.metadata.name, budget.metadata.name, replicas])
}

violation[{"msg": msg}] {
	workload.subject.kind == "PodDisruptionBudget"
	[field, value] := [["maxUnavailable", {0, "0%"}], ["minAvailable", {"100%"}]][_]
	value[workload.subject.spec[field]]
	msg := sprintf("PodDisruptionBudget '%s': set spec.maxUnavailable to 1 instead of %s to %v, which lets no node be drained", [workload.subject.metadata.name, field, workload.subject.spec[field]])
}
