package remote

import (
	"context"

	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi-go-provider/infer"
	"github.com/pulumi/pulumi-go-provider/infer/types"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
)

// CopyToRemote is the resource command:remote:CopyToRemote. Deleting it leaves the copy alone.
type CopyToRemote struct{}

// Annotate describes the resource in the schema.
func (c *CopyToRemote) Annotate(a infer.Annotator) {
	a.Describe(&c, "A copy of a file, text or folder on a host.")
}

// CopyToRemoteInputs is what a program gives.
type CopyToRemoteInputs struct {
	Connection *Connection          `pulumi:"connection"        provider:"secret"`
	Triggers   *[]any               `pulumi:"triggers,optional" provider:"replaceOnChanges"`
	Source     types.AssetOrArchive `pulumi:"source"`
	RemotePath string               `pulumi:"remotePath"`
}

// Annotate describes the fields in the schema.
func (c *CopyToRemoteInputs) Annotate(a infer.Annotator) {
	a.Describe(&c.Connection, "The host and how to be let in.")
	a.Describe(&c.Triggers, "A change of any of these values replaces the resource.")
	a.Describe(&c.Source, "A FileAsset, StringAsset or FileArchive; archives are copied as they are.")
	a.Describe(&c.RemotePath, "Where the copy goes; missing folders above it are made.")
}

// CopyToRemoteOutputs is what is kept.
type CopyToRemoteOutputs struct{ CopyToRemoteInputs }

// Check refuses every source but a path and a text.
func (*CopyToRemote) Check(
	ctx context.Context, request infer.CheckRequest,
) (infer.CheckResponse[CopyToRemoteInputs], error) {
	inputs, failures, err := infer.DefaultCheck[CopyToRemoteInputs](ctx, request.NewInputs)
	refuse := func(property, reason string) {
		failures = append(failures, p.CheckFailure{Property: property, Reason: reason})
	}
	asset, archive := inputs.Source.Asset, inputs.Source.Archive
	if err == nil {
		switch {
		case asset == nil && archive == nil:
			refuse("asset", "either asset or archive must be set")
		case asset != nil && archive != nil:
			refuse("asset", "only one of asset or archive can be set")
		case asset != nil && !asset.IsPath() && !asset.IsText():
			refuse("asset", "asset must be a path-based file asset or a text asset")
		case archive != nil && !archive.IsPath():
			refuse("archive", "archive must be a path to a file or directory")
		}
	}
	return infer.CheckResponse[CopyToRemoteInputs]{Inputs: inputs, Failures: failures}, err
}

// Create copies the source; nothing in a preview.
func (*CopyToRemote) Create(
	ctx context.Context, request infer.CreateRequest[CopyToRemoteInputs],
) (infer.CreateResponse[CopyToRemoteOutputs], error) {
	id, err := resource.NewUniqueHex("", 8, 0)
	if err == nil && !request.DryRun {
		err = request.Inputs.copy(ctx)
	}
	return infer.CreateResponse[CopyToRemoteOutputs]{ID: id, Output: CopyToRemoteOutputs{request.Inputs}}, err
}

// Update copies again when the source's content or the remote path changed.
func (*CopyToRemote) Update(
	ctx context.Context, request infer.UpdateRequest[CopyToRemoteInputs, CopyToRemoteOutputs],
) (infer.UpdateResponse[CopyToRemoteOutputs], error) {
	before, now := request.State.CopyToRemoteInputs, request.Inputs
	changed := now.hash() != before.hash() || now.RemotePath != before.RemotePath
	var err error
	if changed && !request.DryRun {
		err = now.copy(ctx)
	}
	return infer.UpdateResponse[CopyToRemoteOutputs]{Output: CopyToRemoteOutputs{now}}, err
}

func (c *CopyToRemoteInputs) hash() string {
	if c.Source.Archive != nil {
		return c.Source.Archive.Hash
	}
	return c.Source.Asset.Hash
}

func (c *CopyToRemoteInputs) copy(ctx context.Context) error {
	client, closeAll, err := c.Connection.dial(ctx)
	if err != nil {
		return err
	}
	defer closeAll()
	target, err := newTarget(client)
	if err != nil {
		return err
	}
	defer target.Close()
	switch {
	case c.Source.Archive != nil:
		return target.copyPath(c.Source.Archive.Path, c.RemotePath)
	case c.Source.Asset.IsText():
		return target.writeText(c.Source.Asset.Text, c.RemotePath)
	default:
		return target.copyPath(c.Source.Asset.Path, c.RemotePath)
	}
}
