package main

import "strings"

// initialisms are the words that Go writes in capitals.
var initialisms = map[string]string{"dva": "DVA", "id": "ID", "ids": "IDs", "ip": "IP", "sms": "SMS", "url": "URL"}

// goName spells an API name as Go does: "booking_ip_address" is BookingIPAddress.
func goName(name string) string {
	var b strings.Builder
	for word := range strings.SplitSeq(name, "_") {
		if s, ok := initialisms[word]; ok {
			b.WriteString(s)
			continue
		}
		b.WriteString(strings.ToUpper(word[:1]) + word[1:])
	}
	return b.String()
}

// singular is one of what the API names in the plural. The resources need no other rules; a new one that does shows in
// the name of its type.
func singular(name string) string {
	for _, end := range []struct{ plural, one string }{{"ies", "y"}, {"sses", "ss"}, {"xes", "x"}, {"s", ""}} {
		if stem, ok := strings.CutSuffix(name, end.plural); ok {
			return stem + end.one
		}
	}
	return name
}

// article is the word before a name.
func article(name string) string {
	if strings.ContainsRune("AEIO", rune(name[0])) { // a user, a unit; but an unavailable block
		return "An"
	}
	if strings.HasPrefix(name, "Un") {
		return "An"
	}
	return "A"
}
