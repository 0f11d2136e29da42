# Where a role gives more than it names.
package lib.rbac

# A star may stand beside something else too: `/*` is every URL, `*/exec` that of every kind.
wildcards(role) = {sprintf("rules[%d].%s", [index, field]) |
	field := {"apiGroups", "nonResourceURLs", "resources", "verbs"}[_]
	contains(role.rules[index][field][_], "*")
}
