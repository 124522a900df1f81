package registry

import "time"

// Reason is why something was refused. Reasons are a closed set.
type Reason string

// The reasons.
const (
	BadName      Reason = "bad-name"      // the name is outside of the rule
	Forbidden    Reason = "forbidden"     // the name belongs to another tenant
	TooLarge     Reason = "too-large"     // more bytes than allowed
	TooSlow      Reason = "too-slow"      // fewer than 10 KB/s arrived
	Incomplete   Reason = "incomplete"    // the body broke off
	Findings     Reason = "findings"      // the guard or the checks found something
	Conflict     Reason = "conflict"      // the version exists with other bytes, or is in use
	Stopped      Reason = "stopped"       // the operator has stopped the module, its tenant, or all
	Unsigned     Reason = "unsigned"      // there is no signature of a trusted key
	NotFound     Reason = "not-found"     // no such module or version
	TooMany      Reason = "too-many"      // uploads per hour, per day or at once
	Full         Reason = "full"          // modules of the tenant, versions of the module, or the disk
	Busy         Reason = "busy"          // too many uploads of all users at this moment
	Unavailable  Reason = "unavailable"   // the storage does not answer
	DamagedThere Reason = "damaged-there" // the record of this version is there and cannot be read
)

// Refusal is the error of a request that was not served. Nothing was changed.
type Refusal struct { //nolint:errname // it is an answer first, and an error second
	Reason   Reason
	Message  string        // what is allowed, and what the caller can do
	Limit    int64         // the limit that was hit, 0 without one
	Retry    time.Duration // when it may succeed, 0 if waiting does not help
	Findings []Finding     // with the reason Findings
	Cause    error         // with the reason Unavailable; for the log, not for the caller
}

// Error returns the message, with the cause behind it.
func (r *Refusal) Error() string {
	if r.Cause != nil {
		return r.Message + ": " + r.Cause.Error()
	}
	return r.Message
}

// Unwrap returns the cause.
func (r *Refusal) Unwrap() error { return r.Cause }

func refuse(why Reason, message string) *Refusal { return &Refusal{Reason: why, Message: message} }

// unavailable wraps a failure of the storage.
func unavailable(err error) error {
	if full(err) {
		return &Refusal{Reason: Full, Message: "the storage of modules is full: the operator has to make room", Cause: err}
	}
	return &Refusal{
		Reason: Unavailable, Message: "the storage of modules cannot be used at the moment",
		Retry: 5 * time.Second, Cause: err,
	}
}
