package vet

import "github.com/caddy-kline/caddy-kline/wasmhost/guard"

// Code names what is wrong. Codes are stable: tools may act on them. The codes
// of the stage guard are those of package guard.
type Code string

// The codes of findings, in the order of [Codes].
const (
	CodeCompile    Code = "compile_failed"
	CodeStart      Code = "start_failed"
	CodeABI        Code = "abi_version"
	CodeDescribe   Code = "describe_pointer"
	CodeUnstable   Code = "describe_unstable"
	CodeManifest   Code = "manifest_invalid"
	CodeReserved   Code = "name_reserved"
	CodeTrap       Code = "trap"
	CodeFuel       Code = "out_of_fuel"
	CodeStack      Code = "out_of_stack"
	CodePanic      Code = "guest_panic"
	CodeResult     Code = "result_undefined"
	CodeUpdate     Code = "update_error"
	CodeStateSize  Code = "state_size"
	CodeRefused    Code = "parameters_refused"
	CodeAccepted   Code = "parameters_accepted"
	CodeErrorText  Code = "error_text"
	CodeInit       Code = "init_error"
	CodeUnwritten  Code = "state_uninitialised"
	CodeRepeat     Code = "not_repeatable"
	CodeMoved      Code = "not_relocatable"
	CodeShared     Code = "series_not_isolated"
	CodePreview    Code = "preview_changes_series"
	CodeRestored   Code = "not_restorable"
	CodeOutside    Code = "wrote_outside_state"
	CodeRow        Code = "wrote_outside_row"
	CodeInput      Code = "wrote_to_input"
	CodeBatch      Code = "batch_differs"
	CodeBatchRC    Code = "batch_result"
	CodeEngines    Code = "engines_differ"
	CodeGrew       Code = "memory_grew"
	CodeSystem     Code = "system_call"
	CodeDrift      Code = "fuel_drift"
	CodeAlloc      Code = "alloc_region"
	CodeNoMemory   Code = "alloc_refused"
	CodeNaN        Code = "nan_when_ready"
	CodeInfinite   Code = "infinity"
	CodeNegZero    Code = "negative_zero"
	CodeUnready    Code = "readiness_lost"
	CodeWarmup     Code = "warmup_short"
	CodeWarmupSize Code = "warmup_undefined"
	CodeSameState  Code = "state_version_not_raised"
	CodeMigrate    Code = "migrate_failed"
	CodePrevious   Code = "previous_unusable"
	CodeGolden     Code = "golden_differs"
	CodeGoldenFile Code = "golden_invalid"
	CodeSlow       Code = "checks_too_slow"
	CodeMore       Code = "more_findings"
)

// CodeText explains a code to the author of a module.
type CodeText struct {
	Code    Code
	Stage   Stage
	Checks  string // which of V1 to V20 give it; empty: none
	Meaning string
	Remedy  string
}

// Codes lists every code with its explanation.
func Codes() []CodeText {
	list := guardCodes()
	list = append(list, startCodes()...)
	list = append(list, faultCodes()...)
	list = append(list, stateCodes()...)
	list = append(list, callCodes()...)
	return append(list, valueCodes()...)
}

// explain returns the entry of a code.
func explain(code Code) (CodeText, bool) {
	for _, c := range Codes() {
		if c.Code == code {
			return c, true
		}
	}
	return CodeText{}, false
}

func guardCodes() []CodeText {
	g := func(code guard.Code, meaning, remedy string) CodeText {
		return CodeText{Code(code), StageGuard, "", meaning, remedy}
	}
	return []CodeText{
		g(guard.CodeNotWASM, "The file is not a WebAssembly module of version 1.", "Send the .wasm that the compiler wrote, not an archive, a component or text."),
		g(guard.CodeTruncated, "A part of the file ends before its content does.", "Build and copy the file again; compare its size with the original."),
		g(guard.CodeNumber, "A number of the binary format is too long or malformed.", "Use the output of a current compiler as it is."),
		g(guard.CodeSection, "Sections stand in the wrong order, twice, or with bytes left over.", "Use the output of a current compiler as it is; some post-processors write such files."),
		g(guard.CodeLimit, "A structural limit is exceeded; the message names it with both numbers.", "Leave packages out, split large functions, compile with optimisation."),
		g(guard.CodeImport, "The module imports something that the host does not provide.", "Indicators have no files, sockets or threads: remove what needs them. In AssemblyScript add --use abort=, in C compile with -nostdlib."),
		g(guard.CodeExport, "An export has a name that is reserved, malformed or used twice, or is an import.", "Do not export names that begin with __kl_."),
		g(guard.CodeMissing, "An export of the ABI is missing or has another type.", "Export what the template exports, with its types; see that the linker does not drop it."),
		g(guard.CodeFeature, "The module uses a proposal or an instruction that is off.", "Turn threads, tail calls, exceptions, reference types and relaxed SIMD off in the compiler."),
		g(guard.CodeIndex, "An index points outside of the entities of the module.", "Use the output of a current compiler as it is."),
		g(guard.CodeType, "Operands do not fit: the module is not valid.", "Use the output of a current compiler as it is."),
		g(guard.CodeCode, "Blocks do not close, or code does not end.", "Use the output of a current compiler as it is."),
		g(guard.CodeInternal, "The guard failed, which is a bug of this program.", "Report it with the file."),
	}
}

