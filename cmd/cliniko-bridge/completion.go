package main

import (
	"slices"

	"github.com/spf13/cobra"

	"github.com/cliniko-bridge/cliniko-bridge/cmd/cliniko-bridge/internal/config"
	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// A completer gives what a flag or an argument may be, "word" or "word\tand what it is".
type completer = cobra.CompletionFunc

// addCompletion adds the command that prints completions for a shell, and what the other commands' flags and arguments may
// be. It is called when all other commands are there.
func addCompletion(e *env, root *cobra.Command) {
	root.SetOut(e.stdout) // which the next line looks at
	root.InitDefaultCompletionCmd()
	ofFlags := map[string]completer{
		"resource": fixed(resourceNames()), "accept": fixed(resourceNames()), "verb": fixed(verbNames()),
		"account": e.completeAccount, "record": completeRecord, "to": cobra.NoFileCompletions, "admin": cobra.NoFileCompletions,
		"since": fixed([]string{"1h", "24h", "168h"}), "until": cobra.NoFileCompletions,
		"rate": cobra.NoFileCompletions, "from-sequence": cobra.NoFileCompletions, "config": completeYAML,
	}
	ofArguments := map[string]completer{"sweep": fixed(resourceNames()), "baseline": one(resourceNames())}
	walkCommands(root, func(c *cobra.Command) {
		for name, f := range ofFlags {
			if c.Flags().Lookup(name) != nil {
				_ = c.RegisterFlagCompletionFunc(name, f) // it fails for a flag that is not there, or registered by its command
			}
		}
		if c.ValidArgsFunction == nil && len(c.ValidArgs) == 0 && !c.HasSubCommands() {
			if c.ValidArgsFunction = ofArguments[c.Name()]; c.ValidArgsFunction == nil {
				c.ValidArgsFunction = cobra.NoFileCompletions
			}
		}
		if c.HasParent() && c.Parent().Name() == "completion" {
			c.Args = asUsage(cobra.NoArgs)
			c.Example = completionExamples[c.Name()]
		}
		if c.Name() == "completion" {
			c.Args = cobra.NoArgs
			c.Example = completionExamples["bash"] + "\n" + completionExamples["zsh"]
			c.RunE = func(c *cobra.Command, _ []string) error { return c.Help() }
		}
	})
}

// completionExamples are, by shell, what puts completions where the shell finds them.
var completionExamples = map[string]string{
	"bash":       "  cliniko-bridge completion bash > ~/.local/share/bash-completion/completions/cliniko-bridge",
	"zsh":        "  cliniko-bridge completion zsh > \"${fpath[1]}/_cliniko-bridge\"",
	"fish":       "  cliniko-bridge completion fish > ~/.config/fish/completions/cliniko-bridge.fish",
	"powershell": "  cliniko-bridge completion powershell | Out-String | Invoke-Expression",
}

// walkCommands calls f with c and every command below it.
func walkCommands(c *cobra.Command, f func(*cobra.Command)) {
	f(c)
	for _, sub := range c.Commands() {
		walkCommands(sub, f)
	}
}

func resourceNames() []string {
	var names []string
	for _, resource := range schemas.Resources() {
		names = append(names, string(resource))
	}
	return names
}

func fixed(words []string) completer {
	return cobra.FixedCompletions(words, cobra.ShellCompDirectiveNoFileComp)
}

// one is fixed for a command with a single argument.
func one(words []string) completer {
	return func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return words, cobra.ShellCompDirectiveNoFileComp
	}
}

// completeRecord gives the resource, to which the user adds an id.
func completeRecord(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	var words []string
	for _, name := range resourceNames() {
		words = append(words, name+"/")
	}
	return words, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
}

func completeYAML(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return []string{"yaml", "yml"}, cobra.ShellCompDirectiveFilterFileExt
}

// completeAccount gives the names in the configuration that the line names.
func (e *env) completeAccount(c *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
	cfg, err := config.Load(c.Flag("config").Value.String(), e.getenv)
	if err != nil { // a completion has nowhere to say it
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var names []string
	for _, a := range cfg.Accounts {
		names = append(names, a.Name)
	}
	slices.Sort(names)
	return names, cobra.ShellCompDirectiveNoFileComp
}
