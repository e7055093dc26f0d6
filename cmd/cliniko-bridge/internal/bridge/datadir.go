package bridge

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"go.uber.org/zap"

	"github.com/cliniko-bridge/cliniko-bridge/cmd/cliniko-bridge/internal/config"
	"github.com/cliniko-bridge/cliniko-bridge/diff"
	"github.com/cliniko-bridge/cliniko-bridge/diff/filestore"
)

// dataDir makes data_dir and tries to write to it. Its error is a fault of the configuration. A full disk is none: what
// has to write waits for room.
func dataDir(cfg *config.Config) error {
	dir := cfg.DataDir
	err := os.MkdirAll(dir, 0o700)
	if err == nil {
		var f *os.File
		if f, err = os.CreateTemp(dir, ".cliniko-bridge-"); err == nil {
			err = errors.Join(f.Close(), os.Remove(f.Name()))
		}
	}
	switch {
	case err == nil, full(err):
		return nil
	case errors.Is(err, syscall.ENOTDIR), errors.Is(err, fs.ErrExist):
		return cfg.Fault("data_dir", dir+" is no folder, or below a file; name a folder")
	case errors.Is(err, fs.ErrPermission):
		return cfg.Fault("data_dir", dir+" cannot be written to by this user; give it to the user that runs the bridge, or name another folder")
	case errors.Is(err, syscall.EROFS):
		return cfg.Fault("data_dir", dir+" is on a disk that is mounted read-only; name a folder on another")
	default:
		return cfg.Fault("data_dir", fmt.Sprintf("%s cannot be written to (%s); name another folder", dir, err))
	}
}

// full says that err tells of a disk without room, or of a user without any more of it.
func full(err error) bool { return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) }

// openFile opens the store under data_dir. It waits while another bridge has it, and while there is no room to make it:
// wait is told for what.
func openFile(ctx context.Context, cfg *config.Config, log *zap.Logger, wait func(string)) (diff.Store, error) {
	path := StateFile(cfg)
	patience := newPatience(log, wait)
	for {
		store, err := filestore.Open(path)
		switch {
		case err == nil:
			return store, nil
		case errors.Is(err, filestore.ErrForeign):
			return nil, cfg.Fault("data_dir", err.Error()+"; move it away, or restore it: what a bridge kept there is read back from the stream")
		case errors.Is(err, filestore.ErrInUse):
			err = fmt.Errorf("%s is in use by another bridge, %s; stop that, or name another data_dir", cfg.DataDir, holderOf(cfg))
		case full(err):
			err = fmt.Errorf("%w; make room", err)
		default:
			return nil, cfg.Fault("data_dir", err.Error()+"; look at the file and its rights")
		}
		if !patience.wait(ctx, "the store", err, openWait) {
			return nil, ctx.Err()
		}
	}
}

// holderFile says which process has data_dir, for people; it is the lock on the files that keeps others away.
func holderFile(cfg *config.Config) string { return filepath.Join(cfg.DataDir, "holder") }

// holderOf is who has data_dir, as holder names a process.
func holderOf(cfg *config.Config) string {
	text, err := os.ReadFile(holderFile(cfg))
	if err != nil {
		return "of which nothing more is known"
	}
	return strings.TrimSpace(string(text))
}

// sign notes that this process has data_dir: it has locked a file in it. Whoever cannot write it is not named, and no more.
func (b *Bridge) sign() {
	b.signed = true
	if err := os.WriteFile(holderFile(b.cfg), []byte(b.holder+"\n"), 0o600); err != nil {
		b.log.Debug("the holder of data_dir is not noted", zap.Error(err))
	}
}
