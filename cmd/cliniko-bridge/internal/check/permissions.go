package check

import (
	"context"
	"encoding/json"
	"strings"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/cliniko-bridge/cliniko-bridge/publisher"
)

// userInfo is the subject on which a NATS server tells a user its own rights (nats-server 2.10 and later, server/events.go,
// read 2026-11).
const userInfo = "$SYS.REQ.USER.INFO"

// permissions asks the server for the rights of our user. Nothing is published for it: a test message would be in the
// stream for ever. It returns on which subjects the user may publish, nil if on all or if that is not known.
func (r *Report) permissions(ctx context.Context, nc *nats.Conn, stream string, t publisher.Template) *server.SubjectPermission {
	const what = "NATS permissions"
	ctx, cancel := context.WithTimeout(ctx, natsTimeout)
	defer cancel()
	msg, err := nc.RequestWithContext(ctx, userInfo, nil)
	if err != nil {
		r.warn(what, "they are not known: the server does not tell them (%s)", err)
		return nil
	}
	var answer struct {
		Data server.UserInfo `json:"data"`
	}
	if err := json.Unmarshal(msg.Data, &answer); err != nil {
		r.warn(what, "they are not known: the server's answer is not understood")
		return nil
	}
	p := answer.Data.Permissions
	if p == nil {
		r.ok(what, "the user has no restrictions")
		return nil
	}
	publish := missing(p.Publish, []string{
		t.All(),
		"$JS.API.STREAM.INFO." + stream, "$JS.API.STREAM.MSG.GET." + stream,
		"$JS.API.CONSUMER.CREATE." + stream + ".>", "$JS.API.CONSUMER.MSG.NEXT." + stream + ".*",
	})
	subscribe := missing(p.Subscribe, []string{"_INBOX.>"})
	switch {
	case len(publish) > 0:
		r.bad(what, "the user may not publish on %s; allow it", strings.Join(publish, ", "))
	case len(subscribe) > 0:
		r.bad(what, "the user may not subscribe to %s, on which answers come; allow it", strings.Join(subscribe, ", "))
	default:
		r.ok(what, "the user may publish the events and read them back")
	}
	return p.Publish
}

// missing are those of subjects that p does not allow in whole.
func missing(p *server.SubjectPermission, subjects []string) []string {
	var out []string
	for _, s := range subjects {
		if !allows(p, s) {
			out = append(out, s)
		}
	}
	return out
}

// allows says whether p allows every subject that matches subject. Several permissions that do so together are not
// recognised.
func allows(p *server.SubjectPermission, subject string) bool {
	if p == nil {
		return true
	}
	for _, denied := range p.Deny {
		if server.SubjectsCollide(denied, subject) {
			return false
		}
	}
	for _, allowed := range p.Allow {
		if server.SubjectMatchesFilter(subject, allowed) {
			return true
		}
	}
	return len(p.Allow) == 0
}
