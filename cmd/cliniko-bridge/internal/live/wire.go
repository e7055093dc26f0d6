package live

import (
	"bytes"
	"encoding/json"
)

// A frame is one event of the stream in the form of text/event-stream. JSON has no line breaks, so that it is one line of
// data.

func frame(kind string, value any) []byte {
	text, _ := json.Marshal(value) // names, counts and times always encode
	return frameOf(kind, text)
}

func frameOf(kind string, text []byte) []byte {
	b := make([]byte, 0, len(text)+len(kind)+len("event: \ndata: \n\n"))
	b = append(b, "event: "...)
	b = append(b, kind...)
	b = append(b, "\ndata: "...)
	b = append(b, text...)
	return append(b, "\n\n"...)
}

// arrayFrame is a frame of what is in JSON already.
func arrayFrame(kind string, list [][]byte) []byte {
	text := append([]byte{'['}, bytes.Join(list, []byte{','})...)
	return frameOf(kind, append(text, ']'))
}

// beat is a comment, which says that the connection is there.
var beat = []byte(":\n\n")

// again tells a browser to come back two seconds after it has lost the connection.
var again = []byte("retry: 2000\n\n")
