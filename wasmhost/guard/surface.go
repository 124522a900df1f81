package guard

import "strings"

// Rules are what a module is held against.
type Rules struct {
	Limits  Limits
	Surface Surface
}

// Surface is what a module may import and must export. The zero Surface
// allows no import and demands no function.
type Surface struct {
	Imports []Function
	Exports []Function
}

// Function is a function of a surface with its type. In Params and Results
// each letter is a value: i for i32, l for i64, f for f32, d for f64.
type Function struct {
	Module   string // of an import
	Name     string
	Params   string
	Results  string
	Required bool // of an export: it must be there; if it is there, the type must fit
}

// KL1 is the surface of the ABI kl1: the exports it knows, and the functions
// of WASI for which the host has stubs.
func KL1() Surface {
	return Surface{Imports: systemFunctions(), Exports: []Function{
		{Name: "_initialize"},
		{Name: "kl_abi", Results: "i", Required: true},
		{Name: "kl_describe", Results: "l", Required: true},
		{Name: "kl_alloc", Params: "i", Results: "i", Required: true},
		{Name: "kl_state_size", Params: "i", Results: "i", Required: true},
		{Name: "kl_init", Params: "ii", Results: "i", Required: true},
		{Name: "kl_update", Params: "iiii", Results: "i", Required: true},
		{Name: "kl_update_batch", Params: "ii", Results: "i"},
		{Name: "kl_warmup", Params: "i", Results: "i"},
		{Name: "kl_migrate", Params: "iiii", Results: "i"},
		{Name: "kl_error", Results: "l"},
	}}
}

// systemFunctions are all that a Go guest imports whose packages need no
// files: nothing in the list leads out of the guest.
func systemFunctions() []Function {
	list := []Function{
		{Name: "args_get", Params: "ii"}, {Name: "args_sizes_get", Params: "ii"},
		{Name: "clock_time_get", Params: "ili"},
		{Name: "environ_get", Params: "ii"}, {Name: "environ_sizes_get", Params: "ii"},
		{Name: "fd_close", Params: "i"}, {Name: "fd_fdstat_get", Params: "ii"}, {Name: "fd_fdstat_set_flags", Params: "ii"},
		{Name: "fd_prestat_dir_name", Params: "iii"}, {Name: "fd_prestat_get", Params: "ii"}, {Name: "fd_write", Params: "iiii"},
		{Name: "poll_oneoff", Params: "iiii"}, {Name: "proc_exit", Params: "i"}, {Name: "random_get", Params: "ii"}, {Name: "sched_yield"},
	}
	for i := range list {
		list[i].Module = "wasi_snapshot_preview1"
		if list[i].Name != "proc_exit" {
			list[i].Results = "i"
		}
	}
	return list
}

// names lists what may be imported, for messages.
func (s Surface) names() string {
	if len(s.Imports) == 0 {
		return "none"
	}
	var names []string
	for _, f := range s.Imports {
		names = append(names, f.Name)
	}
	return s.Imports[0].Module + ": " + strings.Join(names, ", ")
}

// Types of values, as the binary format writes them.
const (
	typeI32  = 0x7f
	typeI64  = 0x7e
	typeF32  = 0x7d
	typeF64  = 0x7c
	typeV128 = 0x7b
	typeAny  = 0 // an operand that dead code made up
)

// letters turns types into the letters of a Function; v stands for v128.
func letters(types []byte) string {
	b := make([]byte, len(types))
	for i, t := range types {
		b[i] = "vdfli"[t-typeV128]
	}
	return string(b)
}
