package indicators

const dayMS = 86_400_000

// floorDiv divides rounding towards minus infinity; b is positive. Go rounds
// towards zero, which would merge the two days around the epoch.
func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

// dayOf is the number of the day that holds the instant ms, counted from
// 1970-01-01, where days begin offset milliseconds after UTC midnight.
func dayOf(ms, offset int64) int64 { return floorDiv(ms-offset, dayMS) }

// weekOf is the number of the week that holds a day. Weeks begin on Monday,
// and 1970-01-01 was a Thursday.
func weekOf(day int64) int64 { return floorDiv(day+3, 7) }

// monthOf is the number of the calendar month that holds a day, counted from
// year 0. It counts in eras of 400 years that begin on 1 March, so that the
// leap day is the last day of its year.
func monthOf(day int64) int64 {
	z := day + 719_468 // days from 0000-03-01
	era := floorDiv(z, 146_097)
	doe := z - era*146_097
	yoe := (doe - doe/1_460 + doe/36_524 - doe/146_096) / 365
	doy := doe - (365*yoe + yoe/4 - yoe/100)
	mp := (5*doy + 2) / 153 // months since March
	return (era*400+yoe)*12 + mp + 2
}
