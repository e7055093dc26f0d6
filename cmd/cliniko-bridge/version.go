package main

import (
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// version is set by the linker for a release.
var version = ""

func newVersion(e *env) *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Long: `version prints the release, the Go version that built it, and for which system. A build that is no release has
what Go knows of its source.`,
		Example: "  cliniko-bridge version",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			say(e.stdout, "cliniko-bridge %s %s %s/%s\n", versionText(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
			return nil
		},
	}
}

// versionText is the release, or else what the Go toolchain knows of the source that this was built from.
func versionText() string {
	if version != "" {
		return version
	}
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" {
		return "(devel)"
	}
	return info.Main.Version
}
