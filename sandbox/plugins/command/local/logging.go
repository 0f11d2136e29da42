package local

import "github.com/pulumi/pulumi-go-provider/infer"

// Logging says which streams of a command are logged while it runs.
type Logging string

// The values of Logging.
const (
	LogStdout          Logging = "stdout"
	LogStderr          Logging = "stderr"
	LogStdoutAndStderr Logging = "stdoutAndStderr"
	LogNone            Logging = "none"
)

// Values lists the values for the schema.
func (Logging) Values() []infer.EnumValue[Logging] {
	return []infer.EnumValue[Logging]{
		{Name: string(LogStdout), Value: LogStdout, Description: "Log standard output."},
		{Name: string(LogStderr), Value: LogStderr, Description: "Log standard error."},
		{Name: string(LogStdoutAndStderr), Value: LogStdoutAndStderr, Description: "Log both."},
		{Name: string(LogNone), Value: LogNone, Description: "Log nothing."},
	}
}

func (l *Logging) streams() (stdout, stderr bool) {
	if l == nil {
		return true, true
	}
	return *l == LogStdout || *l == LogStdoutAndStderr, *l == LogStderr || *l == LogStdoutAndStderr
}
