//go:build !unix

package embedded

import (
	"os"
	"path/filepath"
)

// lockDir only opens the file where there is no flock: that one process uses the directory is up to the operator.
func lockDir(dir string) (*os.File, error) {
	return os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
}
