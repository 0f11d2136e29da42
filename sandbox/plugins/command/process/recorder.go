package process

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"strings"
	"sync"

	p "github.com/pulumi/pulumi-go-provider"
)

// Lines longer than this are logged in parts.
const longest = 16 << 10

// Recorder keeps what a command writes, in each stream and as it came, and logs lines as they end.
type Recorder struct {
	mutex                  sync.Mutex
	stdout, stderr, merged bytes.Buffer
	log                    func(string)
	streams                []*stream
}

// NewRecorder logs to the resource that the context belongs to.
func NewRecorder(ctx context.Context) *Recorder {
	return &Recorder{log: func(line string) { p.GetLogger(ctx).InfoStatus(line) }}
}

// Streams returns the writers for a command's two streams; logged says which of them are logged.
func (r *Recorder) Streams(logStdout, logStderr bool) (stdout, stderr io.Writer) {
	out := &stream{recorder: r, kept: &r.stdout, logged: logStdout}
	errors := &stream{recorder: r, kept: &r.stderr, logged: logStderr}
	r.streams = []*stream{out, errors}
	return out, errors
}

// Failed says which command failed and what it wrote; call it when the command has ended.
func (r *Recorder) Failed(err error, command string) error {
	r.finish()
	return fmt.Errorf("%w: running %q:\n%s", err, command, r.merged.String())
}

// Outputs returns what was written; call it when the command has ended.
func (r *Recorder) Outputs() Outputs {
	r.finish()
	return Outputs{
		Stdout: strings.TrimSuffix(r.stdout.String(), "\n"),
		Stderr: strings.TrimSuffix(r.stderr.String(), "\n"),
	}
}

// finish logs last lines that no line break ends.
func (r *Recorder) finish() {
	for _, s := range r.streams {
		if len(s.line) > 0 {
			r.log(string(s.line))
		}
	}
}

type stream struct {
	recorder *Recorder
	kept     *bytes.Buffer
	logged   bool
	line     []byte
}

// Write keeps the bytes and logs each line that they end.
func (s *stream) Write(data []byte) (int, error) {
	s.recorder.mutex.Lock()
	s.kept.Write(data)
	s.recorder.merged.Write(data)
	s.recorder.mutex.Unlock()
	if !s.logged {
		return len(data), nil
	}
	s.line = append(s.line, data...)
	for {
		end := bytes.IndexByte(s.line, '\n')
		if end < 0 && len(s.line) < longest {
			return len(data), nil
		}
		if end < 0 || end > longest {
			end = longest
			s.recorder.log(string(s.line[:end]))
			s.line = s.line[end:]
			continue
		}
		s.recorder.log(string(s.line[:end]))
		s.line = s.line[end+1:]
	}
}
