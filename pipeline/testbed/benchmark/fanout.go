package main

import ("flag")
func streamsChild(*flag.FlagSet) func() (any, error) {return nil}
func viewersChild(*flag.FlagSet) func() (any, error) {return nil}
func paceChild(*flag.FlagSet) func() (any, error) {return nil}
func (b *bench) fanout() error {return nil}
func (b *bench) latency() error {return nil}
func (b *bench) start() error {return nil}
