package remote

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/pkg/sftp"
	"golang.org/x/crypto/ssh"
)

// target is the host's file system, written to as the login user.
type target struct{ *sftp.Client }

func newTarget(client *ssh.Client) (*target, error) {
	files, err := sftp.NewClient(client, sftp.UseConcurrentWrites(true))
	if err != nil {
		return nil, err
	}
	return &target{files}, nil
}

// copyPath copies a file to a path, or into it where it is a folder. A folder goes into the path under its own
// name; with a slash at its end, its entries do.
func (t *target) copyPath(source, destination string) error {
	info, err := os.Stat(source)
	if err != nil {
		return err
	}
	there, err := t.stat(destination)
	if err != nil {
		return err
	}
	if info.IsDir() {
		if !strings.HasSuffix(source, "/") {
			destination = path.Join(destination, filepath.Base(source))
		}
		return t.copyFolder(source, destination)
	}
	if there != nil && there.IsDir() {
		destination = path.Join(destination, filepath.Base(source))
	}
	return t.copyFile(source, destination)
}

func (t *target) copyFolder(source, destination string) error {
	tree := os.DirFS(source)
	return fs.WalkDir(tree, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		remote := path.Join(destination, name)
		if entry.IsDir() {
			return t.makeFolder(remote)
		}
		return t.copyFile(filepath.Join(source, name), remote)
	})
}

func (t *target) copyFile(source, destination string) error {
	file, err := os.Open(source)
	if err != nil {
		return err
	}
	defer file.Close()
	return t.write(file, destination)
}

func (t *target) writeText(text, destination string) error {
	there, err := t.stat(destination)
	if err != nil {
		return err
	}
	if there != nil && there.IsDir() {
		return fmt.Errorf("remote path %s is a directory: a text needs the path of a file", destination)
	}
	return t.write(strings.NewReader(text), destination)
}

func (t *target) write(content io.Reader, destination string) error {
	if err := t.makeFolder(path.Dir(destination)); err != nil {
		return err
	}
	file, err := t.Create(destination)
	if err != nil {
		return fmt.Errorf("failed to create remote file %s: %w", destination, err)
	}
	_, err = file.ReadFrom(content)
	if err := errors.Join(err, file.Close()); err != nil {
		return fmt.Errorf("failed to write remote file %s: %w", destination, err)
	}
	return nil
}

func (t *target) makeFolder(folder string) error {
	if err := t.MkdirAll(folder); err != nil {
		return fmt.Errorf("failed to create remote directory %s: %w", folder, err)
	}
	return nil
}

// stat returns nothing where nothing is.
func (t *target) stat(name string) (fs.FileInfo, error) {
	info, err := t.Stat(name)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("failed to stat remote path %s: %w", name, err)
	}
	if err != nil {
		return nil, nil
	}
	return info, nil
}
