package verify

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"time"

	"github.com/caddy-kline/caddy-kline/pipeline/clock"
	"github.com/caddy-kline/caddy-kline/pipeline/kafka"
)

// Redis says where the view of the node is.
type Redis struct {
	Addr           string
	User, Password string
	TLS            func() *tls.Config // nil: plain text
	// Prefix of the keys. Default: kl.
	Prefix string
}

// redisView reads hashes with the few words of the protocol that it needs: the
// engine's client and keys are not its witnesses.
type redisView struct {
	conn    net.Conn
	in      *bufio.Reader
	prefix  string
	mapping string
	clock   clock.Clock
}

// redisTimeout bounds one command: a hash holds a thousand bars.
const redisTimeout = 30 * time.Second

// openRedis connects, and asks Kafka for the name under which the keys stand.
func (r *runner) openRedis(ctx context.Context) (*redisView, error) {
	c := r.cfg.Redis
	layout, err := kafka.Ensure(ctx, r.cfg.Cluster, kafka.Topics{Input: r.cfg.Input, Prefix: r.cfg.Prefix}, kafka.EnsureOptions{})
	if err != nil {
		return nil, err
	}
	v := &redisView{prefix: c.Prefix, mapping: layout.Mapping, clock: r.cfg.Clock}
	if v.prefix == "" {
		v.prefix = "kl"
	}
	plain := &net.Dialer{Timeout: 10 * time.Second}
	dial := plain.DialContext
	if c.TLS != nil {
		dial = (&tls.Dialer{NetDialer: plain, Config: c.TLS()}).DialContext
	}
	if v.conn, err = dial(ctx, "tcp", c.Addr); err != nil {
		return nil, fmt.Errorf("reaching redis: %w", err)
	}
	v.in = bufio.NewReaderSize(v.conn, 64<<10)
	if c.Password != "" {
		words := []string{"AUTH", c.Password}
		if c.User != "" {
			words = []string{"AUTH", c.User, c.Password}
		}
		if _, err := v.do(words...); err != nil {
			v.close()
			return nil, fmt.Errorf("authenticating with redis: %w", err)
		}
	}
	return v, nil
}

func (*redisView) name() string { return "redis" }
func (v *redisView) close()     { _ = v.conn.Close() } // it was only read

func (v *redisView) bars(_ context.Context, p int32, sym, itv string, limit int) (map[int64]published, bool, error) {
	key := fmt.Sprintf("%s:{%s.%d}:bar:%d:%s%d:%s", v.prefix, v.mapping, p, len(sym), sym, len(itv), itv)
	fields, err := v.do("HGETALL", key)
	if err != nil {
		return nil, false, err
	}
	shown := make(map[int64]published, len(fields)/2)
	for i := 1; i < len(fields); i += 2 {
		_, body, ok := bytes.Cut(fields[i], []byte("|"))
		var k published
		if !ok || parsePublished(body, &k) != nil || strconv.FormatInt(k.t, 10) != string(fields[i-1]) {
			return nil, false, fmt.Errorf("field %q of %s is no bar", cut(string(fields[i-1])), cut(key))
		}
		shown[k.t] = k
	}
	return shown, len(shown) >= limit, nil
}

// do sends a command and returns the strings of the answer.
func (v *redisView) do(words ...string) ([][]byte, error) {
	if err := v.conn.SetDeadline(v.clock.Now().Add(redisTimeout)); err != nil {
		return nil, err
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "*%d\r\n", len(words))
	for _, w := range words {
		fmt.Fprintf(&b, "$%d\r\n%s\r\n", len(w), w)
	}
	if _, err := v.conn.Write(b.Bytes()); err != nil {
		return nil, err
	}
	return v.answer()
}

// maxReply bounds the length of a string and of a list.
const maxReply = 1 << 24

func (v *redisView) answer() ([][]byte, error) {
	line, err := v.in.ReadSlice('\n')
	if err != nil {
		return nil, err
	}
	text := string(bytes.TrimRight(line, "\r\n"))
	if text == "" {
		return nil, errors.New("redis sent an empty line")
	}
	switch text[0] {
	case '+', ':':
		return [][]byte{[]byte(text[1:])}, nil
	case '-':
		return nil, fmt.Errorf("redis refuses: %s", cut(text[1:]))
	}
	n, err := strconv.Atoi(text[1:])
	if err != nil || n > maxReply || text[0] != '$' && text[0] != '*' {
		return nil, fmt.Errorf("redis sent %q", cut(text))
	}
	if n < 0 {
		return nil, nil
	}
	if text[0] == '$' {
		s := make([]byte, n+2)
		if _, err := io.ReadFull(v.in, s); err != nil {
			return nil, err
		}
		return [][]byte{s[:n]}, nil
	}
	var all [][]byte
	for range n {
		one, err := v.answer()
		if err != nil {
			return nil, err
		}
		all = append(all, one...)
	}
	return all, nil
}
