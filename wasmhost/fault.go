package wasmhost

// Fault is why a call of a module ended in a trap.
type Fault uint8

// The faults. All but FaultNone cost the instance.
const (
	FaultNone  Fault = iota // it did not: the module answered, perhaps with an error
	FaultTrap               // an instruction trapped
	FaultFuel               // the budget of the call was used up
	FaultStack              // calls went too deep
	FaultPanic              // the module said something and gave up
)

// String returns the word that stands in metrics and events.
func (f Fault) String() string {
	return [...]string{"none", "trap", "fuel", "stack", "panic"}[f]
}
