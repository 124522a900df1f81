// Package browser looks at the dashboard with a real Chromium: what is drawn, what the console says, how the page behaves when the
// server dies and comes back, on a phone, and with the keyboard alone. All of it is in its tests.
//
// The central type is the tab of a test: a page in a browser of its own, with a fresh profile, that notes every console error,
// every uncaught exception and every violation of the content policy. It lives as long as the test, which fails at its end if
// there was one that the test did not expect.
//
// It compares nothing with the truth about the trades: that is what package oracle does. Here bars on the screen are held against
// the answers of the same server.
package browser
