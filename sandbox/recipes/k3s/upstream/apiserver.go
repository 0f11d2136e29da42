package upstream

import (
	"context"
	"net"
	"net/http"

	"github.com/spf13/pflag"
	"k8s.io/apiserver/pkg/authentication/authenticator"
	utilerrors "k8s.io/apimachinery/pkg/util/errors"
	utilfeature "k8s.io/apiserver/pkg/util/feature"
	"k8s.io/client-go/rest"
	cliflag "k8s.io/component-base/cli/flag"
	"k8s.io/component-base/cli/globalflag"
	basicLogs "k8s.io/component-base/logs"
	logs "k8s.io/component-base/logs/api/v1"
	"k8s.io/kubernetes/cmd/kube-apiserver/app"
	"k8s.io/kubernetes/cmd/kube-apiserver/app/options"
)

// apiServer is what K3s asks for to serve its own paths behind the API server's authentication.
type apiServer struct {
	authenticator authenticator.Request
	handler       http.Handler
}

// advertised is a listener that reports the port at which clients reach it, which K3s's multiplexer holds.
type advertised struct {
	net.Listener
	port int
}

// Addr returns the listener's address with the advertised port.
func (a advertised) Addr() net.Addr {
	if address, ok := a.Listener.Addr().(*net.TCPAddr); ok {
		return &net.TCPAddr{IP: address.IP, Port: a.port, Zone: address.Zone}
	}
	return a.Listener.Addr()
}

// APIServerHandlers waits for the API server's authenticator and handler.
func (e *Executor) APIServerHandlers(ctx context.Context) (authenticator.Request, http.Handler, error) {
	select {
	case server := <-e.serving:
		e.serving <- server
		return server.authenticator, server.handler, nil
	case <-ctx.Done():
		return nil, nil, ctx.Err()
	}
}

// APIServer runs kube-apiserver once etcd answers.
func (e *Executor) APIServer(ctx context.Context, etcdReady <-chan struct{}, args []string) error {
	completed, port, err := apiServerOptions(args)
	if err != nil {
		return err
	}
	supervise("apiserver", func() error {
		<-etcdReady
		return e.serve(ctx, completed, port)
	})
	return nil
}

// apiServerOptions parses the arguments as upstream's command does, and the fork's advertise-port with them.
func apiServerOptions(args []string) (options.CompletedOptions, int, error) {
	run := options.NewServerRunOptions()
	flags := pflag.NewFlagSet("kube-apiserver", pflag.ContinueOnError)
	flags.SetNormalizeFunc(cliflag.WordSepNormalizeFunc)
	sets := run.Flags()
	globalflag.AddGlobalFlags(sets.FlagSet("global"), "kube-apiserver", basicLogs.SkipLoggingConfigurationFlags())
	options.AddCustomGlobalFlags(sets.FlagSet("generic"))
	for _, set := range sets.FlagSets {
		flags.AddFlagSet(set)
	}
	port := flags.Int("advertise-port", 0, "port at which clients reach the API server")
	if err := flags.Parse(args); err != nil {
		return options.CompletedOptions{}, 0, err
	}
	rest.SetDefaultWarningHandler(rest.NoWarnings{})
	if err := logs.ValidateAndApply(run.Logs, utilfeature.DefaultFeatureGate); err != nil {
		return options.CompletedOptions{}, 0, err
	}
	completed, err := run.Complete()
	if err != nil {
		return options.CompletedOptions{}, 0, err
	}
	return completed, *port, utilerrors.NewAggregate(completed.Validate())
}

func (e *Executor) serve(ctx context.Context, completed options.CompletedOptions, port int) error {
	utilfeature.DefaultMutableFeatureGate.AddMetrics()
	config, err := app.NewConfig(completed)
	if err != nil {
		return err
	}
	generic := config.ControlPlane.GenericConfig
	if port != 0 {
		generic.SecureServing.Listener = advertised{generic.SecureServing.Listener, port}
	}
	full, err := config.Complete()
	if err != nil {
		return err
	}
	chain, err := app.CreateServerChain(full)
	if err != nil {
		return err
	}
	prepared, err := chain.PrepareRun()
	if err != nil {
		return err
	}
	e.serving <- &apiServer{generic.Authentication.Authenticator, chain.GenericAPIServer.Handler}
	return prepared.Run(ctx.Done())
}
