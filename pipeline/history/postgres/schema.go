package postgres

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
)

// schemaLock is the advisory lock under which the schema is changed: nodes that
// start together do it one after the other.
const schemaLock = 0x6b6c696e65 // "kline"

// migrations bring the schema from one version to the next. They are never
// edited: a change is a further one. S stands for the schema.
//
// A partitioned table's key has to hold the column it is partitioned by, hence
// ts beside symbol and id: a venue that sends an id again with another time gives
// a second row, which shows what it did.
var migrations = [...]string{`
create table S.positions (
	topic text not null, p int not null, next bigint not null, primary key (topic, p));
create table S.trades (
	sym text collate "C" not null, tid text collate "C" not null, ts timestamptz not null, ns smallint not null,
	price numeric not null, size numeric not null, side text,
	src text not null, p int not null, o bigint not null, i int not null,
	primary key (sym, tid, ts)) partition by range (ts);
create table S.trades_rest partition of S.trades default;
create index on S.trades using brin (ts);
create table S.klines (
	sym text collate "C" not null, itv text collate "C" not null, open_time timestamptz not null, rev int not null, ep int not null,
	close_time timestamptz not null,
	o numeric not null, h numeric not null, l numeric not null, c numeric not null,
	v numeric not null, qv numeric not null, n bigint not null, bv numeric not null, bqv numeric not null, vwap numeric not null,
	first_id text not null, last_id text not null, q text not null, why text, seq bigint not null, wm timestamptz not null,
	p int not null, o0 bigint not null, o1 bigint not null, so bigint not null, sk bigint not null, ind jsonb,
	primary key (sym, itv, open_time, rev, ep)) partition by range (open_time);
create table S.klines_rest partition of S.klines default;
create view S.newest_klines as
	select distinct on (sym, itv, open_time) * from S.klines order by sym, itv, open_time, ep desc, rev desc;
comment on table S.trades is 'raw trades, each once; p/o/i is the place in the topic';
comment on table S.klines is 'final klines, every revision; newest_klines shows the last of each';
`}

// in puts the name of the schema into a statement.
func (c Config) in(sql string) string {
	return strings.ReplaceAll(sql, "S.", pgx.Identifier{c.Schema}.Sanitize()+".")
}

// migrate brings the schema to the present version. Each step is a transaction:
// a node that dies in the middle of one leaves the version before it.
func (c Config) migrate(ctx context.Context, conn *pgx.Conn) error {
	err := pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "select pg_advisory_xact_lock($1)", int64(schemaLock)); err != nil {
			return err
		}
		var there bool
		if err := tx.QueryRow(ctx, "select to_regnamespace($1) is not null", pgx.Identifier{c.Schema}.Sanitize()).Scan(&there); err != nil {
			return err
		}
		if !there {
			if _, err := tx.Exec(ctx, "create schema "+pgx.Identifier{c.Schema}.Sanitize()); err != nil {
				return err
			}
		}
		if _, err := tx.Exec(ctx, c.in("create table if not exists S.versions (version int primary key, applied timestamptz not null default now())")); err != nil {
			return err
		}
		var version int
		if err := tx.QueryRow(ctx, c.in("select coalesce(max(version), 0) from S.versions")).Scan(&version); err != nil {
			return err
		}
		if version > len(migrations) {
			return fmt.Errorf("the schema %q has version %d, this program knows %d: start the newer program, or name another schema", c.Schema, version, len(migrations))
		}
		for ; version < len(migrations); version++ {
			if _, err := tx.Exec(ctx, c.in(migrations[version])); err != nil {
				return fmt.Errorf("migration %d: %w", version+1, err)
			}
			if _, err := tx.Exec(ctx, c.in("insert into S.versions (version) values ($1)"), version+1); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return classify(fmt.Errorf("preparing the schema of PostgreSQL: %w", err))
	}
	return nil
}
