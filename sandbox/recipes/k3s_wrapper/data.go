// Package data finds the archive that the wrapper unpacks behind the program itself: the archive, its name (the 64
// digits of its SHA-256 digest), its length (8 bytes, big endian). So the wrapper is compiled once, whatever it carries.
package data

import (
	"encoding/binary"
	"fmt"
	"io"
	"os"
)

const (
	program    = "/proc/self/exe"
	nameSize   = 64
	lengthSize = 8
)

func archive() (*io.SectionReader, string, error) {
	file, err := os.Open(program)
	if err != nil {
		return nil, "", err
	}
	info, err := file.Stat()
	if err != nil {
		return nil, "", err
	}
	trailer := make([]byte, nameSize+lengthSize)
	end := info.Size() - int64(len(trailer))
	if _, err := file.ReadAt(trailer, end); err != nil {
		return nil, "", err
	}
	size := int64(binary.BigEndian.Uint64(trailer[nameSize:]))
	if size <= 0 || size > end {
		return nil, "", fmt.Errorf("%s carries no archive", program)
	}
	return io.NewSectionReader(file, end-size, size), string(trailer[:nameSize]), nil
}

// AssetNames returns the name of the one archive.
func AssetNames() []string {
	_, name, err := archive()
	if err != nil {
		panic(err)
	}
	return []string{name + ".tar.zst"}
}

// Asset returns the archive.
func Asset(string) ([]byte, error) {
	reader, _, err := archive()
	if err != nil {
		return nil, err
	}
	return io.ReadAll(reader)
}
