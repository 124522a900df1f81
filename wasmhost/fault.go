package wasmhost

// Fault is why a call of a module cost its instance.
type Fault uint8

// The faults. All but FaultNone cost the instance.
const (
	FaultNone  Fault = iota // it did not: the module answered, perhaps with an error
	FaultTrap               // an instruction trapped
	FaultFuel               // the budget of the call was used up
	FaultStack              // calls went too deep
	FaultPanic              // the module said something and gave up

	// Updates of uploads only. The call came back, but its answer may depend on
	// what other calls did before it, so it is as lost as one that trapped.
	FaultSystem // an update called a function of the system
	FaultGrowth // an update made the memory grow
)

// String returns the word that stands in metrics and events.
func (f Fault) String() string {
	return [...]string{"none", "trap", "fuel", "stack", "panic", "system", "growth"}[f]
}
