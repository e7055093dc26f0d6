// Command generate writes what follows from the catalogue: the Go types of the records, and their JSON Schemas. Run
// `go generate ./schemas` after a change of schemas/catalogue.txt.
package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: generate FOLDER")
		os.Exit(2)
	}
	if err := write(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "generate:", err)
		os.Exit(1)
	}
}

// write writes every file under dir, the folder of package schemas.
func write(dir string) error {
	files, err := generate()
	if err != nil {
		return err
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o644); err != nil { //nolint:gosec // source is for all to read
			return err
		}
	}
	return nil
}

// generate makes every file, by its path in the folder of package schemas. A fault of the catalogue, at which package
// schemas panics, is an error here: whoever has mistyped a word of it wants the line, and no trace.
func generate() (files map[string][]byte, err error) {
	defer func() {
		switch fault := recover().(type) {
		case nil:
		case string:
			err = errors.New(fault)
		default:
			panic(fault)
		}
	}()
	list, err := records()
	if err != nil {
		return nil, err
	}
	types, err := goTypes(list)
	if err != nil {
		return nil, err
	}
	files = map[string][]byte{"types.go": types}
	for _, r := range list {
		text, err := jsonSchema(r)
		if err != nil {
			return nil, err
		}
		files["json/"+string(r.resource)+".json"] = text
	}
	return files, nil
}
