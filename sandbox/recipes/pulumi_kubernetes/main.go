// Package main serves the Kubernetes provider from its module. Upstream's own main embeds generated files that the
// module does not hold; schema.json and terraform-mapping.json are the files that those are generated from.
package main

import (
	_ "embed"
	"encoding/json"

	"github.com/pulumi/pulumi-kubernetes/provider/v4/pkg/provider"
)

//go:embed schema.json
var schema []byte

//go:embed terraform-mapping.json
var terraformMapping []byte

var version string

func main() {
	var document map[string]json.RawMessage
	if err := json.Unmarshal(schema, &document); err != nil {
		panic(err)
	}
	document["version"], _ = json.Marshal(version)
	versioned, err := json.Marshal(document)
	if err != nil {
		panic(err)
	}
	provider.Serve("kubernetes", version, versioned, terraformMapping)
}
