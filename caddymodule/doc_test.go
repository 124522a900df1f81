package caddymodule

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// sources parses the files of this package, tests excluded.
func sources(t *testing.T) (files []*ast.File, set *token.FileSet) {
	t.Helper()
	set = token.NewFileSet()
	names, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(set, name, nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, f)
	}
	return files, set
}

// options are the types whose fields are the configuration.
func isOption(name string) bool {
	for _, n := range []string{
		"App", "SymbolRule", "Indicators", "KafkaSource", "SASL", "TLSClient", "EmbeddedSource", "MemoryStore",
		"RedisStore", "RedisSentinel", "ReplayFeed", "LiveFeed", "HTTPFeed", "WebSocketFeed", "HistoryServer", "PostgresHistory", "ClickHouseHistory", "LineHistory", "Klines", "Rate", "Stream", "Dashboard", "Uploads", "Ingest", "Tenant",
	} {
		if n == name {
			return true
		}
	}
	return false
}

// Caddy's site makes the manual out of these comments.
func TestEveryOptionIsDocumentedWithItsDefault(t *testing.T) {
	withDefault := regexp.MustCompile(`\A[A-Z][\s\S]*\. Default: [^\n]+\.\n\z`)
	files, set := sources(t)
	seen := 0
	for _, f := range files {
		ast.Inspect(f, func(n ast.Node) bool {
			spec, ok := n.(*ast.TypeSpec)
			if !ok || !isOption(spec.Name.Name) {
				return true
			}
			for _, field := range spec.Type.(*ast.StructType).Fields.List {
				if field.Tag == nil {
					continue
				}
				seen++
				if doc := field.Doc.Text(); !withDefault.MatchString(doc) {
					t.Errorf("%s: the comment of %s.%v does not end with its default: %q",
						set.Position(field.Pos()), spec.Name, field.Names, doc)
				}
			}
			return true
		})
	}
	if seen < 40 {
		t.Errorf("only %d options were found", seen)
	}
}

// sample turns the syntax of a comment into a Caddyfile: the first of several
// choices, and something for each thing in angle brackets.
func sample(syntax string) string {
	syntax = strings.NewReplacer(
		"source <name> {\n\t...\n\t}", "source embedded", "store <name> {\n\t...\n\t}", "store memory",
		"feed <name> <arguments...> {\n\t...\n\t}", "feed replay x.csv", "history <name> {\n\t...\n\t}", "history line {\n\taddress a\n\t}", "[<matcher>] ", "",
		"<per second>", "5", "<burst>", "5", "<price>", "2", "<size>", "64MiB", "<duration>", "10s", "<number>", "2", "<frames>", "16",
		"<origin>...", "https://a.example", "<address>...", "a:9092", "<host:port>", "a:9092", "<instance>...", "sma(20)", "<lease>", "10s",
		"<secret>", "{env.X}", "<password>", "{env.X}", "<factor>", "2", "<pattern>", "BTC*", "<preset>", "generic",
		"<placeholder>", "{http.auth.user.id}", "<module size>", "1MiB", "<url>", "https://a.example/x.js", "<user>", "ann", "<public key>", "RWRYA0EvkHuu6S4Nsniw5dX0B4IoxgxDTrz1GFLaKrsRStNNh3cb14Hm", "...", "",
	).Replace(syntax)
	syntax = strings.ReplaceAll(syntax, "intervals <name>", "intervals 1m")
	syntax = regexp.MustCompile(`<[a-z ]+>`).ReplaceAllString(syntax, "x")
	return regexp.MustCompile(`(\S+?)\|\S+`).ReplaceAllString(syntax, "$1")
}

func TestEverySyntaxBlockAdapts(t *testing.T) {
	files, set := sources(t)
	seen := 0
	for _, f := range files {
		for _, d := range f.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok || !strings.HasPrefix(fn.Name.Name, "parse") && fn.Name.Name != "UnmarshalCaddyfile" {
				continue
			}
			var lines []string
			for line := range strings.Lines(fn.Doc.Text()) {
				if strings.HasPrefix(line, "\t") {
					lines = append(lines, strings.TrimSuffix(strings.TrimPrefix(line, "\t"), "\n"))
				}
			}
			if len(lines) == 0 {
				continue
			}
			seen++
			text := caddyfileOf(strings.Join(lines, "\n"))
			if got := adaptText(t, text); strings.HasPrefix(got, "error:") {
				t.Errorf("%s: the syntax of %s does not adapt: %s\n%s", set.Position(fn.Pos()), fn.Name.Name, got, text)
			}
		}
	}
	if seen < 10 {
		t.Errorf("only %d syntax blocks were found", seen)
	}
}

// caddyfileOf puts a block where it belongs.
func caddyfileOf(syntax string) string {
	flat := regexp.MustCompile(`(?m)^\t+`).ReplaceAllString(syntax, "\t")
	block := sample(flat)
	word, _, _ := strings.Cut(block, " ")
	switch strings.TrimSpace(word) {
	case "kline":
		return "{\n" + block + "\n}\n"
	case "source":
		return "{\nkline {\n" + block + "\n}\n}\n"
	case "store", "feed", "history", "symbols":
		return "{\nkline {\nsource embedded\n" + block + "\n}\n}\n"
	case "tls", "format":
		return "{\nkline {\nsource kafka {\nbrokers a\n" + block + "\n}\n}\n}\n"
	}
	return "{\nkline {\nsource embedded\n}\n}\n:80 {\n" + block + "\n}\n"
}

func TestPackageHasACommentOfThreeParagraphs(t *testing.T) {
	text, err := os.ReadFile("caddymodule.go")
	if err != nil {
		t.Fatal(err)
	}
	comment, _, _ := strings.Cut(string(text), "package caddymodule\n")
	if n := strings.Count(comment, "//\n"); n != 2 {
		t.Errorf("%d breaks between paragraphs, want 2", n)
	}
}
