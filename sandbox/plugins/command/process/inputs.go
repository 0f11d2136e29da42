// Package process holds what a local and a remote command have in common.
package process

import "github.com/pulumi/pulumi-go-provider/infer"

// Environment variables that hand a command what the run before it wrote.
const (
	PreviousStdout = "PULUMI_COMMAND_STDOUT"
	PreviousStderr = "PULUMI_COMMAND_STDERR"
)

// Lifecycle is what runs when. Changed triggers replace the resource, whatever the commands are.
type Lifecycle struct {
	Triggers *[]any  `pulumi:"triggers,optional" provider:"replaceOnChanges"`
	Create   *string `pulumi:"create,optional"`
	Update   *string `pulumi:"update,optional"`
	Delete   *string `pulumi:"delete,optional"`
}

// Annotate describes the fields in the schema.
func (l *Lifecycle) Annotate(a infer.Annotator) {
	a.Describe(&l.Triggers, "A change of any of these values replaces the resource.")
	a.Describe(&l.Create, "Runs on creation, and on a change of inputs where update is not given.")
	a.Describe(&l.Update, "Runs on a change of inputs.")
	a.Describe(&l.Delete, "Runs on deletion.")
}

// OnChange returns the command for a change of inputs, nil where there is none.
func (l *Lifecycle) OnChange() *string {
	if l.Update != nil {
		return l.Update
	}
	return l.Create
}

// Outputs is what the last run wrote, each without one line break at its end.
type Outputs struct {
	Stdout string `pulumi:"stdout"`
	Stderr string `pulumi:"stderr"`
}

// Annotate describes the fields in the schema.
func (o *Outputs) Annotate(a infer.Annotator) {
	a.Describe(&o.Stdout, "What the command wrote to standard output.")
	a.Describe(&o.Stderr, "What the command wrote to standard error.")
}

// Previous returns the variables for what the last run wrote; a nil choice means that it was asked for.
func (o *Outputs) Previous(chosen *bool) map[string]string {
	variables := map[string]string{}
	if chosen != nil && !*chosen {
		return variables
	}
	if o.Stdout != "" {
		variables[PreviousStdout] = o.Stdout
	}
	if o.Stderr != "" {
		variables[PreviousStderr] = o.Stderr
	}
	return variables
}
