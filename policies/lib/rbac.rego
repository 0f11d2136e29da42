# Where a role gives more than it names.
package lib.rbac

wildcards(role) = {sprintf("rules[%d].%s", [index, field]) |
	field := {"apiGroups", "nonResourceURLs", "resources", "verbs"}[_]
	"*" == role.rules[index][field][_]
}
