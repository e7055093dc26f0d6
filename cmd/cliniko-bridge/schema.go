package main

import (
	"fmt"

	"github.com/agnivade/levenshtein"
	"github.com/spf13/cobra"

	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

func newSchema(e *env) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "schema",
		Short: "Print the JSON Schemas of events and records",
		Long: `schema prints what the events hold: the JSON Schema (draft 2020-12) of each resource's records, which the
dataschema of an event names, and under "event" that of the events themselves.`,
		Example: `  cliniko-bridge schema list
  cliniko-bridge schema show patients
  cliniko-bridge schema show event`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newSchemaList(e), newSchemaShow(e))
	return cmd
}

func newSchemaList(e *env) *cobra.Command {
	return &cobra.Command{
		Use:     "list",
		Short:   "List what there is a schema of",
		Long:    "list prints a name a line: event, and then each resource that the bridge knows.",
		Example: "  cliniko-bridge schema list",
		Args:    asUsage(cobra.NoArgs),
		RunE: func(*cobra.Command, []string) error {
			for _, name := range schemaNames() {
				say(e.stdout, "%s\n", name)
			}
			return nil
		},
	}
}

func newSchemaShow(e *env) *cobra.Command {
	return &cobra.Command{
		Use:               "show RESOURCE|event",
		Short:             "Print one schema",
		Long:              "show prints the JSON Schema (draft 2020-12) of a resource's records, or of the events themselves.",
		Example:           "  cliniko-bridge schema show appointments",
		Args:              asUsage(cobra.ExactArgs(1)),
		ValidArgsFunction: cobra.FixedCompletions(schemaNames(), cobra.ShellCompDirectiveNoFileComp),
		RunE: func(_ *cobra.Command, args []string) error {
			text, ok := schemas.JSONSchema(args[0])
			if !ok {
				return usageError{fmt.Errorf("there is no schema of %q; did you mean %s? `cliniko-bridge schema list` shows all",
					args[0], nearest(args[0], schemaNames()))}
			}
			say(e.stdout, "%s", text)
			return nil
		},
	}
}

// schemaNames are what there is a schema of: the events, and then the resources.
func schemaNames() []string {
	names := []string{schemas.EventSchema}
	for _, resource := range schemas.Resources() {
		names = append(names, string(resource))
	}
	return names
}

// nearest is the one of names that text was most likely meant to be.
func nearest(text string, names []string) string {
	best := names[0]
	for _, name := range names {
		if levenshtein.ComputeDistance(text, name) < levenshtein.ComputeDistance(text, best) {
			best = name
		}
	}
	return best
}

// asUsage has an argument check answer with a usageError. newRoot does that for the commands right under it alone.
func asUsage(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if err := check(cmd, args); err != nil {
			return usageError{err}
		}
		return nil
	}
}
