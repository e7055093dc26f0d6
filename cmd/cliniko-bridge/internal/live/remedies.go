package live

import "strings"

// A saying is what is wrong in plain words, and what to do about it. {account}, {resource} and {cause} stand for what they
// name: the cause is the last part of the error.
type saying struct{ text, remedy string }

// wide are the classes of failures that come from the account, its key or its API, and not from one resource.
var wide = map[string]saying{
	"unauthorized": {
		"Cliniko does not take the API key of account {account} (401)",
		"Make a key in Cliniko under My info, Manage API keys, and put it into api_key; with api_key_file it is taken up without a restart.",
	},
	"rate_limited": {
		"more requests were sent than Cliniko takes of one user in a minute (429)",
		"Wait: it goes on by itself; if it comes again, another program uses the same user: give the bridge a user of its own, or lower requests_per_minute.",
	},
	"network": {
		"Cliniko cannot be reached ({cause})",
		"See that this machine can reach the account's base_url: name service, firewall, proxy; nothing is lost, and it goes on by itself.",
	},
	"server": {
		"Cliniko answers with an error of its own ({cause})",
		"Wait: nothing is lost, and it is tried again; if it lasts, ask Cliniko whether it has an outage.",
	},
}

// single are the classes that are one resource's.
var single = map[string]saying{
	"forbidden": {
		"the key's user may not see it (403)",
		"Give that user the right in Cliniko, or leave {resource} out of the account's resources; it is asked again every ten minutes.",
	},
	"not_found": {
		"the account has no such list (404)",
		"Leave {resource} out of the account's resources; if it is there in Cliniko, run cliniko-bridge check, which says which edition of the API answers, and see that api is auto.",
	},
	"refused": {
		"the list refuses what it is asked for (400)",
		"Run cliniko-bridge check, which says what the list takes; leave {resource} out of the account's resources if it cannot be followed.",
	},
	"unexpected": {
		"the answer is not one that a list gives ({cause})",
		"See that base_url is the API of the account's shard, and that no proxy or portal stands between; it is tried again.",
	},
	"bad_body": {
		"the answer is not the list ({cause})",
		"See that base_url is the API of the account's shard, and that no proxy or portal stands between; nothing is taken from such an answer, and it is tried again.",
	},
	"too_large": {
		"the answer is larger than can be read ({cause})",
		"Wait: it is asked for in smaller pages by itself; if it stays so, look in Cliniko for a record of many megabytes.",
	},
}

// inward is a failure that is none of the API: the store, the stream, or what was read was not as it was asked for.
func inward(text string) (saying, bool) {
	for _, s := range inwards {
		if strings.Contains(text, s.word) {
			return s.saying, true
		}
	}
	return saying{}, false
}

// odd is what none of the tables has.
var odd = saying{"it could not be read ({cause})", "Look at the log of the bridge, and report it if nothing there explains it; it is tried again by itself."}

// inwards are looked for in this order: what is published has the stream's own words behind it.
var inwards = []struct {
	word string
	saying
}{
	{"the lease is lost", saying{
		"another bridge has taken the account over",
		"Wait: it is followed there; if it comes again and again, the store answers too slowly for a lease of seconds.",
	}},
	{"another form than before", saying{
		"its records look as if the account went over to another edition of the API, which is being asked",
		"Wait: it goes on once the API has answered; if it stays so, run cliniko-bridge check.",
	}},
	{"not sorted", saying{
		"the list does not come sorted as it was asked to be", "Wait: it is read in another way from the next poll on.",
	}},
	{"not filtered", saying{
		"the list does not come filtered as it was asked to be",
		"Run cliniko-bridge check; nothing is taken from such a list, as it could not be said what is new.",
	}},
	{"standing has changed", saying{
		"store and stream were not as they were left, and are compared",
		"Wait: it is read again by itself; if it stays so, look whether the store was put back, or another bridge with the same accounts has another store.",
	}},
	{"publish ", saying{
		"its events cannot be published ({cause})",
		"See that the NATS server runs and that the stream takes events; nothing is lost, they are told once it does.",
	}},
	{"read the stream back", saying{
		"the stream cannot be read back ({cause})",
		"See that the NATS server runs, and that the bridge's user may read the stream; it is tried again.",
	}},
	{"commit: ", storeSaying},
	{"load: ", storeSaying},
	{"is damaged", saying{
		"what the store holds of it is damaged ({cause})",
		"Stop the bridge, and restore the store from a backup; the log of the bridge says which part it is.",
	}},
}

var storeSaying = saying{
	"the store does not take what was read ({cause})",
	"See that Redis, or the disk of data_dir, takes writes; nothing is lost, it goes on once it does.",
}

// statusClass is the class of an error text that ends with a status of the API, "" if that is not one of the account's.
func statusClass(text string) string {
	rest, ok := behind(text, "GET /")
	if !ok {
		return ""
	}
	_, why, _ := strings.Cut(rest, ": ")
	switch {
	case strings.HasPrefix(why, "401"):
		return "unauthorized"
	case strings.HasPrefix(why, "429"):
		return "rate_limited"
	case strings.HasPrefix(why, "5"):
		return "server"
	case why != "" && (why[0] < '0' || why[0] > '9'):
		return "network"
	default:
		return ""
	}
}

// noteRemedy is what to do about a note of the poller.
func noteRemedy(note string) string {
	switch {
	case strings.Contains(note, "refuses a filter"):
		return "Nothing can be done here: changes of what that list hides are not seen; cliniko-bridge check shows what the list takes."
	case strings.Contains(note, "window by window"):
		return "Nothing has to be done: it is read whole all the same, with some requests more."
	case strings.Contains(note, "answers 403"):
		return single["forbidden"].remedy
	case strings.Contains(note, "answers 401"):
		return wide["unauthorized"].remedy
	case strings.Contains(note, "answers 404"), strings.Contains(note, "answers 400"):
		return "Nothing has to be done if the account has no such list; cliniko-bridge check shows what it has."
	case strings.Contains(note, "answers 429"):
		return wide["rate_limited"].remedy
	case strings.Contains(note, "answers 5"):
		return wide["server"].remedy
	default:
		return "Look at the log of the bridge if it lasts; it is tried again by itself."
	}
}

// reasonRemedy is what to do about a reason of /readyz that does not say it itself, "" if it does.
func reasonRemedy(reason string) string {
	for _, r := range reasonRemedies {
		if strings.HasPrefix(reason, r.begins) {
			return r.remedy
		}
	}
	return ""
}

var reasonRemedies = []struct{ begins, remedy string }{
	{"it is starting", "Wait a few seconds."},
	{"it waits for the stream", "See that the NATS server runs with JetStream, and look at its log; the bridge goes on by itself."},
	{"it waits for the store", "Start Redis, or correct state.redis_url; the bridge goes on by itself."},
	{"it waits for NATS", "Start the NATS server, or correct nats.url; the bridge goes on by itself."},
	{"NATS is not connected", "Start the NATS server, or see what keeps this machine from reaching nats.url; nothing is lost, the bridge goes on by itself."},
	{"the store does not answer", "Start Redis, or see what keeps this machine from reaching state.redis_url; nothing is lost, the bridge goes on by itself."},
	{"data_dir cannot be written to", "Make room on the disk of data_dir, or give the bridge's user the right to write there; it goes on by itself."},
	{"the stream cannot be written to", "Make room on the disk of the NATS server; nothing is lost, the bridge goes on by itself."},
	{"the stream is gone", "Look at the NATS server's log, and give the bridge's user the right to make streams, or make it yourself."},
}
