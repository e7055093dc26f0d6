package publisher

import (
	"encoding/base64"
	"errors"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// The headers of a message. NATS takes them as they are spelled here: "nats-msg-id" would be another header.
const (
	// HeaderID is the event's id. JetStream knows it for the stream's duplicate window.
	HeaderID = "Nats-Msg-Id"
	// HeaderContentType is always ContentType.
	HeaderContentType = "Content-Type"
	// HeaderBegan is Event.Began, "2027-03-27T10:03:57Z"; absent if it is zero.
	HeaderBegan = "Cliniko-Began"
	// HeaderAfter is Event.After; absent if it is 0.
	HeaderAfter = "Cliniko-After"
	// HeaderPrint is Event.Print in base64; absent if there is none.
	HeaderPrint = "Cliniko-Print"
)

// ContentType is the content type of every message: a CloudEvents event in structured JSON.
const ContentType = "application/cloudevents+json"

// headerRoom is how much of a message's greatest size is kept for its headers, in bytes. Those above and the three
// of the first message of a page (stream, filter, sequence) come to some 400 with everyday ids. A print is longer,
// but it goes with an event that has no record.
const headerRoom = 2 << 10

func headersOf(e *schemas.Event) nats.Header {
	h := nats.Header{
		HeaderID:          {e.ID},
		HeaderContentType: {ContentType},
	}
	if !e.Began.IsZero() {
		h[HeaderBegan] = []string{schemas.FormatStamp(e.Began)}
	}
	if e.After > 0 {
		h[HeaderAfter] = []string{strconv.FormatUint(e.After, 10)}
	}
	if len(e.Print) > 0 {
		h[HeaderPrint] = []string{base64.StdEncoding.EncodeToString(e.Print)}
	}
	return h
}

// parseMessage reads the event from a message that Publish wrote. Its errors hold nothing of the message.
func parseMessage(h nats.Header, body []byte) (schemas.Event, error) {
	e, err := schemas.ParseEvent(body)
	if err != nil {
		return schemas.Event{}, err
	}
	if began := h.Get(HeaderBegan); began != "" {
		if e.Began, err = time.Parse(time.RFC3339, began); err != nil {
			return schemas.Event{}, errors.New(HeaderBegan + " is not a time")
		}
		e.Began = e.Began.UTC()
	}
	if text := h.Get(HeaderAfter); text != "" {
		if e.After, err = strconv.ParseUint(text, 10, 64); err != nil {
			return schemas.Event{}, errors.New(HeaderAfter + " is not a number")
		}
	}
	if text := h.Get(HeaderPrint); text != "" {
		if e.Print, err = base64.StdEncoding.DecodeString(text); err != nil {
			return schemas.Event{}, errors.New(HeaderPrint + " is not base64")
		}
	}
	return e, nil
}
