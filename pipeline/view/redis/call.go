package redis

import (
	"context"
	"crypto/rand"
	"crypto/sha1" //nolint:gosec // the name Redis gives to a script
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"

	goredis "github.com/redis/go-redis/v9"

	"github.com/caddy-kline/caddy-kline/pipeline/failpoint"
)

// write is one field of a call.
type write struct {
	key, field, version, value string // no version: delete
}

// answer is a checked reply.
type answer struct {
	code        string
	epoch, held string // as the server wrote them, "" = none
	next        int64  // held as a number, -1 = none
}

// run calls the script once for the range [expect, next) with its writes, and
// has it look at the hashes named besides.
func (r *Redis) run(ctx context.Context, p int32, expect, next int64, writes []write, looks []string) (answer, error) {
	keys := []string{r.key(p, keyPos), r.key(p, keyHas)}
	args := []any{pad16(r.cfg.Epoch), pad16(expect), pad16(next)}
	number := map[string]string{}
	for _, w := range writes {
		n, ok := number[w.key]
		if !ok {
			keys = append(keys, w.key)
			n = strconv.Itoa(len(keys))
			number[w.key] = n
		}
		args = append(args, n, w.field, w.version, w.value)
	}
	a, err := r.call(ctx, script, append(keys, looks...), args...)
	if err != nil {
		return a, fmt.Errorf("moving partition %d of the Redis view from %d: %w", p, expect, err)
	}
	return a, nil
}

// call runs one of the scripts that answer with the position, once.
func (r *Redis) call(ctx context.Context, text string, keys []string, args ...any) (answer, error) {
	reply, err := r.prove(ctx, text, keys, args, 1)
	if err != nil {
		return answer{}, err
	}
	said := texts(reply)
	if len(said) != 5 {
		return answer{}, fmt.Errorf("reading the answer of the Redis view: %d parts instead of 5", len(said))
	}
	a := answer{code: said[0], epoch: said[3], held: said[4], next: -1}
	if a.held != "" {
		a.judgeHeld()
	}
	return a, nil
}

// judgeHeld reads the position. One that is no number was written by somebody else, and
// every question would be answered with it for ever: the view counts as lost.
func (a *answer) judgeHeld() {
	next, err := strconv.ParseInt(a.held, 10, 64)
	if err == nil {
		a.next = next
		return
	}
	if a.code == answerDup || a.code == answerGap {
		a.code = answerLost
	}
}

// prove runs a script once. Its reply must name the call, at the place at: a
// connection whose replies have shifted would otherwise answer for another one.
func (r *Redis) prove(ctx context.Context, text string, keys []string, args []any, at int) ([]any, error) {
	nonce := rand.Text()
	c := r.conn()
	v, err := eval(ctx, c, text, keys, append([]any{nonce}, args...)).Result()
	reply, list := v.([]any)
	if (err == nil || errors.Is(err, goredis.Nil)) && (!list || len(reply) < at+2 || reply[at] != any(nonce) || reply[at+1] != any(keys[0])) {
		err = errProof
	}
	if err != nil {
		r.distrust(ctx, c, err)
		return nil, err
	}
	return reply, nil
}

// texts are the strings of a list, nil if it is none.
func texts(v any) []string {
	list, _ := v.([]any)
	out := make([]string, len(list))
	for i, e := range list {
		s, ok := e.(string)
		if !ok {
			return nil
		}
		out[i] = s
	}
	return out
}

// eval sends the script's name and, only if the server says it does not know
// it, its text. NOSCRIPT is the one error after which sending again is safe:
// the server has said that nothing ran.
func eval(ctx context.Context, c goredis.Cmdable, text string, keys []string, args []any) *goredis.Cmd {
	sum := sha1.Sum([]byte(text)) //nolint:gosec // as above
	failpoint.Hit(failpoint.BeforeRedis)
	cmd := c.EvalSha(ctx, hex.EncodeToString(sum[:]), keys, args...)
	if serverSaid(cmd.Err(), "NOSCRIPT") {
		cmd = c.Eval(ctx, text, keys, args...)
	}
	failpoint.Hit(failpoint.AfterRedis)
	return cmd
}

// serverSaid reports whether err is an error reply that begins with prefix.
func serverSaid(err error, prefix string) bool {
	var said goredis.Error
	return errors.As(err, &said) && strings.HasPrefix(said.Error(), prefix)
}
