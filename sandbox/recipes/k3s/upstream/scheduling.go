package upstream

import (
	"context"
	"fmt"

	"github.com/k3s-io/k3s/pkg/version"
	"github.com/sirupsen/logrus"
	"github.com/spf13/pflag"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	utilfeature "k8s.io/apiserver/pkg/util/feature"
	typedcorev1 "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/clientcmd"
	toolswatch "k8s.io/client-go/tools/watch"
	cloudprovider "k8s.io/cloud-provider"
	cloudapi "k8s.io/cloud-provider/api"
	cloudapp "k8s.io/cloud-provider/app"
	cloudconfig "k8s.io/cloud-provider/app/config"
	"k8s.io/cloud-provider/names"
	cloudoptions "k8s.io/cloud-provider/options"
	cliflag "k8s.io/component-base/cli/flag"
	"k8s.io/component-base/cli/globalflag"
	basicLogs "k8s.io/component-base/logs"
	logs "k8s.io/component-base/logs/api/v1"
	scheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"
	"k8s.io/kubernetes/cmd/kube-scheduler/app/options"

	// registers K3s's cloud provider
	_ "github.com/k3s-io/k3s/pkg/cloudprovider"
)

// Scheduler runs kube-scheduler once a node can take pods: K3s's cloud provider takes a new node's taint away.
func (e *Executor) Scheduler(ctx context.Context, apiReady <-chan struct{}, args []string) error {
	run := options.NewOptions()
	flags := pflag.NewFlagSet("kube-scheduler", pflag.ContinueOnError)
	flags.SetNormalizeFunc(cliflag.WordSepNormalizeFunc)
	globalflag.AddGlobalFlags(run.Flags.FlagSet("global"), "kube-scheduler", basicLogs.SkipLoggingConfigurationFlags())
	for _, set := range run.Flags.FlagSets {
		flags.AddFlagSet(set)
	}
	if err := flags.Parse(args); err != nil {
		return err
	}
	supervise("scheduler", func() error {
		<-apiReady
		if agent := e.nodeConfig().AgentConfig; !agent.DisableCCM {
			if err := waitForUntaintedNode(ctx, agent.KubeConfigKubelet); err != nil {
				return fmt.Errorf("waiting for a node without the cloud provider's taint: %w", err)
			}
		}
		if err := logs.ValidateAndApply(run.Logs, utilfeature.DefaultFeatureGate); err != nil {
			return err
		}
		completed, schedules, err := scheduler.Setup(ctx, run)
		if err != nil {
			return err
		}
		utilfeature.DefaultMutableFeatureGate.AddMetrics()
		return scheduler.Run(ctx, completed, schedules)
	})
	return nil
}

// CloudControllerManager runs K3s's own cloud provider.
func (e *Executor) CloudControllerManager(ctx context.Context, ready <-chan struct{}, args []string) error {
	run, err := cloudoptions.NewCloudControllerManagerOptions()
	if err != nil {
		return err
	}
	command := cloudapp.NewCloudControllerManagerCommand(
		run, cloudProvider, cloudapp.DefaultInitFuncConstructors, names.CCMControllerAliases(),
		cliflag.NamedFlagSets{}, ctx.Done(),
	)
	command.SetArgs(args)
	supervise("cloud-controller-manager", func() error {
		<-ready
		return command.ExecuteContext(ctx)
	})
	return nil
}

func cloudProvider(config *cloudconfig.CompletedConfig) cloudprovider.Interface {
	file := config.ComponentConfig.KubeCloudShared.CloudProvider.CloudConfigFile
	cloud, err := cloudprovider.InitCloudProvider(version.Program, file)
	if err != nil || cloud == nil {
		logrus.Fatalf("Cloud provider could not be initialized: %v", err)
	}
	return cloud
}

func waitForUntaintedNode(ctx context.Context, kubeconfig string) error {
	client, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return err
	}
	core, err := typedcorev1.NewForConfig(client)
	if err != nil {
		return err
	}
	nodes := &cache.ListWatch{
		ListFunc: func(options metav1.ListOptions) (runtime.Object, error) {
			return core.Nodes().List(ctx, options)
		},
		WatchFunc: func(options metav1.ListOptions) (watch.Interface, error) {
			return core.Nodes().Watch(ctx, options)
		},
	}
	_, err = toolswatch.UntilWithSync(ctx, nodes, &corev1.Node{}, nil, func(event watch.Event) (bool, error) {
		node, ok := event.Object.(*corev1.Node)
		if !ok {
			return false, fmt.Errorf("%T is not a node", event.Object)
		}
		for _, taint := range node.Spec.Taints {
			if taint.Key == cloudapi.TaintExternalCloudProvider {
				return false, nil
			}
		}
		return true, nil
	})
	return err
}
