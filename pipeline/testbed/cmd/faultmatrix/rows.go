package main

// row is one fault of the matrix.
type row struct {
	id     string
	fault  string
	expect string
	also   []string // tests that show it and whose names do not carry the id
	runs   []string // targets of the Makefile that make the fault at random
	open   string   // what is not shown, and why
}

// group is a part of the matrix.
type group struct {
	title string
	rows  []row
}

// matrix is every fault that the design answers for: process, Kafka, data, stores, modules.
var matrix = []group{
	{"A. Process and node", []row{
		{id: "A01", fault: "the process dies between fetching records and applying them, or while it restores", expect: "the records are read again; nobody sees anything of it", runs: []string{"chaos", "sim"}},
		{id: "A02", fault: "it dies after the state took the records, or after a decision was taken, before anything is published",
			expect: "transactional: neither outputs nor the decision exist, the next owner decides anew. idempotent: the decision stands in the journal and acts at its place, repeats have the position of the first", runs: []string{"chaos", "sim"}},
		{id: "A03", fault: "it dies when outputs are acknowledged, before checkpoint or offset", expect: "transactional: aborted, no reader sees a position twice. idempotent: the same bytes again, dropped by the reader rule", runs: []string{"chaos", "sim"}},
		{id: "A04", fault: "it dies, or the reply is lost, where nobody can know whether a commit, a decision or a script of the view took effect", expect: "what the log, or the view, says is read back and counts; nothing is sent blindly again",
			also: []string{"TestASuccessorEndsTheOpenTransactionOfItsPredecessor", "TestNumberThatIsTakenIsVoid"}, runs: []string{"chaos", "sim"}},
		{id: "A05", fault: "it dies in the middle of an event of a stream or of a checkpoint in several parts; a stored checkpoint is damaged", expect: "half of anything does not count: the client resumes by its id, the restore takes the checkpoint before",
			also: []string{"TestDamagedCheckpointFallsBackToTheOlder", "TestTornEndAfterAKillIsNoDamage", "TestRegistryIsWholeAfterAKillAtEveryCall"}},
		{id: "A06", fault: "it is killed again and again, at any moment", expect: "everything published equals a recomputation; what waits is worked off within a minute", also: []string{
			"TestEmbeddedKilledAnywhereEqualsTheOracle", "TestServersKilledAnywhereEqualsTheOracle", "TestKillsLoseAndDoubleNothing", "TestKillsInTransactionsLoseNothingAndRepeatNothing", "TestSchedule"}, runs: []string{"chaos", "soak", "sim"}},
		{id: "A07", fault: "memory is short, the input is faster than the work", expect: "queues are bounded in bytes and pause their partitions; nothing is dropped", also: []string{"TestMemoryBoundTakesFromTheLeastRead", "TestQueuePausesAndResumesInOrder"},
			open: "a limit of the operating system (prlimit, cgroup) under a tenfold feed is not tried by a test"},
		{id: "A08", fault: "a node stands still for longer than its session and then goes on", expect: "its transaction is refused by the broker; it drops its state and joins again", runs: []string{"chaos", "sim"}},
		{id: "A09", fault: "two nodes think that a partition is theirs", expect: "only the member that the coordinator knows can commit", runs: []string{"chaos", "sim"}},
		{id: "A10", fault: "the wall clock is set, or the machine sleeps", expect: "bars are cut by event time alone; the clock closes bars only through decisions in the journal, and a clock that jumped decides nothing at once", also: []string{"TestASetClockDoesNotCloseBarsAtOnce", "TestIdleDecision"}},
		{id: "A11", fault: "the configuration is reloaded every moment under load", expect: "consumer, state and streams stay", also: []string{"TestEmbeddedReloadsKeepStreamsAndBars", "TestEngineOutlivesAReload", "TestCountersGoOnOverAReload"}, runs: []string{"chaos", "soak"}},
		{id: "A12", fault: "a configuration is refused, or its start fails", expect: "the old one goes on untouched; the answer names the reason; nothing of the new one is left", also: []string{"TestEmbeddedRejectedReloadsChangeNothing", "TestRejectedReloadGivesSettingsBack", "TestStartFailureNamesTheCauseAndMayBeRepeated"}, runs: []string{"chaos", "soak"}},
		{id: "A13", fault: "a reload changes intervals, lateness or topics", expect: "a second engine waits until the first has left, and goes on from its checkpoints by the new rules", also: []string{"TestEmbeddedChangedKeyHandsOver", "TestIntervalsChangeAtRestart", "TestRulesThatChangeOverACrash"}},
		{id: "A14", fault: "the disk is full, read-only or fails", expect: "the embedded broker refuses writes, producers wait, health says so", also: []string{"TestFailedWritesShowInHealthAndPass", "TestEmbeddedFolderThatCannotBeWrittenIsRefused"}, open: "a failing fsync is not simulated"},
		{id: "A15", fault: "a goroutine panics", expect: "the process lives; the partition is restored from its last checkpoint, or waits as failed where the restore itself panics", also: []string{"TestAPanicEndsTheIncarnationAndLeavesNothingBehind"}},
	}},
	{"B. Kafka", []row{
		{id: "B01", fault: "a broker is killed and comes back", expect: "no loss; users see lag at most", also: []string{"TestKilledBrokerLosesNothingAcknowledged"}, runs: []string{"chaos", "soak"}},
		{id: "B02", fault: "all brokers are away", expect: "the last bars are still served, health says what is away, work goes on after it", also: []string{"TestSendBlocksWhileTheBrokerIsAwayAndReturnsWithCtx"}, runs: []string{"chaos", "sim"},
			open: "ten minutes without any broker; the runs cut a node off for seconds"},
		{id: "B03", fault: "leaders move all the time", expect: "requests are tried again; positions do not go back", runs: []string{"sim"}},
		{id: "B04", fault: "the coordinator moves or is loading", expect: "commits are tried again, the state goes on", also: []string{"TestFailedCommitIsCoveredByTheNext"}, runs: []string{"sim"}},
		{id: "B05", fault: "a commit took effect and is answered with a timeout", expect: "the next one covers it", also: []string{"TestFailedCommitIsCoveredByTheNext"}, runs: []string{"sim"}},
		{id: "B06", fault: "members join and leave, one node becomes four and one again", expect: "no partition is without an owner for longer than a session and two seconds; a restore waits for transactions that are not decided",
			also: []string{"TestPartitionsMoveWithoutARepeat", "TestPartitionsMoveBetweenTransactionalNodes", "TestRestoreEndedByARebalanceIsRepeated", "TestARebalanceUnderWayIsWaitedFor"}, runs: []string{"chaos", "sim"}},
		{id: "B07", fault: "retention removed records that were not read, or the journal below what is needed", expect: "the partition fails with a sentence; nothing is skipped silently", also: []string{"TestInputThatRetentionAteIsFailedLoudly", "TestInputThatVanishesWhileRunningIsFailed", "TestJournalThatDoesNotFitIsLost"}},
		{id: "B08", fault: "the log was cut, and perhaps grew again", expect: "the partition fails with a sentence", also: []string{"TestTruncatedInputIsFailed", "TestCheckpointBeyondTheInputIsFailed"}, open: "an unclean election of a real broker"},
		{id: "B09", fault: "a topic was deleted and created again", expect: "offsets of the old one are never used on the new one", also: []string{"TestInputCreatedAgainIsFailed", "TestLostStateFailsOnlyItsPartition"}},
		{id: "B10", fault: "the input got more partitions", expect: "those beyond the known ones are not consumed, and that is said", also: []string{"TestPartitionsBeyondTheLayoutAreNotConsumed"}},
		{id: "B11", fault: "the offset of the group is gone, or was set back", expect: "the checkpoint rules, the offset is a hint", also: []string{"TestRewoundGroupOffsetIsOnlyAHint"}},
		{id: "B12", fault: "the broker throttles, fetches are slow", expect: "backpressure, and the membership is kept", runs: []string{"chaos"}, open: "throttling that the broker announces"},
		{id: "B13", fault: "a password, a right or a certificate expires", expect: "a sentence, no crash, and it goes on when it is mended", also: []string{"TestBrokersWithoutTransactionsAreRefusedByName", "TestBrokersThatRefuseTransactionsAreNamed"}, open: "expired certificates"},
		{id: "B14", fault: "a broker answers with hostile bytes", expect: "no panic, bounded memory", open: "left to the tests of the client library"},
		{id: "B15", fault: "an output topic refuses records", expect: "the unit is taken back whole and written again", also: []string{"TestFailedSendEndsTheIncarnation", "TestAppliedButTimedOutProduceIsNotDoubled", "TestNothingIsLostOrDoubledOverManyIncarnations", "TestPartsNeverExceedTheBrokersLimit"}, runs: []string{"sim"}},
		{id: "B16", fault: "a new group meets a topic with trades", expect: "it begins at the start of the log", also: []string{"TestNewGroupReadsEverythingThatWaits", "TestBothStartOptionsAreSet"}},
		{id: "B17", fault: "trades come in transactions, some of them aborted", expect: "holes are no gaps, aborted trades never count", also: []string{"TestTransactionsOfProducersLeaveOnlyHoles", "TestRewindsAndHolesAreCounted"}},
	}},
	{"C. Data", []row{
		{id: "C01", fault: "a trade comes twice", expect: "it counts once", also: []string{"TestDuplicatesChangeNothing", "TestDuplicateIDs", "TestIDBelowTheHorizonIsNeverAppliedTwice"}, runs: []string{"chaos"}},
		{id: "C02", fault: "trades come out of order within the delay", expect: "as if they had come in order", also: []string{"TestShuffleInsideDelayIsInvisible"}, runs: []string{"chaos"}},
		{id: "C03", fault: "a trade comes after its bar was closed", expect: "the bar is published again with the next revision, or the trade goes to `late`", also: []string{"TestLateAndRestatedEqualsInOrder", "TestServersRealTradesEqualTheOracle"}, runs: []string{"chaos"}},
		{id: "C04", fault: "a trade is of the future", expect: "it goes to `dlq`; event time does not move", also: []string{"TestFutureTradeDoesNotMoveTheWatermark"}},
		{id: "C05", fault: "a record is not a trade: bytes, schema, depth, numbers", expect: "it goes to `dlq` with the reason and the first 64 KiB; the next trade is not touched", also: []string{"FuzzDecodeTick", "TestEveryRejectReason", "TestServersHostileRecordsStopNothing"}, runs: []string{"chaos"}},
		{id: "C06", fault: "prices and sizes that are none, or sums beyond 128 bits", expect: "refused with a reason; no sum ever overflows", also: []string{"TestSumsNeverOverflow", "TestNonpositivePricesWhereAllowed"}},
		{id: "C07", fault: "records of megabytes, names of kilobytes, symbols without end", expect: "limits that are exact, and metrics that stay bounded", also: []string{"TestRecordLimitsAreExact", "TestSeriesStayBoundedWithManySymbolsAndClients", "TestARecordOfAnySizeFitsWhenItIsDiverted"}},
		{id: "C08", fault: "nothing is traded for hours; old trades pause while they are replayed", expect: "no bar is made up; the clock closes what is open, but never of a replay", also: []string{"TestEmbeddedOldTradesMayPause", "TestHistoricalSourceWaitsForItsOwnTrades", "TestAQuietSymbolIsClosedByADecision"}},
		{id: "C09", fault: "a hundred times as many trades as usual", expect: "lag grows, memory does not, nothing is dropped", also: []string{"TestConstantOutputDoesNotKeepCheckpointsAway"}, open: "`make bench` measures the catch-up and its memory; no test has a limit for them"},
		{id: "C10", fault: "a trade makes an indicator fail", expect: "bars are not touched; the indicator's series is marked", also: []string{"TestTrapFailsItsSlotAndNoOther", "TestErrorOfTheModuleStaysWithItsSlot", "TestAnErrorMarksTheInstanceAlsoAfterARestart"}},
	}},
	{"D. Redis and history", []row{
		{id: "D01", fault: "Redis is away", expect: "the engine does not notice; the view catches up", runs: []string{"chaos", "soak"}},
		{id: "D02", fault: "Redis is slow, half open, or its reply is lost", expect: "a bounded wait; nothing is done twice", runs: []string{"chaos", "soak"}},
		{id: "D03", fault: "Redis was emptied, or came back with older data", expect: "the view is built again; no bar changes", runs: []string{"chaos", "soak"}},
		{id: "D04", fault: "a replica that had not everything becomes the master", expect: "the position goes back and the follower with it; an older dataset is never taken for a newer one"},
		{id: "D05", fault: "writes reach a replica", expect: "another connection, nothing lost"},
		{id: "D06", fault: "Redis evicts keys, or is full", expect: "evicted keys are noticed and written again; a full server is away; a policy that evicts is warned of"},
		{id: "D07", fault: "Redis forgot its scripts, or is busy with one", expect: "the text is sent again, which is safe because nothing ran"},
		{id: "D08", fault: "a symbol tries to be part of a key", expect: "impossible by how keys are built", also: []string{"TestKeysFollowTheContract"}},
		{id: "D09", fault: "a reply belongs to another command", expect: "noticed by nonce and key in it; the connection is closed"},
		{id: "D10", fault: "the history database is away, slow, full, killed, emptied, or refuses a row", expect: "the topic is the buffer; the node stays ready, and each row is there once afterwards", also: []string{"TestEveryRowIsThereOnceWhateverTheServerDoes", "TestRefusedRowsGoToTheDeadLetterTopicAndTheRestGoesOn"}},
	}},
	{"F. Modules", []row{
		{id: "F01", fault: "one version is uploaded by many at once, to several nodes, or while it is deleted or the configuration is reloaded", expect: "one is created, the others conflict; a version never changes",
			also: []string{"TestConcurrentUploadsHaveOneWinner", "TestEmbeddedTwoNodesShareModules", "TestVersionsAreNeverChanged", "TestAProcessThatStoodStillLooksAgain", "TestAReloadDoesNotMoveAChangeUnderWay"}},
		{id: "F02", fault: "a module is called like a path, a device, another module, or has 4 KB of name", expect: "refused; keys and files are made of hex digits", also: []string{"TestUploadProblems", "TestUploadRefusals"}},
		{id: "F03", fault: "a manifest is huge, deep, or lies about its types", expect: "refused with a finding", also: []string{"TestHostileUploadsChangeNothing", "TestHostileModulesAreRefused"}},
		{id: "F04", fault: "a file is a module and something else", expect: "other types are refused; bytes are served as a download", also: []string{"TestUploadProblems", "TestUploadThroughTheHandler"}},
		{id: "F05", fault: "versions change on nodes that do not look at the same moment", expect: "a change names its first bar, ahead of every node's next look", also: []string{"TestActivationsTakeTurns"}},
		{id: "F06", fault: "a tenant uses up what it may have", expect: "429 or 507 for it, nothing for others", also: []string{"TestUploadLimitsAreThoseOfTheConfiguration", "TestUploadsPerHourAndDay", "TestUploadsAtOnce", "TestLimitsOfTenantsAndModules"},
			open: "the latency of others while one uploads without pause"},
		{id: "F07", fault: "a node is killed at any step of an upload, an activation or a deletion; a write fails and happened", expect: "the registry is as before or as after; what was acknowledged is there; leftovers are removed",
			also: []string{"TestRegistryIsWholeAfterAKillAtEveryCall", "TestAFailedWriteThatHappenedIsWhole", "TestAKilledSwitchLeavesOneVersionThatCounts", "TestEmbeddedKilledDuringUploads", "TestAHalfSwitchIsNeverSeen",
				"TestServersKilledAtEveryWriteOfTheRegistry"}},
		{id: "F08", fault: "stored bytes or records are damaged, or foreign files lie beside them", expect: "reported, never used; the others go on", also: []string{"TestDamageIsReportedAndNeverTrusted", "TestDamagedBytesAreNeitherServedNorActivated", "TestADamagedVersionIsNotReplaced", "TestUploadingAgainHealsBytes"}},
	}},
}
