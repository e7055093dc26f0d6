// Package embedded runs a NATS server with JetStream inside the bridge, for those who have none.
//
// It listens on the loopback interface alone, without passwords: whoever can log in to the machine can read the
// events. It writes every message to the disk before it acknowledges it, so that what was acknowledged outlives a
// power cut. One process at a time may use a directory.
package embedded
