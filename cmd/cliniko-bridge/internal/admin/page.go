package admin

import (
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"html/template"
)

//go:embed page.html
var pageText string

// pageTemplate escapes what it is given for the place where it goes.
var pageTemplate = template.Must(template.New("page").Parse(pageText))

type pageData struct {
	Style    template.CSS
	Version  string
	Accounts []Account
}

const pageStyle = `:root{color-scheme:light dark}
body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:80rem;padding:0 1rem}
h1 small{font-weight:normal;opacity:.6}
table{border-collapse:collapse;width:100%}
th,td{text-align:left;padding:.2rem .6rem;border-bottom:1px solid #8884}
.n{text-align:right;font-variant-numeric:tabular-nums}
`

// contentPolicy lets a browser apply the page's own style, known by its hash, and do nothing else.
var contentPolicy = "default-src 'none'; style-src '" + hashSource(pageStyle) + "'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

func hashSource(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "sha256-" + base64.StdEncoding.EncodeToString(sum[:])
}
