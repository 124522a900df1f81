package pipeline

import (
	"context"
	"sync"

	"github.com/caddy-kline/caddy-kline/pipeline/history"
	"github.com/caddy-kline/caddy-kline/pipeline/kafka"
	"github.com/caddy-kline/caddy-kline/pipeline/safego"
)

// History writes what stands on the engine's topics into a database.
type History interface {
	// Name is that of the configuration, unique.
	Name() string
	// Run follows until ctx ends. A database that is away is waited for.
	Run(ctx context.Context, e history.Engine)
	// Status tells how far it is.
	Status() history.Status
}

// attachedHistory is a history that the engine runs.
type attachedHistory struct {
	e       *Engine
	history History
	cancel  context.CancelFunc // nil before the engine runs
	handle  *safego.Handle
}

// AttachHistory runs h while the engine runs and until detach is called, which
// waits for it. Whatever happens to it, nothing else stops.
func (e *Engine) AttachHistory(h History) (detach func()) {
	a := &attachedHistory{e: e, history: h}
	e.mu.Lock()
	e.histories = append(e.histories, a)
	if e.running {
		e.startHistory(a)
	}
	e.mu.Unlock()
	return func() {
		e.mu.Lock()
		for i := range e.histories {
			if e.histories[i] == a {
				e.histories = append(e.histories[:i:i], e.histories[i+1:]...)
				break
			}
		}
		e.mu.Unlock()
		a.stop()
		for _, s := range h.Status().Streams {
			e.heal("history " + h.Name() + "." + s.Table)
		}
	}
}

// startHistory runs a in a goroutine of its own. The caller holds e.mu.
func (e *Engine) startHistory(a *attachedHistory) {
	ctx, cancel := context.WithCancel(e.ctx)
	a.cancel = cancel
	a.handle = safego.Go("history", func(err error) {
		e.cfg.Observer.Panicked("history")
		e.degrade("history "+a.history.Name(), err)
	}, func() { a.run(ctx) })
}

// stop ends it and waits.
func (a *attachedHistory) stop() {
	if a.cancel != nil {
		a.cancel()
		a.handle.Wait()
	}
}

func (a *attachedHistory) run(ctx context.Context) {
	e := a.e
	layout, ok := e.found(ctx)
	if !ok {
		return
	}
	letters := &deadLetters{cfg: kafka.ProducerConfig{Cluster: e.cluster, Topic: e.topics.Name(kafka.DLQ)}}
	defer letters.close()
	a.history.Run(ctx, history.Engine{
		Cluster: e.cluster, Topics: [2]string{history.Trades: e.topics.Input, history.Klines: e.topics.Name(kafka.Klines)},
		Partitions: layout.N, Layout: layout.Mapping, Mapping: e.cfg.Mapping,
		Owns: e.ours, DeadLetter: letters.write, Away: e.degrade, Back: e.heal,
	})
}

// deadLetters is the dead-letter topic for rows that a database refuses. Most
// engines never write one, so the producer is made when the first comes.
type deadLetters struct {
	cfg kafka.ProducerConfig

	mu       sync.Mutex // protects producer
	producer *kafka.Producer
}

func (d *deadLetters) write(ctx context.Context, letters []kafka.TradeRecord) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.producer == nil {
		p, err := kafka.NewProducer(d.cfg)
		if err != nil {
			return err
		}
		d.producer = p
	}
	return d.producer.Send(ctx, letters)
}

func (d *deadLetters) close() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.producer != nil {
		d.producer.Close()
	}
}
