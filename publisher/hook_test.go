package publisher_test

import "go.uber.org/zap/zapcore"

// A hook tells a test when a line is logged.
type hook struct {
	zapcore.Core
	wrote chan<- struct{}
}

// Check implements zapcore.Core.
func (h *hook) Check(e zapcore.Entry, c *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	if h.Enabled(e.Level) {
		return c.AddCore(e, h)
	}
	return c
}

// Write implements zapcore.Core.
func (h *hook) Write(e zapcore.Entry, fields []zapcore.Field) error {
	err := h.Core.Write(e, fields)
	h.wrote <- struct{}{}
	return err
}