func startCodes() []CodeText {
	return []CodeText{
		{CodeCompile, StageCompile, "", "The runtime refuses the module.", "Use the output of a current compiler as it is."},
		{CodeStart, StageInstantiate, "V1", "The module could not be instantiated: its start section failed, or its first memory is larger than an instance may have.", "Do nothing before _initialize; reserve less memory at the linker (initial memory, stack size)."},
		{CodeABI, StageManifest, "V1", "kl_abi returns a version that this host does not speak.", "Return 0x00010000."},
		{CodeDescribe, StageManifest, "V1", "kl_describe returns a pointer and a length that are no text in the memory of the module, or a text that is too long.", "Return ptr<<32 | length of the manifest; keep the manifest below 16 KiB."},
		{CodeUnstable, StageManifest, "V1", "A second kl_describe returns another address or other bytes.", "Keep the manifest in a constant."},
		{CodeManifest, StageManifest, "V1", "The manifest is not what the schema demands; the message names the field.", "Correct the field. Keys of your own begin with x-."},
		{CodeReserved, StageManifest, "V1", "The module is called `builtin`, as the one that the program brings: a server refuses it.", "Choose another name in the manifest."},
	}
}

func faultCodes() []CodeText {
	return []CodeText{
		{CodeTrap, StageVet, "V1-V19", "A call ended in a trap: unreachable, a division by zero, an access outside of the memory.", "Return a code below 0 instead; check parameters in kl_state_size and divisors in kl_update."},
		{CodeFuel, StageVet, "V1-V19", "A call used more than its budget of fuel: 800,000 units for one bar.", "Keep the work of one bar bounded and small: running sums instead of loops over the window, a smaller max of the parameter."},
		{CodeStack, StageVet, "V1-V19", "Calls went too deep.", "Do not recurse."},
		{CodePanic, StageVet, "V1-V19", "The module printed something and gave up; the message has its words.", "Correct what it complains about. An index out of range is the usual reason."},
		{CodeResult, StageVet, "V2-V15", "A call returned a number that the ABI does not define: from kl_update only 0, 1 and codes below 0 are.", "Return 0 while warming up, 1 when ready, below 0 for an error."},
		{CodeUpdate, StageVet, "V5-V15, V20", "kl_update returns an error for a legal bar.", "Bars are finite numbers, also with zero volume, equal prices, huge and negative prices: give a value or NaN for each."},
		{CodeSlow, StageVet, "", "A bar takes longer than 2 ms on the mean, or all checks together longer than 10 s, and the module has used the fuel for it. The only finding that depends on the machine.", "Make updates cheaper, offer fewer indicators in one module; on a busy machine try again."},
		{CodeMore, StageVet, "", "There are more findings than are listed.", "Correct the ones that are listed and vet again."},
	}
}

