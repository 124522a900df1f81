package wasmhost

import (
	"errors"
	"fmt"
	"math"
	"strings"
)

// checkManifest holds the rules that a schema cannot say.
func checkManifest(m *Manifest) error {
	ids, names := map[uint32]bool{}, map[string]bool{}
	for i, ind := range m.Indicators {
		if ids[ind.ID] {
			return fmt.Errorf("indicators[%d]: id %d occurs twice", i, ind.ID)
		}
		if names[ind.Name] {
			return fmt.Errorf("indicators[%d]: name %q occurs twice", i, ind.Name)
		}
		ids[ind.ID], names[ind.Name] = true, true
		if err := checkIndicator(ind); err != nil {
			return fmt.Errorf("indicators[%d] (%s): %w", i, ind.Name, err)
		}
	}
	return nil
}

func checkIndicator(ind *Indicator) error {
	params := map[string]bool{}
	for i := range ind.Params {
		p := &ind.Params[i]
		if params[p.Name] {
			return fmt.Errorf("parameter %q occurs twice", p.Name)
		}
		params[p.Name] = true
		if p.Name == sourceArg && ind.Input == "src" {
			return errors.New("parameter src: the name belongs to the input price")
		}
		if err := checkParam(p); err != nil {
			return fmt.Errorf("parameter %q: %w", p.Name, err)
		}
	}
	if err := checkOutputs(ind); err != nil {
		return err
	}
	return checkShort(ind.Short, params)
}

func checkParam(p *Param) error {
	if p.Min != nil && p.Max != nil && *p.Min > *p.Max {
		return fmt.Errorf("min %v is above max %v", *p.Min, *p.Max)
	}
	if (p.Min != nil && p.Default < *p.Min) || (p.Max != nil && p.Default > *p.Max) {
		return fmt.Errorf("default %v is outside of min and max", p.Default)
	}
	if (p.Type == "enum") != (p.Options != nil) {
		return errors.New("an enum has options, other types have none")
	}
	switch p.Type {
	case "int":
		if p.Min == nil || p.Max == nil {
			return errors.New("an int needs min and max")
		}
		if p.Default != math.Trunc(p.Default) {
			return fmt.Errorf("default %v is not whole", p.Default)
		}
	case "bool":
		if p.Default != 0 && p.Default != 1 {
			return fmt.Errorf("default %v is neither 0 nor 1", p.Default)
		}
	case "enum":
		if p.Default != math.Trunc(p.Default) || p.Default < 0 || p.Default >= float64(len(p.Options)) {
			return fmt.Errorf("default %v is no index of the options", p.Default)
		}
	}
	return nil
}

func checkOutputs(ind *Indicator) error {
	names := map[string]bool{}
	for i, o := range ind.Outputs {
		if names[o.Name] {
			return fmt.Errorf("output %q occurs twice", o.Name)
		}
		names[o.Name] = true
		if o.Name == degenerateOutput && i != len(ind.Outputs)-1 {
			return errors.New("output degenerate must be the last one")
		}
	}
	if len(ind.Outputs) == 1 && ind.HasDegenerate() {
		return errors.New("degenerate is a flag of other outputs, and there are none")
	}
	for _, o := range ind.Outputs {
		if o.FillTo != "" && (!names[o.FillTo] || o.FillTo == o.Name) {
			return fmt.Errorf("fill_to of output %q names no other output", o.Name)
		}
	}
	return nil
}

// checkShort verifies the placeholders of a chart label.
func checkShort(short string, params map[string]bool) error {
	for rest := short; ; {
		_, after, found := strings.Cut(rest, "{")
		if !found {
			return nil
		}
		name, tail, closed := strings.Cut(after, "}")
		switch {
		case !closed:
			return fmt.Errorf("a { in short is not closed: %s", quoted("{"+name))
		case !params[name]:
			return fmt.Errorf("placeholder %s in short names no parameter", quoted("{"+name+"}"))
		}
		rest = tail
	}
}
