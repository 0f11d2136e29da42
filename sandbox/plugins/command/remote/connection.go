// Package remote runs commands on, and copies files to, a host over SSH.
package remote

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"time"

	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi-go-provider/infer"
	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"
)

const (
	defaultDialErrors  = 10
	unlimitedDials     = -1
	firstPause         = 100 * time.Millisecond
	longestPause       = 5 * time.Second
	pauseGrowthPercent = 150
)

// Endpoint is a host and how to be let in.
type Endpoint struct {
	User               *string  `pulumi:"user,optional"`
	Password           *string  `pulumi:"password,optional"           provider:"secret"`
	Host               *string  `pulumi:"host"`
	Port               *float64 `pulumi:"port,optional"`
	PrivateKey         *string  `pulumi:"privateKey,optional"         provider:"secret"`
	PrivateKeyPassword *string  `pulumi:"privateKeyPassword,optional" provider:"secret"`
	AgentSocketPath    *string  `pulumi:"agentSocketPath,optional"`
	DialErrorLimit     *int     `pulumi:"dialErrorLimit,optional"`
	PerDialTimeout     *int     `pulumi:"perDialTimeout,optional"`
	HostKey            *string  `pulumi:"hostKey,optional"`
}

// Connection is an endpoint, reached directly or through a proxy.
type Connection struct {
	Endpoint
	Proxy *ProxyConnection `pulumi:"proxy,optional"`
}

// ProxyConnection is the endpoint that another one is reached through.
type ProxyConnection struct{ Endpoint }

// Annotate describes the fields in the schema and gives their defaults.
func (e *Endpoint) Annotate(a infer.Annotator) {
	a.Describe(&e.User, "The user to log in as.")
	a.SetDefault(&e.User, "root")
	a.Describe(&e.Password, "The user's password.")
	a.Describe(&e.Host, "The host's address.")
	a.Describe(&e.Port, "The port of its SSH server.")
	a.SetDefault(&e.Port, 22)
	a.Describe(&e.PrivateKey, "The user's private key; tried before the password.")
	a.Describe(&e.PrivateKeyPassword, "The password of the private key.")
	a.Describe(&e.AgentSocketPath, "Socket of an SSH agent, by default that in SSH_AUTH_SOCK.")
	a.Describe(&e.DialErrorLimit, "How many failed dials are followed by another one; -1 means without end.")
	a.SetDefault(&e.DialErrorLimit, defaultDialErrors)
	a.Describe(&e.PerDialTimeout, "Seconds for each dial; 0 means without end.")
	a.SetDefault(&e.PerDialTimeout, 15)
	a.Describe(&e.HostKey, "The only host key that is accepted; any is where it is not given.")
}

// Annotate describes the proxy in the schema.
func (c *Connection) Annotate(a infer.Annotator) {
	a.Describe(&c.Proxy, "A host that the connection goes through.")
}

// dial connects to the host, through its proxy where it has one. The returned function closes everything.
func (c *Connection) dial(ctx context.Context) (*ssh.Client, func(), error) {
	config, closeAgent, err := c.config()
	if err != nil {
		return nil, nil, err
	}
	if c.Proxy == nil {
		client, err := retried(ctx, "Dial", c.DialErrorLimit, func() (*ssh.Client, error) {
			return ssh.Dial("tcp", c.address(), config)
		})
		if err != nil {
			closeAgent()
			return nil, nil, err
		}
		return client, func() { client.Close(); closeAgent() }, nil
	}
	client, closeProxy, err := c.dialThrough(ctx, config)
	if err != nil {
		closeAgent()
		return nil, nil, fmt.Errorf("proxy: %w", err)
	}
	return client, func() { client.Close(); closeProxy(); closeAgent() }, nil
}