func stateCodes() []CodeText {
	return []CodeText{
		{CodeStateSize, StageVet, "V2", "kl_state_size is not in 1 to 65536, or changes from call to call.", "Compute it from the parameters alone; lower the max of a parameter that sizes a window."},
		{CodeRefused, StageVet, "V2", "The module refuses parameters that its manifest allows: an error for the defaults, a warning for an extreme, because a manifest cannot say fast < slow.", "Make min, max and default what the code accepts."},
		{CodeAccepted, StageVet, "V3", "The module accepts an unknown indicator or parameters outside of its manifest: NaN, an infinity, below min, above max, a fraction for an int, a wrong number of them.", "Check all of them in kl_state_size and return -1 or -2."},
		{CodeErrorText, StageVet, "V3", "kl_error returns a pointer and a length that are no text in the memory of the module, or more than 512 bytes.", "Return ptr<<32 | length of a constant text."},
		{CodeInit, StageVet, "V2, V4", "kl_init fails for parameters that kl_state_size accepts.", "Accept in both what the manifest allows."},
		{CodeUnwritten, StageVet, "V4", "kl_init leaves a byte of the state as it was; offset says which.", "Write every byte of the state, padding and the whole window included: memset first."},
		{CodeRepeat, StageVet, "V5", "The same bars in a second instance give other values.", "Compute from state and bar alone: no addresses, no counters, no clock, no random numbers."},
		{CodeMoved, StageVet, "V6", "Values change when the state is moved to another address between bars.", "Keep indices in the state, no pointers and no offsets from address 0."},
		{CodeShared, StageVet, "V7", "Values change when a second series runs between the bars.", "Keep nothing outside of the state: no globals, no heap, no caches."},
		{CodePreview, StageVet, "V8", "Updates on a copy of the state change the series itself.", "Keep nothing outside of the state; do not treat bars without the CLOSED flag in another way."},
		{CodeRestored, StageVet, "V9", "A state that is continued in another instance gives other values.", "Keep nothing outside of the state."},
		{CodeOutside, StageVet, "V10", "An update writes outside of the state it was given; offset counts from its first byte.", "Make kl_state_size as large as what is written; check ring indices."},
		{CodeRow, StageVet, "V10", "An update writes outside of its output row.", "Write as many numbers as the manifest has outputs."},
		{CodeInput, StageVet, "V10", "An update writes to its bar, its configuration, the job array or another slot.", "Treat what comes in as constant; in kl_update_batch write only n_bars and rc."},
		{CodeSameState, StageVet, "V19", "The state of the previous version has the same state_version and is used as it is, but has another length or gives other values.", "Raise state_version whenever the layout of the state or the order of arithmetic changes."},
		{CodeMigrate, StageVet, "V19", "kl_migrate fails, does not write every byte, or cannot stand old bytes that are damaged.", "Return 1 to ask for a backfill when in doubt, and check the old length."},
		{CodePrevious, StageVet, "V19", "The previous version could not be used for comparison.", "Give the .wasm that was published."},
	}
}

func callCodes() []CodeText {
	return []CodeText{
		{CodeBatch, StageVet, "V11", "kl_update_batch gives other values than kl_update: in a batch of many series, in chunks of history, or with another stride.", "Step by bar_stride and out_stride of the job; 0 means that all bars write the same row."},
		{CodeBatchRC, StageVet, "V11", "kl_update_batch does not return 0, or leaves rc or n_bars of a job wrong.", "Store the result of the last bar in rc of every job and return 0."},
		{CodeEngines, StageVet, "V12", "Compiler and interpreter give other values. Usually NaN bits that were read as an integer, else a bug of the runtime.", "Do not reinterpret NaN bits; if you do not, report it with the file."},
		{CodeGrew, StageVet, "V13", "The memory grew during an update.", "Allocate nothing in kl_update: keep everything in the state. In Go, a value that escapes to the heap is enough."},
		{CodeSystem, StageVet, "V13", "An update called a function of the system.", "No clock, no random numbers, no printing in kl_update."},
		{CodeDrift, StageVet, "V14", "Bars cost more fuel the longer a series runs.", "Bound loops by the parameters, not by the number of bars seen."},
		{CodeAlloc, StageVet, "V16", "kl_alloc returns a region that is not 16-aligned, not in the memory, or overlaps an earlier one.", "Round the size up to 16, never free or reuse."},
		{CodeNoMemory, StageVet, "V16", "kl_alloc has no memory although the instance may still grow.", "Grow the memory in kl_alloc; do not declare a small maximum."},
	}
}

func valueCodes() []CodeText {
	return []CodeText{
		{CodeNaN, StageVet, "V17", "An output is NaN on a bar that was called ready: clients see no value.", "Fine where there is none (zero volume); else return 0 until all outputs have values."},
		{CodeInfinite, StageVet, "V17", "An output is infinite: clients see no value.", "Guard divisors; say with an output named degenerate that a value is a stand-in."},
		{CodeNegZero, StageVet, "V17", "An output is -0: clients see 0.", "Harmless; add 0.0 to avoid it."},
		{CodeUnready, StageVet, "V17", "A series that was ready says that it warms up again.", "Return 1 for every bar after the first ready one."},
		{CodeWarmup, StageVet, "V18", "After the declared warm-up, values still depend on where the series began.", "Declare a larger warmup in the manifest or export kl_warmup; 2147483647 if it depends on the start for ever. x-tolerance sets how close is close."},
		{CodeWarmupSize, StageVet, "V2", "kl_warmup returns an error for parameters that kl_state_size accepts.", "Return the number of bars, or 2147483647."},
		{CodeGolden, StageVet, "V20", "A value differs from the golden file.", "If the change is meant, raise state_version and write the file anew with indicator test --update."},
		{CodeGoldenFile, StageVet, "V20", "The golden file cannot be read; the message names the line.", "Write it with indicator test --golden FILE --update."},
	}
}
