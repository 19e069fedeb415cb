package sourcetest

// Talk is a conversation for tests of formats, as package pcaptest reads it: packets of
// several sizes and times, two of them cut.
const Talk = `
	10.0.0.1:4000 > 10.0.0.2:80 handshake "GET /a HTTP/1.1\r\nHost: x\r\n\r\n"
	10.0.0.2:80 > 10.0.0.1:4000 @20ms "HTTP/1.1 200 OK\r\nContent-Length: 200\r\n\r\n" fill=100 mss=60
	10.0.0.1:4000 > 10.0.0.2:80 "cut short" cut=50
	10.0.0.1:4000 > 10.0.0.2:80 "cut short too" cut=52 @1h
	10.0.0.1:4000 > 10.0.0.2:80 close`
