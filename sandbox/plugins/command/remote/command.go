package remote

import (
	"context"
	"fmt"
	"strings"

	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi-go-provider/infer"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"golang.org/x/crypto/ssh"

	"a1platform.build/pulumi-resource-command/process"
)

const setenvHint = "Unable to set '%s'. This only works if your SSH server is configured to accept it via AcceptEnv."

// Command is the resource command:remote:Command.
type Command struct{}

// Annotate describes the resource in the schema.
func (c *Command) Annotate(a infer.Annotator) {
	a.Describe(&c, "A command that runs on a host over SSH.")
}

// CommandInputs is what a program gives.
type CommandInputs struct {
	process.Lifecycle
	Stdin                  *string           `pulumi:"stdin,optional"`
	Logging                *Logging          `pulumi:"logging,optional"`
	Connection             *Connection       `pulumi:"connection"                      provider:"secret"`
	Environment            map[string]string `pulumi:"environment,optional"`
	AddPreviousOutputInEnv *bool             `pulumi:"addPreviousOutputInEnv,optional"`
}

// Annotate describes the fields in the schema.
func (c *CommandInputs) Annotate(a infer.Annotator) {
	a.Describe(&c.Stdin, "Text for the command's standard input.")
	a.Describe(&c.Logging, "Which streams are logged while the command runs, by default both.")
	a.Describe(&c.Connection, "The host and how to be let in.")
	a.Describe(&c.Environment, "Environment variables; the host's SSH server has to accept each by AcceptEnv.")
	a.Describe(&c.AddPreviousOutputInEnv, "Whether the last run's output is in the environment, by default yes.")
}

// CommandOutputs is what is kept.
type CommandOutputs struct {
	CommandInputs
	process.Outputs
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
	state := CommandOutputs{CommandInputs: request.Inputs, Outputs: request.State.Outputs}
	var err error
	if !request.DryRun {
		err = state.run(ctx, state.OnChange())
	}
	return infer.UpdateResponse[CommandOutputs]{Output: state}, err
}

// Delete runs the delete command with the connection and the input that are in the state.
func (*Command) Delete(
	ctx context.Context, request infer.DeleteRequest[CommandOutputs],
) (infer.DeleteResponse, error) {
	return infer.DeleteResponse{}, request.State.run(ctx, request.State.Delete)
}

// run opens one connection for one command; without a command the host is left alone.
func (c *CommandOutputs) run(ctx context.Context, command *string) error {
	if command == nil {
		return nil
	}
	client, closeAll, err := c.Connection.dial(ctx)
	if err != nil {
		return err
	}
	defer closeAll()
	session, err := client.NewSession()
	if err != nil {
		return err
	}
	defer session.Close()
	if err := c.setEnvironment(ctx, session); err != nil {
		return err
	}
	if c.Stdin != nil && *c.Stdin != "" {
		session.Stdin = strings.NewReader(*c.Stdin)
	}
	recorder := process.NewRecorder(ctx)
	session.Stdout, session.Stderr = recorder.Streams(c.Logging.streams())
	if err := session.Run(*command); err != nil {
		return recorder.Failed(err, *command)
	}
	c.Outputs = recorder.Outputs()
	return nil
}

func (c *CommandOutputs) setEnvironment(ctx context.Context, session *ssh.Session) error {
	for name, value := range c.Environment {
		if err := session.Setenv(name, value); err != nil {
			p.GetLogger(ctx).Errorf(setenvHint, name)
			return fmt.Errorf("could not set environment variable %q: %w", name, err)
		}
	}
	// A host that does not accept these two is no reason to fail.
	for name, value := range c.Previous(c.AddPreviousOutputInEnv) {
		if err := session.Setenv(name, value); err != nil {
			p.GetLogger(ctx).Warningf(setenvHint, name)
		}
	}
	return nil
}
