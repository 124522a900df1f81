package badwasm

// ConformingManifest is the manifest of [Conforming], with more keys of the
// indicator, each followed by a comma.
func ConformingManifest(keys string) string {
	return `{"abi":1,"name":"fixture","version":"1.0.0","indicators":[{"id":0,"name":"total","input":"src","warmup":2147483647,` + keys + `
	 "params":[{"name":"period","type":"int","default":20,"min":1,"max":100}],"outputs":[{"name":"value"}]}]}`
}

// Parameter loads the first parameter of the configuration at local 0.
func Parameter() []byte { return Join(Get(0), Load(0x28, 8), Load(0x2b, 0)) }

// Checked returns an error unless the configuration at local 0 is of indicator
// 0 with one whole parameter from 1 to 100.
func Checked() []byte {
	return Join(
		Get(0), Load(0x28, 0), If(I32(-1), Op(Return)),
		Get(0), Load(0x28, 4), I32(1), Op(0x47), If(I32(-2), Op(Return)),
		Parameter(), F64(1), Op(0x66, 0x45), If(I32(-2), Op(Return)), // not >= 1, which NaN is not either
		Parameter(), F64(100), Op(0x65, 0x45), If(I32(-2), Op(Return)),
		Parameter(), Parameter(), Op(0x9d), Op(0x62), If(I32(-2), Op(Return)))
}

// Conforming is a module that keeps every rule of the ABI: the sum of an
// [Indicator], with a parameter that it checks. Conformance tests plant their
// bugs in it.
func Conforming() *Module {
	m := Indicator()
	m.Func("kl_state_size").Code = Join(Checked(), I32(16))
	m.Func("kl_init").Code = Join(Checked(), zeroed())
	m.Describe(ConformingManifest(""))
	return m
}

// Describe gives a module that an [Indicator] has become another manifest.
func (m *Module) Describe(doc string) {
	m.Data[0].Bytes = []byte(doc)
	m.Func("kl_describe").Code = I64(manifestAt<<32 | int64(len(doc)))
}
