// Package config reads the configuration of the bridge, from a YAML file or from the environment, and says
// everything that is wrong with it at once.
//
// The file is walked node by node rather than decoded into structs, so that each fault has its line and its path.
// Each section has a function in sections.go that names its keys; each kind of value has one function in values.go
// that turns text into a value or says in half a sentence what the text must be. The environment is read through
// the same functions, so both ways in have the same rules.
//
// Three things happen to a value on its way, in this order:
//
//   - ${NAME} in it is replaced from the environment, and $${ stands for a plain ${. What comes from the environment is
//     text: it is never read as YAML, nor expanded again.
//   - if its key is that of a secret with _file behind it, it is a path, and the file's content is the value.
//   - it is parsed and checked.
//
// Relative paths start at the folder of the configuration file, and at the working directory without one.
//
// No fault shows a secret; see [Fault].
package config
