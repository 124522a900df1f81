package guard

// The limits of an upload. Each is as strict as guests of the standard Go
// toolchain allow; the comment has their number where it decides.
const (
	maxFileBytes       = 4 << 20 // bytes; Go with fmt and encoding/json: 3.27 MB
	maxTypes           = 256
	maxParams          = 64 // of a type
	maxResults         = 16 // of a type
	maxImports         = 16 // Go with fmt and encoding/json has 16
	maxNameBytes       = 128
	maxFunctions       = 4_000 // Go 1,288; with encoding/json 2,124
	maxGlobals         = 256
	maxExports         = 64
	maxTableEntries    = 8_192 // Go 5,354; with encoding/json 6,220
	maxElementSegments = 64
	maxElementEntries  = 8_192  // in sum
	maxDataSegments    = 50_000 // Go 21,419; with encoding/json 36,584
	maxInitialPages    = 256    // pages of 64 KiB
	maxPages           = 256    // pages of 64 KiB
	maxTrustedPages    = 1_024  // pages of 64 KiB

	maxBodyBytes     = 64 << 10 // bytes; Go 29 KB
	maxLocals        = 512      // declared by one function, without parameters
	maxNesting       = 1_024    // open blocks; Go 297, with fmt 550
	maxControl       = 2_048    // block, loop, if, else, br_if of one function; Go 506, with fmt 993
	maxLoops         = 256      // of one function
	maxControlWidth  = 100_000  // of one function: values alive at each of its control operations, summed up; Go 7,280
	maxBranchTargets = 2_048    // of the branch tables of one function; Go 965
	maxWork          = 262_144  // units of compile work of one function, see work.go

	maxModuleBranchTargets = 131_072    // Go 43,567 to 74,388
	maxModuleControl       = 131_072    // Go 47,345 to 81,852
	maxModuleControlSquare = 32_000_000 // sum of (control operations and exits of a function)^2; Go 7.4 M, with encoding/json 14.5 M
	maxModuleControlWidth  = 2_000_000  // Go 0.53 M
	maxModuleWork          = 8_000_000  // units of compile work; Go 4.0 M, with encoding/json 6.3 M

	initialFuel = 40_000_000 // units, for a start section; Go starts with 24 M
	stackBytes  = 4 << 20    // bytes of native stack below one call
)

// Limits bound a module. They protect the compiler, whose time and memory grow
// with them, some of them squared; the limits that nobody has a reason to
// change are constants.
type Limits struct {
	FileBytes    int   // size of the file in bytes
	InitialPages int   // minimum of the memory in pages of 64 KiB
	Pages        int   // maximum of the memory in pages of 64 KiB; written into the module
	DataSegments int   // number of data segments
	InitialFuel  int64 // units of fuel for a start section
	StackBytes   int64 // bytes of native stack below one call
}

// Untrusted is the profile of uploads.
func Untrusted() Limits {
	return Limits{
		FileBytes: maxFileBytes, InitialPages: maxInitialPages, Pages: maxPages, DataSegments: maxDataSegments,
		InitialFuel: initialFuel, StackBytes: stackBytes,
	}
}

// Builtin is the profile of the modules that the program brings itself: they
// may have more memory.
func Builtin() Limits {
	l := Untrusted()
	l.Pages = maxTrustedPages
	return l
}
