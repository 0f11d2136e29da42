# Where a role gives more than it names, or lets its holder give it.
package lib.rbac

# A star may stand beside something else too: `/*` is every URL, `*/exec` that of every kind.
wildcards(role) = {sprintf("rules[%d].%s", [index, field]) |
	field := {"apiGroups", "nonResourceURLs", "resources", "verbs"}[_]
	contains(role.rules[index][field][_], "*")
}

# What every other right follows from, on every kind of a group that has such kinds.
everything(role) {
	rule := role.rules[_]
	{"*", "", "apps", "batch", "rbac.authorization.k8s.io"}[rule.apiGroups[_]]
	{"*", "*/*"}[rule.resources[_]]
	{"*", "create", "patch", "update"}[rule.verbs[_]]
}

# Whoever may act as anybody is in system:masters when it says so. Kubernetes' own `edit` acts as accounts of
# services; where that leads is a matter of where it is bound.
everything(role) {
	rule := role.rules[_]
	{"*", ""}[rule.apiGroups[_]]
	{"*", "groups", "users"}[rule.resources[_]]
	{"*", "impersonate"}[rule.verbs[_]]
	as_anybody(rule)
}

# Nor is there a right that whoever hands out more than they have themselves cannot get.
everything(role) {
	beyond_its_own(role)[_]
}

# Where a role is let past what the API server asks of everybody else: to write no role, and to bind none, with rights
# that they do not have. The verb alone decides: to write roles or bindings is often given by another role.
beyond_its_own(role) = {sprintf("'%s' in rules[%d].verbs", [verb, index]) |
	rule := role.rules[index]
	{"*", "rbac.authorization.k8s.io"}[rule.apiGroups[_]]
	{"*", "clusterroles", "roles"}[rule.resources[_]]
	verb := rule.verbs[_]
	of_any_right(rule, verb)
}

# Any right can be written into a role, so that its name limits nothing.
of_any_right(_, verb) {
	{"*", "escalate"}[verb]
}

of_any_right(rule, "bind") {
	count(object.get(rule, "resourceNames", [])) == 0
}

of_any_right(rule, "bind") {
	rule.resourceNames[_] == "cluster-admin"
}

as_anybody(rule) {
	count(object.get(rule, "resourceNames", [])) == 0
}

as_anybody(rule) {
	rule.resourceNames[_] == "system:masters"
}
