// Package upstream runs the parts of Kubernetes inside K3s from upstream's modules.
//
// K3s's own executor needs its fork of Kubernetes. This one bridges what the fork changes: constructors that take no
// context, a signal handler that only one part may install, and the API server's advertised port.
package upstream

import (
	"context"
	"errors"
	"flag"
	"os"
	"runtime/debug"
	"strconv"
	"time"

	"github.com/k3s-io/k3s/pkg/agent/containerd"
	"github.com/k3s-io/k3s/pkg/agent/cridockerd"
	"github.com/k3s-io/k3s/pkg/cli/cmds"
	"github.com/k3s-io/k3s/pkg/daemons/config"
	"github.com/k3s-io/k3s/pkg/daemons/executor"
	"github.com/k3s-io/k3s/pkg/util"
	"github.com/sirupsen/logrus"
	logs "k8s.io/component-base/logs/api/v1"
	"k8s.io/klog/v2"
	controllers "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	proxy "k8s.io/kubernetes/cmd/kube-proxy/app"
	kubelet "k8s.io/kubernetes/cmd/kubelet/app"
)

var _ executor.Executor = (*Executor)(nil)

// Executor runs every part as goroutines of this process, as K3s's embedded one does.
type Executor struct {
	// The embedded one of K3s, without its build tag, still runs etcd.
	executor.Embedded

	node    chan *config.Node
	serving chan *apiServer
}

// New returns an executor that nothing has been started on.
func New() *Executor {
	// Every part applies the same logging configuration; upstream expects one part in a process.
	logs.ReapplyHandling = logs.ReapplyHandlingIgnoreUnchanged
	return &Executor{node: make(chan *config.Node, 1), serving: make(chan *apiServer, 1)}
}

// Bootstrap keeps the node's configuration for the parts that start later.
func (e *Executor) Bootstrap(ctx context.Context, node *config.Node, _ cmds.Agent) error {
	e.node <- node
	go holdVerbosity(ctx)
	return nil
}

// holdVerbosity sets the log level again for two minutes, since each part that starts resets it.
func holdVerbosity(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	klog.InitFlags(nil)
	for {
		_ = flag.Set("v", strconv.Itoa(cmds.LogConfig.VLevel))
		select {
		case <-time.After(time.Second):
		case <-ctx.Done():
			return
		}
	}
}

// nodeConfig waits for Bootstrap.
func (e *Executor) nodeConfig() *config.Node {
	node := <-e.node
	e.node <- node
	return node
}

// Kubelet runs the kubelet once the API server answers. Its command installs the process's signal handler.
func (e *Executor) Kubelet(ctx context.Context, args []string) error {
	command := kubelet.NewKubeletCommand()
	command.SetArgs(args)
	supervise("kubelet", func() error {
		kubeconfig := e.nodeConfig().AgentConfig.KubeConfigKubelet
		if err := util.WaitForAPIServerReady(ctx, kubeconfig, util.DefaultAPIServerReadyTimeout); err != nil {
			return err
		}
		return command.ExecuteContext(ctx)
	})
	return nil
}

// KubeProxy runs kube-proxy.
func (e *Executor) KubeProxy(ctx context.Context, args []string) error {
	command := proxy.NewProxyCommand()
	command.SetArgs(args)
	supervise("kube-proxy", func() error { return command.ExecuteContext(ctx) })
	return nil
}

// ControllerManager runs kube-controller-manager once the API server answers.
func (e *Executor) ControllerManager(ctx context.Context, apiReady <-chan struct{}, args []string) error {
	command := controllers.NewControllerManagerCommand()
	command.SetArgs(args)
	supervise("controller-manager", func() error {
		<-apiReady
		return command.ExecuteContext(ctx)
	})
	return nil
}

// CurrentETCDOptions returns nothing: etcd runs in this process and K3s knows its members.
func (e *Executor) CurrentETCDOptions() (executor.InitialOptions, error) {
	return executor.InitialOptions{}, nil
}

// Containerd runs the container runtime.
func (e *Executor) Containerd(ctx context.Context, node *config.Node) error {
	return containerd.Run(ctx, node)
}

// Docker runs the adapter for an existing Docker engine.
func (e *Executor) Docker(ctx context.Context, node *config.Node) error {
	return cridockerd.Run(ctx, node)
}

// supervise runs one part; the process ends when the part does, so that the service manager starts it again.
func supervise(part string, run func() error) {
	go func() {
		defer func() {
			if problem := recover(); problem != nil {
				logrus.WithField("stack", string(debug.Stack())).Fatalf("%s panic: %v", part, problem)
			}
		}()
		if err := run(); err != nil && !errors.Is(err, context.Canceled) {
			logrus.Errorf("%s exited: %v", part, err)
			os.Exit(1)
		}
		os.Exit(0)
	}()
}
