// Command pulumi-resource-command stands in for Pulumi's command plugin where that one cannot be downloaded.
//
// It is test equipment. It answers command:remote:Command, command:remote:CopyToRemote and command:local:Command
// with the schema and the lifecycle that the plugin's Python SDK expects; nothing of the plugin's source is in it.
package main

import (
	"context"
	"fmt"
	"os"

	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi-go-provider/infer"

	"a1platform.build/pulumi-resource-command/local"
	"a1platform.build/pulumi-resource-command/remote"
)

const notice = "pulumi-resource-command: a stand-in built by this repository's sandbox, test equipment, " +
	"not Pulumi's own plugin"

// version is set at link time to the version of the plugin that this one stands in for.
var version string

func main() {
	if err := run(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	fmt.Fprintln(os.Stderr, notice)
	provider, err := infer.NewProviderBuilder().
		WithDisplayName("Command (stand-in)").
		WithDescription("Stands in for Pulumi's command plugin on the sandbox; test equipment.").
		WithLicense("MIT").
		WithResources(
			infer.Resource(&local.Command{}),
			infer.Resource(&remote.Command{}),
			infer.Resource(&remote.CopyToRemote{}),
		).
		Build()
	if err != nil {
		return err
	}
	// Pulumi hides what plugins write to standard error, but shows what they log.
	configure := provider.Configure
	provider.Configure = func(ctx context.Context, request p.ConfigureRequest) error {
		p.GetLogger(ctx).Info(notice)
		if configure == nil {
			return nil
		}
		return configure(ctx, request)
	}
	return p.RunProvider(ctx, "command", version, provider)
}
