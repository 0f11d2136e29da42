// Package local runs commands on the machine that runs Pulumi.
package local

import (
	"context"
	"os"
	"os/exec"
	"strings"

	"github.com/pulumi/pulumi-go-provider/infer"
	"github.com/pulumi/pulumi-go-provider/infer/types"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"

	"a1platform.build/pulumi-resource-command/process"
)

// Command is the resource command:local:Command.
type Command struct{}

// Annotate describes the resource in the schema.
func (c *Command) Annotate(a infer.Annotator) { a.Describe(&c, "A command that runs on this machine.") }

// CommandInputs is what a program gives.
type CommandInputs struct {
	process.Lifecycle
	Stdin                  *string            `pulumi:"stdin,optional"`
	Logging                *Logging           `pulumi:"logging,optional"`
	Interpreter            *[]string          `pulumi:"interpreter,optional"`
	Dir                    *string            `pulumi:"dir,optional"`
	Environment            *map[string]string `pulumi:"environment,optional"`
	AssetPaths             *[]string          `pulumi:"assetPaths,optional"`
	ArchivePaths           *[]string          `pulumi:"archivePaths,optional"`
	AddPreviousOutputInEnv *bool              `pulumi:"addPreviousOutputInEnv,optional"`
}

// Annotate describes the fields in the schema.
func (c *CommandInputs) Annotate(a infer.Annotator) {
	a.Describe(&c.Stdin, "Text for the command's standard input.")
	a.Describe(&c.Logging, "Which streams are logged while the command runs, by default both.")
	a.Describe(&c.Interpreter, "The program and the arguments that the command is given to, by default /bin/sh -c.")
	a.Describe(&c.Dir, "The folder in which the command runs.")
	a.Describe(&c.Environment, "Environment variables beside the inherited ones.")
	a.Describe(&c.AssetPaths, "Patterns of files that are read after the command; `!` excludes.")
	a.Describe(&c.ArchivePaths, "Patterns of files that are archived after the command; `!` excludes.")
	a.Describe(&c.AddPreviousOutputInEnv, "Whether the last run's output is in the environment, by default yes.")
}

// CommandOutputs is what is kept.
type CommandOutputs struct {
	CommandInputs
	process.Outputs
	Assets  *map[string]*types.AssetOrArchive `pulumi:"assets,optional"`
	Archive *resource.Archive                 `pulumi:"archive,optional"`
}

// Create runs the create command; nothing in a preview.
func (*Command) Create(
	ctx context.Context, request infer.CreateRequest[CommandInputs],
) (infer.CreateResponse[CommandOutputs], error) {
	state := CommandOutputs{CommandInputs: request.Inputs}
	id, err := resource.NewUniqueHex(request.Name, 8, 0)
	if err == nil && !request.DryRun {
		err = state.run(ctx, state.Create)
	}
	return infer.CreateResponse[CommandOutputs]{ID: id, Output: state}, err
}

// Update runs the update command, or the create command where there is none; nothing in a preview.
func (*Command) Update(
	ctx context.Context, request infer.UpdateRequest[CommandInputs, CommandOutputs],
) (infer.UpdateResponse[CommandOutputs], error) {
	before := request.State
	state := CommandOutputs{request.Inputs, before.Outputs, before.Assets, before.Archive}
	var err error
	if !request.DryRun {
		err = state.run(ctx, state.OnChange())
	}
	return infer.UpdateResponse[CommandOutputs]{Output: state}, err
}

// Delete runs the delete command.
func (*Command) Delete(
	ctx context.Context, request infer.DeleteRequest[CommandOutputs],
) (infer.DeleteResponse, error) {
	return infer.DeleteResponse{}, request.State.run(ctx, request.State.Delete)
}

func (c *CommandOutputs) run(ctx context.Context, command *string) error {
	if command == nil {
		return nil
	}
	words := []string{"/bin/sh", "-c"}
	if c.Interpreter != nil && len(*c.Interpreter) > 0 {
		words = *c.Interpreter
	}
	call := exec.CommandContext(ctx, words[0], append(append([]string{}, words[1:]...), *command)...)
	call.Env = c.environment()
	if c.Dir != nil {
		call.Dir = *c.Dir
	}
	if c.Stdin != nil && *c.Stdin != "" {
		call.Stdin = strings.NewReader(*c.Stdin)
	}
	recorder := process.NewRecorder(ctx)
	call.Stdout, call.Stderr = recorder.Streams(c.Logging.streams())
	if err := call.Run(); err != nil {
		return recorder.Failed(err, *command)
	}
	c.Outputs = recorder.Outputs()
	return c.collect(call.Dir)
}

func (c *CommandOutputs) environment() []string {
	all := os.Environ()
	if c.Environment != nil {
		for name, value := range *c.Environment {
			all = append(all, name+"="+value)
		}
	}
	for name, value := range c.Previous(c.AddPreviousOutputInEnv) {
		all = append(all, name+"="+value)
	}
	return all
}