func (c *Connection) dialThrough(ctx context.Context, config *ssh.ClientConfig) (*ssh.Client, func(), error) {
	first := Connection{Endpoint: c.Proxy.Endpoint}
	proxy, closeProxy, err := first.dial(ctx)
	if err != nil {
		return nil, nil, err
	}
	client, err := retried(ctx, "Dial from proxy", c.DialErrorLimit, func() (*ssh.Client, error) {
		bridge, err := proxy.Dial("tcp", c.address())
		if err != nil {
			return nil, err
		}
		connection, channels, requests, err := ssh.NewClientConn(bridge, c.address(), config)
		if err != nil {
			bridge.Close()
			return nil, err
		}
		return ssh.NewClient(connection, channels, requests), nil
	})
	if err != nil {
		closeProxy()
		return nil, nil, err
	}
	return client, closeProxy, nil
}

func (e *Endpoint) address() string {
	return net.JoinHostPort(*e.Host, strconv.Itoa(int(*e.Port)))
}

func (e *Endpoint) config() (*ssh.ClientConfig, func(), error) {
	config := &ssh.ClientConfig{
		User:            *e.User,
		Timeout:         time.Duration(*e.PerDialTimeout) * time.Second,
		HostKeyCallback: ssh.InsecureIgnoreHostKey(),
	}
	if e.HostKey != nil {
		key, _, _, _, err := ssh.ParseAuthorizedKey([]byte(*e.HostKey))
		if err != nil {
			return nil, nil, fmt.Errorf("failed to parse host key: %w", err)
		}
		config.HostKeyCallback = ssh.FixedHostKey(key)
		// A server with keys of several kinds shows the one that is pinned.
		config.HostKeyAlgorithms = []string{key.Type()}
	}
	closeAgent, err := e.authenticate(config)
	return config, closeAgent, err
}

func (e *Endpoint) authenticate(config *ssh.ClientConfig) (func(), error) {
	if e.PrivateKey != nil {
		signer, err := e.signer()
		if err != nil {
			return nil, err
		}
		config.Auth = append(config.Auth, ssh.PublicKeys(signer))
	}
	if e.Password != nil {
		config.Auth = append(config.Auth, ssh.Password(*e.Password), ssh.KeyboardInteractive(e.answer))
	}
	socket := os.Getenv("SSH_AUTH_SOCK")
	if e.AgentSocketPath != nil {
		socket = *e.AgentSocketPath
	}
	if socket == "" {
		return func() {}, nil
	}
	connection, err := net.Dial("unix", socket)
	if err != nil {
		return nil, err
	}
	config.Auth = append(config.Auth, ssh.PublicKeysCallback(agent.NewClient(connection).Signers))
	return func() { connection.Close() }, nil
}

func (e *Endpoint) signer() (ssh.Signer, error) {
	if e.PrivateKeyPassword != nil {
		return ssh.ParsePrivateKeyWithPassphrase([]byte(*e.PrivateKey), []byte(*e.PrivateKeyPassword))
	}
	return ssh.ParsePrivateKey([]byte(*e.PrivateKey))
}

func (e *Endpoint) answer(_, _ string, questions []string, _ []bool) ([]string, error) {
	answers := make([]string, len(questions))
	for i := range answers {
		answers[i] = *e.Password
	}
	return answers, nil
}

// retried calls dial until it succeeds or has failed more often than the limit allows, with growing pauses.
func retried[T any](ctx context.Context, what string, limit *int, dial func() (T, error)) (T, error) {
	allowed := defaultDialErrors
	if limit != nil {
		allowed = *limit
	}
	pause := firstPause
	for failures := 1; ; failures++ {
		result, err := dial()
		if err == nil {
			return result, nil
		}
		if allowed > unlimitedDials && failures > allowed {
			return result, fmt.Errorf("after %d failed attempts: %w", failures, err)
		}
		p.GetLogger(ctx).InfoStatusf("%s %d failed: retrying", what, failures)
		select {
		case <-ctx.Done():
			return result, errors.Join(ctx.Err(), err)
		case <-time.After(pause):
		}
		pause = min(pause*pauseGrowthPercent/100, longestPause)
	}
}
