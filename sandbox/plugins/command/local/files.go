package local

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/gobwas/glob"
	"github.com/pulumi/pulumi-go-provider/infer/types"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
)

// collect reads the files that a command was asked to leave, in its folder.
func (c *CommandOutputs) collect(folder string) error {
	folder, err := filepath.Abs(folder)
	if err != nil {
		return err
	}
	if c.AssetPaths != nil {
		assets := map[string]*types.AssetOrArchive{}
		if err := each(folder, *c.AssetPaths, func(name string, asset *resource.Asset) {
			assets[name] = &types.AssetOrArchive{Asset: asset}
		}); err != nil {
			return err
		}
		c.Assets = &assets
	}
	if c.ArchivePaths == nil {
		return nil
	}
	assets := map[string]any{}
	if err := each(folder, *c.ArchivePaths, func(name string, asset *resource.Asset) { assets[name] = asset }); err != nil {
		return err
	}
	c.Archive, err = resource.NewAssetArchive(assets)
	return err
}

// each calls use for every file below the folder whose last matching pattern does not exclude it.
func each(folder string, patterns []string, use func(string, *resource.Asset)) error {
	matchers := make([]glob.Glob, len(patterns))
	for i, pattern := range patterns {
		matcher, err := glob.Compile(strings.TrimPrefix(pattern, "!"), '/')
		if err != nil {
			return err
		}
		matchers[i] = matcher
	}
	return fs.WalkDir(os.DirFS(folder), ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		wanted := false
		for i, matcher := range matchers {
			if matcher.Match(name) {
				wanted = !strings.HasPrefix(patterns[i], "!")
			}
		}
		if !wanted {
			return nil
		}
		asset, err := resource.NewPathAsset(filepath.Join(folder, name))
		if err == nil {
			use(name, asset)
		}
		return err
	})
}
