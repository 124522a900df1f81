package main

// mutant is one guarantee that is switched off in the text of one file.
type mutant struct {
	name string
	file string // below the root of the repository
	old  string // must stand there exactly once
	new  string
	pkg  string // whose test has to notice
	test string // -run
	args string // further ones of the test, separated by blanks
}

// rapidArgs keep a property test that fails from looking half a minute for a smaller case, and from writing it down.
const rapidArgs = "-rapid.nofailfile -rapid.shrinktime=1s"

// mutants are the first ten of the design, and some more. Each takes away one thing without which a record would be lost, doubled or wrong.
var mutants = []mutant{
	{
		name: "mut_nofence", // offsets without the member of the group: a deposed node commits
		file: "pipeline/kafka/transaction.go",
		old:  "req.MemberID, req.Generation = member, generation\n\treq.InstanceID = kmsg.StringPtr(c.cfg.Node)",
		new:  "_, _ = member, generation\n\treq.MemberID, req.Generation = \"\", -1",
		pkg:  "./pipeline/kafka", test: "TestFault_A09_ADeposedMemberPublishesNothing",
	},
	{
		name: "mut_commitearly", // checkpoint and offset before the outputs are acknowledged
		file: "pipeline/kafka/publish.go",
		old:  "\tif err := c.send.produce(c.outputs(u)); err != nil {",
		new: "\tif cp := u.Checkpoint; cp != nil {\n\t\tif _, err := c.writeCheckpoint(u.P, cp); err != nil {\n\t\t\treturn err\n\t\t}\n" +
			"\t\tc.commit.add(u.P, mark{next: cp.To, meta: cp.Meta})\n\t}\n\tif err := c.send.produce(c.outputs(u)); err != nil {",
		pkg: "./pipeline/kafka", test: "TestFault_A03_NoCheckpointBeforeItsOutputs",
	},
	{
		name: "mut_resetstart", // a position that is gone begins anew
		file: "pipeline/kafka/client.go",
		old:  "kgo.ConsumeResetOffset(kgo.NoResetOffset()),",
		new:  "kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),",
		pkg:  "./pipeline/kafka", test: "TestInputThatVanishesWhileRunningIsFailed|TestTruncatedInputIsFailed",
	},
	{
		name: "mut_startend", // a new group begins at the end
		file: "pipeline/kafka/client.go",
		old:  "kgo.ConsumeStartOffset(kgo.NewOffset().AtStart()),",
		new:  "",
		pkg:  "./pipeline/kafka", test: "TestBothStartOptionsAreSet",
	},
	{
		name: "mut_nodedupe", // a trade counts as often as it comes
		file: "pipeline/core/step.go",
		old:  "\tcase sightDuplicate:\n",
		new:  "\tcase sightDuplicate + 100:\n",
		pkg:  "./pipeline/core", test: "TestDuplicatesChangeNothing",
		args: rapidArgs,
	},
	{
		name: "mut_floatsum", // sums in floats
		file: "pipeline/core/accumulator.go",
		old:  "\ta.qv = a.qv.add(f.notional)\n",
		new:  "\tsum := a.qv.add(f.notional)\n\tif sum.Hi == 0 {\n\t\tsum.Lo = uint64(float64(sum.Lo))\n\t} else {\n\t\tsum.Lo &^= 1<<12 - 1\n\t}\n\ta.qv = sum\n",
		pkg:  "./pipeline/core", test: "TestEngineEqualsBruteForceModel|TestCascadeEqualsDirectWindows",
		args: rapidArgs,
	},
	{
		name: "mut_droplate", // what is too late vanishes
		file: "pipeline/core/step.go",
		old:  "\t\te.refuse(ReasonTooLate, \"ts\", t, index, out)\n",
		new:  "",
		pkg:  "./pipeline/core", test: "TestEveryRejectReason|TestEngineEqualsBruteForceModel",
		args: rapidArgs,
	},
	{
		name: "mut_redisretry", // the client library sends a command again
		file: "pipeline/view/redis/client.go",
		old:  "Dialer: cfg.dialer(), CredentialsProviderContext: cfg.Credentials,\n\t\tMaxRetries: -1, DialerRetries: 1,",
		new:  "Dialer: cfg.dialer(), CredentialsProviderContext: cfg.Credentials,",
		pkg:  "./pipeline/view/redis", test: "TestFault_D02_NothingIsSentTwice/(miniredis|redis-server)",
	},
	{
		name: "mut_ssenewline", // text of a trade may end a line of the stream
		file: "pipeline/serve/frame.go",
		old:  "if bad(data) || bad(id) {",
		new:  "if bad(nil) {",
		pkg:  "./pipeline/serve", test: "FuzzFramingIsOneEvent",
	},
	{
		name: "mut_journaloutside", // a decision is visible whatever becomes of what it caused
		file: "pipeline/kafka/transactor.go",
		old:  "\tif err := t.c.send.produce(recs); err != nil {\n",
		new: "\tdecided := recs[:len(u.Decisions)]\n\tfor _, r := range decided {\n\t\tif err := t.c.cl.ProduceSync(t.c.ctx, r).FirstErr(); err != nil {\n\t\t\treturn 0, err\n\t\t}\n\t}\n" +
			"\tif err := t.c.send.produce(recs[len(decided):]); err != nil {\n",
		pkg: "./pipeline/kafka", test: "TestFault_A02_ADecisionOfARefusedTransactionIsNotThere",
	},
	{
		name: "mut_nosilence", // what is published already is published again after a restore
		file: "pipeline/emit.go",
		old:  "silent: so < w.silent.until.To}",
		new:  "silent: so < -1}",
		pkg:  "./pipeline", test: "TestKillsInTransactionsLoseNothingAndRepeatNothing|TestARestartedNodeRepeatsNothing",
	},
	{
		name: "mut_stableend", // the state is read up to the last stable offset only
		file: "pipeline/kafka/span.go",
		old:  "adm.ListEndOffsets(ctx, topic) // read_uncommitted: the high watermark",
		new:  "adm.ListCommittedOffsets(ctx, topic)",
		pkg:  "./pipeline/kafka", test: "TestFault_B06_ARestoreWaitsForAnOpenTransactionOnState",
	},
	{
		name: "mut_versionbyoffset", // the view takes the newest record for the newest revision
		file: "pipeline/view/redis/part.go",
		old:  "ver := version(rec.So, rec.Sk)",
		new:  "ver := version(rec.Offset, 0)",
		pkg:  "./pipeline/view/redis", test: "TestRepeatedRevisionDoesNotReplaceANewerOne/(miniredis|redis-server)",
	},
	{
		name: "mut_authz", // whoever may upload may also publish
		file: "caddymodule/rights.go",
		old:  "a == actionPublish && p.publisher,",
		new:  "a == actionPublish && (p.publisher || p.author),",
		pkg:  "./caddymodule", test: "TestRolesDecide",
	},
	{
		name: "mut_tenant", // modules of others can be changed
		file: "caddymodule/rights.go",
		old:  "\tif tenant != \"\" && !slices.Contains(p.tenants, tenant) {",
		new:  "\tif tenant == \"nobody's\" {",
		pkg:  "./caddymodule", test: "TestRolesDecide",
	},
	{
		name: "mut_noidentity", // nobody is somebody
		file: "caddymodule/rights.go",
		old:  "\tif id == \"\" {\n\t\treturn \"\", unauthenticated()",
		new:  "\tif id == \"\" && r == nil {\n\t\treturn \"\", unauthenticated()",
		pkg:  "./caddymodule", test: "TestUploadProblems|TestIdentitySources",
	},
	{
		name: "mut_anyguard", // authentication behind any matcher counts
		file: "caddymodule/authenticated.go",
		old:  "len(route.MatcherSets) > 0 || len(route.MatcherSetsRaw) > 0 || route.Group != \"\"",
		new:  "len(route.MatcherSetsRaw) > 0 && route.Group != \"\"",
		pkg:  "./caddymodule", test: "TestUploadsNeedAuthenticationInFront|TestAGroupedRouteIsNoGuard",
	},
	{
		name: "mut_recordfirst", // a version is listed before its bytes are there
		file: "wasmhost/registry/upload.go",
		old:  "\t\tif err := c.putBytes(ctx, rec.SHA256, wasm); err != nil {\n\t\t\treturn err\n\t\t}\n\t\trec.Time = r.cfg.Now().UTC()\n\t\trec.Since = rec.Time\n\t\tout.Record = rec\n\t\treturn c.put(ctx, &rec)\n",
		new:  "\t\trec.Time = r.cfg.Now().UTC()\n\t\trec.Since = rec.Time\n\t\tout.Record = rec\n\t\tif err := c.put(ctx, &rec); err != nil {\n\t\t\treturn err\n\t\t}\n\t\treturn c.putBytes(ctx, rec.SHA256, wasm)\n",
		pkg:  "./wasmhost/registry", test: "TestRegistryIsWholeAfterAKillAtEveryCall",
		args: rapidArgs,
	},
	{
		name: "mut_nosum", // bytes are served as they are found
		file: "wasmhost/registry/storage.go",
		old:  "hex.EncodeToString(got[:]) != sum",
		new:  "len(got) != 32",
		pkg:  "./wasmhost/registry", test: "TestDamageIsReportedAndNeverTrusted",
	},
	{
		name: "mut_sweepunsure", // a failed write is taken for one that did not happen
		file: "wasmhost/registry/change.go",
		old:  "\tif !c.unsure {\n",
		new:  "\tif true {\n",
		pkg:  "./wasmhost/registry", test: "TestAFailedWriteThatHappenedIsWhole",
	},
}
